// Removes what an earlier build left, so that no file of a deleted module is shipped or tested.
import { rmSync } from 'node:fs';

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true });

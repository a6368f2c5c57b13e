import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runNode } from '../kit/process.mjs';

const PROGRAM = fileURLToPath(new URL('./programs/only-waits.mjs', import.meta.url));

it('a program that only waits does not end while its dead workers wait to be started again', async () => {
  const exit = await runNode(PROGRAM).exit();
  expect(exit).toMatchObject({ code: 0, stdout: 'bytes 4\ndeaths 2\n' });
});

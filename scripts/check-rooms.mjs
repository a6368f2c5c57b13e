/**
 * Checks what a linter cannot: the arrows between rooms, and the bans that keep the invariants of shutdown.
 *
 * `node scripts/check-rooms.mjs [src]` prints `file:line rule: what was found, what to do` per finding and exits with 1
 * if there is any. What each rule sees, and what it does not, stands beside it in scripts/lib.
 */
import { fileURLToPath } from 'node:url';
import { checkTree } from './lib/check.mjs';

const root = process.argv[2] ?? fileURLToPath(new URL('../src', import.meta.url));
const { files, findings } = checkTree(root, process.cwd());
for (const finding of findings) console.error(finding);
console.log(`check-rooms: ${files} files, ${findings.length} findings`);
process.exitCode = findings.length === 0 ? 0 : 1;

/**
 * `node scripts/mutation.mjs [room ...] [argument for Stryker ...]` runs mutation testing over the build, room by room, and
 * prints what each room scored. Exits with 1 where a room stays below its least score.
 *
 * What it keeps true: a mutant counts for the room in which it is, and only the tests of that room may kill it. A score
 * tells therefore what a room's own tests see, whatever the tests of the rooms above happen to notice.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ROOMS, reportOf } from './lib/mutation/rooms.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const given = process.argv.slice(2);
const firstOption = given.findIndex((word) => word.startsWith('-'));
const named = firstOption === -1 ? given : given.slice(0, firstOption);
const options = firstOption === -1 ? [] : given.slice(firstOption);
const rooms = named.length === 0 ? Object.keys(ROOMS) : named;

/** @param {string} room @returns {Record<string, number>} how many mutants of this room ended in which way */
function run(room) {
  mkdirSync(`${root}/.tmp/mutation`, { recursive: true });
  const stryker = spawnSync('npx', ['stryker', 'run', ...options], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, MUTATION_ROOM: room },
  });
  if (stryker.status !== 0) process.exit(stryker.status ?? 1);
  /** @type {Record<string, number>} */
  const counts = {};
  for (const file of Object.values(JSON.parse(readFileSync(`${root}/${reportOf(room)}`, 'utf8')).files)) {
    for (const { status } of file.mutants) counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

const rows = rooms.map((room) => {
  const { Killed = 0, Timeout = 0, Survived = 0, NoCoverage = 0, Ignored = 0 } = run(room);
  const seen = Killed + Timeout;
  const score = (100 * seen) / Math.max(1, seen + Survived + NoCoverage);
  const least = ROOMS[room].leastScore;
  if (score < least) process.exitCode = 1;
  return {
    room,
    score: score.toFixed(1),
    least,
    killed: Killed,
    timeout: Timeout,
    survived: Survived,
    'no coverage': NoCoverage,
    ignored: Ignored,
  };
});
console.table(rows);

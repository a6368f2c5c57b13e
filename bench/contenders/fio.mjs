/** fio reading the same file past the page cache, at the same depth and block size: what the device gives, no rival. */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PASS = fileURLToPath(new URL('fio-pass.mjs', import.meta.url));

export const fio = {
  name: 'fio',
  signed: false,
  works: ({ protocol }) => protocol === 'direct',
  missing() {
    return spawnSync('fio', ['--version']).status === 0
      ? null
      : 'fio was not found on PATH; install it (apt-get install fio) to see this row';
  },
  /** @param {import('../lib/child.mjs').Job} job */
  command: (job) => [process.execPath, PASS, JSON.stringify(job)],
};

/** Why nobody can read files of this folder past the page cache, or null. */
export function refusesDirect(folder) {
  if (constants.O_DIRECT === undefined) return `${process.platform} has no O_DIRECT`;
  const path = join(folder, 'direct');
  writeFileSync(path, '');
  try {
    closeSync(openSync(path, constants.O_RDONLY | constants.O_DIRECT));
    return null;
  } catch ({ code }) {
    return `the filesystem of ${folder} refuses O_DIRECT (${code}); name a folder of another one in TMPDIR`;
  }
}

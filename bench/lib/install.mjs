/** The packages of the bench, installed when they are missing or older than the lock file. */
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('..', import.meta.url));

/** Throws when npm fails. */
export function installPackages() {
  if (changedMs('node_modules/.package-lock.json') >= changedMs('package-lock.json')) return;
  process.stderr.write('installing the packages of the bench\n');
  const { status, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: FOLDER,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new Error('npm ci failed in bench/', { cause: error });
}

/** 0 for a file that is not there. */
function changedMs(path) {
  return statSync(`${FOLDER}/${path}`, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** The scenarios of the simulation as JavaScript, in `.sim`: at that depth they find the build, and one another. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const FILE = /^(.+)\.scenario\.ts$/;

/**
 * The names of the scenarios, as their files have them: what is there before anything is compiled.
 *
 * @param {string} root of the repository
 * @returns {string[]}
 */
export function scenarioNames(root) {
  return readdirSync(join(root, 'test/simulation')).flatMap((file) => FILE.exec(file)?.[1] ?? []);
}

/** @param {string} root of the repository; `dist` has to be there */
export function compileScenarios(root) {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'test/simulation/tsconfig.json'], {
    cwd: root,
    stdio: 'inherit',
  });
}

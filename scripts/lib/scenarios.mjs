/** The scenarios of the simulation as JavaScript, in `.sim`: at that depth they find the build, and one another. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** @param {string} root of the repository; `dist` has to be there */
export function compileScenarios(root) {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'test/simulation/tsconfig.json'], {
    cwd: root,
    stdio: 'inherit',
  });
}

/** Where the figures were measured: machine, system, versions. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';

/** @param {string} nginx its version */
export function describeMachine(nginx) {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    nginx,
    versions: packageVersions(),
  };
}

/** Of the packages that bench/package.json names, as they are installed. */
function packageVersions() {
  const read = (path) => JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8'));
  const names = Object.keys(read('package.json').dependencies);
  return Object.fromEntries(names.map((name) => [name, read(`node_modules/${name}/package.json`).version]));
}

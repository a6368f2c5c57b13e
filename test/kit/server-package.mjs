/**
 * Where the servers that come from npm are: in `test/servers`, a package of its own, so that none is a dependency of
 * millrace.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PLACE = new URL('../servers/', import.meta.url);

/** @param {string} path in `test/servers` */
export const inServerPackage = (path) => fileURLToPath(new URL(path, PLACE));

/** @param {string} name of a package @returns {string | null} why its server cannot be started, or null when it can */
export function packageAvailable(name) {
  if (existsSync(new URL(`node_modules/${name}/package.json`, PLACE))) return null;
  return `${name} is not installed (npm ci --prefix test/servers --omit=optional --ignore-scripts)`;
}

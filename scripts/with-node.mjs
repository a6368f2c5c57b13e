/**
 * `node scripts/with-node.mjs MAJOR -- command ...` runs a command with another Node.js first in its PATH:
 * `node scripts/with-node.mjs 24 -- npm test`.
 *
 * The binary is the npm package `node-PLATFORM-ARCH` of that major version, kept in .tmp/node-MAJOR of this project.
 * Exits as the command does; a signal goes on to the command.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const USAGE = 'usage: node scripts/with-node.mjs MAJOR -- command [argument ...]';

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(`with-node: ${message}`);
  process.exit(2);
}

/** The folder that holds the `node` of this major version; downloaded once. @param {string} major */
function install(major) {
  const { arch } = process;
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const cache = fileURLToPath(new URL(`../.tmp/node-${major}-${platform}-${arch}`, import.meta.url));
  const name = `node-${platform}-${arch}`;
  const bin = join(cache, 'node_modules', name, 'bin');
  if (existsSync(bin)) return bin;
  // Filled beside its place and then moved into it: what is there is whole, even after an interrupted download.
  const fresh = `${cache}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  writeFileSync(join(fresh, 'package.json'), '{ "private": true }\n');
  console.error(`with-node: installing ${name}@${major}`);
  const npm = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', `${name}@${major}`], {
    cwd: fresh,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (npm.status !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    fail(`npm could not install ${name}@${major}; is there such a version for this machine?`);
  }
  rmSync(cache, { recursive: true, force: true });
  renameSync(fresh, cache);
  return bin;
}

const [major = '', dashes, command, ...rest] = process.argv.slice(2);
if (!/^\d+$/.test(major) || dashes !== '--' || command === undefined) fail(USAGE);

const path = `${install(major)}${delimiter}${process.env.PATH ?? ''}`;
// Before the command is there: whoever sees what it prints may send a signal in the same moment.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
const child = spawn(command, rest, { stdio: 'inherit', env: { ...process.env, PATH: path } });
child.on('error', (error) => fail(`${command} could not be started: ${error.message}`));
child.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + (constants.signals[signal ?? 'SIGTERM'] ?? 0);
});

import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bash = '/bin/bash';
const places: string[] = [];

afterEach(() => {
  for (const place of places.splice(0)) rmSync(place, { recursive: true, force: true });
});

interface Machine {
  /** Commands that are already installed. */
  readonly installed?: readonly string[];
  /** Whether the servers from npm are: of this lock file, of an older one, or not at all. */
  readonly npmServers?: 'current' | 'outdated' | 'missing';
  /** Exit status of `npm ci` of those. */
  readonly npmServersStatus?: number;
  /** Exit status of `apt-get`. */
  readonly aptStatus?: number;
  /** Exit status of `npm test`. */
  readonly testStatus?: number;
  readonly uid?: number;
  /** What `node --version` is said to be. */
  readonly node?: string;
}

/** A checkout with nothing in it but what .ci/run looks at. */
function checkout(place: string, npmServers: Machine['npmServers']): string {
  const repository = join(place, 'repository');
  const servers = join(repository, 'test/servers');
  mkdirSync(join(repository, '.ci'), { recursive: true });
  mkdirSync(join(servers, 'node_modules'), { recursive: true });
  copyFileSync(join(root, '.ci/run'), join(repository, '.ci/run'));
  const lock = (path: string, timeS: number): void => {
    writeFileSync(join(servers, path), '{}');
    utimesSync(join(servers, path), timeS, timeS);
  };
  lock('package-lock.json', 2_000);
  if (npmServers !== 'missing')
    lock('node_modules/.package-lock.json', npmServers === 'current' ? 3_000 : 1_000);
  return join(repository, '.ci/run');
}

/** Runs .ci/run on a machine of stubs, each of which writes down how it was called; nothing is installed. */
function runOn({
  installed = [],
  npmServers = 'current',
  npmServersStatus = 0,
  aptStatus = 0,
  testStatus = 0,
  uid = 0,
  node = '20.19.0',
}: Machine): {
  status: number | null;
  calls: string[];
  output: string;
} {
  const place = mkdtempSync(join(tmpdir(), 'millrace-ci-'));
  places.push(place);
  const log = join(place, 'log');
  writeFileSync(log, '');
  const stub = (name: string, body: string): void =>
    writeFileSync(join(place, name), `#!${bash}\n${body}\n`, { mode: 0o755 });
  const logged = (name: string, body: string): void => stub(name, `echo "${name} $*" >> ${log}\n${body}`);

  for (const name of ['dirname', 'env', 'nproc']) symlinkSync(`/usr/bin/${name}`, join(place, name));
  for (const name of installed) stub(name, '');
  stub('id', `echo ${uid}`);
  // The check of the version runs in the real Node, which is told another version.
  const claim = `Object.defineProperty(process, "versions", { value: { node: "${node}" } });`;
  stub('node', `[ "$1" = --version ] && exec echo v${node}\nexec ${process.execPath} "$1" '${claim}'"$2"`);
  logged('apt-get', `exit ${aptStatus}`);
  logged('sudo', 'shift; "$@"');
  logged(
    'npm',
    `[ "$2" = --prefix ] && exit ${npmServersStatus}; [ "$1" = test ] || exit 0; echo "CI=$CI"; exit ${testStatus}`,
  );
  const { status, stdout, stderr } = spawnSync(bash, [checkout(place, npmServers)], {
    env: { PATH: place, MILLRACE_SYSTEM_PATH: place },
    encoding: 'utf8',
  });
  const calls = readFileSync(log, 'utf8').trim().split('\n');
  return { status, calls: calls.filter((call) => call !== 'npm --version'), output: stdout + stderr };
}

const SWIFT = ['proxy', 'account', 'container', 'object'].map((name) => `swift-${name}-server`);
const ALL = ['radosgw', 'ceph-mon', 'ceph-osd', 'openssl', 'curl', 'nginx', ...SWIFT];
const NPM_SERVERS = 'npm ci --prefix test/servers --omit=optional --ignore-scripts';

describe.skipIf(process.platform !== 'linux')('.ci/run', () => {
  it('installs nothing where everything is there, and runs the test command with CI set', () => {
    const { status, calls, output } = runOn({ installed: ALL });
    expect(calls).toEqual(['npm ci', 'npm test']);
    expect(output).toMatch(/^CI=true$/m);
    expect(status).toBe(0);
  });

  it('installs what is missing, and only that', () => {
    const { calls } = runOn({
      installed: ['openssl', 'ceph-mon', 'curl', 'nginx', 'swift-proxy-server', 'swift-object-server'],
    });
    expect(calls).toEqual([
      'apt-get update -qq',
      'apt-get install -y -qq --no-install-recommends radosgw ceph-osd swift-account swift-container',
      'npm ci',
      'npm test',
    ]);
  });

  it('asks sudo where it is not root', () => {
    const { calls } = runOn({ installed: ALL.filter((name) => name !== 'nginx'), uid: 1000 });
    expect(calls).toEqual([
      'sudo -n apt-get update -qq',
      'apt-get update -qq',
      'sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light',
      'apt-get install -y -qq --no-install-recommends nginx-light',
      'npm ci',
      'npm test',
    ]);
  });

  it.each(['outdated', 'missing'] as const)(
    'installs the servers from npm where they are %s',
    (npmServers) => {
      const { calls, status } = runOn({ installed: ALL, npmServers });
      expect(calls).toEqual([NPM_SERVERS, 'npm ci', 'npm test']);
      expect(status).toBe(0);
    },
  );

  it('fails where the servers from npm cannot be had, and runs no test', () => {
    const { calls, status } = runOn({ installed: ALL, npmServers: 'missing', npmServersStatus: 7 });
    expect(calls).toEqual([NPM_SERVERS]);
    expect(status).toBe(7);
  });

  it('fails where a server from Debian cannot be had, and runs no test', () => {
    const { calls, status } = runOn({ installed: [], aptStatus: 100 });
    expect(calls).toEqual(['apt-get update -qq']);
    expect(status).toBe(100);
  });

  it('fails as the tests fail', () => {
    expect(runOn({ installed: ALL, testStatus: 5 }).status).toBe(5);
  });

  it.each(['18.20.0', '20.18.3'])('refuses Node.js %s before it installs anything', (node) => {
    const { status, calls, output } = runOn({ node });
    expect(output).toMatch(/Node\.js 20\.19 or newer is needed/);
    expect(calls).toEqual([]);
    expect(status).toBe(1);
  });
});

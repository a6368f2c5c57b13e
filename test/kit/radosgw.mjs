/**
 * Ceph's radosgw, a real S3 server, over one monitor and one in-memory OSD: no root, no service, all on 127.0.0.1.
 *
 * What it keeps true:
 * 1. Everything it writes lies in one temporary directory, which goes at the stop, as do the processes, by their ids.
 * 2. It is ready when it has answered over HTTP, and every wait for that is bounded.
 * 3. Ports that somebody else took in between are tried again with others.
 */
import { execFile, spawn } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { randomUUID } from 'node:crypto';
import { testCertificate } from './certificate.mjs';

const PROGRAMS = ['ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'monmaptool', 'osdmaptool'];
const CREDENTIALS = {
  accessKeyId: 'AKIATEST0000000000AA',
  secretAccessKey: 'testsecrettestsecrettestsecret',
};
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const MAX_ATTEMPTS = 3;
const POLL_MS = 25;

const exec = promisify(execFile);
const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

function onPath(program) {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** @returns {string | null} why radosgw cannot be started here, or null when it can */
export function radosgwAvailable() {
  if (process.platform !== 'linux') return `radosgw runs on Linux, this is ${process.platform}`;
  const missing = [...PROGRAMS, 'openssl'].filter((program) => !onPath(program));
  if (missing.length === 0) return null;
  return `not on the PATH: ${missing.join(', ')} (Debian: radosgw ceph-mon ceph-osd openssl)`;
}

/** @param {number} count @returns {Promise<number[]>} ports that were free a moment ago, all different */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise((resolve, reject) => {
        server.once('error', reject).listen(0, '127.0.0.1', () => resolve(server));
      });
    }),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function configuration(d, fsid, [mon2, mon1, http, https]) {
  return `[global]
fsid = ${fsid}
mon_host = [v2:127.0.0.1:${mon2},v1:127.0.0.1:${mon1}]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = ${d}
admin_socket = ${d}/$name.asok
pid_file = ${d}/$name.pid
log_file = ${d}/log/$name.log
mon_cluster_log_file = ${d}/log/cluster.log
crash_dir = ${d}/crash
keyring = ${d}/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_crush_update_on_start = false
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 4000
mon_data_avail_crit = 1
mon_data_avail_warn = 2
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_data = ${d}/osd
mon_data = ${d}/mon
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
osd_heartbeat_grace = 60
ms_bind_ipv6 = false
# With auth none, radosgw hangs for ever in any other mode.
ms_mon_client_mode = crc
# Without tcp_nodelay every request on a kept connection takes 48 ms.
rgw_frontends = beast endpoint=127.0.0.1:${http} ssl_endpoint=127.0.0.1:${https} ssl_certificate=${d}/leaf.pem ssl_private_key=${d}/leaf.key tcp_nodelay=1
rgw_data = ${d}/rgw
rgw_run_sync_thread = false
rgw_enable_gc_threads = false
rgw_enable_lc_threads = false
rgw_enable_quota_threads = false
rgw_init_timeout = 60
`;
}

/** One attempt's directory and processes. */
class Cluster {
  /** @type {Array<{name: string, child: import('node:child_process').ChildProcess, exited: Promise<unknown>}>} */
  #daemons = [];
  #env;
  #stopping = false;
  /** @type {(error: Error) => void} */
  #fail = () => {};
  /** Rejects when a daemon ends before the stop. @type {Promise<never>} */
  failed = new Promise((_, reject) => {
    this.#fail = reject;
  });
  #onExit = () => this.#abandon();

  constructor() {
    this.failed.catch(() => {});
    this.directory = mkdtempSync(join(tmpdir(), 'millrace-rgw-'));
    this.#env = { ...process.env, CEPH_CONF: join(this.directory, 'ceph.conf') };
    for (const name of ['mon', 'osd', 'log']) mkdirSync(join(this.directory, name));
    process.on('exit', this.#onExit);
  }

  run(program, ...args) {
    return exec(program, args, { env: this.#env, timeout: READY_TIMEOUT_MS, cwd: this.directory });
  }

  /** Starts a daemon in the foreground, its output in the log directory. */
  start(program, ...args) {
    const log = join(this.directory, 'log', `${program}.out`);
    const out = openSync(log, 'a');
    const child = spawn(program, [...args, '-f'], {
      env: this.#env,
      stdio: ['ignore', out, out],
      cwd: this.directory,
    });
    closeSync(out);
    const exited = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
    this.#daemons.push({ name: program, child, exited });
    void exited.then(() => {
      if (this.#stopping) return;
      const ended = `code ${child.exitCode}, signal ${child.signalCode}`;
      this.#fail(
        new Error(`radosgw: ${program} ended with ${ended}: ${readFileSync(log, 'utf8').slice(-2000)}`),
      );
    });
  }

  /** radosgw first and gently, since it speaks with the others while it ends; those need no farewell. */
  async stop() {
    this.#stopping = true;
    for (const { name, child, exited } of this.#daemons.toReversed()) {
      child.kill(name === 'radosgw' ? 'SIGTERM' : 'SIGKILL');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(timer);
    }
    process.off('exit', this.#onExit);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** This process ends without having stopped it. */
  #abandon() {
    for (const { child } of this.#daemons) child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Writes what the daemons need, and starts them in the order in which they need each other. */
async function boot(cluster, ports) {
  const { directory: d } = cluster;
  const fsid = randomUUID();
  const { cert, key } = testCertificate();
  writeFileSync(join(d, 'leaf.pem'), cert);
  writeFileSync(join(d, 'leaf.key'), key, { mode: 0o600 });
  writeFileSync(join(d, 'keyring'), '');
  writeFileSync(join(d, 'ceph.conf'), configuration(d, fsid, ports));
  const address = `[v2:127.0.0.1:${ports[0]},v1:127.0.0.1:${ports[1]}]`;
  await cluster.run('monmaptool', '--create', '--addv', 'a', address, '--fsid', fsid, join(d, 'monmap'));
  await cluster.run('osdmaptool', '--createsimple', '1', join(d, 'osdmap'), '--clobber');
  await cluster.run(
    'ceph-mon',
    '--mkfs',
    '-i',
    'a',
    '--monmap',
    join(d, 'monmap'),
    '--osdmap',
    join(d, 'osdmap'),
  );
  cluster.start('ceph-mon', '-i', 'a');
  await cluster.run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', randomUUID());
  cluster.start('ceph-osd', '-i', '0');
  cluster.start('radosgw', '-n', 'client.rgw.a');
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  const user = [
    '--uid=t',
    '--display-name=t',
    `--access-key=${accessKeyId}`,
    `--secret-key=${secretAccessKey}`,
  ];
  await cluster.run('radosgw-admin', 'user', 'create', ...user, '--caps', 'buckets=*;users=*');
}

/** Polls until it answers. */
async function untilReady(url) {
  const end = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    const status = await fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
      async (response) => {
        await response.arrayBuffer();
        return response.status;
      },
      () => 0,
    );
    if (status === 200) return;
    if (performance.now() > end) {
      throw new Error(`radosgw: no answer at ${url} after ${READY_TIMEOUT_MS} ms (last status ${status})`);
    }
    await sleep(POLL_MS);
  }
}

/** One try on these ports; cleans up after itself when it fails. */
async function attempt(ports) {
  const cluster = new Cluster();
  try {
    const ready = boot(cluster, ports).then(() => untilReady(`http://127.0.0.1:${ports[2]}/`));
    ready.catch(() => {});
    await Promise.race([ready, cluster.failed]);
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/**
 * @param {{ports?: number[]}} [options] ports of the first attempt: monitor (two), HTTP, HTTPS
 * @returns {Promise<import('./radosgw.d.mts').Radosgw>} a server with one user and no bucket
 */
export async function startRadosgw({ ports: wanted } = {}) {
  const reason = radosgwAvailable();
  if (reason !== null) throw new Error(`radosgw: ${reason}`);
  for (let tries = 1; ; tries++) {
    const ports = tries === 1 && wanted !== undefined ? wanted : await freePorts(4);
    try {
      return describe(await attempt(ports), ports);
    } catch (error) {
      if (!/in use|unable to bind/i.test(String(error)) || tries === MAX_ATTEMPTS) throw error;
    }
  }
}

function describe(cluster, ports) {
  let stopped;
  const stop = () => (stopped ??= cluster.stop());
  return {
    url: `http://127.0.0.1:${ports[2]}`,
    secureUrl: `https://127.0.0.1:${ports[3]}`,
    ca: testCertificate().ca,
    region: 'us-east-1',
    ...CREDENTIALS,
    credentials: { ...CREDENTIALS },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

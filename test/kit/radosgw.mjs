/**
 * Ceph's radosgw, a real S3 server, over one monitor and one in-memory OSD: no root, no service, all on 127.0.0.1.
 *
 * What it keeps true:
 * 1. Everything it writes lies in one temporary directory, which goes at the stop, as do the processes, by their ids.
 * 2. It is ready when it has answered over HTTP, and every wait for that is bounded.
 * 3. Ports that somebody else took in between are tried again with others.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testCertificate } from '../../dist/testing/certificate.js';
import { Daemons, answers, missingPrograms, onFreePorts } from './daemons.mjs';

const PROGRAMS = ['ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'monmaptool', 'osdmaptool'];
const CREDENTIALS = {
  accessKeyId: 'AKIATEST0000000000AA',
  secretAccessKey: 'testsecrettestsecrettestsecret',
};

/** @returns {string | null} why radosgw cannot be started here, or null when it can */
export function radosgwAvailable() {
  if (process.platform !== 'linux') return `radosgw runs on Linux, this is ${process.platform}`;
  const missing = missingPrograms([...PROGRAMS, 'openssl']);
  if (missing.length === 0) return null;
  return `not on the PATH: ${missing.join(', ')} (Debian: radosgw ceph-mon ceph-osd openssl)`;
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

/** Writes what the daemons need, and starts them in the order in which they need each other. */
async function boot(cluster, ports) {
  const { directory: d } = cluster;
  const fsid = randomUUID();
  const { cert, key } = testCertificate();
  for (const name of ['mon', 'osd']) mkdirSync(join(d, name));
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
  cluster.start('ceph-mon', ['-i', 'a', '-f']);
  await cluster.run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', randomUUID());
  cluster.start('ceph-osd', ['-i', '0', '-f']);
  // It speaks with the others while it ends; those need no farewell.
  cluster.start('radosgw', ['-n', 'client.rgw.a', '-f'], { signal: 'SIGTERM' });
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  const user = [
    '--uid=t',
    '--display-name=t',
    `--access-key=${accessKeyId}`,
    `--secret-key=${secretAccessKey}`,
  ];
  await cluster.run('radosgw-admin', 'user', 'create', ...user, '--caps', 'buckets=*;users=*');
}

/** One try on these ports; cleans up after itself when it fails. */
async function attempt(ports) {
  const cluster = new Daemons('rgw', (directory) => ({ CEPH_CONF: join(directory, 'ceph.conf') }));
  await cluster.ready(
    () => answers(`http://127.0.0.1:${ports[2]}/`),
    'answer',
    () => boot(cluster, ports),
  );
  return describe(cluster, ports);
}

/**
 * @param {{ports?: number[]}} [options] ports of the first attempt: monitor (two), HTTP, HTTPS
 * @returns {Promise<import('./radosgw.d.mts').Radosgw>} a server with one user and no bucket
 */
export async function startRadosgw({ ports } = {}) {
  const reason = radosgwAvailable();
  if (reason !== null) throw new Error(`radosgw: ${reason}`);
  return onFreePorts(4, attempt, ports);
}

function describe(cluster, ports) {
  const stop = () => cluster.stop();
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

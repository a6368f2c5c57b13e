/**
 * OpenStack Swift with its S3 API, a second S3 server beside radosgw that shares no code with it: a proxy over one
 * account, one container and one object server, one replica, no cache, all on 127.0.0.1 and without root.
 *
 * It keeps objects in files with extended attributes, so the place of temporary files has to have those.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { Daemons, answers, missingPrograms, onFreePorts } from './daemons.mjs';

const BACKENDS = ['account', 'container', 'object'];
const PROGRAMS = ['proxy', ...BACKENDS].map((name) => `swift-${name}-server`);
/** Debian's own, which has Swift's modules; another one may come first on the PATH. */
const PYTHON = '/usr/bin/python3';
const REGION = 'us-east-1';
/** The access key is account and user of Swift's `tempauth`. */
const CREDENTIALS = { accessKeyId: 'test:tester', secretAccessKey: 'testing-testing-testing' };

/** Tries, in the directory that it is given, what every object needs. */
const TRY_ATTRIBUTES = `
import os, sys, tempfile
with tempfile.NamedTemporaryFile(dir=sys.argv[1]) as f:
    os.setxattr(f.fileno(), 'user.swift.metadata', b'x')
`;

/** One device each; a ring of the command line tools takes three runs of Python, and these are three rings. */
const MAKE_RINGS = `
import sys
from swift.common.ring import RingBuilder
for name, port in zip(('account', 'container', 'object'), sys.argv[2:]):
    builder = RingBuilder(part_power=4, replicas=1, min_part_hours=0)
    builder.add_dev({'region': 1, 'zone': 1, 'weight': 1, 'device': 'd1', 'ip': '127.0.0.1', 'port': int(port),
                     'replication_ip': '127.0.0.1', 'replication_port': int(port)})
    builder.rebalance()
    builder.get_ring().save('%s/%s.ring.gz' % (sys.argv[1], name))
`;

/** @returns {string | null} why Swift cannot be started here, or null when it can */
export function swiftAvailable() {
  const missing = missingPrograms(PROGRAMS);
  if (missing.length > 0) {
    return `not on the PATH: ${missing.join(', ')} (Debian: swift-proxy swift-account swift-container swift-object)`;
  }
  try {
    execFileSync(PYTHON, ['-c', TRY_ATTRIBUTES, tmpdir()], { stdio: 'pipe', timeout: 20_000 });
    return null;
  } catch {
    return `Swift needs a file system with user attributes, and ${tmpdir()} has none (set TMPDIR to another)`;
  }
}

/** What every server is told. */
function common(d, port) {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
bind_timeout = 1
# No child processes.
workers = 0
user = ${userInfo().username}
swift_dir = ${d}
devices = ${d}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
recon_cache_path = ${d}
log_level = WARNING

[filter:healthcheck]
use = egg:swift#healthcheck
`;
}

function backendConfiguration(d, name, port) {
  return `${common(d, port)}
[pipeline:main]
pipeline = healthcheck ${name}-server

[app:${name}-server]
use = egg:swift#${name}
`;
}

function proxyConfiguration(d, port) {
  const [account, user] = CREDENTIALS.accessKeyId.split(':');
  return `${common(d, port)}
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true

[filter:s3api]
use = egg:swift#s3api
location = ${REGION}

[filter:tempauth]
use = egg:swift#tempauth
user_${account}_${user} = ${CREDENTIALS.secretAccessKey} .admin

# tempauth refuses to work without a cache; nothing listens there, so nothing is cached and no answer is stale.
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1

[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true

${['catch_errors', 'gatekeeper', 'listing_formats', 'bulk', 'copy', 'slo', 'dlo', 'symlink']
  .map((name) => `[filter:${name}]\nuse = egg:swift#${name}\n`)
  .join('\n')}`;
}

/** Writes what the servers need, and starts them all at once. */
async function boot(swift, ports) {
  const { directory: d } = swift;
  const [proxyPort, ...backendPorts] = ports;
  for (const name of ['devices', 'devices/d1']) mkdirSync(join(d, name));
  writeFileSync(
    join(d, 'swift.conf'),
    '[swift-hash]\nswift_hash_path_suffix = test\n\n[storage-policy:0]\nname = one\ndefault = yes\n',
  );
  await swift.run(PYTHON, '-c', MAKE_RINGS, d, ...backendPorts.map(String));
  const configurations = {
    proxy: proxyConfiguration(d, proxyPort),
    ...Object.fromEntries(BACKENDS.map((name, i) => [name, backendConfiguration(d, name, backendPorts[i])])),
  };
  for (const [name, text] of Object.entries(configurations)) {
    const path = join(d, `${name}-server.conf`);
    writeFileSync(path, text);
    swift.start(`swift-${name}-server`, [path, '--verbose']);
  }
}

async function allAnswer(ports) {
  for (const port of ports) {
    if ((await answers(`http://127.0.0.1:${port}/healthcheck`)) === null) return null;
  }
  return true;
}

/** One try on these ports; cleans up after itself when it fails. */
async function attempt(ports) {
  // Without a resolver of its own, which nobody needs here, eventlet is loaded in two thirds of the time.
  const swift = new Daemons('swift', () => ({ EVENTLET_NO_GREENDNS: 'yes' }));
  await swift.ready(
    () => allAnswer(ports),
    'answer',
    () => boot(swift, ports),
  );
  const stop = () => swift.stop();
  return {
    url: `http://127.0.0.1:${ports[0]}`,
    region: REGION,
    ...CREDENTIALS,
    credentials: { ...CREDENTIALS },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** @returns {Promise<import('./swift.d.mts').Swift>} a server with one user and no bucket */
export async function startSwift() {
  const reason = swiftAvailable();
  if (reason !== null) throw new Error(`Swift: ${reason}`);
  return onFreePorts(1 + BACKENDS.length, attempt);
}

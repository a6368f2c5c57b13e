/**
 * The server that the objects are fetched from: nginx on loopback, over HTTP and over HTTPS.
 *
 * What it keeps true: one worker process, so that all contenders meet the same origin; ports that are free; a
 * certificate that contenders verify; it ends with this process at the latest, unless that is killed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { storeLocations, storeMaps } from './origin-stores.mjs';

const READY_TIMEOUT_MS = 10_000;
const POLL_MS = 20;
const MAX_ATTEMPTS = 3;

/** The nginx to use, or null. MILLRACE_NGINX names the program itself or the prefix it is installed in. */
export function findNginx() {
  const given = process.env['MILLRACE_NGINX'];
  const places =
    given === undefined
      ? [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'].map((at) => join(at, 'nginx'))
      : [join(given, 'usr/sbin/nginx'), join(given, 'sbin/nginx'), join(given, 'nginx'), given];
  return places.find(isProgram) ?? null;
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return spawnSync(path, ['-v']).status === 0;
  } catch {
    return false;
  }
}

/**
 * Starts nginx over `folder/data`. Rejects with what nginx said when it does not come up.
 * @param {string} folder
 */
export async function startOrigin(folder) {
  const nginx = findNginx();
  if (nginx === null) {
    throw new Error(
      'nginx was not found on PATH, in /usr/sbin or in /sbin; install it (apt-get install nginx-light) or name its prefix in MILLRACE_NGINX',
    );
  }
  const about = spawnSync(nginx, ['-V'], { encoding: 'utf8' }).stderr;
  writeCertificates(folder);
  // The worker process of an nginx that root starts is another user.
  chmodSync(folder, 0o755);
  for (let attempt = 1; ; attempt++) {
    const ports = await freePorts(2);
    const started = await tryStart(nginx, about, folder, ports);
    if (typeof started !== 'string') {
      return {
        http: `http://127.0.0.1:${ports[0]}`,
        https: `https://127.0.0.1:${ports[1]}`,
        caFile: join(folder, 'ca.pem'),
        version: /nginx\/(\S+)/.exec(about)?.[1] ?? 'unknown',
        stop: () => stop(started),
      };
    }
    if (attempt === MAX_ATTEMPTS) throw new Error(`nginx did not start: ${started}`);
  }
}

/** The process, or why there is none. */
async function tryStart(nginx, about, folder, ports) {
  writeFileSync(join(folder, 'nginx.conf'), configuration(about, folder, ports));
  const log = join(folder, 'nginx.log');
  const child = spawn(nginx, ['-p', folder, '-e', log, '-c', join(folder, 'nginx.conf')], {
    stdio: 'ignore',
  });
  const kill = () => child.kill('SIGTERM');
  process.prependOnceListener('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (child.exitCode === null && performance.now() < deadline) {
    if (await answers(ports[0])) return child;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  await stop(child);
  return readFileSync(log, 'utf8').slice(-2000);
}

function answers(port) {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port, path: '/ready', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 204);
    }).on('error', () => resolve(false));
  });
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}

function configuration(about, folder, [httpPort, httpsPort]) {
  const modules = ['proxy', 'fastcgi', 'uwsgi', 'scgi'].filter(
    (name) => !about.includes(`--without-http_${name}_module`),
  );
  const temporary = ['client_body', ...modules].map((name) => `  ${name}_temp_path ${folder}/tmp-${name};`);
  return `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/nginx.log error;
events { worker_connections 1024; }
http {
${temporary.join('\n')}
  access_log off;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_requests 100000000;
  keepalive_timeout 300s;
  open_file_cache max=16384;
  open_file_cache_valid 1h;
  types { }
  default_type application/octet-stream;
${storeMaps(folder)}
  server {
    listen 127.0.0.1:${httpPort};
    listen 127.0.0.1:${httpsPort} ssl;
    ssl_certificate ${folder}/server.pem;
    ssl_certificate_key ${folder}/server.key;
    ssl_protocols TLSv1.3;
    root ${folder}/data;
    location = /ready { return 204; }
${storeLocations(folder)}
  }
}
`;
}

/** An authority and a certificate of it for 127.0.0.1: some clients refuse a server that is its own authority. */
function writeCertificates(folder) {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '7'];
  const at = (name) => join(folder, name);
  writeFileSync(
    at('server.ext'),
    'subjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n',
  );
  openssl([
    'req',
    '-x509',
    ...key,
    '-subj',
    '/CN=millrace bench',
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.pem'),
  ]);
  openssl([
    'req',
    ...key.slice(0, 5),
    '-subj',
    '/CN=127.0.0.1',
    '-keyout',
    at('server.key'),
    '-out',
    at('server.csr'),
  ]);
  const signed = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '7'];
  openssl([
    'x509',
    '-req',
    '-in',
    at('server.csr'),
    ...signed,
    '-extfile',
    at('server.ext'),
    '-out',
    at('server.pem'),
  ]);
}

function openssl(args) {
  const { status, stderr, error } = spawnSync('openssl', args, { encoding: 'utf8' });
  if (error !== undefined) throw new Error('openssl was not found on PATH; install it', { cause: error });
  if (status !== 0) throw new Error(`openssl ${args[0]} failed: ${stderr}`);
}

/** Ports that were free a moment ago. */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', () => resolve(server));
      });
    }),
  );
  return Promise.all(
    servers.map((server) => {
      const { port } = server.address();
      return new Promise((resolve) => server.close(() => resolve(port)));
    }),
  );
}

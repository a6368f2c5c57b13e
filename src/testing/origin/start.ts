/**
 * Starts an origin, a scripted server of a cloud store in a process of its own, and is the remote control of it.
 *
 * What it keeps true:
 * 1. Every order is answered, or rejects when the process ends; a wait has a bound and fails with the counters in it.
 * 2. The process ends with its parent, whatever becomes of that.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { testCertificate } from './certificate.js';
import { DEFAULT_ACCOUNT, DEFAULT_CREDENTIALS } from './defaults.js';
import type { OriginOptions } from './options.js';

export { DEFAULT_ACCOUNT, DEFAULT_CREDENTIALS };

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const DEFAULT_WAIT_MS = 15_000;
const STOP_GRACE_MS = 5_000;
const MAX_STDERR_CHARS = 65_536;

/** The wire between the two processes: numbered orders and their answers. */
function createRemote(child) {
  let last = 0;
  let stderr = '';
  const open: Map<number, { resolve: (value: any) => void; reject: (error: Error) => void; name: string }> =
    new Map();
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-MAX_STDERR_CHARS);
  });
  child.on('message', ({ id, value, error }: any) => {
    const asked = open.get(id);
    open.delete(id);
    if (error === undefined) asked?.resolve(value);
    else asked?.reject(new Error(`origin: ${error}`));
  });
  const exited = new Promise((resolve) => {
    child.on('close', (code: number | null, signal: string | null) => {
      for (const { reject, name } of open.values()) {
        reject(
          new Error(
            `origin: the process ended (code ${code}, signal ${signal}) before it answered ${name}: ${stderr}`,
          ),
        );
      }
      open.clear();
      resolve(undefined);
    });
  });
  const ask = (order: string, ...args: unknown[]) =>
    new Promise((resolve, reject) => {
      last += 1;
      const id = last;
      open.set(id, { resolve, reject, name: order });
      child.send({ id, order, args }, (error: Error | null) => {
        if (error !== null && open.delete(id))
          reject(new Error(`origin: not reached: ${error.message}; ${stderr}`));
      });
    });
  return { ask, exited };
}

async function bounded(promise: Promise<any>, ms: number, explain: () => Promise<string>) {
  let timer;
  const late = Symbol('late');
  const timeout = new Promise((resolve) => {
    timer = setTimeout(resolve, ms, late);
  });
  const first = await Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
  if (first === late) throw new Error(await explain());
  return first;
}

export async function startOrigin({ secure = false, ...options }: OriginOptions = {}): Promise<Origin> {
  const certificate = secure ? testCertificate() : undefined;
  const child = fork(MAIN, [], {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const { ask, exited } = createRemote(child);
  const credentials = options.credentials ?? [DEFAULT_CREDENTIALS];
  const tls = certificate && { cert: certificate.cert, key: certificate.key };
  const accounts = options.accounts ?? [DEFAULT_ACCOUNT];
  const given = { ...options, credentials, accounts, tls };
  const { port } = (await ask('start', given)) as { port: number };

  const stop = async () => {
    const ended = child.exitCode !== null || child.signalCode !== null;
    if (!ended) ask('stop').catch(() => {});
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
    await exited;
    clearTimeout(timer);
  };
  const waitFor = async (condition, timeoutMs = DEFAULT_WAIT_MS) =>
    bounded(ask('waitFor', condition), timeoutMs, async () => {
      const seen = JSON.stringify(await ask('stats'));
      return `origin: waited ${timeoutMs} ms for ${JSON.stringify(condition)}, but saw ${seen}`;
    });
  const requests = async ({ afterMark, op } = {}) => {
    const log = await ask('requests');
    return log.filter(
      (e) => (afterMark === undefined || e.afterMark === afterMark) && (op === undefined || e.op === op),
    );
  };
  return {
    url: `${secure ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    pid: child.pid,
    ca: certificate?.ca,
    region: options.region ?? 'us-east-1',
    // A copy: the SDK writes into what it is given.
    credentials: { ...credentials[0] },
    account: { ...accounts[0] },
    script: (...rules) => ask('script', rules.flat()),
    configure: (patch) => ask('configure', patch),
    expire: (id = options.tokens?.[0]?.token ?? credentials[0].accessKeyId) => ask('expire', id),
    bump: (bucket, key, size) => ask('bump', { bucket, key, size }),
    mark: () => ask('mark'),
    requests,
    stats: () => ask('stats'),
    release: () => ask('release'),
    closeIdle: (how) => ask('closeIdle', how === 'reset'),
    reset: () => ask('reset'),
    waitFor,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

export function environmentOf({ url, region, credentials }) {
  return {
    AWS_ENDPOINT_URL_S3: url,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
}

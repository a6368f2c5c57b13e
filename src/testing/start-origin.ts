/**
 * Starts an origin, a scripted server of a cloud store in a process of its own, and is the remote control of it.
 *
 * What it keeps true:
 * 1. Every order is answered, or rejects when the process ends; a wait has a bound and fails with the counters in it.
 * 2. The process ends with its parent, whatever becomes of that.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { oneOf, whole } from '../loader/schema.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { testCertificate } from './certificate.js';
import { checkOptions, checkPolicy } from './origin-options.js';
import { checkFilter, checkRules } from './origin-rules.js';
import { DEFAULT_ACCOUNT, DEFAULT_CREDENTIALS } from './origin/defaults.js';
import type { OriginAccount, OriginCredentials, OriginOptions, OriginPolicy } from './origin/options.js';
import type { Given, Order, OrderName, Orders, Reply } from './origin/orders.js';
import type { Condition, LoggedRequest, Operation, OriginStats } from './origin/records.js';
import type { ConnectionRule, Rule } from './origin/rules.js';

const MAIN = fileURLToPath(new URL('./origin/main.js', import.meta.url));
const DEFAULT_WAIT_MS = 15_000;
const STOP_GRACE_MS = 5_000;
const MAX_STDERR_CHARS = 65_536;

/**
 * The remote control of a running origin. Each order resolves when the origin has obeyed. It rejects with a
 * `MillraceError`: `InvalidArgument` where the origin could not obey (the message says why), `ConnectionFailed` when its
 * process has ended.
 */
export interface Origin extends AsyncDisposable {
  /** `http://127.0.0.1:port` (`https:` when secure). Objects are at `/bucket/key`, Azure's at `/account/container/blob`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** The certificate authority to trust, as PEM text; undefined unless secure. */
  readonly ca: string | undefined;
  /** What signatures must name (s3). */
  readonly region: string;
  /** The first of the credentials. */
  readonly credentials: OriginCredentials;
  /** The first of the accounts; its blobs are at `/account.name/container/blob` (azure). */
  readonly account: OriginAccount;
  /**
   * Replaces the script; without rules, the origin is honest again. Requests in the middle of an answer keep their fault.
   * Rejects, and leaves the script as it was, where a rule has an unknown name, a value out of its bounds, or what would do
   * nothing; the message has the rule's index.
   */
  script(
    ...rules: ReadonlyArray<Rule | ConnectionRule | ReadonlyArray<Rule | ConnectionRule>>
  ): Promise<void>;
  /** Changes what is given of the policy, leaves the rest. */
  configure(policy: OriginPolicy): Promise<void>;
  /**
   * From now on this key or token is answered as an expired one. An Azure account key has no end.
   * @param id @default the first token, else the first access key
   */
  expire(id?: string): Promise<void>;
  /**
   * Overwrites an object: next generation, other bytes and ETag. The bytes are `patternBytes(objectIdOf(key, n), size)` with n
   * the overwrites and writes so far, of an object that came with a body too: that one keeps its type and metadata, and
   * nothing else that was said of its bytes. Rejects where there is no such bucket or key.
   * @param key @default all of the bucket
   * @param size of the new generation in bytes, for one key alone; @default as before
   */
  bump(bucket: string, key?: string, size?: number): Promise<void>;
  /** Sets a mark in the log; resolves with how many there are now. */
  mark(): Promise<number>;
  /** The log, oldest first; those of one operation, or those that came after (before) the first mark. */
  requests(filter?: { afterMark?: boolean; op?: Operation }): Promise<LoggedRequest[]>;
  stats(): Promise<OriginStats>;
  /** Lets go on what stalls now; resolves with how many. */
  release(): Promise<number>;
  /**
   * Ends idle connections, with FIN or RST; resolves with how many. One on which a part of a request has come is not idle.
   */
  closeIdle(how?: 'reset'): Promise<number>;
  /** Forgets script, log, marks and totals, and releases what stalls. Objects, policy and connections stay. */
  reset(): Promise<void>;
  /**
   * Resolves once all counters that are named have been reached; no polling, no sleeping.
   * Rejects with `TimedOut`, and all counters in the message, after `timeoutMs`.
   * @param timeoutMs @default 15,000
   */
  waitFor(condition: Condition, timeoutMs?: number): Promise<void>;
  /** Ends all connections and the process; killed after 5 s if it does not end. May be called more than once. */
  stop(): Promise<void>;
}

type Answered<O extends OrderName> = Promise<Awaited<ReturnType<Orders[O]>>>;

/** The wire between the two processes: numbered orders and their answers. */
interface Remote {
  readonly ask: <O extends OrderName>(order: O, ...args: Parameters<Orders[O]>) => Answered<O>;
  /** Resolves when the process is gone. */
  readonly exited: Promise<void>;
}

interface Asked {
  readonly resolve: (value: never) => void;
  readonly reject: (error: MillraceError) => void;
  readonly order: OrderName;
}

const lost = (message: string): MillraceError =>
  new MillraceError(ErrorCode.ConnectionFailed, `origin: ${message}`, { retryable: false });

function createRemote(child: ChildProcess): Remote {
  let last = 0;
  let stderr = '';
  const open = new Map<number, Asked>();
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-MAX_STDERR_CHARS);
  });
  child.on('message', ({ id, value, error }: Reply) => {
    const asked = open.get(id);
    open.delete(id);
    if (error === undefined) asked?.resolve(value as never);
    else asked?.reject(new MillraceError(ErrorCode.InvalidArgument, `origin: ${error}`));
  });
  const exited = new Promise<void>((resolve) => {
    child.on('close', (code, signal) => {
      for (const { reject, order } of open.values()) {
        reject(
          lost(`the process ended (code ${code}, signal ${signal}) before it answered ${order}: ${stderr}`),
        );
      }
      open.clear();
      resolve();
    });
  });
  const ask: Remote['ask'] = (order, ...args) =>
    new Promise((resolve, reject) => {
      last += 1;
      const id = last;
      open.set(id, { resolve, reject, order });
      child.send({ id, order, args } satisfies Order, (error) => {
        if (error !== null && open.delete(id)) reject(lost(`not reached: ${error.message}; ${stderr}`));
      });
    });
  return { ask, exited };
}

/** Rejects with `TimedOut` and what `explain` says once `ms` have passed. */
function bounded(promise: Promise<void>, ms: number, explain: () => Promise<string>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      explain().then((text) => reject(new MillraceError(ErrorCode.TimedOut, text)), reject);
    }, ms);
    void promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Ends the process, also one that no longer listens. */
async function end(child: ChildProcess, { ask, exited }: Remote): Promise<void> {
  const ended = child.exitCode !== null || child.signalCode !== null;
  // Whether it obeyed shows in its end.
  if (!ended) ask('stop').catch(() => {});
  const timer = setTimeout(() => child.kill(), STOP_GRACE_MS);
  await exited;
  clearTimeout(timer);
}

/**
 * Starts a scripted server of S3, Azure Blob Storage or Google Cloud Storage on 127.0.0.1, in a process of its own, and
 * resolves once it listens. It speaks the service's real protocol over real sockets, with its signatures, listings,
 * multipart uploads and error documents, and does to its clients what it is scripted to: see {@link Rule}.
 *
 * Rejects with `InvalidArgument` where the options are not good (an unknown one, a port that is taken), and with
 * `ModuleUnavailable` for `secure` on a machine without the `openssl` program. The process ends with `stop()`, at the end
 * of an `await using`, and with the process that started it.
 */
export async function startOrigin(all: OriginOptions = {}): Promise<Origin> {
  checkOptions(all);
  const { secure = false, ...options } = all;
  const certificate = secure ? testCertificate() : undefined;
  const credentials = options.credentials ?? [DEFAULT_CREDENTIALS];
  const accounts = options.accounts ?? [DEFAULT_ACCOUNT];
  const tls = certificate && { cert: certificate.cert, key: certificate.key };
  const given: Given = { ...options, credentials, accounts, tls };
  const child = fork(MAIN, [], {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const remote = createRemote(child);
  try {
    const { port } = await remote.ask('start', given);
    const address = { url: `${secure ? 'https' : 'http'}://127.0.0.1:${port}`, port, ca: certificate?.ca };
    return remoteControl(child, remote, given, address);
  } catch (error) {
    await end(child, remote);
    throw error;
  }
}

function remoteControl(
  child: ChildProcess,
  remote: Remote,
  given: Given,
  address: Pick<Origin, 'url' | 'port' | 'ca'>,
): Origin {
  const { ask } = remote;
  const { dialect = 's3' } = given;
  const stop = (): Promise<void> => end(child, remote);
  const [firstKey = DEFAULT_CREDENTIALS] = given.credentials ?? [];
  const [firstAccount = DEFAULT_ACCOUNT] = given.accounts ?? [];
  return {
    ...address,
    pid: child.pid ?? 0,
    region: given.region ?? 'us-east-1',
    // Copies: SDKs write into what they are given.
    credentials: { ...firstKey },
    account: { ...firstAccount },
    script: async (...rules) => {
      const all = rules.flat();
      checkRules(all, { dialect, secure: given.tls !== undefined });
      return ask('script', all);
    },
    configure: async (policy) => {
      checkPolicy(policy, dialect);
      return ask('configure', policy);
    },
    expire: (id = given.tokens?.[0]?.token ?? firstKey.accessKeyId) => ask('expire', id),
    bump: async (bucket, key, size) => {
      if (size !== undefined) whole(0)(size, 'origin: bump: size');
      return ask('bump', bucket, key, size);
    },
    mark: () => ask('mark'),
    requests: async (filter = {}) => {
      checkFilter(filter);
      const { afterMark, op } = filter;
      const log = await ask('requests');
      return log.filter(
        (line) =>
          (afterMark === undefined || line.afterMark === afterMark) && (op === undefined || line.op === op),
      );
    },
    stats: () => ask('stats'),
    release: () => ask('release'),
    closeIdle: async (how) => {
      if (how !== undefined) oneOf('reset')(how, 'origin: closeIdle');
      return ask('closeIdle', how === 'reset');
    },
    reset: () => ask('reset'),
    waitFor: (condition, timeoutMs = DEFAULT_WAIT_MS) =>
      bounded(ask('waitFor', condition), timeoutMs, async () => {
        const seen = JSON.stringify(await ask('stats'));
        return `origin: waited ${timeoutMs} ms for ${JSON.stringify(condition)}, but saw ${seen}`;
      }),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/**
 * The environment variables that make a process of its own find an S3 origin, and sign for it: the AWS SDKs, the AWS command
 * line and millrace read them. Whom to trust is not among them, since that is said by a file: for a `secure` origin write its
 * `ca` to one, and name that in NODE_EXTRA_CA_CERTS (Node.js) or AWS_CA_BUNDLE (the AWS command line and SDKs).
 */
export function environmentOf({
  url,
  region,
  credentials,
}: Pick<Origin, 'url' | 'region' | 'credentials'>): Record<string, string> {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  return {
    AWS_ENDPOINT_URL_S3: url,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    ...(sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: sessionToken }),
  };
}

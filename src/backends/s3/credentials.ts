/**
 * Where the credentials of one set of options come from: asked once for all buckets that share the options.
 *
 * Invariants:
 * 1. Any number of callers that need the same generation wait for one resolution.
 * 2. A resolution that failed is forgotten: the next caller tries again, with a fresh SDK client, because a client
 *    whose provider hangs would let every later caller wait for the same promise.
 * 3. Each resolution is bounded in time.
 * 4. Errors hold no secret: foreign messages are cut, and every long run of key-like characters in them is masked.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { REFRESH_AHEAD_MS } from '../../protocol/store.js';
import { bounded } from './bounded.js';
import type { S3Credentials } from './config.js';
import { asCredentials, type S3ExpiringCredentials, type S3Options } from './options.js';
import type { Env } from './profile.js';
import { describe } from './secrets.js';
import { SILENT_LOGGER, type SdkClient, type SdkModule } from './sdk.js';

/** Long enough for SSO, STS and a credential process, short enough that a service sees the error at its start. */
const RESOLVE_TIMEOUT_MS = 10_000;
/**
 * One try of one second for each of the two questions to the instance metadata service. It answers within
 * milliseconds where it exists; where it does not, these two seconds are all that the error for missing credentials
 * waits for.
 */
const IMDS_TIMEOUT_MS = 1_000;
const IMDS_RETRIES = 0;

export interface Generation {
  /** Grows with each resolution. */
  readonly number: number;
  readonly credentials: S3Credentials | null;
  readonly expiresAtMs: number | null;
}

export interface CredentialSource {
  /** A generation after `stale` (0 for any) that is not about to expire. */
  after(stale: number): Promise<Generation>;
  close(): void;
}

export interface CredentialsWorld {
  readonly sdk: () => Promise<SdkModule>;
  readonly now: () => number;
  readonly env: Env;
  /** Region of the STS calls that some providers make. */
  readonly region: () => Promise<string>;
  readonly resolveTimeoutMs?: number;
  readonly imdsTimeoutMs?: number;
}

export function createCredentialSource(options: S3Options, world: CredentialsWorld): CredentialSource {
  let current: Generation | null = null;
  let pending: Promise<Generation> | null = null;
  let client: SdkClient | null = null;

  async function ask(): Promise<unknown> {
    const { credentials } = options;
    if (typeof credentials === 'function') return credentials();
    if (credentials !== undefined) return credentials;
    client ??= await chainClient(options, world);
    // The SDK remembers what it resolved; a caller who comes here wants something newer.
    return client.config.credentials(current === null ? {} : { forceRefresh: true });
  }

  async function resolve(): Promise<Generation> {
    const timeoutMs = world.resolveTimeoutMs ?? RESOLVE_TIMEOUT_MS;
    let answer: S3ExpiringCredentials | null;
    try {
      answer = asCredentials(await bounded(ask(), timeoutMs, 'Resolving S3 credentials'));
    } catch (thrown) {
      client?.destroy();
      client = null;
      throw unresolved(thrown, options, world.env);
    }
    if (answer === null) {
      throw new MillraceError(
        ErrorCode.Unauthenticated,
        'The provider of S3 credentials gave something that is not {accessKeyId, secretAccessKey, sessionToken?, expiration?}',
        { phase: 'configure' },
      );
    }
    return adopt(answer);
  }

  function adopt({ expiration, ...credentials }: S3ExpiringCredentials): Generation {
    const expiresAtMs = expiration?.getTime() ?? null;
    const now = world.now();
    const same = current !== null && sameCredentials(current.credentials, credentials);
    // A caller asks for newer ones either early, before the expiry, or because the service refused these.
    const isOver = expiresAtMs !== null && expiresAtMs <= now;
    if (isOver || (same && expiresAtMs === null)) throw expired(isOver ? now : null);
    current = { number: (current?.number ?? 0) + 1, credentials, expiresAtMs };
    return current;
  }

  function fresh(stale: number): Generation | null {
    if (current === null || current.number <= stale) return null;
    const left = current.expiresAtMs === null ? Infinity : current.expiresAtMs - world.now();
    // One that lives for less than that is still newer than what the caller has; asking again would give no more.
    return left > (stale === 0 ? REFRESH_AHEAD_MS : 0) ? current : null;
  }

  return {
    async after(stale): Promise<Generation> {
      if (options.anonymous === true) return { number: stale + 1, credentials: null, expiresAtMs: null };
      const ready = fresh(stale);
      if (ready !== null) return ready;
      pending ??= resolve().finally(() => {
        pending = null;
      });
      return pending;
    },
    close(): void {
      client?.destroy();
      client = null;
      current = null;
    },
  };
}

/** A client that is never sent anything: its configuration holds the SDK's chain of providers. */
async function chainClient(options: S3Options, world: CredentialsWorld): Promise<SdkClient> {
  const sdk = await world.sdk();
  const { env } = world;
  const inContainer = Boolean(
    env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI || env.AWS_CONTAINER_CREDENTIALS_FULL_URI,
  );
  return new sdk.S3Client({
    region: await world.region(),
    logger: SILENT_LOGGER,
    ...(options.profile === undefined ? {} : { profile: options.profile }),
    // The chain hands these two to whichever provider asks over HTTP; a container's agent may need its retries.
    ...(inContainer ? {} : { timeout: world.imdsTimeoutMs ?? IMDS_TIMEOUT_MS, maxRetries: IMDS_RETRIES }),
  });
}

/** `nowMs` where only this machine's clock says so: no answer of the service has told its time yet. */
function expired(nowMs: number | null): MillraceError {
  const clock =
    nowMs === null
      ? ''
      : `, or set this machine's clock, which may be ahead (it says ${new Date(nowMs).toISOString()})`;
  return new MillraceError(
    ErrorCode.Unauthenticated,
    'The S3 credentials have expired, and their source gives no newer ones; renew them (for SSO: aws sso login)' +
      clock,
    { phase: 'configure' },
  );
}

function sameCredentials(a: S3Credentials | null, b: S3Credentials): boolean {
  return (
    a !== null &&
    a.accessKeyId === b.accessKeyId &&
    a.secretAccessKey === b.secretAccessKey &&
    a.sessionToken === b.sessionToken
  );
}

function unresolved(thrown: unknown, options: S3Options, env: Env): MillraceError {
  if (thrown instanceof MillraceError && thrown.code === ErrorCode.ModuleUnavailable) return thrown;
  const reason = thrown instanceof MillraceError ? thrown.message : describe(thrown, secretsOf(options, env));
  const own = options.credentials !== undefined;
  return new MillraceError(
    ErrorCode.Unauthenticated,
    own
      ? `The credentials function of the s3 options failed: ${reason}`
      : `No S3 credentials (${reason}). Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (for SSO, after ` +
          `aws sso login), run where a role is attached, or use the s3 option anonymous: true for public buckets`,
    { phase: 'configure', retryable: thrown instanceof MillraceError && thrown.retryable },
  );
}

function secretsOf(options: S3Options, env: Env): string[] {
  const given = typeof options.credentials === 'object' ? options.credentials : undefined;
  const known = [
    given?.secretAccessKey,
    given?.sessionToken,
    env.AWS_SECRET_ACCESS_KEY,
    env.AWS_SESSION_TOKEN,
  ];
  return known.filter((secret): secret is string => secret !== undefined && secret.length > 3);
}

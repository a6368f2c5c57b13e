/**
 * Where the credentials of one set of options come from: asked once for all buckets that share the options.
 *
 * Invariants:
 * 1. After a resolution that failed, the next caller tries again with a fresh SDK client, because a client whose
 *    provider hangs would let every later caller wait for the same promise.
 * 2. Each resolution is bounded in time.
 * 3. Errors hold no secret: foreign messages are cut, and every long run of key-like characters in them is masked.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { bounded } from '../http/bounded.js';
import { clockHint, createGenerations, type Generation, type Resolved } from '../http/generations.js';
import type { S3Credentials } from './config.js';
import { asCredentials, type S3ExpiringCredentials, type S3Options } from './options.js';
import type { Env } from './profile.js';
import { isPassing } from '../http/passing.js';
import { describe } from '../http/secrets.js';
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

export type S3Generation = Generation<S3Credentials | null>;

export interface CredentialSource {
  /** Whether it may give others without anything being set anew. */
  readonly renewable: boolean;
  /** A generation after `stale` (0 for any) that is not about to expire. */
  after(stale: number): Promise<S3Generation>;
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
  let client: SdkClient | null = null;
  const letGo = (): void => {
    client?.destroy();
    client = null;
  };

  async function ask(current: S3Credentials | null): Promise<unknown> {
    const { credentials } = options;
    if (typeof credentials === 'function') return credentials();
    if (credentials !== undefined) return credentials;
    client ??= await chainClient(options, world);
    // The SDK remembers what it resolved; a caller who comes here wants something newer.
    return client.config.credentials(current === null ? {} : { forceRefresh: true });
  }

  async function resolve(current: S3Credentials | null): Promise<Resolved<S3Credentials | null>> {
    const timeoutMs = world.resolveTimeoutMs ?? RESOLVE_TIMEOUT_MS;
    let answer: S3ExpiringCredentials | null;
    try {
      answer = asCredentials(await bounded(ask(current), timeoutMs, 'Resolving S3 credentials'));
    } catch (thrown) {
      letGo();
      throw unresolved(thrown, current !== null, options, world.env);
    }
    if (answer === null) {
      throw new MillraceError(
        ErrorCode.Unauthenticated,
        'The provider of S3 credentials gave something that is not {accessKeyId, secretAccessKey, sessionToken?, expiration?}',
        { phase: 'configure' },
      );
    }
    const { expiration, ...credentials } = answer;
    return { credentials, expiresAtMs: expiration?.getTime() ?? null };
  }

  const { now } = world;
  const generations = createGenerations({ resolve, now, isSame: sameCredentials, expired });
  return {
    renewable: isRenewable(options, world.env),
    after(stale): Promise<S3Generation> {
      if (options.anonymous !== true) return generations.after(stale);
      return Promise.resolve({ number: stale + 1, credentials: null, expiresAtMs: null });
    },
    close(): void {
      letGo();
      generations.forget();
    },
  };
}

/** The chain looks at the variables first, but not where a profile is named. */
function isRenewable({ anonymous, credentials, profile }: S3Options, env: Env): boolean {
  if (anonymous === true || typeof credentials === 'object') return false;
  if (credentials !== undefined || profile || env.AWS_PROFILE) return true;
  return !(env.AWS_ACCESS_KEY_ID && env.AWS_SECRET_ACCESS_KEY);
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
    // Goes on to the providers that read the shared files, which the SDK otherwise reads once in the life of a process.
    ignoreCache: true,
    ...(options.profile === undefined ? {} : { profile: options.profile }),
    // The chain hands these two to whichever provider asks over HTTP; a container's agent may need its retries.
    ...(inContainer ? {} : { timeout: world.imdsTimeoutMs ?? IMDS_TIMEOUT_MS, maxRetries: IMDS_RETRIES }),
  });
}

/** `nowMs` where only this machine's clock says so: no answer of the service has told its time yet. */
function expired(nowMs: number | null): MillraceError {
  return new MillraceError(
    ErrorCode.Unauthenticated,
    'The S3 credentials have expired or are not accepted, and their source gives no newer ones; renew them (for SSO: aws sso login)' +
      clockHint(nowMs),
    { phase: 'configure' },
  );
}

function sameCredentials(a: S3Credentials | null, b: S3Credentials | null): boolean {
  return (
    a !== null &&
    b !== null &&
    a.accessKeyId === b.accessKeyId &&
    a.secretAccessKey === b.secretAccessKey &&
    a.sessionToken === b.sessionToken
  );
}

/**
 * Where no provider has anything, the chain does not tell a metadata service that is away from one that was never there;
 * that it gave something before tells.
 */
function isAway(thrown: unknown, gaveBefore: boolean): boolean {
  if (isPassing(thrown)) return true;
  return gaveBefore && thrown instanceof Error && /from any providers/.test(thrown.message);
}

function unresolved(thrown: unknown, gaveBefore: boolean, options: S3Options, env: Env): MillraceError {
  if (thrown instanceof MillraceError && thrown.code === ErrorCode.ModuleUnavailable) return thrown;
  const reason = thrown instanceof MillraceError ? thrown.message : describe(thrown, secretsOf(options, env));
  const own = options.credentials !== undefined;
  return new MillraceError(
    ErrorCode.Unauthenticated,
    own
      ? `The credentials function of the s3 options failed: ${reason}`
      : `No S3 credentials (${reason}). Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (for SSO, after ` +
          `aws sso login), run where a role is attached, or use the s3 option anonymous: true for public buckets`,
    { phase: 'configure', retryable: isAway(thrown, gaveBefore) },
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

/**
 * Where the credentials of one set of options come from: asked once for all buckets that share the options.
 *
 * Invariants:
 * 1. Each question is put to a client of its own: one that hangs would let every later caller wait for the same promise, and
 *    one that holds a token would give it again, refused or not.
 * 2. Each question is bounded in time.
 * 3. Errors hold no secret: foreign messages are cut, and every long run of key-like characters in them is masked.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { bounded } from '../http/bounded.js';
import { clockHint, createGenerations, type Generation, type Resolved } from '../http/generations.js';
import { isPassing } from '../http/passing.js';
import { describe } from '../http/secrets.js';
import type { GcsAuth } from './config.js';
import { asAccessToken, type GcsOptions } from './options.js';
import type { AuthClient, SdkOptions } from './sdk.js';

/** A metadata server that is not there is given up after 3 s by the SDK; a command of gcloud takes as long. */
const RESOLVE_TIMEOUT_MS = 15_000;

export type GcsGeneration = Generation<GcsAuth>;

export interface CredentialSource {
  /** A generation after `stale` (0 for any) that is not about to expire. */
  after(stale: number): Promise<GcsGeneration>;
  close(): void;
}

export interface CredentialsWorld {
  /** Makes a client of the SDK. */
  readonly sdk: () => Promise<(options: SdkOptions) => Promise<AuthClient>>;
  readonly now: () => number;
  readonly resolveTimeoutMs?: number;
}

export function asksForTokens(options: GcsOptions, emulated: boolean): boolean {
  return fixedAuth(options, emulated) === null;
}

/** Whether tokens are made by the SDK. */
export function needsSdk(options: GcsOptions, emulated: boolean): boolean {
  return asksForTokens(options, emulated) && typeof options.credentials !== 'function';
}

/** What never changes, or null where there is something to ask. */
function fixedAuth({ anonymous, hmac }: GcsOptions, emulated: boolean): GcsAuth | null {
  if (emulated || anonymous === true) return { kind: 'none' };
  return hmac === undefined ? null : { kind: 'hmac', accessId: hmac.accessId, secret: hmac.secret };
}

export function createCredentialSource(
  options: GcsOptions,
  emulated: boolean,
  world: CredentialsWorld,
): CredentialSource {
  const fixed = fixedAuth(options, emulated);

  async function ask(): Promise<Resolved<GcsAuth>> {
    if (fixed !== null) return { credentials: fixed, expiresAtMs: null };
    if (typeof options.credentials === 'function') return tokenOf(await options.credentials());
    return sdkToken(await (await world.sdk())(sdkOptions(options)));
  }

  async function resolve(): Promise<Resolved<GcsAuth>> {
    const timeoutMs = world.resolveTimeoutMs ?? RESOLVE_TIMEOUT_MS;
    try {
      return await bounded(ask(), timeoutMs, 'Asking for Google credentials');
    } catch (thrown) {
      throw unresolved(thrown, options);
    }
  }

  const { now } = world;
  const generations = createGenerations<GcsAuth>({ resolve, now, isSame, expired });
  return {
    after: (stale) => generations.after(stale),
    close: () => generations.forget(),
  };
}

function sdkOptions({ credentials, keyFilename, projectId }: GcsOptions): SdkOptions {
  return {
    ...(typeof credentials === 'object' ? { credentials: { ...credentials } } : {}),
    ...(keyFilename === undefined ? {} : { keyFilename }),
    ...(projectId === undefined ? {} : { projectId }),
  };
}

async function sdkToken(client: AuthClient): Promise<Resolved<GcsAuth>> {
  const { token } = await client.getAccessToken();
  const expiry = client.credentials?.expiry_date;
  const expiration = typeof expiry === 'number' ? new Date(expiry) : undefined;
  return tokenOf({ accessToken: token, expiration });
}

function tokenOf(given: unknown): Resolved<GcsAuth> {
  const token = asAccessToken(given);
  if (token !== null) {
    const credentials: GcsAuth = { kind: 'bearer', token: token.accessToken };
    return { credentials, expiresAtMs: token.expiration?.getTime() ?? null };
  }
  const what = 'what was given is not {accessToken, expiration?} with text and a Date';
  throw new MillraceError(ErrorCode.Unauthenticated, what, { phase: 'configure' });
}

function isSame(one: GcsAuth, other: GcsAuth): boolean {
  if (one.kind === 'bearer' && other.kind === 'bearer') return one.token === other.token;
  return one.kind === other.kind;
}

/** `nowMs` where only this machine's clock says so: no answer of the service has told its time yet. */
function expired(nowMs: number | null): MillraceError {
  return new MillraceError(
    ErrorCode.Unauthenticated,
    'The Google credentials have expired or are not accepted, and their source gives no newer ones; renew them ' +
      `(gcloud auth application-default login)${clockHint(nowMs)}`,
    { phase: 'configure' },
  );
}

function unresolved(thrown: unknown, { credentials, keyFilename }: GcsOptions): MillraceError {
  if (thrown instanceof MillraceError && thrown.code === ErrorCode.ModuleUnavailable) return thrown;
  const secrets = typeof credentials === 'object' ? [credentials.private_key] : [];
  const reason = thrown instanceof MillraceError ? thrown.message : describe(thrown, secrets);
  const what =
    credentials !== undefined
      ? `The gs option "credentials" gave no token: ${reason}`
      : keyFilename !== undefined
        ? `The key file of the gs option "keyFilename" gave no token: ${reason}`
        : `No Google credentials (${reason}). Set GOOGLE_APPLICATION_CREDENTIALS, run gcloud auth application-default login, ` +
          `run where a service account is attached, or use the gs option anonymous: true for public buckets`;
  return new MillraceError(ErrorCode.Unauthenticated, what, {
    phase: 'configure',
    retryable: isPassing(thrown),
  });
}

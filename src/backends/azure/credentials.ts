/**
 * What authorizes the requests, asked for and renewed: once for all containers that share a source.
 *
 * Invariants:
 * 1. After a question that failed, the next caller asks a fresh chain: one that hangs would let every later caller wait
 *    for the same promise.
 * 2. Each question is bounded in time.
 * 3. Errors hold no secret: foreign messages are cut, and every long run of key-like characters in them is masked.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { bounded } from '../http/bounded.js';
import { clockHint, createGenerations, type Generation, type Resolved } from '../http/generations.js';
import { isPassing } from '../http/passing.js';
import { describe } from '../http/secrets.js';
import { PLACES, type Source } from './choice.js';
import type { AzureAuth } from './config.js';
import { checkSas, type AzureAccessToken, type AzureTokenCredential } from './options.js';

/** One audience for the accounts of every cloud. */
const SCOPE = 'https://storage.azure.com/.default';
/** The chain starts commands (az, pwsh, azd) one after the other, each of which takes seconds. */
const RESOLVE_TIMEOUT_MS = 30_000;

export type AzureGeneration = Generation<AzureAuth>;

export interface CredentialSource {
  /** A generation after `stale` (0 for any) that is not about to expire. */
  after(stale: number): Promise<AzureGeneration>;
  close(): void;
}

export interface CredentialsWorld {
  /** Makes the chain of `@azure/identity`. */
  readonly chain: () => Promise<() => AzureTokenCredential>;
  readonly now: () => number;
  readonly resolveTimeoutMs?: number;
}

export function createCredentialSource(source: Source, world: CredentialsWorld): CredentialSource {
  let chain: AzureTokenCredential | null = null;

  async function ask(): Promise<Resolved<AzureAuth>> {
    if (source.kind === 'known') return knownOf(source.auth);
    if (source.kind === 'sas') {
      const token = checkSas(await source.ask(), 'text that the sasToken function gave');
      return knownOf({ kind: 'sas', token, renewable: true });
    }
    if (source.kind === 'chain') {
      chain ??= (await world.chain())();
      return tokenOf(await chain.getToken(SCOPE));
    }
    const { credential } = source;
    return tokenOf(await (typeof credential === 'function' ? credential() : credential.getToken(SCOPE)));
  }

  async function resolve(): Promise<Resolved<AzureAuth>> {
    try {
      return await bounded(
        ask(),
        world.resolveTimeoutMs ?? RESOLVE_TIMEOUT_MS,
        'Asking for Azure credentials',
      );
    } catch (thrown) {
      chain = null;
      throw unresolved(thrown, source);
    }
  }

  const { now } = world;
  const generations = createGenerations({
    resolve,
    now,
    isSame: (one, other) => JSON.stringify(one) === JSON.stringify(other),
    expired: (nowMs) => expired(source, nowMs),
  });
  return {
    after: (stale) => generations.after(stale),
    close(): void {
      chain = null;
      generations.forget();
    },
  };
}

function knownOf(auth: AzureAuth): Resolved<AzureAuth> {
  return { credentials: auth, expiresAtMs: auth.kind === 'sas' ? sasExpiry(auth.token) : null };
}

/** When a signature ends, or null where a stored policy says that and not it. */
function sasExpiry(token: string): number | null {
  const text = new URLSearchParams(token).get('se');
  const ends = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(ends) ? null : ends;
}

function tokenOf(given: AzureAccessToken | null): Resolved<AzureAuth> {
  // A token stands in a header: visible ASCII.
  const fits = typeof given?.token === 'string' && /^[\x21-\x7e]+$/.test(given.token);
  if (fits && Number.isFinite(given.expiresOnTimestamp)) {
    return { credentials: { kind: 'token', token: given.token }, expiresAtMs: given.expiresOnTimestamp };
  }
  throw new MillraceError(
    ErrorCode.Unauthenticated,
    'the credential gave something that is not {token, expiresOnTimestamp} with text and milliseconds',
    { phase: 'configure' },
  );
}

function expired(source: Source, nowMs: number | null): MillraceError {
  const isGiven = source.kind === 'known' || source.kind === 'sas';
  const how = isGiven ? 'give a new one' : 'renew them (az login)';
  return new MillraceError(
    ErrorCode.Unauthenticated,
    `The Azure credentials have expired or are not accepted, and their source gives no newer ones; ${how}${clockHint(nowMs)}`,
    { phase: 'configure' },
  );
}

function unresolved(thrown: unknown, source: Source): MillraceError {
  if (thrown instanceof MillraceError && thrown.code === ErrorCode.ModuleUnavailable) return thrown;
  const reason = thrown instanceof MillraceError ? thrown.message : describe(thrown, []);
  const message =
    source.kind === 'chain'
      ? `No Azure credentials (${reason}). Looked, in this order, at: ${PLACES}. Run az login, or run where an identity is attached`
      : `The ${source.kind === 'sas' ? 'sasToken function' : 'credential'} of the az options failed: ${reason}`;
  return new MillraceError(ErrorCode.Unauthenticated, message, {
    phase: 'configure',
    retryable: isPassing(thrown),
  });
}

/**
 * Pure core: what to do after an attempt. Synchronous, no clock, no dice of its own.
 *
 * Invariants:
 * 1. What is permanent is never tried again.
 * 2. Every way to try again is bounded: counted attempts by `maxAttempts` and by the shared retry budget, free ones
 *    (a stale connection, a clock skew, fresh credentials) by their own small counts, and those of a job that has patience
 *    with a service that tells it to slow down by the time for which it has.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { Outcome } from '../../protocol/store.js';

/** First wait before a retry; S3's own advice for 503 is to begin in this region. */
export const RETRY_BASE_MS = 50;
/** Longest wait that we choose by ourselves: the AWS SDKs' standard mode has the same. */
export const RETRY_CAP_MS = 20_000;
/** Longest wait that a service may ask of us. */
export const RETRY_AFTER_CAP_MS = 60_000;
/** A pool of dead connections is emptied one stale connection at a time; more in a row than this is a failure. */
const MAX_STALE_CONNECTIONS = 64;
const MAX_CREDENTIAL_REFRESHES = 2;
const MAX_CLOCK_CORRECTIONS = 1;

/** What is remembered between the attempts at one job. */
export interface RetryState {
  readonly maxAttempts: number;
  /** How long the service may tell it to slow down, in ms; 0: each time is a counted attempt. */
  readonly patienceMs: number;
  /** When the service first did, or null. */
  throttledSinceMs: number | null;
  /** How often it did. */
  throttled: number;
  /** All that were made, the free ones too. */
  attempts: number;
  /** Counted attempts that have failed. */
  failures: number;
  staleConnections: number;
  refreshes: number;
  clockCorrections: number;
  /** The previous wait: the next one is drawn between the base and three times this one (decorrelated jitter). */
  lastDelayMs: number;
}

export function newRetryState(maxAttempts: number, patienceMs = 0): RetryState {
  return {
    maxAttempts,
    patienceMs,
    throttledSinceMs: null,
    throttled: 0,
    attempts: 0,
    failures: 0,
    staleConnections: 0,
    refreshes: 0,
    clockCorrections: 0,
    lastDelayMs: RETRY_BASE_MS,
  };
}

/** An attempt that was not complete, reduced to what the decision needs. */
export interface FailedAttempt {
  readonly outcome: Outcome;
  readonly error: MillraceError | null;
  readonly retryAfterMs: number;
}

export type RetryStep =
  | { readonly kind: 'again'; readonly delayMs: number }
  | { readonly kind: 'refresh' }
  /** The origin is to be left alone for so long. Not paid: there is no budget for the retry, and the origin has to close. */
  | { readonly kind: 'wait'; readonly delayMs: number; readonly paid: boolean }
  | { readonly kind: 'fail'; readonly error: MillraceError };

/** What a decision may use. */
export interface RetryMeans {
  readonly nowMs: number;
  readonly random: () => number;
  /** Takes the cost of one retry from the shared budget, or says that there is none left. */
  readonly spend: () => boolean;
}

const AT_ONCE: RetryStep = { kind: 'again', delayMs: 0 };

/**
 * Decides the next step and notes it in the state. What ended because its token has turned does not come here.
 */
export function nextStep(state: RetryState, attempt: FailedAttempt, means: RetryMeans): RetryStep {
  state.attempts += 1;
  switch (attempt.outcome) {
    case Outcome.StaleConnection:
      state.staleConnections += 1;
      if (state.staleConnections <= MAX_STALE_CONNECTIONS) return AT_ONCE;
      return counted(state, attempt, means);
    case Outcome.ClockSkew:
      state.clockCorrections += 1;
      return state.clockCorrections <= MAX_CLOCK_CORRECTIONS ? AT_ONCE : failed(state, attempt);
    case Outcome.StaleCredentials:
      state.refreshes += 1;
      return state.refreshes <= MAX_CREDENTIAL_REFRESHES ? { kind: 'refresh' } : failed(state, attempt);
    case Outcome.Throttled:
      state.throttled += 1;
      if (state.patienceMs > 0) return patient(state, attempt, means);
      return counted(state, attempt, means);
    case Outcome.Interrupted:
    case Outcome.Transient:
      return counted(state, attempt, means);
    case Outcome.Complete:
    case Outcome.SizeChanged:
    case Outcome.VersionChanged:
    case Outcome.Refused:
      return failed(state, attempt);
    case Outcome.Cancelled:
      return failed(state, { ...attempt, error: cancelledByNobody(attempt) });
  }
}

/** There is nobody to whom such a job could be handed back, and asking again at once could go on for ever. */
function cancelledByNobody({ error }: FailedAttempt): MillraceError {
  return new MillraceError(
    ErrorCode.Internal,
    'the store answered "cancelled" while its stop signal was live, which is expected only once that has turned: answer "refused" with an error, or "transient" to be asked again',
    { phase: 'request', cause: error ?? undefined },
  );
}

/** Not a failure of the job: it waits until the service serves it, or for as long as it may. */
function patient(state: RetryState, attempt: FailedAttempt, { nowMs, random, spend }: RetryMeans): RetryStep {
  state.throttledSinceMs ??= nowMs;
  const sinceMs = nowMs - state.throttledSinceMs;
  if (sinceMs >= state.patienceMs) {
    return failed(state, attempt, `told to slow down for ${Math.round(sinceMs)} ms; ${patienceOf(state)}`);
  }
  const paid = spend();
  return { kind: 'wait', delayMs: backOff(state, attempt, random), paid };
}

function patienceOf({ patienceMs }: Pick<RetryState, 'patienceMs'>): string {
  return `throttleTimeoutMs is ${patienceMs}`;
}

/** What becomes of a job that waited for an origin which told everybody to slow down for longer than the job may wait. */
export function ranOut(store: string, patienceMs: number): MillraceError {
  return new MillraceError(
    ErrorCode.Throttled,
    `${store}: the service has told all requests to slow down; ${patienceOf({ patienceMs })}. Ask it for less at a time, or wait longer`,
    { phase: 'request', retryable: true },
  );
}

function counted(state: RetryState, attempt: FailedAttempt, { random, spend }: RetryMeans): RetryStep {
  state.failures += 1;
  if (state.failures >= state.maxAttempts) return failed(state, attempt);
  if (!spend()) return failed(state, attempt, 'the retry budget of the runtime is used up');
  return { kind: 'again', delayMs: backOff(state, attempt, random) };
}

function backOff(state: RetryState, attempt: FailedAttempt, random: () => number): number {
  const upper = Math.min(RETRY_CAP_MS, state.lastDelayMs * 3);
  state.lastDelayMs = RETRY_BASE_MS + random() * Math.max(0, upper - RETRY_BASE_MS);
  return Math.max(state.lastDelayMs, Math.min(attempt.retryAfterMs, RETRY_AFTER_CAP_MS));
}

function failed(state: RetryState, attempt: FailedAttempt, note?: string): RetryStep {
  const error =
    attempt.error ??
    new MillraceError(ErrorCode.Internal, `an attempt ended as ${attempt.outcome} without an error`);
  const { attempts } = state;
  if (note === undefined) return { kind: 'fail', error: error.with({ attempt: attempts }) };
  const noted = new MillraceError(error.code, `${error.message} (not tried again: ${note})`, {
    ...error.context,
    retryable: error.retryable,
    attempt: attempts,
    cause: error.cause,
  });
  return { kind: 'fail', error: noted };
}

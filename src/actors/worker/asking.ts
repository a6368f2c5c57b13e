/**
 * The attempts at something that has an answer instead of bytes in a lease: a listing, a head, a write.
 *
 * Invariant: no attempt begins once the token has turned, and every wait in between ends when it does.
 */
import { asMillraceError, ErrorCode, type MillraceError } from '../../protocol/errors.js';
import { StopState } from '../../protocol/stop.js';
import { Outcome, type Answer, type Store } from '../../protocol/store.js';
import { DoneStatus } from '../../protocol/tables.js';
import { refundSuccess, takeStep, type AttemptDeps } from './attempts.js';
import { newRetryState } from './retry.js';
import { givenUp, type LocalToken } from './tokens.js';

/** What became of it. */
export interface Asked<T> {
  readonly status: DoneStatus;
  readonly value: T | null;
  readonly error: MillraceError | null;
  /** Attempts beyond the first. */
  readonly retries: number;
}

export interface AskingDeps extends AttemptDeps {
  /** Whether the worker was told to stop. */
  readonly stopping: boolean;
  store(id: number): Store | Promise<Store>;
}

export interface Asking<T> {
  readonly store: number;
  readonly maxAttempts: number;
  readonly token: LocalToken;
  /** Whether it may have gone through already, with a worker that was lost. */
  readonly again: boolean;
  /** One attempt; `earlier` says whether one before it may have gone through without our knowing. */
  readonly attempt: (store: Store, earlier: boolean) => Promise<Answer<T>>;
}

/** Never rejects. */
export async function ask<T>(
  { store: id, maxAttempts, token, again, attempt }: Asking<T>,
  deps: AskingDeps,
): Promise<Asked<T>> {
  const retry = newRetryState(maxAttempts);
  let retries = 0;
  let earlier = again;
  const ended = (status: DoneStatus, value: T | null, error: MillraceError | null): Asked<T> => ({
    status,
    value,
    error,
    retries,
  });
  try {
    const store = await deps.store(id);
    for (;;) {
      if (token.state !== StopState.Live) return ended(givenUp(token), null, null);
      if (deps.stopping) return ended(DoneStatus.Left, null, null);
      const credentials = deps.credentials(id);
      const answer = await attempt(store, earlier);
      if (answer.outcome === Outcome.Complete) {
        refundSuccess(deps.context.words, retry);
        return ended(DoneStatus.Ok, answer.value, null);
      }
      if (answer.outcome === Outcome.Cancelled) continue;
      earlier ||= mayHaveGoneThrough(answer);
      const failed = { store: id, attempt: answer, credentials };
      const failure = await takeStep(retry, failed, token, deps);
      if (failure !== null) return ended(DoneStatus.Failed, null, failure);
      retries += 1;
    }
  } catch (thrown) {
    return ended(DoneStatus.Failed, null, asMillraceError(thrown, ErrorCode.Internal));
  }
}

/**
 * Whether what failed may have been carried out all the same: there was no answer, or one that says nothing about it. A
 * status that blames the request was given instead of carrying it out.
 */
function mayHaveGoneThrough({ outcome, error }: Answer<unknown>): boolean {
  const status = error?.status ?? 0;
  return UNCERTAIN.has(outcome) && (status < 400 || status >= 500);
}

const UNCERTAIN: ReadonlySet<Outcome> = new Set<Outcome>([
  Outcome.Transient,
  Outcome.Throttled,
  Outcome.Interrupted,
  Outcome.StaleConnection,
]);

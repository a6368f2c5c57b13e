/**
 * The attempts at something that has an answer instead of bytes in a lease: a listing, a head, a write.
 *
 * Invariant: no attempt begins once the token has turned, and every wait in between ends when it does.
 */
import { asMillraceError, ErrorCode, type MillraceError } from '../../protocol/errors.js';
import { StopState } from '../../protocol/stop.js';
import { Outcome, type Answer, type Store } from '../../protocol/store.js';
import { DoneStatus } from '../../protocol/tables.js';
import { takeStep, type AttemptDeps } from './attempts.js';
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
  /** One attempt; `earlier` says whether one before it may have gone through without our knowing. */
  readonly attempt: (store: Store, earlier: boolean) => Promise<Answer<T>>;
}

/** Never rejects. */
export async function ask<T>(
  { store: id, maxAttempts, token, attempt }: Asking<T>,
  deps: AskingDeps,
): Promise<Asked<T>> {
  const retry = newRetryState(maxAttempts);
  let retries = 0;
  let earlier = false;
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
      if (answer.outcome === Outcome.Complete) return ended(DoneStatus.Ok, answer.value, null);
      if (answer.outcome === Outcome.Cancelled) continue;
      earlier ||= answer.outcome === Outcome.Transient || answer.outcome === Outcome.StaleConnection;
      const failed = { store: id, attempt: answer, credentials };
      const failure = await takeStep(retry, failed, token, deps);
      if (failure !== null) return ended(DoneStatus.Failed, null, failure);
      retries += 1;
    }
  } catch (thrown) {
    return ended(DoneStatus.Failed, null, asMillraceError(thrown, ErrorCode.Internal));
  }
}

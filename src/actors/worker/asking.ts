/**
 * The attempts at something that has an answer instead of bytes in a lease: a listing, a head, a write.
 *
 * Invariants:
 * 1. No attempt begins once the token has turned, and every wait in between ends when it does.
 * 2. An attempt is made from a place of its origin's window; while it waits for one it has no slot.
 */
import { asMillraceError, ErrorCode, type MillraceError } from '../../protocol/errors.js';
import { hasTurned, StopState } from '../../protocol/stop.js';
import { Outcome, type Answer, type Store } from '../../protocol/store.js';
import { DoneStatus } from '../../protocol/tables.js';
import { refundSuccess, takeStep, type AttemptDeps } from './attempts.js';
import { newTicket, type Patient, type Ticket } from './origins.js';
import { newRetryState } from './retry.js';
import { givenUp, type LocalToken } from './tokens.js';

/** What became of it. */
export interface Asked<T> {
  readonly status: DoneStatus;
  readonly value: T | null;
  readonly error: MillraceError | null;
  /** Attempts beyond the first. */
  readonly retries: number;
  /** Answers that told it to slow down. */
  readonly throttled: number;
}

export interface AskingDeps extends AttemptDeps {
  /** Whether the worker was told to stop. */
  readonly stopping: boolean;
  store(id: number): Store | Promise<Store>;
}

export interface Asking<T> extends Patient {
  readonly store: number;
  readonly maxAttempts: number;
  readonly token: LocalToken;
  /** The slot that it has; given up while it waits for its origin, and perhaps another one afterwards. */
  readonly seat: { slot: number };
  /** Whether it was let in to its origin already. */
  readonly entered: boolean;
  /** Whether it may have gone through already, with a worker that was lost. */
  readonly again: boolean;
  /** What an attempt moves; one of `UNSIZED` where that is nothing. */
  readonly bytes: number;
  /** One attempt; `earlier` says whether one before it may have gone through without our knowing. */
  readonly attempt: (store: Store, earlier: boolean) => Promise<Answer<T>>;
}

/** Never rejects. */
export async function ask<T>(asking: Asking<T>, deps: AskingDeps): Promise<Asked<T>> {
  const { store: id, maxAttempts, patienceMs, token, again, bytes, attempt } = asking;
  const { origins } = deps;
  const retry = newRetryState(maxAttempts, patienceMs);
  const ticket = newTicket();
  ticket.held = asking.entered;
  let dueAtMs = 0;
  let retries = 0;
  let earlier = again;
  const ended = (status: DoneStatus, value: T | null, error: MillraceError | null): Asked<T> => ({
    status,
    value,
    error,
    retries,
    throttled: retry.throttled,
  });
  try {
    const store = await deps.store(id);
    for (;;) {
      if (token.state !== StopState.Live) return ended(givenUp(token), null, null);
      if (deps.stopping) return ended(DoneStatus.Left, null, null);
      if (!ticket.held) {
        const refused = await entrance(asking, ticket, dueAtMs, deps);
        if (refused !== null) return ended(DoneStatus.Failed, null, refused);
        // Let in or not: what has turned meanwhile is seen before anything is asked.
        continue;
      }
      const credentials = deps.credentials(id);
      origins.begun(id, ticket, bytes);
      const answer = await attempt(store, earlier);
      origins.ended(id, ticket, answer);
      if (answer.outcome === Outcome.Complete) {
        refundSuccess(deps.context.words, retry);
        return ended(DoneStatus.Ok, answer.value, null);
      }
      if (answer.outcome === Outcome.Cancelled && hasTurned(token)) continue;
      earlier ||= mayHaveGoneThrough(answer);
      const next = await takeStep(retry, { store: id, attempt: answer, ticket, credentials }, token, deps);
      if (typeof next !== 'number') return ended(DoneStatus.Failed, null, next);
      dueAtMs = next;
      retries += 1;
    }
  } catch (thrown) {
    return ended(DoneStatus.Failed, null, asMillraceError(thrown, ErrorCode.Internal));
  } finally {
    origins.leave(id, ticket);
  }
}

/** Takes a place, now or after a wait without a slot; the ticket says whether there is one. The error says why there will be none. */
function entrance<T>(
  { store, patienceMs, streamSinceMs, token, seat }: Asking<T>,
  ticket: Ticket,
  dueAtMs: number,
  deps: AskingDeps,
): Promise<MillraceError | null> {
  if (dueAtMs === 0 && deps.origins.enter(store, patienceMs > 0)) {
    ticket.held = true;
    return Promise.resolve(null);
  }
  // Wait ends: when its worker lets it in, gives it up, or its token turns.
  return new Promise((resolve) => {
    deps.wait(
      {
        store,
        patienceMs,
        streamSinceMs,
        token,
        get slot() {
          return seat.slot;
        },
        set slot(slot) {
          seat.slot = slot;
        },
        resume: (entered, error) => {
          ticket.held = entered;
          resolve(error);
        },
      },
      dueAtMs,
    );
  });
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

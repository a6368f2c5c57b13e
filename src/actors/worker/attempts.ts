/**
 * Between two attempts: the retry core's decision is carried out, by waiting or by fetching fresh credentials.
 *
 * Invariant: every wait here ends when the token turns.
 */
import type { TurnSignal, WorkerContext } from '../../protocol/context.js';
import type { MillraceError } from '../../protocol/errors.js';
import { refundRetry, RETRY_COST, spendRetry } from '../../protocol/words.js';
import type { Origins, Ticket } from './origins.js';
import { nextStep, type FailedAttempt, type RetryState } from './retry.js';
import type { Waiter } from './waiting.js';

/** What the attempts at something in one store need of their worker. */
export interface AttemptDeps {
  readonly context: Pick<WorkerContext, 'now' | 'random' | 'sleep' | 'words'>;
  readonly origins: Pick<Origins, 'enter' | 'leave' | 'begun' | 'ended' | 'close'>;
  /** Version of the credentials that an attempt which begins now is made with. */
  credentials(store: number): number;
  /** Waits until there are fresher credentials than the refused version, they failed, took too long, or the token turned. */
  refresh(store: number, refused: number, token: TurnSignal): Promise<MillraceError | null>;
  /** The waiter gives up its slot until its origin lets it in, not before `dueAtMs` of the clock. */
  wait(waiter: Waiter, dueAtMs: number): void;
}

/** An attempt that was not complete. */
export interface Failure {
  readonly store: number;
  readonly attempt: FailedAttempt;
  readonly ticket: Ticket;
  /** Version of the credentials that it was made with. */
  readonly credentials: number;
}

/** When the next attempt may be made, in ms of the clock (0: at once); or the error when there is to be none. */
export type NextAttempt = number | MillraceError;

/** What an attempt gives back: one for a first success; a retry that helped met a passing fault and costs less. */
export function refundSuccess(words: Int32Array, retry: RetryState | null): void {
  const tried = retry === null ? 0 : retry.failures + retry.throttled;
  refundRetry(words, tried === 0 ? 1 : RETRY_COST);
}

/** Waits as the retry core says; what there is to wait for the origin is left to the caller, who can do that without a slot. */
export async function takeStep(
  retry: RetryState,
  { store, attempt, ticket, credentials }: Failure,
  token: TurnSignal,
  deps: AttemptDeps,
): Promise<NextAttempt> {
  const { context } = deps;
  const step = nextStep(retry, attempt, {
    nowMs: context.now(),
    random: () => context.random(),
    spend: () => spendRetry(context.words),
  });
  switch (step.kind) {
    case 'fail':
      return step.error;
    case 'refresh':
      return (await deps.refresh(store, credentials, token)) ?? 0;
    case 'again':
      if (step.delayMs > 0) await context.sleep(step.delayMs, token);
      return 0;
    case 'wait':
      if (!step.paid) deps.origins.close(store, ticket, attempt.retryAfterMs);
      return context.now() + step.delayMs;
  }
}

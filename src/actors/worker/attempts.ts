/**
 * Between two attempts: the retry core's decision is carried out, by waiting or by fetching fresh credentials.
 *
 * Invariant: every wait here ends when the token turns.
 */
import type { TurnSignal, WorkerContext } from '../../protocol/context.js';
import type { MillraceError } from '../../protocol/errors.js';
import { refundRetry, RETRY_COST, spendRetry } from '../../protocol/words.js';
import { nextStep, type FailedAttempt, type RetryState } from './retry.js';

/** What the attempts at something in one store need of their worker. */
export interface AttemptDeps {
  readonly context: Pick<WorkerContext, 'random' | 'sleep' | 'words'>;
  /** Version of the credentials that an attempt which begins now is made with. */
  credentials(store: number): number;
  /** Waits until there are fresher credentials than the refused version, they failed, took too long, or the token turned. */
  refresh(store: number, refused: number, token: TurnSignal): Promise<MillraceError | null>;
}

/** An attempt that was not complete. */
export interface Failure {
  readonly store: number;
  readonly attempt: FailedAttempt;
  /** Version of the credentials that it was made with. */
  readonly credentials: number;
}

/** What an attempt gives back: one for a first success; a retry that helped met a passing fault and costs less. */
export function refundSuccess(words: Int32Array, retry: RetryState | null): void {
  refundRetry(words, retry === null || retry.failures === 0 ? 1 : RETRY_COST);
}

/** Waits as the retry core says; the error when there is to be no further attempt. */
export async function takeStep(
  retry: RetryState,
  { store, attempt, credentials }: Failure,
  token: TurnSignal,
  deps: AttemptDeps,
): Promise<MillraceError | null> {
  const { context } = deps;
  const step = nextStep(
    retry,
    attempt,
    () => context.random(),
    () => spendRetry(context.words),
  );
  switch (step.kind) {
    case 'fail':
      return step.error;
    case 'refresh':
      return deps.refresh(store, credentials, token);
    case 'again':
      if (step.delayMs > 0) await context.sleep(step.delayMs, token);
      return null;
  }
}

/**
 * One fetch job, from its first attempt to its result: attempts, retries, and the resumption of what is missing.
 *
 * Invariants:
 * 1. No attempt begins once the token has turned: a job that was not done by then is handed back.
 * 2. Bytes land in the job's own lease only, and a later attempt begins where the landed bytes end, with the version
 *    that they came from. Without a version to hold on to, it begins again at the first byte.
 * 3. It always ends in exactly one result.
 */
import type { TurnSignal, WorkerContext } from '../../protocol/context.js';
import type { MillraceError } from '../../protocol/errors.js';
import { StopState } from '../../protocol/stop.js';
import { Outcome, type Store } from '../../protocol/store.js';
import { DoneStatus } from '../../protocol/tables.js';
import { refundRetry, RETRY_COST, spendRetry } from '../../protocol/words.js';
import type { FetchJob } from './job.js';
import { newRetryState, nextStep, type FailedAttempt, type RetryState } from './retry.js';

/** What landed, before a transform. */
export interface Fetched {
  readonly status: DoneStatus;
  readonly landed: number;
  readonly size: number;
  readonly version: string | null;
  readonly retries: number;
  readonly error: MillraceError | null;
}

/** What the loop needs of its worker. */
export interface AttemptDeps {
  readonly context: Pick<WorkerContext, 'random' | 'sleep' | 'words' | 'arena'>;
  /** Version of the credentials that an attempt which begins now is made with. */
  credentials(): number;
  /** Waits until there are fresher credentials than the refused version, they failed, took too long, or the token turned. */
  refresh(refused: number, token: TurnSignal): Promise<MillraceError | null>;
}

export async function fetchJob(
  job: FetchJob,
  store: Store,
  token: TurnSignal,
  maxAttempts: number,
  deps: AttemptDeps,
): Promise<Fetched> {
  const retry = newRetryState(maxAttempts);
  let landed = 0;
  let size = -1;
  let version = job.version;
  let attempts = 0;
  const end = (status: DoneStatus, error: MillraceError | null = null): Fetched => ({
    status,
    landed,
    size,
    version,
    retries: Math.max(0, attempts - 1),
    error,
  });
  for (;;) {
    if (token.state !== StopState.Live) return end(givenUp(token));
    attempts += 1;
    const credentials = deps.credentials();
    const target = new Uint8Array(deps.context.arena, job.offset + landed, job.length - landed);
    const answer = await store.read(
      {
        key: job.key,
        start: job.start + landed,
        length: job.length - landed,
        whole: job.whole && landed === 0,
        version,
        verify: job.verify && landed === 0,
      },
      target,
      token,
    );
    if (answer.size >= 0) size = answer.size;
    if (answer.outcome === Outcome.Complete) {
      landed += answer.landed;
      version = answer.version ?? version;
      // What an attempt gives back: one for a first success; a retry that helped met a passing fault and costs less.
      refundRetry(deps.context.words, retry.failures === 0 ? 1 : RETRY_COST);
      return end(DoneStatus.Ok);
    }
    if (answer.outcome === Outcome.Cancelled) return end(givenUp(token));
    if (answer.outcome === Outcome.SizeChanged) {
      version = answer.version ?? version;
      return end(DoneStatus.SizeChanged, answer.error);
    }
    if (answer.outcome === Outcome.VersionChanged) return end(DoneStatus.VersionChanged, answer.error);
    if (answer.outcome === Outcome.Interrupted) {
      version = answer.version ?? version;
      landed = version === null ? 0 : landed + answer.landed;
      if (landed >= job.length) return end(DoneStatus.Ok);
    }
    const failure = await takeStep(retry, answer, credentials, token, deps);
    if (failure !== null) return end(DoneStatus.Failed, failure);
  }
}

/**
 * Waits as the retry core says; the error when there is to be no further attempt. `credentials` is the version that the
 * attempt was made with.
 */
export async function takeStep(
  retry: RetryState,
  attempt: FailedAttempt,
  credentials: number,
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
      return deps.refresh(credentials, token);
    case 'again':
      if (step.delayMs > 0) await context.sleep(step.delayMs, token);
      return null;
  }
}

/** Why a job that the token's turn kept from being done was not. */
export function givenUp(token: TurnSignal): DoneStatus {
  return token.state === StopState.Cancelled ? DoneStatus.Cancelled : DoneStatus.Left;
}

export function handedBack(status: DoneStatus): Fetched {
  return { status, landed: 0, size: -1, version: null, retries: 0, error: null };
}

/** A job whose bytes came by other jobs. */
export function landedBefore(job: FetchJob, token: TurnSignal): Fetched {
  if (token.state !== StopState.Live) return handedBack(givenUp(token));
  return { ...handedBack(DoneStatus.Ok), landed: job.length, version: job.version };
}

/**
 * Pure core of hedging: which jobs may be asked for a second time, how often, and what the end of one of the two means for
 * the other.
 *
 * Invariants:
 * 1. Hedges are at most the share of the requests that their streams allow, from the first request on: a read pays for
 *    them when it has landed.
 * 2. Of a job and its hedge one result is applied, once: that of whichever landed first, or the job's own failure when
 *    neither did.
 * 3. The hedge's bytes are copied to where the job was to land when nobody else can write there any more: the job is
 *    back. A job that is hedged is stopped as soon as its hedge has landed, so this is a matter of one message.
 */
import type { Part } from './parts.js';
import type { HedgePlan, StreamOptions, Task } from './types.js';

/**
 * A slow read is seldom worth a second one before nearly all others are over: the percentile leaves about as many above it
 * as the share pays for. The share is what a service that is slow as a whole gets more to do.
 */
export const DEFAULT_HEDGE: HedgePlan = {
  percentile: 98,
  maxShare: 0.02,
  // Fewer tell nothing about a percentile as high as that.
  leastSamples: 100,
};

/** What the copy of a hedge that came first may hold the service's thread up: 8 MiB take 1 to 2 ms. */
export const MAX_HEDGE_BYTES = 16 * 1024 * 1024;

/** Whether a job may be asked for a second time: a plain read, that nobody suspects of killing workers. */
export function isHedgeable(options: StreamOptions, task: Task, part: Part, hasSink: boolean): boolean {
  const plain = !hasSink && options.hedge !== false && part.copy === null && !part.landed;
  return plain && task.crashes === 0 && part.length > 0 && part.length <= MAX_HEDGE_BYTES;
}

/** Whether a second attempt at one of the task's jobs is still of use. */
export function isWanted({ restart, error, left, crashes }: Task): boolean {
  return !restart && error === null && !left && crashes === 0;
}

/** What one hedge costs: shares are counted in whole millionths, so that no rounding adds up. */
const COST = 1_000_000;
/** Hedges that may be saved up: what a service that stalls as a whole is asked for at once. */
const MOST_SAVED = 16;

/** The tokens that reads bring and hedges take. */
export class HedgeBudget {
  #saved = 0;

  /** A read has landed that might have been hedged. */
  earn({ maxShare }: HedgePlan): void {
    this.#saved = Math.min(MOST_SAVED * COST, this.#saved + Math.floor(maxShare * COST));
  }

  get affords(): boolean {
    return this.#saved >= COST;
  }

  spend(): void {
    this.#saved -= COST;
  }
}

export const RaceState = {
  /** Both are out. */
  Racing: 0,
  /** The hedge has landed; the job was told to stop, and is not back. */
  HedgeWon: 1,
  /** The job has failed, and the hedge is waited for. */
  JobFailed: 2,
  /** The job's own result was applied; the hedge was told to stop, and is not back. */
  JobDecided: 3,
  Over: 4,
} as const;
export type RaceState = (typeof RaceState)[keyof typeof RaceState];

/** Something of a race came back. */
export interface Back {
  /** With all bytes that were asked for. */
  readonly landed: boolean;
  /** For good, with an error. */
  readonly failed: boolean;
  /** The stream was cancelled: nobody waits for anything. */
  readonly stopped: boolean;
}

export interface RaceStep {
  readonly state: RaceState;
  /** What becomes of the job: its own result counts, the hedge's does, its own is kept until the hedge is back. */
  readonly job: 'own' | 'hedge' | 'keep' | null;
  readonly revoke: 'job' | 'hedge' | null;
}

const step = (
  state: RaceState,
  job: RaceStep['job'] = null,
  revoke: RaceStep['revoke'] = null,
): RaceStep => ({ state, job, revoke });

/** The job came back. */
export function jobBack(state: RaceState, { landed, failed, stopped }: Back): RaceStep {
  if (state === RaceState.HedgeWon) return step(RaceState.Over, landed || stopped ? 'own' : 'hedge');
  if (failed && !stopped) return step(RaceState.JobFailed, 'keep');
  return step(RaceState.JobDecided, 'own', 'hedge');
}

/** The hedge came back; or it is lost, with its worker, and will not. */
export function hedgeBack(state: RaceState, { landed, stopped }: Pick<Back, 'landed' | 'stopped'>): RaceStep {
  if (state === RaceState.JobFailed) return step(RaceState.Over, landed && !stopped ? 'hedge' : 'own');
  if (state === RaceState.Racing && landed) return step(RaceState.HedgeWon, null, 'job');
  return step(RaceState.Over);
}

/** The job is lost with its worker, and its task begins again. */
export function jobLost(state: RaceState): RaceStep {
  return state === RaceState.HedgeWon ? step(RaceState.Over) : step(RaceState.JobDecided, null, 'hedge');
}

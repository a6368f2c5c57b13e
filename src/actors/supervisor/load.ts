/** Pure core: how much a worker has to do, and how much it may be ahead of itself. */
import type { Worker } from './crew.js';

/** What a job weighs beside its bytes, so that many small objects count as work too. */
export const JOB_WEIGHT_BYTES = 32 * 1024;

/** What a worker was sent and has not reported. */
export interface WorkerLoad {
  rows: number;
  /** Bytes and job weights. */
  outstanding: number;
}

export interface CrewLimits {
  /** Rows and weight that a worker may be ahead of itself. */
  readonly maxRows: number;
  readonly maxOutstanding: number;
}

export const NOTHING: Readonly<WorkerLoad> = { rows: 0, outstanding: 0 };

/** For workers that run so many jobs at the same time: what keeps all slots busy until a worker hears again from this thread. */
export function crewLimits(concurrency: number): CrewLimits {
  return { maxRows: Math.max(128, concurrency * 4), maxOutstanding: concurrency * 8 * 1024 * 1024 };
}

export function isFull(
  { rows, outstanding }: Readonly<WorkerLoad>,
  { maxRows, maxOutstanding }: CrewLimits,
): boolean {
  return rows >= maxRows || (rows > 0 && outstanding >= maxOutstanding);
}

/** A job for that store goes to the worker. */
export function load(worker: Worker, store: number, weight: number): void {
  const own = (worker.byStore[store] ??= { rows: 0, outstanding: 0 });
  own.rows += 1;
  own.outstanding += weight;
  worker.rows += 1;
  worker.outstanding += weight;
}

/** A job for that store is off the worker. */
export function unload(worker: Worker, store: number, weight: number): void {
  const own = worker.byStore[store]!;
  own.rows -= 1;
  own.outstanding -= weight;
  worker.rows -= 1;
  worker.outstanding -= weight;
  if (worker.rows === 0) worker.exclusive = false;
}

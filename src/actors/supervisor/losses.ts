/**
 * Workers that are lost: those that died, and those that are given up because they do not turn. What they had goes to the others.
 *
 * Invariants:
 * 1. Memory of a dead worker's jobs is used again only after its exit was seen; that of a stuck one's is quarantined until then.
 * 2. Where it is known for whose jobs a worker was given up, nobody else is to blame.
 */
import type { Arena } from '../../protocol/arena.js';
import type { SupervisorContext, WorkerExit } from '../../protocol/context.js';
import { ErrorCode } from '../../protocol/errors.js';
import type { Asks } from './asks.js';
import { blame, type Loss } from './blame.js';
import type { Crew, Worker } from './crew.js';
import { unload } from './load.js';
import type { Hedges } from './hedges.js';
import type { IntMap } from './int-map.js';
import { afterRunning } from './late.js';
import { loseJob, type FetchJobRecord, type ResultDeps } from './jobs.js';
import { Quarantine } from './quarantine.js';
import type { Stream } from './stream.js';

export interface LossesDeps {
  readonly arena: Arena;
  readonly context: Pick<SupervisorContext, 'now' | 'after'>;
  readonly crew: Crew;
  readonly asks: Asks;
  readonly hedges: Hedges;
  readonly jobs: IntMap<FetchJobRecord>;
  readonly results: ResultDeps;
  /** Jobs that a worker runs at the same time. */
  readonly concurrency: number;
  /** So long after its cancel every job of a stream should be back. */
  readonly closeTimeoutMs: number;
  /** A worker was given up. */
  fenced(): void;
}

export class Losses {
  readonly #deps: LossesDeps;
  readonly #quarantine: Quarantine;
  /** Cancelled streams with jobs out, and how to take back the look at them. */
  readonly #overdue = new Map<Stream, () => void>();
  #deaths = 0;

  constructor(deps: LossesDeps) {
    this.#deps = deps;
    this.#quarantine = new Quarantine(deps.arena);
  }

  get deaths(): number {
    return this.#deaths;
  }

  /** The worker's exit was seen, and everything that it had said by then. */
  exited(worker: Worker, { clean, cause }: WorkerExit): void {
    this.#quarantine.release(worker);
    if (clean) return;
    this.#deaths += 1;
    this.#reassign(worker, cause, ErrorCode.WorkerCrashed);
  }

  /** The stream is cancelled. What ignores its signal keeps its loader: its worker is given up, as one that does not turn is. */
  cancelled(stream: Stream): void {
    if (this.#overdue.has(stream)) return;
    const { context, closeTimeoutMs } = this.#deps;
    this.#overdue.set(
      stream,
      afterRunning(context, closeTimeoutMs, () => this.#fenceBusy(stream)),
    );
  }

  forget(stream: Stream): void {
    this.#overdue.get(stream)?.();
    this.#overdue.delete(stream);
  }

  /** Gives up a worker that does not turn, or that holds up the end of a cancelled stream. */
  fence(worker: Worker, culprit: Stream | null = null): void {
    for (const job of this.#jobsWith(worker)) job.stream.ledger.stuck(worker.link.name);
    this.#deps.crew.fence(worker);
    this.#reassign(worker, null, ErrorCode.WorkerStuck, culprit);
    worker.link.abandon();
    this.#deps.fenced();
  }

  fenceAll(): void {
    for (const worker of this.#deps.crew.alive()) this.fence(worker);
  }

  #fenceBusy(stream: Stream): void {
    const { crew, hedges, asks } = this.#deps;
    for (const worker of crew.alive()) {
      const holds =
        this.#jobsWith(worker).some((job) => job.stream === stream) || hedges.with(worker, stream) > 0;
      if (holds || asks.isWith(worker, stream)) this.fence(worker, stream);
    }
  }

  /** Gives a lost worker's jobs to the others. The memory of one that is stuck is left to it. */
  #reassign(worker: Worker, cause: Error | null, code: Loss['code'], culprit: Stream | null = null): void {
    const { asks, concurrency, hedges, jobs, results } = this.#deps;
    const lost = this.#jobsWith(worker);
    const hedgesWith = hedges.with(worker);
    const stuck = code === ErrorCode.WorkerStuck;
    const hedged = hedges.lost(worker, lost, stuck);
    if (stuck) this.#quarantine.take(worker, lost, hedged);
    if (culprit === null) blame(lost, { worker, cause, code, hedges: hedgesWith, concurrency }, results);
    for (const job of lost) {
      jobs.delete(job.id);
      unload(worker, job.task.entry.store, job.weight);
      loseJob(job, results);
    }
    asks.orphaned(worker, cause, code);
  }

  /** The jobs that the worker has not answered. Only looked for when it is lost: a list would cost every job. */
  #jobsWith(worker: Worker): FetchJobRecord[] {
    return this.#deps.jobs.values().filter((job) => job.worker === worker);
  }
}

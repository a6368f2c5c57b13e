/**
 * Who is to blame for a worker that was lost: an item that takes one worker after another with it is given up, and
 * nobody else's item is.
 *
 * Invariants:
 * 1. An item counts only deaths that it alone can explain: its transform was running, or nothing else was there.
 * 2. Where several may have done it, each runs alone the next time.
 */
import { isSink } from '../../protocol/messages.js';
import { OwnWord } from '../../protocol/context.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { Worker } from './crew.js';
import type { FetchJobRecord, ResultDeps } from './jobs.js';

/** Deaths that one item alone explains, after which it is given up. */
const MAX_DEATHS = 3;
/** The same for workers that stopped answering: each of them keeps a thread and its memory. */
const MAX_STALLS = 2;

export interface Loss {
  readonly worker: Worker;
  readonly cause: Error | null;
  readonly code: typeof ErrorCode.WorkerCrashed | typeof ErrorCode.WorkerStuck;
  /** Hedges that were lost with it beside the jobs: no evidence against their items, but another explanation. */
  readonly hedges: number;
  /** Jobs that the worker runs at the same time. */
  readonly concurrency: number;
}

/** Marks the tasks of the jobs that a worker was lost with; those that did it too often have their error then. */
export function blame(jobs: readonly FetchJobRecord[], loss: Loss, deps: ResultDeps): void {
  const transforming = transformingIn(loss);
  for (const job of jobs) {
    const mayHave = transforming.size === 0 || transforming.has(job.id & 0x7fff_ffff);
    const alone = transforming.size === 1 || (transforming.size === 0 && jobs.length + loss.hedges === 1);
    if (mayHave && alone) count(job, loss, deps.uri(job.task.entry));
    else if (mayHave) job.task.crashes = Math.max(1, job.task.crashes);
  }
}

/** The low bits of the ids of jobs whose transform was running. */
function transformingIn({ worker, concurrency }: Loss): Set<number> {
  const ids = new Set<number>();
  for (let slot = 0; slot < concurrency; slot += 1) {
    const id = Atomics.load(worker.link.ownWords, OwnWord.Transforming + slot);
    if (id !== 0) ids.add(id);
  }
  return ids;
}

function count({ task, stream }: FetchJobRecord, { worker, cause, code }: Loss, uri: string): void {
  task.crashes += 1;
  const stuck = code === ErrorCode.WorkerStuck;
  if (task.crashes < (stuck ? MAX_STALLS : MAX_DEATHS)) return;
  const verb = stuck ? 'stopped answering' : 'died';
  const step = stream.options.transform;
  const phase = step === null ? 'request' : isSink(step) ? 'write' : 'transform';
  const message = `${task.crashes} workers ${verb} while they worked on ${uri}`;
  task.error ??= new MillraceError(code, message, { phase, uri, worker: worker.link.name, cause });
}

/** Ends every stream: no worker lives long enough to do anything. */
export function crashLoopError(deaths: number, cause: Error | null): MillraceError {
  return new MillraceError(
    ErrorCode.WorkerCrashed,
    `workers died ${deaths} times in a row without a single result${cause === null ? '' : `: ${cause.message}`}`,
    { phase: 'request', cause },
  );
}

/** Ends every stream: threads that do not end have taken all places. */
export function exhaustedError(threads: number): MillraceError {
  return new MillraceError(
    ErrorCode.WorkerStuck,
    `${threads} workers stopped answering and their threads have not ended, so no more are started: find out what blocks ` +
      'them (a transform that does not return, a file system that hangs), and start the process again',
    { phase: 'request' },
  );
}

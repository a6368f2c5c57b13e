/** One object that has its memory, and a hand that sends its parts and brings what came of them. */
import { Grants } from '../../../dist/actors/supervisor/grants.js';
import { endJob, type FetchJobRecord, type RowResult } from '../../../dist/actors/supervisor/jobs.js';
import { nextPart, type Part } from '../../../dist/actors/supervisor/parts.js';
import {
  type PlanEntry,
  type RangePlan,
  type StreamOptions,
  type Task,
  TaskState,
} from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import { type ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { DoneStatus } from '../../../dist/protocol/tables.js';
import { createCrew, createStream, entryOf, pages, uriOf, WHOLE } from './kit.js';

export const PARTS: RangePlan = { splitThreshold: 100, partBytes: 100, maxPerObject: 4 };
export const TRANSFORM = { url: 'file:///t.js', options: null };
const { Ok, Failed } = DoneStatus;

/** One object that has its memory, and a hand that sends its parts and brings what came of them. */
export async function createObject(
  entry: Partial<PlanEntry> = {},
  options: Partial<StreamOptions> = {},
  { ranges = WHOLE, task: more = {} }: { ranges?: RangePlan; task?: Partial<Task> } = {},
) {
  const arena = new Arena(pages(64));
  const { stream, pull } = createStream(arena, [entryOf(0, entry)], { onError: 'skip', ...options });
  await pull();
  new Grants({ arena, workers: 1, ranges: () => ranges, uri: uriOf }).grantNext(stream);
  const [task] = stream.granted as [Task];
  Object.assign(task, more);
  const worker = createCrew(1).at(0);
  const deps = { arena, uri: uriOf };
  let id = 0;
  /** The next part goes to a worker, as the dispatcher sends it. */
  const send = (other: Part | null = null): FetchJobRecord => {
    const part = other ?? nextPart(task, ranges)!;
    id += 1;
    if (task.jobsOut === 0) stream.tasksOut += 1;
    task.jobsOut += 1;
    task.jobs += 1;
    stream.jobsOut += 1;
    task.nextByte = part.from + part.length;
    if (task.length < 0 || task.nextByte >= task.length) {
      const at = stream.granted.indexOf(task);
      if (at >= 0) stream.granted.splice(at, 1);
      task.state = TaskState.Sent;
    }
    return { id, stream, task, worker, part, weight: part.length, hedge: null };
  };
  /** The job is back: with all of what it asked for, unless told otherwise. */
  const back = (job: FetchJobRecord, row: Partial<RowResult> = {}): void =>
    endJob(job, rowOf(job.part.length, row), deps);
  const used = (): number => arena.stats().usedBytes;
  return { arena, stream, task, deps, send, back, used };
}

export function rowOf(landed: number, more: Partial<RowResult> = {}): RowResult {
  const plain = { status: Ok, size: -1, version: null, retries: 0, throttled: 0, error: null };
  return { ...plain, landed, outputs: null, verified: null, ...more };
}

export const failed = (code: ErrorCode, more = {}): Partial<RowResult> => ({
  status: Failed,
  error: new MillraceError(code, 'it was like that', more),
});

/** Begins again from the front of the plan, without memory, as an object of this size and version. */
export const again = (size: number, version: string | null, more: Partial<Task> = {}): Partial<Task> => ({
  state: TaskState.Planned,
  extent: null,
  nextByte: 0,
  jobsOut: 0,
  restart: false,
  restarts: 1,
  error: null,
  size,
  length: size,
  version,
  ...more,
});

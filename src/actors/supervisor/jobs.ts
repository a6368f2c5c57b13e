/**
 * The jobs that are with workers, and what a result means for its task. The decisions are synchronous and touch only
 * the task and its stream.
 *
 * Invariants:
 * 1. A result counts only for the job, and the incarnation, that it was sent to.
 * 2. A task settles, begins again, or waits for more of its jobs only when it is clear which: nothing of a task is
 *    reused while one of its jobs is out.
 */
import type { Arena } from '../../protocol/arena.js';
import type { ChecksumAlgorithm } from '../../protocol/checksums/algorithms.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { Output } from '../../protocol/messages.js';
import { DoneStatus } from '../../protocol/tables.js';
import type { Worker } from './crew.js';
import type { Part } from './parts.js';
import type { Stream } from './stream.js';
import { isUnverified } from './tasks.js';
import { TaskState, type HedgePlan, type PlanEntry, type Task, type TaskOutput } from './types.js';

/** Bytes without the object's checksum are fetched again so often. */
const MAX_MISMATCHES = 2;
/** An object that changes under our hands is looked at again so often, and then reported. */
const MAX_RESTARTS = 5;

export interface FetchJobRecord {
  readonly id: number;
  readonly stream: Stream;
  readonly task: Task;
  readonly worker: Worker;
  readonly part: Part;
  readonly weight: number;
  /** What it pays for hedges with when it has landed; null where its worker is not asked to tell that it is slow. */
  readonly hedge: HedgePlan | null;
}

export interface RowResult {
  readonly status: DoneStatus;
  readonly landed: number;
  readonly size: number;
  readonly version: string | null;
  readonly retries: number;
  readonly throttled: number;
  readonly error: MillraceError | null;
  readonly outputs: readonly TaskOutput[] | null;
  readonly verified: ChecksumAlgorithm | null;
}

export interface ResultDeps {
  readonly arena: Arena;
  uri(entry: PlanEntry): string;
}

/** Takes a job off its task. The caller has already taken it off the worker. */
export function unlinkJob(job: FetchJobRecord): void {
  job.task.jobsOut -= 1;
  if (job.task.jobsOut === 0) job.stream.tasksOut -= 1;
}

/** A job that is off its worker has come to its end. */
export function endJob(job: FetchJobRecord, row: RowResult, deps: ResultDeps): void {
  unlinkJob(job);
  applyResult(job, row, deps);
  job.stream.jobEnded();
}

/** A job is lost with its worker: its task begins again, where that is still wanted. */
export function loseJob(job: FetchJobRecord, deps: ResultDeps): void {
  unlinkJob(job);
  const { task, stream } = job;
  task.restart = true;
  task.again = true;
  if (!stream.open) task.left = true;
  afterJob(stream, task, deps);
  stream.jobEnded();
}

/** Applies one result. */
export function applyResult(job: FetchJobRecord, row: RowResult, deps: ResultDeps): void {
  const { task } = job;
  task.retries += row.retries;
  task.throttled += row.throttled;
  switch (row.status) {
    case DoneStatus.Ok:
      landed(job, row, deps);
      break;
    case DoneStatus.Failed:
      if (isMismatch(row) && task.mismatches < MAX_MISMATCHES) {
        fetchAnew(task);
        break;
      }
      // A later part of such a range, sent before an earlier one told the size, lies behind the end altogether.
      if (row.error?.code === ErrorCode.RangeRejected && task.entry.length >= 0 && job.part.from > 0) {
        if (!task.restart) endAt(job, job.part.from);
        break;
      }
      task.error ??= (
        row.error ?? new MillraceError(ErrorCode.Internal, 'a job failed without an error')
      ).with({
        uri: deps.uri(task.entry),
        worker: job.worker.link.name,
      });
      break;
    case DoneStatus.Cancelled:
    case DoneStatus.Left:
      task.left = true;
      break;
    case DoneStatus.SizeChanged:
      sizeChanged(task, row, deps);
      break;
    case DoneStatus.VersionChanged:
      if (task.entry.pinned) task.error ??= versionChanged(task, row, deps);
      else beginAgain(task, -1);
      break;
  }
  afterJob(job.stream, task, deps);
}

/** What a transform made of the job's object; bytes that travelled by themselves count against the budget from here. */
export function taskOutput({ task }: FetchJobRecord, output: Output, arena: Arena): TaskOutput {
  if (output.kind === 'lease') {
    const { start, length } = output;
    return { kind: 'lease', extent: task.extent!, offset: task.offset + start, length };
  }
  if (output.kind === 'bytes') arena.charge(output.bytes.length);
  return output;
}

/** Goes on with a task one of whose jobs has ended. */
export function afterJob(stream: Stream, task: Task, deps: ResultDeps): void {
  const over = task.error !== null || task.left;
  if (over || task.restart) dropGranted(stream, task);
  if (task.jobsOut > 0) return;
  if (over) return stream.settled(task);
  if (task.restart) {
    if (task.restarts <= MAX_RESTARTS) return stream.replan(task);
    task.error = new MillraceError(
      ErrorCode.VersionChanged,
      `${deps.uri(task.entry)} changed ${task.restarts} times while it was read`,
      { phase: 'body', uri: deps.uri(task.entry) },
    );
    return stream.settled(task);
  }
  if (task.state !== TaskState.Sent) return;
  if (isUnfinished(stream, task)) return stream.landedNext(task);
  stream.settled(task);
}

/** All bytes are there, and some of them are not what the service has. What an attempt finds is tried again by its worker. */
function isMismatch({ error }: RowResult): boolean {
  return error?.code === ErrorCode.ChecksumMismatch && error.attempt === undefined;
}

/** Whether a job that has all bytes at once is still to come: for the transform, or for the checksum. */
function isUnfinished(stream: Stream, task: Task): boolean {
  if (task.assembled) return false;
  return (
    (stream.options.transform !== null && task.outputs === null) || isUnverified(stream.options.verify, task)
  );
}

function landed(job: FetchJobRecord, row: RowResult, deps: ResultDeps): void {
  const { task, part } = job;
  if (row.outputs !== null) task.outputs = row.outputs;
  noteVerified(task, part, row.verified);
  // It begins again in another version or size: what comes late of this one tells nothing about the next.
  if (task.restart) return;
  const rest = row.size < 0 ? -1 : Math.max(0, row.size - task.entry.start);
  if (task.length < 0) return landedFirst(job, row, rest, deps);
  // A part of an object that is longer or shorter than the plan says: all parts together would be another object.
  if (task.entry.length < 0 && rest >= 0 && rest !== task.length) return sizeChanged(task, row, deps);
  task.version = row.version ?? task.version;
  if (row.size >= 0) task.size = row.size;
  if (task.version === null && part.length < task.length) {
    task.indivisible = true;
    return beginAgain(task, row.size);
  }
  if (part.copy !== null) part.copy.stale = true;
  const isRange = task.entry.length >= 0 && rest >= 0;
  if (isRange) endAt(job, rest);
  if (row.landed !== part.length && !isRange) beginAgain(task, row.size);
}

/** An object in parts is verified when its whole is, or each of its parts. */
function noteVerified(task: Task, part: Part, verified: ChecksumAlgorithm | null): void {
  if (!part.landed) task.isPartUnverified ||= verified === null;
  else if (verified !== null) task.isPartUnverified = false;
  if (verified !== null || !part.landed) task.verified = task.isPartUnverified ? null : verified;
}

/** A range that the user asked for reaches beyond the end of the object: what there is, is what was asked for. */
function endAt({ task, stream }: FetchJobRecord, end: number): void {
  task.length = Math.min(task.length, end);
  if (task.nextByte >= task.length) dropGranted(stream, task);
}

/** The first part of an object whose size was not known. */
function landedFirst(job: FetchJobRecord, row: RowResult, rest: number, deps: ResultDeps): void {
  const { task } = job;
  if (rest > row.landed) {
    beginAgain(task, row.size);
    // Without a version there is no telling whether what comes later belongs to what is here.
    if (row.version === null) task.indivisible = true;
    if (row.version === null || row.landed === 0) return;
    task.version = row.version;
    job.stream.memory.setAside(task, row.landed);
    return;
  }
  if (rest < 0 && row.landed === task.capacity) {
    task.error = new MillraceError(
      ErrorCode.ProtocolViolation,
      `${deps.uri(task.entry)}: the service does not say how long the object is`,
      {
        phase: 'head',
        uri: deps.uri(task.entry),
      },
    );
    return;
  }
  task.length = row.landed;
  task.size = row.size < 0 ? task.entry.start + row.landed : row.size;
  task.version = row.version;
  job.stream.memory.trim(task, usedBytes(task, row));
}

/** How much of its extent a settled task needs. */
function usedBytes(task: Task, row: RowResult): number {
  let used = row.outputs === null ? task.length : 0;
  for (const output of row.outputs ?? []) {
    if (output.kind === 'lease') used = Math.max(used, output.offset - task.offset + output.length);
  }
  return used;
}

/** Notes that its bytes are wrong: not that the object has changed, so each of the two may happen as often as it may. */
function fetchAnew(task: Task): void {
  if (task.restart) return;
  task.mismatches += 1;
  forget(task, task.size);
}

/** Notes that the task has to be fetched anew, as an object of `size` (or one that is not known) in any version. */
function beginAgain(task: Task, size: number): void {
  task.restarts += task.restart ? 0 : 1;
  forget(task, size);
}

function forget(task: Task, size: number): void {
  task.restart = true;
  if (task.prefix !== null) task.prefix.stale = true;
  task.size = size;
  task.version = task.entry.pinned ? task.entry.version : null;
  task.length =
    task.entry.length >= 0 ? task.entry.length : size < 0 ? -1 : Math.max(0, size - task.entry.start);
}

/** The object has another size than its task: it was replaced, or, of the very same version, is served wrong. */
function sizeChanged(task: Task, row: RowResult, deps: ResultDeps): void {
  if (row.version !== null && row.version === task.version) task.error ??= contradiction(task, row, deps);
  else beginAgain(task, row.size);
}

function dropGranted(stream: Stream, task: Task): void {
  if (task.state !== TaskState.Granted) return;
  const at = stream.granted.indexOf(task);
  if (at >= 0) stream.granted.splice(at, 1);
  task.state = TaskState.Sent;
}

/** Another size of the very version that the plan has: not a replaced object, but one that is served wrong. */
function contradiction(task: Task, row: RowResult, deps: ResultDeps): MillraceError {
  const uri = deps.uri(task.entry);
  return new MillraceError(
    ErrorCode.ProtocolViolation,
    `${uri} has ${task.size} bytes in version ${row.version}, and the service sends ${row.size} bytes as that very version`,
    { phase: 'head', uri },
  );
}

function versionChanged(task: Task, row: RowResult, deps: ResultDeps): MillraceError {
  const uri = deps.uri(task.entry);
  return (
    row.error ??
    new MillraceError(ErrorCode.VersionChanged, `${uri} is no longer version ${task.entry.version}`)
  ).with({
    uri,
    phase: 'head',
  });
}

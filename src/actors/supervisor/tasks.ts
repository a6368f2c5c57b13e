/** Pure core: a task as it begins, and as it begins again. */
import type { VerifyPolicy } from '../../protocol/checksums/expected.js';
import { TaskState, type BatchRecord, type PlanEntry, type Task } from './types.js';

export function newTask(sequence: number, entry: PlanEntry, verifiable = false): Task {
  return {
    sequence,
    entry,
    state: TaskState.Planned,
    length: plannedLength(entry),
    size: entry.size,
    version: entry.version,
    extent: null,
    offset: 0,
    capacity: 0,
    nextByte: 0,
    jobsOut: 0,
    restart: false,
    restarts: 0,
    mismatches: 0,
    crashes: 0,
    again: false,
    retries: 0,
    throttled: 0,
    error: null,
    left: false,
    prefix: null,
    indivisible: false,
    filledBytes: 0,
    assembled: false,
    verifiable,
    jobs: 0,
    verified: null,
    isPartUnverified: false,
    outputs: null,
    skipItems: 0,
  };
}

/**
 * The tasks whose items these batches hold, the last one first, as they begin again: without the items before those, and
 * where there are any, in the version that those are of.
 */
export function evictedTasks(
  batches: readonly BatchRecord[],
  verifiable: (entry: PlanEntry) => boolean,
): Task[] {
  const first = new Map<number, Task>();
  for (const { sequence, entry, index, size, version } of batches.flatMap(({ items }) => items)) {
    if (first.has(sequence)) continue;
    const isSplit = index > 0 && version !== null;
    const again = isSplit ? { ...entry, size, version, pinned: true } : entry;
    first.set(sequence, { ...newTask(sequence, again, verifiable(again)), skipItems: index });
  }
  return [...first.values()].toReversed();
}

/** Bytes of its item, or -1 where that is not known. */
export function plannedLength(entry: PlanEntry): number {
  if (entry.length >= 0) return entry.length;
  return entry.size < 0 ? -1 : Math.max(0, entry.size - entry.start);
}

/** Back to the begin; what was learnt about its size and version, and a first part that fits them, stay. */
export function resetTask(task: Task): void {
  task.state = TaskState.Planned;
  task.nextByte = task.prefix?.length ?? 0;
  task.restart = false;
  task.assembled = false;
  // A first part that stays came by a job of its own.
  task.jobs = task.prefix === null ? 0 : 1;
  task.verified = null;
  task.isPartUnverified = false;
  task.outputs = null;
}

/** Whether it is a whole object that came by several jobs, none of which could look at a checksum of the whole. */
export function isUnverified(verify: VerifyPolicy, task: Task): boolean {
  if (!task.verifiable || verify === 'never' || task.verified !== null) return false;
  const { start, length } = task.entry;
  return start === 0 && length < 0 && task.length > 0 && task.jobs > 1;
}

/** Pure core: a task as it begins, and as it begins again. */
import { TaskState, type PlanEntry, type Task } from './types.js';

export function newTask(sequence: number, entry: PlanEntry): Task {
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
    crashes: 0,
    again: false,
    retries: 0,
    error: null,
    left: false,
    prefix: null,
    indivisible: false,
    filledBytes: 0,
    assembled: false,
    outputs: null,
    skipItems: 0,
  };
}

export function evictedTask(sequence: number, entry: PlanEntry, skipItems: number): Task {
  return { ...newTask(sequence, entry), skipItems };
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
  task.outputs = null;
}

/**
 * Pure core: which bytes the next job of a task asks for.
 *
 * Invariants:
 * 1. The parts of a task cover its bytes once, in order, and none is longer than `partBytes`.
 * 2. Only the first part is sent while no version is known: every later one carries it, so two versions are never
 *    mixed.
 */
import type { RangePlan, Task } from './types.js';

export interface Part {
  /** First byte, relative to the item. */
  readonly from: number;
  readonly length: number;
  /** True when the answer must be the whole object. */
  readonly whole: boolean;
}

/** Bytes asked for when nothing is known about an object's size. */
export function firstPartBytes(ranges: RangePlan, budgetBytes: number): number {
  // A thirty-second of the budget, so that objects of unknown size do not fill it with room they may not need.
  const share = Math.floor(budgetBytes / 32 / 4096) * 4096;
  return Math.max(4096, Math.min(ranges.partBytes, share));
}

export function isSplit(length: number, ranges: RangePlan): boolean {
  return length > ranges.splitThreshold && length > ranges.partBytes;
}

/** The next part to send, or null when there is none now. */
export function nextPart(task: Task, ranges: RangePlan): Part | null {
  if (task.length < 0) return task.jobsOut > 0 ? null : { from: 0, length: task.capacity, whole: false };
  const rest = task.length - task.nextByte;
  // One of which parts were sent stays split, though it turned out to be shorter.
  if (task.nextByte === 0 && !isSplit(task.length, ranges)) {
    if (task.jobsOut > 0) return null;
    const whole = task.entry.start === 0 && task.entry.length < 0;
    return { from: 0, length: task.length, whole };
  }
  if (rest <= 0 || task.jobsOut >= ranges.maxPerObject) return null;
  if (task.version === null && task.nextByte > 0 && task.jobsOut > 0) return null;
  return { from: task.nextByte, length: Math.min(ranges.partBytes, rest), whole: false };
}

/** Whether another part has to wait for the first one's version. */
export function hasMoreParts(task: Task, ranges: RangePlan): boolean {
  if (task.length < 0) return false;
  return task.nextByte > 0 || isSplit(task.length, ranges) ? task.nextByte < task.length : task.jobsOut === 0;
}

/**
 * Pure core: which bytes the next job of a task asks for.
 *
 * Invariants:
 * 1. The parts of a task cover its bytes once, in order, and none is longer than `partBytes`.
 * 2. Only the first part is sent while no version is known: every later one carries it, so two versions are never
 *    mixed.
 */
import type { Prefix, RangePlan, Task } from './types.js';

export interface Part {
  /** First byte, relative to the item. */
  readonly from: number;
  readonly length: number;
  /** True when the answer must be the whole object. */
  readonly whole: boolean;
  /** Bytes right before it that landed elsewhere and are to be copied into place. */
  readonly copy: Prefix | null;
  /** True when the bytes are there already, and only the transform is wanted. */
  readonly landed: boolean;
}

function plainPart(from: number, length: number, copy: Prefix | null = null): Part {
  return { from, length, whole: false, copy, landed: false };
}

/** Bytes asked for when nothing is known about an object's size. */
export function firstPartBytes(ranges: RangePlan, budgetBytes: number): number {
  // A thirty-second of the budget, so that objects of unknown size do not fill it with room they may not need.
  const share = Math.floor(budgetBytes / 32 / 4096) * 4096;
  return Math.max(4096, Math.min(ranges.partBytes, share));
}

export function isLarge(length: number, ranges: RangePlan): boolean {
  return length > ranges.splitThreshold && length > ranges.partBytes;
}

function isSplit(task: Task, ranges: RangePlan): boolean {
  return !task.indivisible && isLarge(task.length, ranges);
}

/** The next part to send, or null when there is none now. */
export function nextPart(task: Task, ranges: RangePlan): Part | null {
  if (task.assembled) return { from: 0, length: task.length, whole: false, copy: null, landed: true };
  if (task.entry.fill !== undefined) return null;
  if (task.length < 0) return task.jobsOut > 0 ? null : plainPart(0, task.capacity);
  const from = task.nextByte;
  const rest = task.length - from;
  const copy = copyBefore(task);
  if (!isSplit(task, ranges)) {
    if (task.jobsOut > 0) return null;
    const whole = from === 0 && task.entry.start === 0 && task.entry.length < 0;
    return { from, length: rest, whole, copy, landed: false };
  }
  if (rest <= 0 || task.jobsOut >= ranges.maxPerObject) return null;
  if (task.version === null && from > 0 && task.jobsOut > 0) return null;
  return plainPart(from, Math.min(ranges.partBytes, rest), copy);
}

/** The prefix, when the next part is the one that comes right behind it. */
function copyBefore({ prefix, nextByte }: Task): Prefix | null {
  return prefix !== null && !prefix.stale && nextByte === prefix.length ? prefix : null;
}

/** Whether another part has to wait for the first one's version. */
export function hasMoreParts(task: Task, ranges: RangePlan): boolean {
  if (task.length < 0 || task.assembled) return false;
  return isSplit(task, ranges) ? task.nextByte < task.length : task.nextByte === 0 && task.jobsOut === 0;
}

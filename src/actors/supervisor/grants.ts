/**
 * Gives memory to tasks in plan order.
 *
 * Invariants:
 * 1. Bytes are granted in plan order within a stream.
 * 2. An item that can never fit is refused at once.
 */
import { pageAlign, type Arena, type Extent } from '../../protocol/arena.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { formatBytes } from '../../protocol/sizes.js';
import { firstPartBytes, isLarge } from './parts.js';
import type { Stream } from './stream.js';
import { TaskState, type PlanEntry, type RangePlan, type Task } from './types.js';

/** Small objects that share an extent, a message and a worker. */
export const MAX_PACK_ITEMS = 64;
const PACK_BYTES = 1024 * 1024;
/** So that every item of a pack begins on a cache line of its own. */
const ITEM_ALIGN_BYTES = 64;

export interface GrantsDeps {
  readonly arena: Arena;
  readonly workers: number;
  ranges(stream: Stream, entry: PlanEntry): RangePlan;
  uri(entry: PlanEntry): string;
}

export class Grants {
  readonly #deps: GrantsDeps;
  /** The stream that has precedence for memory: while there is one, nobody else is granted any. */
  turn: Stream | null = null;

  constructor(deps: GrantsDeps) {
    this.#deps = deps;
  }

  /** Grants memory to the next task, or pack of tasks, of a stream. False when it cannot now, or the stream has ended. */
  grantNext(stream: Stream): boolean {
    // What was refused a moment ago may have ended it.
    if (!stream.open || (this.turn !== null && this.turn !== stream)) return false;
    stream.blockedBytes = 0;
    const again = stream.planned[0];
    if (again !== undefined) {
      if (!this.#grant(stream, again)) return false;
      stream.planned.shift();
      return true;
    }
    const entry = stream.peek();
    if (entry === null) return false;
    const length = this.#need(stream, entry);
    if (!stream.hasRoom(length)) return false;
    if (this.#isSmall(stream, entry)) return this.#grantPack(stream);
    if (this.#deps.arena.usableBytes < length) return this.#refuse(stream, stream.admit(), length);
    const extent = this.#allocate(stream, length);
    if (extent === null) return false;
    this.#give(stream, stream.admit(), extent, extent.offset, Math.max(length, 0));
    return true;
  }

  /** The stream is over, or its consumer went away. */
  forget(stream: Stream): void {
    if (this.turn === stream) this.turn = null;
  }

  #need(stream: Stream, entry: PlanEntry): number {
    if (entry.length >= 0) return entry.length;
    if (entry.size >= 0) return Math.max(0, entry.size - entry.start);
    return firstPartBytes(this.#deps.ranges(stream, entry), this.#deps.arena.budgetBytes);
  }

  #isSmall(stream: Stream, entry: PlanEntry): boolean {
    if (entry.length >= 0 || entry.size < 0) return false;
    const length = entry.size - entry.start;
    return (
      length <= Math.min(PACK_BYTES / 2, this.#deps.arena.usableBytes) &&
      !isLarge(length, this.#deps.ranges(stream, entry))
    );
  }

  #grantPack(stream: Stream): boolean {
    const limit = Math.max(
      1,
      Math.min(MAX_PACK_ITEMS, Math.ceil(stream.options.windowObjects / (2 * this.#deps.workers))),
    );
    const lengths: number[] = [];
    let total = 0;
    for (const entry of stream.upcoming(limit)) {
      if (!this.#isSmall(stream, entry)) break;
      const aligned = align(Math.max(0, entry.size - entry.start));
      if (lengths.length > 0 && total + aligned > PACK_BYTES) break;
      lengths.push(aligned);
      total += aligned;
    }
    // An empty window has room for one object of any size, and not for a pack of any.
    const most = stream.options.windowBytes;
    while (lengths.length > 1 && (total > most || !stream.hasRoom(total))) total -= lengths.pop()!;
    let extent = this.#allocate(stream, total);
    // A consumer that waits gets one object where there is no room for many.
    while (extent === null && lengths.length > 1 && stream.waitingSince !== null && stream.jobsOut === 0) {
      total -= lengths.pop()!;
      extent = this.#allocate(stream, total);
    }
    if (extent === null) return false;
    if (lengths.length > 1) this.#deps.arena.hold(extent, lengths.length - 1);
    let offset = extent.offset;
    for (const length of lengths) {
      this.#give(stream, stream.admit(), extent, offset, length);
      offset += length;
    }
    return true;
  }

  #grant(stream: Stream, task: Task): boolean {
    const ranges = this.#deps.ranges(stream, task.entry);
    const length = task.length >= 0 ? task.length : firstPartBytes(ranges, this.#deps.arena.budgetBytes);
    if (this.#deps.arena.usableBytes < length) return this.#refuse(stream, task, length);
    const extent = this.#allocate(stream, length);
    if (extent === null) return false;
    this.#give(stream, task, extent, extent.offset, length);
    return true;
  }

  #allocate(stream: Stream, bytes: number): Extent | null {
    const extent = this.#deps.arena.allocate(bytes);
    // An empty object needs a page like any other: what is blocked must not look like nothing.
    if (extent === null) stream.blockedBytes = pageAlign(bytes);
    return extent;
  }

  #give(stream: Stream, task: Task, extent: Extent, offset: number, capacity: number): void {
    stream.grants += 1;
    stream.memory.give(task, extent, offset, capacity);
    task.state = TaskState.Granted;
    task.filledBytes = 0;
    stream.granted.push(task);
  }

  #refuse(stream: Stream, task: Task, length: number): boolean {
    const { budgetBytes, quarantinedBytes } = this.#deps.arena.stats();
    task.error = new MillraceError(
      ErrorCode.BudgetTooSmall,
      `${this.#deps.uri(task.entry)} has ${formatBytes(length)}, more than the memory budget of ${formatBytes(budgetBytes)}${lostNote(quarantinedBytes)}: ` +
        'raise memoryBudget, or read it in pieces with getRange (on the command line: millrace cat, millrace get)',
      { phase: 'grant', uri: this.#deps.uri(task.entry) },
    );
    stream.settled(task);
    return true;
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / ITEM_ALIGN_BYTES) * ITEM_ALIGN_BYTES;
}

/** For a message: how much of the budget is out of use. */
export function lostNote(quarantinedBytes: number): string {
  return quarantinedBytes > 0 ? ` (${formatBytes(quarantinedBytes)} of it lost to a stuck worker)` : '';
}

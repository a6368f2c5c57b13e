/**
 * Gives memory to tasks in plan order, and decides what happens when there is none.
 *
 * Invariants:
 * 1. Bytes are granted in plan order within a stream.
 * 2. A stream whose consumer waits and has nothing on its way has precedence: while it is short of memory nobody else
 *    is granted any. What others have complete is evicted for it; when only consumers hold memory, its own consumer
 *    is told so. So no combination of order, budget, loaders and direct calls waits for ever.
 * 3. An item that can never fit is refused at once.
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
  /** The stream that has precedence for memory. */
  #turn: Stream | null = null;

  constructor(deps: GrantsDeps) {
    this.#deps = deps;
  }

  /** Grants memory to the next task, or pack of tasks, of a stream. False when it cannot now. */
  grantNext(stream: Stream): boolean {
    if (this.#turn !== null && this.#turn !== stream) return false;
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
    if (this.#turn === stream) this.#turn = null;
  }

  /**
   * Looks for a stream whose consumer waits for memory, and finds it some. `idle` says that no job is out anywhere.
   * Returns true when granting may be tried again.
   */
  relieve(streams: Iterable<Stream>, idle: boolean): boolean {
    this.#turn = null;
    let starving: Stream | null = null;
    for (const stream of eldestFirst(streams)) {
      // The turn of another one may have kept it from asking.
      if (this.grantNext(stream)) return true;
      if (stream.blockedBytes === 0) continue;
      starving = stream;
      break;
    }
    this.#turn = starving;
    if (starving === null) return false;
    for (const other of streams) {
      if (other !== starving && other.waitingSince === null && other.evict() > 0) return true;
    }
    // What is with workers, or has its memory and waits for one, gives memory back by itself.
    if (!idle || [...streams].some((other) => other.granted.length > 0)) return false;
    if (starving.evictOwn() > 0) return true;
    // It has waited longest of all that are short: what the others have begun to collect is no reason to refuse it.
    for (const other of streams) if (other !== starving && other.evict() > 0) return true;
    this.#turn = null;
    starving.blockedByConsumer(this.#heldByConsumers(starving));
    return false;
  }

  #heldByConsumers(stream: Stream): MillraceError {
    const { usedBytes, chargedBytes, quarantinedBytes, budgetBytes } = this.#deps.arena.stats();
    const heldBytes = usedBytes + chargedBytes - quarantinedBytes;
    return new MillraceError(
      ErrorCode.BudgetHeldByConsumer,
      `${formatBytes(stream.blockedBytes)} are needed for the next item, and ${formatBytes(heldBytes)} of the memory budget of ` +
        `${formatBytes(budgetBytes)}${lostNote(quarantinedBytes)} are held by batches and results that were handed out and not released. Release them before ` +
        'asking for more, or raise memoryBudget',
      { phase: 'grant' },
    );
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
    while (lengths.length > 1 && !stream.hasRoom(total)) total -= lengths.pop()!;
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
    stream.blockedBytes = extent === null ? pageAlign(bytes) : 0;
    return extent;
  }

  #give(stream: Stream, task: Task, extent: Extent, offset: number, capacity: number): void {
    stream.memory.give(task, extent, offset, capacity);
    task.state = TaskState.Granted;
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

/** Streams whose consumers wait and that have nothing on their way; none unless one of them is short of memory. */
function eldestFirst(streams: Iterable<Stream>): Stream[] {
  const waiting: Stream[] = [];
  let short = false;
  for (const stream of streams) {
    if (stream.waitingSince === null || stream.jobsOut > 0 || stream.granted.length > 0) continue;
    waiting.push(stream);
    short ||= stream.blockedBytes > 0;
  }
  if (!short) return [];
  return waiting.sort((a, b) => a.waitingSince! - b.waitingSince! || a.id - b.id);
}

function align(bytes: number): number {
  return Math.ceil(bytes / ITEM_ALIGN_BYTES) * ITEM_ALIGN_BYTES;
}

function lostNote(quarantinedBytes: number): string {
  return quarantinedBytes > 0 ? ` (${formatBytes(quarantinedBytes)} of it lost to a stuck worker)` : '';
}

/**
 * One SharedArrayBuffer that the byte budget is handed out of, in page-aligned extents. The allocator lives on the
 * service thread; workers only write where a lease says.
 *
 * Reallocating buffers instead cannot keep a budget: each isolate pins a SharedArrayBuffer until its own garbage
 * collection, which shared buffers do nothing to hasten.
 *
 * Invariants:
 * 1. Live extents never overlap, and their lengths with the quarantined and the charged bytes never exceed the budget
 *    by more than what was charged after the fact.
 * 2. An extent is live from `allocate` to the last `release`; a release too many, or a look at a released extent, is
 *    an error that names it.
 * 3. A quarantined extent is never handed out again before `unquarantine`.
 * 4. Every extent begins on a page of memory as far as the pad that was found tells, so that direct reads need no copy.
 *
 * Large extents are cut from the high end and small ones from the low end, so that what a consumer holds on to seldom
 * splits the room that a large object needs. When it does, the addresses are widened, never the budget.
 */
import { ErrorCode, MillraceError } from './errors.js';

/** Smallest unit: a page, so that O_DIRECT and page faults see whole ones. */
export const PAGE_BYTES = 4096;

/** How many bytes behind its beginning a buffer's first page begins; may overwrite its first two pages. */
export type PadFinder = (buffer: SharedArrayBuffer) => number;

/** The right to write one extent, or a piece of it, for one attempt. */
export interface Lease {
  readonly offset: number;
  readonly length: number;
  readonly generation: number;
}

export interface Extent {
  readonly offset: number;
  /** Allocated bytes, a multiple of a page; shrinks with `trim`. */
  length: number;
  /** Unique per allocation, so that a stale handle is recognised. */
  readonly generation: number;
  /** How many holders (tasks, batch items) are left. */
  holders: number;
  /** How many fenced threads may still write to it. */
  writers: number;
}

export interface ArenaStats {
  readonly budgetBytes: number;
  readonly usedBytes: number;
  readonly peakBytes: number;
  /** Bytes that a stuck thread may still write to. */
  readonly quarantinedBytes: number;
  /** Bytes outside the arena that count against the budget. */
  readonly chargedBytes: number;
  readonly extents: number;
}

export function pageAlign(bytes: number): number {
  return Math.ceil(Math.max(bytes, 1) / PAGE_BYTES) * PAGE_BYTES;
}

/**
 * Twice the budget in addresses, of which the second half is not touched before `widen`; untouched pages cost nothing.
 * Where so many addresses cannot be had, the budget alone. A page more either way, for the pad.
 */
function reserve(budgetBytes: number): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(budgetBytes * 2 + PAGE_BYTES);
  } catch {
    return new SharedArrayBuffer(budgetBytes + PAGE_BYTES);
  }
}

export class Arena {
  readonly buffer: SharedArrayBuffer;
  readonly budgetBytes: number;
  readonly #largeBytes: number;
  /** Where the first page begins, and where the budget ends when it is laid out from there. */
  readonly #base: number;
  readonly #end: number;
  /** Free ranges by offset, never touching each other. */
  #freeOffsets: number[];
  #freeLengths: number[];
  readonly #live = new Map<number, Extent>();
  #generation = 0;
  #usedBytes = 0;
  #peakBytes = 0;
  #quarantinedBytes = 0;
  #chargedBytes = 0;
  /** Whether addresses above the budget may be used, and what lies there. */
  #widened = false;
  readonly #above = new Set<Extent>();

  /** Without a finder extents are page-aligned within the buffer, which itself may begin anywhere in a page. */
  constructor(budgetBytes: number, padOf: PadFinder = () => 0) {
    this.budgetBytes = Math.floor(budgetBytes / PAGE_BYTES) * PAGE_BYTES;
    this.buffer = reserve(this.budgetBytes);
    this.#base = padOf(this.buffer);
    this.#end = this.#base + this.budgetBytes;
    this.#freeOffsets = [this.#base];
    this.#freeLengths = [this.budgetBytes];
    this.#largeBytes = this.budgetBytes / 16;
  }

  /** An extent of at least `bytes` with one holder, or null when it does not fit now. */
  allocate(bytes: number): Extent | null {
    const length = pageAlign(bytes);
    if (!this.#isWithin(length)) return null;
    // Widened, everything goes as low as it fits, so that the second half is soon empty again.
    const large = length >= this.#largeBytes && !this.#widened;
    const at = this.#find(length, large);
    if (at < 0) return null;
    const offset = this.#freeOffsets[at]!;
    const spare = this.#freeLengths[at]! - length;
    this.#freeLengths[at] = spare;
    if (!large) this.#freeOffsets[at] = offset + length;
    if (spare === 0) this.#dropFree(at);
    this.#generation += 1;
    const start = large ? offset + spare : offset;
    const extent: Extent = { offset: start, length, generation: this.#generation, holders: 1, writers: 0 };
    this.#live.set(extent.generation, extent);
    if (start + length > this.#end) this.#above.add(extent);
    this.#usedBytes += length;
    this.#notePeak();
    return extent;
  }

  /** Whether an extent of `bytes` can be had now. */
  fits(bytes: number): boolean {
    const length = pageAlign(bytes);
    return this.#isWithin(length) && this.#find(length, true) >= 0;
  }

  /**
   * Opens the second half of the addresses, for an extent of `bytes` that is within the budget but for which what
   * consumers hold leaves no run that is long enough. False when that is not the reason, or does not help.
   */
  widen(bytes: number): boolean {
    const spare = this.buffer.byteLength - PAGE_BYTES - this.budgetBytes;
    if (this.#widened || spare === 0 || !this.#isWithin(pageAlign(bytes)) || this.fits(bytes)) return false;
    this.#widened = true;
    this.#free(this.#end, spare);
    return this.fits(bytes);
  }

  /** Adds holders; each of them releases once. */
  hold(extent: Extent, holders = 1): void {
    this.#mustBeLive(extent, 'hold');
    extent.holders += holders;
  }

  /** One holder less, or several; the last one frees the extent. */
  release(extent: Extent, holders = 1): void {
    this.#mustBeLive(extent, 'release');
    if (holders > extent.holders) throw released(extent, `release of ${holders} holders`);
    extent.holders -= holders;
    if (extent.holders > 0) return;
    this.#live.delete(extent.generation);
    this.#usedBytes -= extent.length;
    this.#free(extent.offset, extent.length);
    if (this.#above.delete(extent) && this.#above.size === 0) this.#narrow();
  }

  /** Gives back the pages behind the first `bytes`; the extent stays where it is. */
  trim(extent: Extent, bytes: number): void {
    this.#mustBeLive(extent, 'trim');
    const length = pageAlign(bytes);
    if (length >= extent.length) return;
    const spare = extent.length - length;
    extent.length = length;
    this.#usedBytes -= spare;
    if (extent.writers > 0) this.#quarantinedBytes -= spare;
    this.#free(extent.offset + length, spare);
  }

  /** Marks bytes that a fenced thread, one more of them, may still write; they stay out of use until its `unquarantine`. */
  quarantine(extent: Extent): void {
    this.#mustBeLive(extent, 'quarantine');
    // The parts of one object may be with several of them.
    if (extent.writers === 0) this.#quarantinedBytes += extent.length;
    extent.writers += 1;
  }

  /** The thread's exit was seen: its bytes may be used again. Releases the holder it had. */
  unquarantine(extent: Extent): void {
    this.#mustBeLive(extent, 'unquarantine');
    extent.writers -= 1;
    if (extent.writers === 0) this.#quarantinedBytes -= extent.length;
    this.release(extent);
  }

  /** Counts bytes outside the arena (a transform's output that outgrew its extent) against the budget. */
  charge(bytes: number): void {
    this.#chargedBytes += bytes;
    this.#notePeak();
  }

  uncharge(bytes: number): void {
    this.#chargedBytes -= bytes;
  }

  isLive(extent: Extent): boolean {
    return this.#live.get(extent.generation) === extent;
  }

  /** What a thread that can never be told to stop leaves for new work. */
  get usableBytes(): number {
    return this.budgetBytes - this.#quarantinedBytes;
  }

  stats(): ArenaStats {
    return {
      budgetBytes: this.budgetBytes,
      usedBytes: this.#usedBytes,
      peakBytes: this.#peakBytes,
      quarantinedBytes: this.#quarantinedBytes,
      chargedBytes: this.#chargedBytes,
      extents: this.#live.size,
    };
  }

  #isWithin(length: number): boolean {
    return this.#usedBytes + this.#chargedBytes + length <= this.budgetBytes;
  }

  #find(length: number, fromHigh: boolean): number {
    const lengths = this.#freeLengths;
    if (fromHigh) {
      for (let i = lengths.length - 1; i >= 0; i -= 1) if (lengths[i]! >= length) return i;
      return -1;
    }
    for (let i = 0; i < lengths.length; i += 1) if (lengths[i]! >= length) return i;
    return -1;
  }

  #free(offset: number, length: number): void {
    const offsets = this.#freeOffsets;
    const lengths = this.#freeLengths;
    let low = 0;
    let high = offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (offsets[middle]! < offset) low = middle + 1;
      else high = middle;
    }
    const joinsNext = low < offsets.length && offset + length === offsets[low]!;
    const joinsPrevious = low > 0 && offsets[low - 1]! + lengths[low - 1]! === offset;
    if (joinsPrevious) {
      lengths[low - 1]! += length;
      if (!joinsNext) return;
      lengths[low - 1]! += lengths[low]!;
      this.#dropFree(low);
    } else if (joinsNext) {
      offsets[low] = offset;
      lengths[low]! += length;
    } else {
      offsets.splice(low, 0, offset);
      lengths.splice(low, 0, length);
    }
  }

  /** Nothing lies above the budget any more: the last free range is cut there. */
  #narrow(): void {
    this.#widened = false;
    const last = this.#freeOffsets.length - 1;
    const below = this.#end - this.#freeOffsets[last]!;
    if (below > 0) this.#freeLengths[last] = below;
    else this.#dropFree(last);
  }

  #dropFree(at: number): void {
    this.#freeOffsets.splice(at, 1);
    this.#freeLengths.splice(at, 1);
  }

  #notePeak(): void {
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes + this.#chargedBytes);
  }

  #mustBeLive(extent: Extent, verb: string): void {
    if (!this.isLive(extent)) throw released(extent, verb);
  }
}

function released(extent: Extent, verb: string): MillraceError {
  return new MillraceError(
    ErrorCode.Released,
    `${verb} of an extent that was already released: generation ${extent.generation}, ${extent.length} bytes at ${extent.offset}`,
    { phase: 'deliver' },
  );
}

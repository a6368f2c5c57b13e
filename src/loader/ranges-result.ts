/**
 * What `getRanges` hands out: views into the reads that brought the ranges, and one release for all of them.
 *
 * Invariants:
 * 1. The views are made without copying: those of ranges that overlap are of the same memory.
 * 2. After the release no access to bytes succeeds.
 * 3. Memory stays as long as the result or an array that it handed out can be reached; when it is forgotten, that is
 *    noticed and counted, as with every result.
 */
import { ownCopy } from '../protocol/copy.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import type { Batch } from './batch.js';
import type { Place } from './coalesce.js';
import type { Item } from './item.js';
import type { LeakWatch } from './leaks.js';

/** What was read, and what it took. */
export interface RangesFacts {
  readonly uri: string;
  /** Size of the whole object in bytes; -1 where nothing was read, or the service does not tell. */
  readonly size: number;
  readonly version: string | null;
  readonly requests: number;
  readonly bytesRead: number;
}

/** One read: its item, and the batch that holds its memory. */
export interface ReadResult {
  readonly item: Item;
  readonly batch: Batch;
}

/** One of the ranges. */
export class RangeResult {
  readonly #read: ReadResult;
  readonly #place: Place;
  readonly #leaks: LeakWatch;
  #view: Uint8Array | null = null;

  constructor(read: ReadResult, place: Place, leaks: LeakWatch) {
    this.#read = read;
    this.#place = place;
    this.#leaks = leaks;
  }

  /** First byte of the object that is here. */
  get start(): number {
    return this.#read.item.start + this.#place.offset;
  }

  /** Bytes of this range: fewer than were asked for where the object ends before. */
  get byteLength(): number {
    return this.#place.length;
  }

  get length(): number {
    return this.#place.length;
  }

  /**
   * The bytes, over shared memory, until the release; what this very array shows afterwards is undefined (in checked
   * mode it is empty).
   * @throws MillraceError Released
   */
  get bytes(): Uint8Array {
    const { item, batch } = this.#read;
    const whole = item.bytes;
    if (this.#view === null) {
      const { offset, length } = this.#place;
      this.#view = whole.subarray(offset, offset + length);
      this.#leaks.link(this.#view, batch);
    }
    return this.#view;
  }

  /** The bytes in memory of their own. @throws MillraceError Released */
  copy(): Uint8Array<ArrayBuffer> {
    return ownCopy(this.bytes);
  }
}

export class RangesResult {
  readonly #facts: RangesFacts;
  readonly #batches: readonly Batch[];
  #released = false;
  /** In the order in which they were asked for. */
  readonly ranges: readonly RangeResult[];

  /** `reads` in the order of the plan; `places` in the order of the ranges. */
  constructor(facts: RangesFacts, reads: readonly ReadResult[], places: readonly Place[], leaks: LeakWatch) {
    this.#facts = facts;
    this.#batches = [...new Set(reads.map(({ batch }) => batch.retain()))];
    this.ranges = places.map((place) => new RangeResult(reads[place.read]!, place, leaks));
  }

  get uri(): string {
    return this.#facts.uri;
  }

  /** Size of the whole object in bytes; -1 where nothing was read, or the service does not tell. */
  get size(): number {
    return this.#facts.size;
  }

  /** ETag or generation that all of the bytes are of, or null. */
  get version(): string | null {
    return this.#facts.version;
  }

  /**
   * Requests that this took: the question for the size where one was needed, each read or part of one, each retry.
   * What had to begin again (another version, memory that others needed more) is not counted twice.
   */
  get requests(): number {
    return this.#facts.requests;
  }

  /** Bytes that are held until the release: those of the ranges, and of the gaps that were read along. */
  get bytesRead(): number {
    return this.#facts.bytesRead;
  }

  get released(): boolean {
    return this.#released;
  }

  /** Gives all of the memory back. @throws MillraceError Released when it was released before */
  release(): void {
    if (this.#released) {
      const { uri } = this;
      const message = `release of ${this.ranges.length} ranges of ${uri}: they were already released`;
      throw new MillraceError(ErrorCode.Released, message, { phase: 'deliver', uri });
    }
    this.#released = true;
    for (const batch of this.#batches) batch.release();
  }

  /** `using result = ...` releases at the end of the block what is not released by then. */
  [Symbol.dispose](): void {
    if (!this.#released) this.release();
  }
}

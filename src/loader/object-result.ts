/**
 * What `get` and `getRange` hand out: one item, with memory that the caller releases.
 *
 * Invariant: the result holds its batch and the batch's leak watch holds neither, so that a forgotten result is noticed.
 */
import type { ChecksumAlgorithm } from '../protocol/checksums/algorithms.js';
import type { Batch } from './batch.js';
import type { Item } from './item.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';

export class ObjectResult {
  readonly #batch: Batch;
  readonly #item: Item;

  constructor(batch: Batch) {
    const item = batch.at(0);
    if (item === undefined) throw new MillraceError(ErrorCode.Internal, 'a result without an item');
    this.#batch = batch.retain();
    this.#item = item;
  }

  /** As of an {@link Item}. */
  get uri(): string {
    return this.#item.uri;
  }
  get key(): string {
    return this.#item.key;
  }
  get keyBytes(): Uint8Array {
    return this.#item.keyBytes;
  }
  /** Size of the whole object in bytes. */
  get size(): number {
    return this.#item.size;
  }
  /** First byte of the object that is here. */
  get start(): number {
    return this.#item.start;
  }
  get version(): string | null {
    return this.#item.version;
  }
  /** The checksum of the service that the object was found to have, or null where none was looked at. */
  get verified(): ChecksumAlgorithm | null {
    return this.#item.verified;
  }
  get byteLength(): number {
    return this.#item.byteLength;
  }
  get length(): number {
    return this.#item.byteLength;
  }
  get released(): boolean {
    return this.#batch.released;
  }

  /**
   * The bytes, over shared memory, until `release()`. They stay valid as long as this result or this very array can be
   * reached; a `subarray` alone does not keep them.
   * @throws MillraceError Released
   */
  get bytes(): Uint8Array {
    return this.#item.bytes;
  }
  /** The bytes in memory of their own. */
  copy(): Uint8Array<ArrayBuffer> {
    return this.#item.copy();
  }
  text(): string {
    return this.#item.text();
  }
  json(): unknown {
    return this.#item.json();
  }

  /** Gives the memory back. @throws MillraceError Released when it was released before */
  release(): void {
    this.#batch.release();
  }

  /** `using result = ...` releases at the end of the block what is not released by then. */
  [Symbol.dispose](): void {
    if (!this.released) this.release();
  }
}

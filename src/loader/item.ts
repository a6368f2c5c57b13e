/**
 * One element of a batch: where it comes from, and its bytes or value.
 *
 * Invariants:
 * 1. After the release of its batch every access to the bytes or the value throws `Released` and names the item; what
 *    is known about it (uri, key, size, version, sequence) stays readable.
 * 2. Neither a view nor a text is made before it is asked for.
 */
import type { ChecksumAlgorithm } from '../protocol/checksums/algorithms.js';
import type { ItemRecord, StoreDirectory } from '../actors/supervisor/types.js';
import { ownCopy } from '../protocol/copy.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { utf8 } from './listing.js';
import type { ByteSource, BytesPayload } from './views.js';

/** What the items of one batch have in common. */
export interface ItemWorld {
  readonly stores: Pick<StoreDirectory, 'uri'>;
  readonly bytes: ByteSource;
  /** Whether the batch was released. */
  readonly released: () => boolean;
  /** Called with each view that is handed out. */
  readonly onView: (view: Uint8Array) => void;
}

/** UTF-8, a byte order mark is left out, and what is not UTF-8 becomes U+FFFD. */
const decoder = new TextDecoder();

export class Item {
  readonly #record: ItemRecord;
  readonly #world: ItemWorld;
  #view: Uint8Array | null = null;
  #uri: string | null = null;
  #key: string | null = null;

  constructor(record: ItemRecord, world: ItemWorld) {
    this.#record = record;
    this.#world = world;
  }

  /** The object's URI, without credentials. */
  get uri(): string {
    const { store, key } = this.#record.entry;
    this.#uri ??= this.#world.stores.uri(store, key);
    return this.#uri;
  }

  /** The key as text; U+FFFD where it is not UTF-8. */
  get key(): string {
    this.#key ??= utf8(this.#record.entry.key);
    return this.#key;
  }

  /** The key as the store has it. */
  get keyBytes(): Uint8Array {
    return this.#record.entry.key;
  }

  /** Position of the object in the plan of the epoch, from 0 on. */
  get sequence(): number {
    return this.#record.sequence;
  }

  /** Which of the items that a transform made of one object; 0 without one. */
  get index(): number {
    return this.#record.index;
  }

  /** Size of the whole object in bytes. */
  get size(): number {
    return this.#record.size;
  }

  /** First byte of the object that was asked for; 0 unless a range was. */
  get start(): number {
    return this.#record.entry.start;
  }

  /** ETag or generation of what was read, or null. */
  get version(): string | null {
    return this.#record.version;
  }

  /** The checksum of the service that its object was found to have, or null where none was looked at. */
  get verified(): ChecksumAlgorithm | null {
    return this.#record.verified;
  }

  /** Bytes of this item; 0 for a value. */
  get byteLength(): number {
    const { payload } = this.#record;
    if (payload.kind === 'lease') return payload.length;
    return payload.kind === 'bytes' ? payload.bytes.length : 0;
  }

  get length(): number {
    return this.byteLength;
  }

  /**
   * The bytes, over shared memory, until the release of the batch; what this very array shows afterwards is undefined
   * (in checked mode it is empty). Web APIs that refuse shared memory (`crypto.subtle`, a `Response`) take `copy()`.
   * @throws MillraceError Released; Unsupported when a transform made a value
   */
  get bytes(): Uint8Array {
    const payload = this.#payload();
    if (this.#view !== null) return this.#view;
    const view = this.#world.bytes.view(payload);
    this.#view = view;
    this.#world.onView(view);
    return view;
  }

  /**
   * What a transform made; undefined where it left bytes.
   * @throws MillraceError Released
   */
  get value(): unknown {
    this.#mustBeHeld();
    const { payload } = this.#record;
    return payload.kind === 'value' ? payload.value : undefined;
  }

  /** The bytes in memory of their own, which outlives the batch. Throws as `bytes` does. */
  copy(): Uint8Array<ArrayBuffer> {
    return ownCopy(this.bytes);
  }

  /** The bytes as UTF-8. Throws as `bytes` does. */
  text(): string {
    return decoder.decode(this.bytes);
  }

  /**
   * The bytes as JSON.
   * @throws MillraceError InvalidArgument when they are not JSON, and as `bytes` does
   */
  json(): unknown {
    const text = this.text();
    try {
      return JSON.parse(text);
    } catch (cause) {
      const message = `${this.uri} is not JSON (${this.byteLength} bytes)`;
      throw new MillraceError(ErrorCode.InvalidArgument, message, { uri: this.uri, cause });
    }
  }

  /** The views that were handed out, for the batch that ends or keeps them. */
  static viewOf(item: Item): Uint8Array | null {
    return item.#view;
  }

  #payload(): BytesPayload {
    this.#mustBeHeld();
    const { payload } = this.#record;
    if (payload.kind !== 'value') return payload;
    throw new MillraceError(
      ErrorCode.Unsupported,
      `the transform made a value of ${this.uri}, not bytes: read item.value`,
      { phase: 'deliver', uri: this.uri },
    );
  }

  #mustBeHeld(): void {
    if (!this.#world.released()) return;
    throw new MillraceError(
      ErrorCode.Released,
      `item ${this.sequence} (${this.uri}) was used after its memory was released; ` +
        'call batch.retain() to keep a batch, or item.copy() to keep bytes',
      { phase: 'deliver', uri: this.uri },
    );
  }
}

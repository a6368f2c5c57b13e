/**
 * Chunks of a stream, cut into pieces of a wanted length without being copied.
 *
 * Invariants:
 * 1. Every byte of the stream is in exactly one piece, in order; each piece but the last has the length that was asked for.
 * 2. No more than one piece, and what is left of the chunk that ended it, is held.
 */
import type { Fill } from '../../actors/supervisor/types.js';
import { copyBytes } from '../../protocol/copy.js';
import { userError } from '../references.js';
import { invalidOption } from '../schema.js';
import { type Chunk, chunkReaderOf, type ChunkReader, type ChunkSource } from './chunk-reader.js';

export type { Chunk, ChunkSource };

/** Consecutive bytes, in the chunks that they came in. */
export interface Piece {
  readonly length: number;
  readonly fill: Fill;
}

export class Gatherer {
  readonly #reader: ChunkReader;
  /** What the last piece left of its chunk. */
  #rest: Uint8Array = new Uint8Array(0);
  #ended = false;
  #closed = false;

  /** From here on the source is ours, and ended by `close`. */
  constructor(source: ChunkSource) {
    this.#reader = chunkReaderOf(source);
  }

  /** Whether the stream has ended and all of it was taken. */
  get exhausted(): boolean {
    return this.#ended && this.#rest.length === 0;
  }

  /** The next `bytes` of the stream; fewer only at its end. */
  async take(bytes: number): Promise<Piece> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    while (length < bytes && (await this.#more())) {
      const part = this.#rest.subarray(0, bytes - length);
      this.#rest = this.#rest.subarray(part.length);
      chunks.push(part);
      length += part.length;
    }
    // Looked at here, so that who took the last byte knows that it was the last.
    if (length === bytes) await this.#more();
    return { length, fill: fillOf(chunks) };
  }

  /** Ends a stream that has not ended: its own `finally` runs, its file is closed. Idempotent; does not wait. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended = true;
    this.#rest = new Uint8Array(0);
    this.#reader.close();
  }

  /** Whether there is anything left; asks the stream where nothing is in hand. */
  async #more(): Promise<boolean> {
    while (this.#rest.length === 0 && !this.#ended) {
      let step: IteratorResult<Chunk, unknown>;
      try {
        step = await this.#reader.next();
      } catch (thrown) {
        this.#ended = true;
        throw userError(thrown, 'the stream that is to be put');
      }
      if (step.done === true) this.#ended = true;
      else this.#rest = bytesOf(step.value, 'a chunk of the stream');
    }
    return this.#rest.length > 0;
  }
}

/** The bytes of a chunk, without a copy where there is memory behind it. */
export function bytesOf(chunk: unknown, name: string): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (typeof chunk === 'string') return Buffer.from(chunk, 'utf8');
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (chunk instanceof ArrayBuffer || chunk instanceof SharedArrayBuffer) return new Uint8Array(chunk);
  throw invalidOption(name, 'bytes (a Uint8Array, a view, a buffer) or a text', chunk);
}

/** Fills from chunks as they are when that is called: memory that was taken away meanwhile is an error, not old bytes of others. */
export function fillOf(chunks: readonly Uint8Array[]): Fill {
  return (target, from) => {
    let start = 0;
    let filled = 0;
    for (const chunk of chunks) {
      const skip = Math.max(0, from + filled - start);
      const end = Math.min(chunk.length, skip + target.length - filled);
      if (skip < end) {
        copyBytes(new Uint8Array(chunk.buffer, chunk.byteOffset + skip, end - skip), target, filled);
        filled += end - skip;
      }
      start += chunk.length;
      if (filled === target.length) return;
    }
    throw invalidOption(
      'data',
      'bytes that stay as they are until the call settles',
      'a buffer that was taken away',
    );
  };
}

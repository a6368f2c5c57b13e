/**
 * Pure core: items in, batches out.
 *
 * Invariants:
 * 1. Where a batch ends depends on the items and the options alone, never on timing: it ends when it has `batchSize`
 *    items, or before the item that would carry it over `batchBytes`.
 * 2. Items leave in the order in which they came, each once.
 */
import type { BatchRecord, ItemRecord, StreamOptions } from './types.js';

const NONE: readonly BatchRecord[] = [];

export class Assembler {
  readonly #batchSize: number;
  readonly #batchBytes: number;
  #items: ItemRecord[] = [];
  #bytes = 0;

  constructor(options: Pick<StreamOptions, 'batchSize' | 'batchBytes'>) {
    this.#batchSize = options.batchSize;
    this.#batchBytes = options.batchBytes;
  }

  get pendingItems(): number {
    return this.#items.length;
  }

  /** Adds one item; returns the batches that this closes (none, one, or two). */
  push(item: ItemRecord): readonly BatchRecord[] {
    const bytes = itemBytes(item);
    const before = this.closeBefore(bytes);
    this.#items.push(item);
    this.#bytes += bytes;
    const full = this.#items.length >= this.#batchSize || this.#bytes >= this.#batchBytes;
    // Most items close nothing: no list is made for them.
    if (!full) return before === null ? NONE : [before];
    return before === null ? [this.#close()] : [before, this.#close()];
  }

  /**
   * The pending batch, if an item of `bytes` does not belong into it any more. Known before that item is there, so
   * that a batch never waits for an item that itself waits for the batch's memory.
   */
  closeBefore(bytes: number): BatchRecord | null {
    return this.#items.length > 0 && this.#bytes + bytes > this.#batchBytes ? this.#close() : null;
  }

  /** What is pending, as a last and perhaps short batch; null when there is nothing. */
  flush(): BatchRecord | null {
    return this.#items.length === 0 ? null : this.#close();
  }

  #close(): BatchRecord {
    const batch = { items: this.#items, bytes: this.#bytes };
    this.#items = [];
    this.#bytes = 0;
    return batch;
  }
}

export function itemBytes(item: ItemRecord): number {
  const { payload } = item;
  if (payload.kind === 'lease') return payload.length;
  return payload.kind === 'bytes' ? payload.bytes.length : 0;
}

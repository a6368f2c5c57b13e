/**
 * Where a stream's items leave it: the batch that is being filled, those that are ready, and the consumer while it waits.
 *
 * Invariants:
 * 1. An item that came in lies in the batch that is being filled, or in one that is ready, until it is taken, once.
 * 2. A wait is ended once: by whoever takes the waiter.
 */
import { Assembler } from './assembler.js';
import type { BatchRecord, ItemRecord, StreamOptions, Waiter } from './types.js';

export class Outlet {
  readonly #assembler: Assembler;
  #ready: BatchRecord[] = [];
  #readyBytes = 0;
  #waiter: Waiter | null = null;

  constructor(options: Pick<StreamOptions, 'batchSize' | 'batchBytes'>) {
    this.#assembler = new Assembler(options);
  }

  /** Whether no batch is ready. */
  get empty(): boolean {
    return this.#ready.length === 0;
  }

  /** Of the batches that are ready. */
  get readyBytes(): number {
    return this.#readyBytes;
  }

  /** When the consumer began to wait, or null. */
  get waitingSince(): number | null {
    return this.#waiter?.since ?? null;
  }

  push(item: ItemRecord): void {
    for (const batch of this.#assembler.push(item)) this.#queue(batch);
  }

  /** Makes the batch ready that is being filled, if an item of so many bytes does not belong into it any more. */
  closeBefore(bytes: number): boolean {
    return this.#queue(this.#assembler.closeBefore(bytes));
  }

  /** Makes the batch ready that is being filled, however short it is. False when there is none. */
  flush(): boolean {
    return this.#queue(this.#assembler.flush());
  }

  /** The first batch that is ready. */
  take(): BatchRecord | null {
    const batch = this.#ready.shift();
    if (batch === undefined) return null;
    this.#readyBytes -= batch.bytes;
    return batch;
  }

  /** All batches in their order, also the one that is being filled. */
  takeAll(): BatchRecord[] {
    this.flush();
    this.#readyBytes = 0;
    return this.#ready.splice(0);
  }

  /** The consumer begins to wait. Settles as whoever takes the waiter says. */
  wait(since: number): Promise<BatchRecord | null> {
    // Wait ends: with a batch, the end, a failure, or the turn of the stream's token, whichever comes first.
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject, since };
    });
  }

  takeWaiter(): Waiter | null {
    const waiter = this.#waiter;
    this.#waiter = null;
    return waiter;
  }

  #queue(batch: BatchRecord | null): boolean {
    if (batch === null) return false;
    this.#ready.push(batch);
    this.#readyBytes += batch.bytes;
    return true;
  }
}

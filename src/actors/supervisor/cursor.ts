/**
 * Pure core: how far the consumer has acknowledged, as a position in the plan.
 *
 * Invariant: everything before the position is acknowledged, or needed no acknowledgement (filtered, failed and
 * skipped). In completion order, what was acknowledged behind a gap is remembered until the gap closes.
 */
import type { Cursor, ItemRecord } from './types.js';

export class CursorTrack {
  readonly #settled = new Set<number>();
  #objects = 0;
  #items = 0;

  get value(): Cursor {
    return { version: 1, objects: this.#objects, items: this.#items };
  }

  acknowledge(item: Pick<ItemRecord, 'sequence' | 'index' | 'last'>): void {
    if (item.last) return this.settle(item.sequence);
    if (item.sequence === this.#objects) this.#items = Math.max(this.#items, item.index + 1);
  }

  /** The object needs no further acknowledgement. */
  settle(sequence: number): void {
    if (sequence < this.#objects) return;
    this.#settled.add(sequence);
    while (this.#settled.delete(this.#objects)) {
      this.#objects += 1;
      this.#items = 0;
    }
  }
}

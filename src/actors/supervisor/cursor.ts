/**
 * Pure core: how far the consumer has acknowledged, as a position in the plan.
 *
 * Invariants:
 * 1. Everything before the position is acknowledged, or needed no acknowledgement (filtered, failed and skipped).
 * 2. What was settled behind a gap is remembered until the gap closes, as runs: memory grows with the number of gaps,
 *    never with that of objects.
 */
import type { Cursor, ItemRecord } from './types.js';

export class CursorTrack {
  /** Runs of settled objects behind the position: first to behind the last, and the other way round. */
  readonly #endOf = new Map<number, number>();
  readonly #startOf = new Map<number, number>();
  #objects = 0;
  #items = 0;

  get value(): Cursor {
    return { version: 1, objects: this.#objects, items: this.#items };
  }

  acknowledge(item: Pick<ItemRecord, 'sequence' | 'index' | 'last'>): void {
    if (item.last) return this.settle(item.sequence);
    if (item.sequence === this.#objects) this.#items = Math.max(this.#items, item.index + 1);
  }

  /** The object needs no further acknowledgement. Called once per object. */
  settle(sequence: number): void {
    const end = this.#takeRunFrom(sequence + 1);
    if (sequence === this.#objects) {
      this.#objects = end;
      this.#items = 0;
      return;
    }
    const start = this.#startOf.get(sequence) ?? sequence;
    this.#startOf.delete(sequence);
    this.#endOf.set(start, end);
    this.#startOf.set(end, start);
  }

  /** Forgets the run that begins at `start`; returns where it ended, or `start` when there is none. */
  #takeRunFrom(start: number): number {
    const end = this.#endOf.get(start);
    if (end === undefined) return start;
    this.#endOf.delete(start);
    this.#startOf.delete(end);
    return end;
  }
}

/**
 * Pure core: how far the consumer has acknowledged, as a position in the plan.
 *
 * Invariants:
 * 1. Everything before the position is acknowledged, or needed no acknowledgement (filtered, failed and skipped).
 * 2. What was settled behind a gap is remembered until the gap closes, as runs: memory grows with the number of gaps,
 *    never with that of objects.
 * 3. An object of several items is settled when each of them is acknowledged: its batches may be in any order.
 */
import type { Cursor, ItemRecord } from './types.js';

/** The acknowledged items of one object. */
interface Acknowledged {
  /** Items from the first one on, without a gap. */
  first: number;
  readonly behind: Set<number>;
  /** How many there are; known with the last one. */
  count: number;
}

export class CursorTrack {
  /** Runs of settled objects behind the position: first to behind the last, and the other way round. */
  readonly #endOf = new Map<number, number>();
  readonly #startOf = new Map<number, number>();
  /** Objects of which some items are acknowledged, and not all. */
  readonly #begun = new Map<number, Acknowledged>();
  #objects = 0;

  get value(): Cursor {
    return { version: 1, objects: this.#objects, items: this.#begun.get(this.#objects)?.first ?? 0 };
  }

  acknowledge(item: Pick<ItemRecord, 'sequence' | 'index' | 'last'>): void {
    const { sequence, index, last } = item;
    if (last && index === 0) return this.settle(sequence);
    const items = this.#begun.get(sequence) ?? { first: 0, behind: new Set(), count: Infinity };
    this.#begun.set(sequence, items);
    if (last) items.count = index + 1;
    items.behind.add(index);
    while (items.behind.delete(items.first)) items.first += 1;
    if (items.first < items.count) return;
    this.#begun.delete(sequence);
    this.settle(sequence);
  }

  /** The object needs no further acknowledgement. Called once per object. */
  settle(sequence: number): void {
    const end = this.#takeRunFrom(sequence + 1);
    if (sequence === this.#objects) {
      this.#objects = end;
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

/**
 * Rows on their way to a consumer who takes one at a time.
 *
 * Invariants:
 * 1. At most `limit` rows, and those of the message that filled it, are held: who puts waits for room.
 * 2. Everybody who waits is let go when the outbox is closed.
 */
export class Outbox<T> {
  readonly #limit: number;
  readonly #rows: T[] = [];
  #waiting: (() => void)[] = [];
  #ended = false;
  #error: { readonly thrown: unknown } | null = null;

  constructor(limit: number) {
    this.#limit = limit;
  }

  put(row: T): void {
    if (this.#ended) return;
    this.#rows.push(row);
    this.#changed();
  }

  /** Resolves when there is room, or nobody takes rows any more. */
  async room(): Promise<void> {
    while (this.#rows.length >= this.#limit && !this.#ended) await this.#change();
  }

  /** Nothing more comes; an error is thrown to the consumer behind the last row. */
  end(error: { readonly thrown: unknown } | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#changed();
  }

  /** The next row, or null at the end. */
  async next(): Promise<T | null> {
    for (;;) {
      const row = this.#rows.shift();
      if (row !== undefined) {
        this.#changed();
        return row;
      }
      if (this.#error !== null) throw this.#error.thrown;
      if (this.#ended) return null;
      await this.#change();
    }
  }

  #change(): Promise<void> {
    // Wait ends: with the next row, the next that is taken, or the end.
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #changed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

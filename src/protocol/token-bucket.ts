/**
 * A bucket of tokens: how much may be spent by now at so much per second. It has no clock of its own.
 *
 * Invariant: over any time what is taken after a wait of 0 is no more than the rate, the capacity, and one taking more,
 * which may leave a debt that every later one waits for.
 */

const SECOND_MS = 1000;

export class TokenBucket {
  readonly #perSecond: number;
  readonly #capacity: number;
  #tokens: number;
  #atMs: number;

  /** Begins full. @param capacity what it holds at most; @default a second's worth */
  constructor(perSecond: number, nowMs: number, capacity = perSecond) {
    this.#perSecond = perSecond;
    this.#capacity = capacity;
    this.#tokens = capacity;
    this.#atMs = nowMs;
  }

  /** Whole milliseconds until so many are there, or as many as it holds; 0 when they are there now. */
  waitMs(count: number, nowMs: number): number {
    this.#refill(nowMs);
    const short = Math.min(count, this.#capacity) - this.#tokens;
    return short <= 0 ? 0 : Math.ceil((short / this.#perSecond) * SECOND_MS);
  }

  take(count: number): void {
    this.#tokens -= count;
  }

  giveBack(count: number): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + count);
  }

  #refill(nowMs: number): void {
    const passedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#tokens = Math.min(this.#capacity, this.#tokens + (passedMs / SECOND_MS) * this.#perSecond);
  }
}

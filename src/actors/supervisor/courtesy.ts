/**
 * Pure core: gives way when the event loop of the service's own thread is late, so that a service that answers requests
 * beside its loads goes on answering them.
 *
 * Invariants:
 * 1. Late twice in a row halves what may be in flight; a sample in time lets it grow again. One pause (a collection, an
 *    import) changes nothing.
 * 2. There is always room for one row.
 * 3. Where giving way does not help, somebody else holds the thread: after `GIVE_UP_MS` at the least that there can be,
 *    the delay is ignored for a while, each time for longer.
 */

const LATE_IN_A_ROW = 2;
const GROWTH = 1.25;
/** Two small objects: below that there is nothing left to give way with. */
const FLOOR_WEIGHT = 64 * 1024;
/** More than this in flight is more than any load needs to go at full speed. */
const OPEN_WEIGHT = 512 * 1024 * 1024;
const GIVE_UP_MS = 5000;
const FIRST_IGNORED_MS = 30_000;
const MAX_IGNORED_MS = 600_000;

export class Courtesy {
  readonly #maxDelayMs: number;
  #limit = Infinity;
  #late = 0;
  #atFloorSinceMs: number | null = null;
  #ignoredMs = FIRST_IGNORED_MS;
  #ignoredUntilMs = -Infinity;

  constructor(maxDelayMs: number) {
    this.#maxDelayMs = maxDelayMs;
  }

  /** Whether it gives way now. */
  get limits(): boolean {
    return this.#limit !== Infinity;
  }

  admits(inFlight: number): boolean {
    return inFlight < this.#limit;
  }

  sample(delayMs: number, nowMs: number, inFlight: number): void {
    if (nowMs < this.#ignoredUntilMs) return;
    if (delayMs <= this.#maxDelayMs) return this.#inTime();
    this.#late += 1;
    if (this.#late < LATE_IN_A_ROW) return;
    if (this.#limit > FLOOR_WEIGHT) {
      this.#limit = Math.max(FLOOR_WEIGHT, Math.min(this.#limit, inFlight) / 2);
      return;
    }
    this.#atFloorSinceMs ??= nowMs;
    if (nowMs - this.#atFloorSinceMs >= GIVE_UP_MS) this.#giveUp(nowMs);
  }

  #inTime(): void {
    this.#late = 0;
    this.#atFloorSinceMs = null;
    if (this.#limit === Infinity) return;
    this.#limit *= GROWTH;
    if (this.#limit <= OPEN_WEIGHT) return;
    this.#limit = Infinity;
    // It helped, and is worth the try the next time too.
    this.#ignoredMs = FIRST_IGNORED_MS;
  }

  #giveUp(nowMs: number): void {
    this.#limit = Infinity;
    this.#late = 0;
    this.#atFloorSinceMs = null;
    this.#ignoredUntilMs = nowMs + this.#ignoredMs;
    this.#ignoredMs = Math.min(MAX_IGNORED_MS, this.#ignoredMs * 2);
  }
}

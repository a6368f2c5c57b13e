/** What a runtime did of late, for whoever asks: a ring of the last second's slots. */

const SLOT_MS = 100;
const SLOTS = 10;

export class Meter {
  readonly #slots: number[] = Array.from({ length: SLOTS }, () => 0);
  #slot = 0;

  /** Adds to what happened now. */
  add(amount: number, nowMs: number): void {
    this.#turn(nowMs);
    this.#slots[this.#slot % SLOTS]! += amount;
  }

  /** Notes something of which only the largest counts. */
  note(amount: number, nowMs: number): void {
    this.#turn(nowMs);
    const at = this.#slot % SLOTS;
    this.#slots[at] = Math.max(this.#slots[at]!, amount);
  }

  sum(nowMs: number): number {
    this.#turn(nowMs);
    return this.#slots.reduce((sum, amount) => sum + amount, 0);
  }

  max(nowMs: number): number {
    this.#turn(nowMs);
    return Math.max(...this.#slots);
  }

  #turn(nowMs: number): void {
    const slot = Math.floor(nowMs / SLOT_MS);
    for (let left = Math.min(SLOTS, slot - this.#slot); left > 0; left -= 1)
      this.#slots[(slot - left + 1) % SLOTS] = 0;
    this.#slot = Math.max(this.#slot, slot);
  }
}

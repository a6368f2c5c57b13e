/**
 * The bounded number of jobs that a worker runs at the same time. Each slot has an index, so that what runs in it can
 * be noted in shared memory.
 */
export class Slots {
  readonly #free: number[] = [];
  readonly #size: number;
  #waiting: ((slot: number) => void) | null = null;
  #onIdle: (() => void) | null = null;

  constructor(size: number) {
    this.#size = size;
    for (let slot = size - 1; slot >= 0; slot -= 1) this.#free.push(slot);
  }

  get busy(): number {
    return this.#size - this.#free.length;
  }

  tryAcquire(): number | null {
    return this.#free.pop() ?? null;
  }

  /**
   * Waits for a slot; only one caller waits at a time. Every job that holds a slot is raced with its own token, so a
   * cancel ends this wait too.
   */
  acquire(): Promise<number> {
    const slot = this.tryAcquire();
    if (slot !== null) return Promise.resolve(slot);
    // Wait ends: when a job ends, and each of them is raced with its token.
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** Frees the slot when `work` has ended. */
  track(slot: number, work: Promise<void>): void {
    void work.finally(() => this.#release(slot));
  }

  /** Resolves when nothing runs. */
  idle(): Promise<void> {
    if (this.busy === 0) return Promise.resolve();
    // Wait ends: with the last job.
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #release(slot: number): void {
    const waiting = this.#waiting;
    if (waiting !== null) {
      this.#waiting = null;
      waiting(slot);
      return;
    }
    this.#free.push(slot);
    if (this.busy === 0) this.#onIdle?.();
  }
}

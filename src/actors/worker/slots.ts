/**
 * The bounded number of jobs that a worker runs at the same time. Each slot has an index, so that what runs in it can
 * be noted in shared memory.
 */
export class Slots {
  readonly #free: number[] = [];
  readonly #size: number;
  readonly #onFree: () => void;
  #joined = 0;
  #onIdle: (() => void) | null = null;

  /** `onFree` is called whenever a slot is free again. */
  constructor(size: number, onFree: () => void) {
    this.#size = size;
    this.#onFree = onFree;
    for (let slot = size - 1; slot >= 0; slot -= 1) this.#free.push(slot);
  }

  get busy(): number {
    return this.#size - this.#free.length;
  }

  tryAcquire(): number | null {
    return this.#free.pop() ?? null;
  }

  /** Frees the slot when `work` has ended. */
  track(slot: number, work: Promise<void>): void {
    void work.finally(() => this.release(slot));
  }

  release(slot: number): void {
    this.#free.push(slot);
    this.#onFree();
    this.#quiet();
  }

  /** Counts work that needs no slot as running. */
  join(work: Promise<void>): void {
    this.#joined += 1;
    void work.finally(() => {
      this.#joined -= 1;
      this.#quiet();
    });
  }

  /** Resolves when nothing runs. */
  idle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    // Wait ends: with the last job.
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  get #isIdle(): boolean {
    return this.busy === 0 && this.#joined === 0;
  }

  #quiet(): void {
    if (this.#isIdle) this.#onIdle?.();
  }
}

/**
 * The bounded number of jobs that a worker runs at the same time. Each slot has an index, so that what runs in it can
 * be noted in shared memory.
 */

/** In place of the index of a slot, for a job that waits without one. */
export const AWAY = -1;

export class Slots {
  readonly #free: number[] = [];
  readonly #size: number;
  readonly #onFree: () => void;
  #joined = 0;
  #away = 0;
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

  get hasFree(): boolean {
    return this.#free.length > 0;
  }

  tryAcquire(): number | null {
    return this.#free.pop() ?? null;
  }

  /** Frees the slot; its job goes on waiting, and counts as running. */
  leave(slot: number): void {
    this.#away += 1;
    this.#free.push(slot);
    this.#onFree();
  }

  /** A slot for a job that is away. There has to be one. */
  comeBack(): number {
    this.#away -= 1;
    return this.#free.pop()!;
  }

  /** The job has ended, in that slot or away. */
  release(slot: number): void {
    if (slot === AWAY) this.#away -= 1;
    else {
      this.#free.push(slot);
      this.#onFree();
    }
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
    return this.busy === 0 && this.#joined === 0 && this.#away === 0;
  }

  #quiet(): void {
    if (this.#isIdle) this.#onIdle?.();
  }
}

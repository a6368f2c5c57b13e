/** A bounded number of asynchronous works at the same time. */
export class Lanes {
  readonly #limit: number;
  #running = 0;
  #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Begins `work`, which never rejects, once there is a lane for it; resolves when it has begun. */
  async begin(work: () => Promise<void>): Promise<void> {
    while (this.#running >= this.#limit) await this.#change();
    this.#running += 1;
    void work().finally(() => {
      this.#running -= 1;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const wake of waiting) wake();
    });
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    while (this.#running > 0) await this.#change();
  }

  #change(): Promise<void> {
    // Wait ends: with the next work.
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

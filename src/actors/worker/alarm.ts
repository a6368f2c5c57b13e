/**
 * One timer for everything in a worker that waits for a time.
 *
 * Invariant: it rings at, or soon after, the earliest time that it was set to since it last rang; once it is off, never.
 */
import type { TurnSignal, WorkerContext } from '../../protocol/context.js';
import { NEVER } from '../../protocol/stop.js';

export class Alarm {
  readonly #context: Pick<WorkerContext, 'now' | 'sleep'>;
  readonly #ring: () => void;
  #atMs = Infinity;
  #wake: (() => void) | null = null;
  #off = false;
  /** Turns when another time is set: the wait that is under way is then not the right one. */
  readonly #signal: TurnSignal = {
    // Wait ends: at its time, which is bounded by what waits for it, or when another one is set.
    ...NEVER,
    onTurn: (fn) => {
      this.#wake = fn;
      return () => {
        this.#wake = null;
      };
    },
  };

  constructor(context: Pick<WorkerContext, 'now' | 'sleep'>, ring: () => void) {
    this.#context = context;
    this.#ring = ring;
  }

  set(atMs: number): void {
    if (this.#off || atMs >= this.#atMs) return;
    const waits = this.#atMs < Infinity;
    this.#atMs = atMs;
    if (waits) this.#wake?.();
    else void this.#wait();
  }

  /** Nothing waits any more, and nothing will. */
  turnOff(): void {
    this.#off = true;
    this.#wake?.();
  }

  async #wait(): Promise<void> {
    for (;;) {
      const leftMs = this.#atMs - this.#context.now();
      if (this.#off || leftMs <= 0) break;
      await this.#context.sleep(leftMs, this.#signal);
    }
    this.#atMs = Infinity;
    if (!this.#off) this.#ring();
  }
}

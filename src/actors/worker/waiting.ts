/**
 * Jobs of a worker that have begun and wait for their origin, without a slot.
 *
 * Invariants:
 * 1. Whoever waits here is taken out, and resumed, exactly once.
 * 2. A job waits for its own time only while its origin is what it was: where that was closed, or was opened, since then,
 *    the origin alone is what counts.
 */
import type { MillraceError } from '../../protocol/errors.js';
import { StopState, type StopSignal } from '../../protocol/stop.js';
import type { Origins, Patient } from './origins.js';

export interface Waiter extends Patient {
  readonly store: number;
  readonly token: Pick<StopSignal, 'state'>;
  /** Set when it is resumed with a slot. */
  slot: number;
  /**
   * `entered`: it has a slot, and a place of its origin. With an error it has a slot, and will get no place. With neither it
   * is over, because of its token.
   */
  resume(entered: boolean, error: MillraceError | null): void;
}

interface Entry {
  readonly waiter: Waiter;
  readonly dueAtMs: number;
  readonly generation: number;
  readonly sinceMs: number;
}

export class Waiting {
  readonly #origins: Origins;
  #entries: Entry[] = [];

  constructor(origins: Origins) {
    this.#origins = origins;
  }

  get count(): number {
    return this.#entries.length;
  }

  add(waiter: Waiter, dueAtMs: number, nowMs: number): void {
    const generation = this.#origins.generation(waiter.store);
    this.#entries.push({ waiter, dueAtMs, generation, sinceMs: nowMs });
  }

  /** Takes out one whose time has come and who was let in. */
  next(nowMs: number): Waiter | null {
    for (const [i, entry] of this.#entries.entries()) {
      const { waiter } = entry;
      if (!this.#isDue(entry, nowMs) || !this.#origins.enter(waiter.store, waiter.patienceMs > 0)) continue;
      this.#entries.splice(i, 1);
      return waiter;
    }
    return null;
  }

  /** Takes out those for whom there is nothing to wait for any more. */
  turned(): Waiter[] {
    return this.#take(({ waiter }) => waiter.token.state !== StopState.Live);
  }

  all(): Waiter[] {
    return this.#take(() => true);
  }

  /** Takes out one whose origin has refused everything for longer than it waits. */
  runOut(): Waiter | null {
    const at = this.#entries.findIndex(({ waiter, sinceMs }) =>
      this.#origins.hasRunOut(waiter.store, waiter, sinceMs),
    );
    return at < 0 ? null : this.#entries.splice(at, 1)[0]!.waiter;
  }

  /** When to look again. A place that is given back is a reason of its own. */
  lookAtMs(nowMs: number): number {
    let atMs = Infinity;
    for (const entry of this.#entries) {
      const { store } = entry.waiter;
      if (this.#origins.isClosed(store)) atMs = Math.min(atMs, nowMs + this.#origins.lookAfterMs(store));
      else if (!this.#isDue(entry, nowMs)) atMs = Math.min(atMs, entry.dueAtMs);
    }
    return atMs;
  }

  #isDue({ waiter, dueAtMs, generation }: Entry, nowMs: number): boolean {
    return nowMs >= dueAtMs || this.#origins.generation(waiter.store) !== generation;
  }

  #take(which: (entry: Entry) => boolean): Waiter[] {
    const taken = this.#entries.filter(which);
    if (taken.length > 0) this.#entries = this.#entries.filter((entry) => !taken.includes(entry));
    return taken.map(({ waiter }) => waiter);
  }
}

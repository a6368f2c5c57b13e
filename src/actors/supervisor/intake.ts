/**
 * The plan of a stream as it comes in: one pull at a time, and only when little of what was pulled is left.
 *
 * Invariant: at most two pulls' entries are held, whatever the length of the plan.
 */
import type { MillraceError } from '../../protocol/errors.js';
import type { PlanEntry, PlanSource } from './types.js';

export class Intake {
  readonly #source: PlanSource;
  readonly #changed: (error: MillraceError | null) => void;
  #entries: PlanEntry[] = [];
  #pulling = false;
  #ended = false;

  /** `changed` is called when a pull has ended, with its error if it failed. */
  constructor(source: PlanSource, changed: (error: MillraceError | null) => void) {
    this.#source = source;
    this.#changed = changed;
  }

  /** Whether a pull is under way: what it brings is not known yet. */
  get pulling(): boolean {
    return this.#pulling;
  }

  /** Whether the plan was seen to its end. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether nothing more will come out. */
  get exhausted(): boolean {
    return this.#ended && this.#entries.length === 0;
  }

  /** Asks the plan for more when fewer than `limit` entries are left of it. */
  pull(limit: number): void {
    if (this.#pulling || this.#ended || this.#entries.length >= limit) return;
    this.#pulling = true;
    this.#source.next(limit).then(
      (entries) => {
        this.#pulling = false;
        if (entries === null) this.#ended = true;
        else this.#entries.push(...entries);
        this.#changed(null);
      },
      (error: MillraceError) => {
        this.#pulling = false;
        this.#changed(error);
      },
    );
  }

  peek(): PlanEntry | null {
    return this.#entries[0] ?? null;
  }

  /** The next entries, at most `limit`. */
  upcoming(limit: number): readonly PlanEntry[] {
    return this.#entries.slice(0, limit);
  }

  take(): PlanEntry {
    return this.#entries.shift()!;
  }

  clear(): void {
    this.#entries = [];
  }
}

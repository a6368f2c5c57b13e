/**
 * The plan of a stream as it comes in: one pull at a time, and only when little of what was pulled is left.
 *
 * Invariants:
 * 1. At most two pulls' entries are held, whatever the length of the plan and of the window.
 * 2. Taking an entry costs the same however many there are.
 */
import type { MillraceError } from '../../protocol/errors.js';
import type { PlanEntry, PlanSource } from './types.js';

/** More than the objects that a round of grants looks at, and little enough to be copied in no time. */
const MAX_PULL = 4096;

export class Intake {
  readonly #source: PlanSource;
  readonly #changed: (error: MillraceError | null) => void;
  #entries: PlanEntry[] = [];
  /** Entries before this one are taken. */
  #at = 0;
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
    return this.#ended && this.#left === 0;
  }

  /** Asks the plan for more when fewer than `limit` entries are left of it. */
  pull(limit: number): void {
    const most = Math.min(limit, MAX_PULL);
    if (this.#pulling || this.#ended || this.#left >= most) return;
    this.#pulling = true;
    this.#source.next(most).then(
      (entries) => {
        this.#pulling = false;
        if (entries === null) this.#ended = true;
        else {
          this.#entries = this.#entries.slice(this.#at).concat(entries);
          this.#at = 0;
        }
        this.#changed(null);
      },
      (error: MillraceError) => {
        this.#pulling = false;
        this.#changed(error);
      },
    );
  }

  peek(): PlanEntry | null {
    return this.#entries[this.#at] ?? null;
  }

  /** The next entries, at most `limit`. */
  upcoming(limit: number): readonly PlanEntry[] {
    return this.#entries.slice(this.#at, this.#at + limit);
  }

  take(): PlanEntry {
    const entry = this.#entries[this.#at]!;
    this.#at += 1;
    return entry;
  }

  clear(): void {
    this.#entries = [];
    this.#at = 0;
  }

  get #left(): number {
    return this.#entries.length - this.#at;
  }
}

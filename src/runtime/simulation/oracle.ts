/**
 * The one source of everything that a simulation leaves open: which of several things happens next, how long something
 * takes, whether a fault strikes, how large an object is.
 *
 * Invariants:
 * 1. The answers, in order, are the tape: the same tape in the same scenario gives the same run.
 * 2. Answer 0 is the boring one: the oldest event, the shortest time, no fault. So a tape is made simpler by putting
 *    zeros into it, and one that ends early goes on with zeros.
 */
import { between, seededRandom } from '../../protocol/seeded.js';

/** The answers of one run, in order. */
export type Tape = readonly number[];

/** One answer, for whoever explains a run. */
export interface Choice {
  readonly label: string;
  readonly of: number;
  readonly answer: number;
}

export interface OracleOptions {
  readonly seed: number;
  /** What to answer instead of drawing; behind its end every answer is 0. @default draws all of them */
  readonly tape?: Tape;
  /** Called for each answer. */
  readonly onChoice?: (choice: Choice) => void;
}

export class Oracle {
  /** Every answer so far. */
  readonly tape: number[] = [];
  readonly #given: Tape | null;
  readonly #onChoice: ((choice: Choice) => void) | null;
  readonly #random: () => number;

  constructor({ seed, tape, onChoice }: OracleOptions) {
    this.#given = tape ?? null;
    this.#onChoice = onChoice ?? null;
    this.#random = seededRandom(seed, 'oracle');
  }

  /** A number of `[0, of)`. */
  choose(of: number, label: string): number {
    return of <= 1 ? 0 : this.decide(of, label, between(this.#random, 0, of - 1));
  }

  /** `proposal`, unless the tape says otherwise: for whoever draws from a distribution of its own. */
  decide(of: number, label: string, proposal: number): number {
    const given = this.#given;
    const answer = given === null ? proposal : Math.min(given[this.tape.length] ?? 0, of - 1);
    this.tape.push(answer);
    this.#onChoice?.({ label, of, answer });
    return answer;
  }

  /** True so often of 1, and never on a tape of zeros. */
  chance(share: number, label: string): boolean {
    return this.decide(2, label, this.#random() < share ? 1 : 0) === 1;
  }

  /** A whole number of `[least, most]`; the boring one is the least. */
  between(least: number, most: number, label: string): number {
    return least + this.choose(most - least + 1, label);
  }

  /** One of these; the boring one comes first. */
  of<T>(choices: readonly T[], label: string): T {
    return choices[this.choose(choices.length, label)]!;
  }

  /** A number of `[0, 1)` in steps of 1/256: enough for jitter, and short on a tape. */
  fraction(label: string): number {
    return this.choose(256, label) / 256;
  }

  /** Dice beside the tape, for proposals: what they give counts only where it is decided for. */
  get dice(): () => number {
    return this.#random;
  }
}

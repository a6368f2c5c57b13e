/**
 * Pure core: whose turn it is where not everybody's work may go at once.
 *
 * Invariant: of streams that have work all the time each gets the same amount, whatever the size of what it moves at a
 * time; one that comes late, or was idle, neither waits for the others to have had theirs nor makes up for lost time.
 * (Start-time fair queueing: Goyal, Vin and Cheng, 1996.)
 */

export class Turns<S extends object> {
  /** What each stream was given, on the clock of those that are served. */
  readonly #ends = new WeakMap<S, number>();
  #clock = 0;

  /** Those that were given least come first; among equals, those that were there first. */
  order(streams: Iterable<S>): S[] {
    return [...streams].sort((a, b) => this.#start(a) - this.#start(b));
  }

  served(stream: S, amount: number): void {
    this.#clock = this.#start(stream);
    this.#ends.set(stream, this.#clock + amount);
  }

  #start(stream: S): number {
    return Math.max(this.#clock, this.#ends.get(stream) ?? 0);
  }
}

/** The same streams; the one that came first this time comes last. */
export function rotate<S>(streams: S[]): readonly S[] {
  const first = streams.shift();
  if (first !== undefined) streams.push(first);
  return streams;
}

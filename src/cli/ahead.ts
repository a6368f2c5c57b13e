/**
 * Takes sources ahead of whoever goes through them, so that how much there is to do is known early.
 *
 * Invariants:
 * 1. At most `limit` sources are held, however many there are.
 * 2. They come out in their order, and a failure comes behind everything that came before it.
 * 3. Who leaves early waits until the source has ended: nothing is asked for afterwards.
 */

/** Ten pages of a listing: some megabytes at most. */
const MAX_AHEAD = 10_000;

export interface Ahead<S> extends AsyncIterable<S> {
  /** Sources that were seen so far, and their bytes. */
  readonly objects: number;
  readonly bytes: number;
  /** Whether these are all. */
  readonly ended: boolean;
}

/** To be gone through once. */
export function readAhead<S extends { readonly length: number }>(
  source: AsyncIterable<S>,
  limit: number = MAX_AHEAD,
): Ahead<S> {
  const seen = { objects: 0, bytes: 0, ended: false };
  async function* ahead(): AsyncGenerator<S> {
    const iterator = source[Symbol.asyncIterator]();
    const held: S[] = [];
    let failure: { readonly error: unknown } | null = null;
    let stopped = false;
    let pulling: Promise<void> | null = null;
    const pull = async (): Promise<void> => {
      try {
        while (!stopped && held.length < limit) {
          const step = await iterator.next();
          if (step.done === true) {
            seen.ended = true;
            stopped = true;
          } else {
            held.push(step.value);
            seen.objects += 1;
            seen.bytes += step.value.length;
          }
          arrived();
        }
      } catch (error) {
        failure = { error };
        stopped = true;
      }
      pulling = null;
      arrived();
    };
    let arrived = (): void => {};
    try {
      for (;;) {
        if (!stopped && held.length < limit) pulling ??= pull();
        const next = held.shift();
        if (next !== undefined) yield next;
        else if (failure !== null) throw (failure as { readonly error: unknown }).error;
        else if (stopped) return;
        else {
          // Wait ends: with the next source, the end or the failure of them, which their token brings about.
          await new Promise<void>((resolve) => {
            arrived = resolve;
          });
        }
      }
    } finally {
      stopped = true;
      // A pull under way ends like every other one; the generator behind it would queue the return in any case.
      if (pulling !== null) await pulling;
      await iterator.return?.();
    }
  }
  return {
    [Symbol.asyncIterator]: ahead,
    get objects() {
      return seen.objects;
    },
    get bytes() {
      return seen.bytes;
    },
    get ended() {
      return seen.ended;
    },
  };
}

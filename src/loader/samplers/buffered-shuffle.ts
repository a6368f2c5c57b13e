/**
 * A shuffle for what has no length: a stream goes through a buffer, and each item that comes pushes a random one out.
 *
 * Invariants:
 * 1. Everything pushed comes out exactly once.
 * 2. The order out depends on (size, seed, order in) alone.
 * 3. At most `size` items are held.
 *
 * The algorithm is that of PyTorch's ShufflerIterDataPipe: fill the buffer; then each new item takes the place of a
 * random one, which is handed out; at the end the rest comes in random order. An item can come at most
 * `size - 1` places early but arbitrarily late, so it mixes what is near: sorted input stays roughly sorted over
 * distances far beyond the size.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { createRandom, type Seed } from './random.js';

export interface ShuffleBuffer<T> {
  /** Items held now. */
  readonly held: number;
  /** Takes an item; hands one out, or undefined while the buffer is filling. */
  push(item: T): T | undefined;
  /** Hands out what is held, in random order; what is not taken stays held. */
  drain(): IterableIterator<T>;
}

/**
 * @param size items held, from 1 on; 1 keeps the order
 * @throws MillraceError InvalidArgument when the size or the seed is not valid
 */
export function createShuffleBuffer<T extends NonNullable<unknown>>(
  size: number,
  seed: Seed,
): ShuffleBuffer<T> {
  if (!Number.isSafeInteger(size) || size < 1 || size > 2 ** 32) {
    throw new MillraceError(
      ErrorCode.InvalidArgument,
      `size of a shuffle buffer: expected a whole number from 1 to 2^32; given ${String(size)}`,
      { phase: 'configure' },
    );
  }
  const random = createRandom(seed);
  const items: T[] = [];
  return {
    get held() {
      return items.length;
    },
    push(item) {
      if (items.length < size) {
        items.push(item);
        return undefined;
      }
      const slot = random.below(items.length);
      const out = items[slot];
      items[slot] = item;
      return out;
    },
    *drain() {
      while (items.length > 0) {
        const slot = random.below(items.length);
        const last = items.pop() as T;
        // The last item fills the hole, unless it is the one that goes.
        yield slot === items.length ? last : replaceAt(items, slot, last);
      }
    },
  };
}

function replaceAt<T>(items: T[], slot: number, item: T): T {
  const out = items[slot] as T;
  items[slot] = item;
  return out;
}

/**
 * Bytes of which each tells its object and its place: what generated objects hold, and what tests compare with.
 *
 * Invariant: the byte at (seed, index, offset) depends on all three and on nothing else. Every four bytes are a
 * 32-bit hash of the place of the four, so swapped, shifted, repeated or foreign pieces do not go unseen.
 */

/** Fills `target` with the bytes of object `index` from `offset` on. */
export function fillPattern(target: Uint8Array, seed: number, index: number, offset: number): void {
  const object = mix(mix(seed) ^ Math.imul(index | 0, 0x9e3779b1) ^ Math.trunc(index / 2 ** 32));
  let at = 0;
  while (at < target.length) {
    const place = offset + at;
    const word = Math.floor(place / 4);
    const hash = mix(mix((word | 0) ^ object) + Math.trunc(word / 2 ** 32));
    for (let byte = place - word * 4; byte < 4 && at < target.length; byte += 1) {
      target[at] = hash >>> (byte * 8);
      at += 1;
    }
  }
}

/** A new array with the first `size` bytes of object `index`. */
export function patternBytes(size: number, seed: number, index: number): Uint8Array {
  const bytes = new Uint8Array(size);
  fillPattern(bytes, seed, index, 0);
  return bytes;
}

/** MurmurHash3's final mix. */
function mix(word: number): number {
  let hash = word | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

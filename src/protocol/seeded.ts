/**
 * Dice for simulations and for delays that are to come again: streams of numbers that a seed and a name determine.
 *
 * Invariant: two streams of different names do not touch each other, so whoever draws one number more does not
 * change what another draws.
 */

/** mulberry32 (Tommy Ettinger, public domain): 32 bits of state, enough for the choices of a test. */
export function seededRandom(seed: number, name: string): () => number {
  let state = hashOf(`${seed}/${name}`);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** A whole number of `[least, most]`. */
export function between(random: () => number, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

/** FNV-1a over UTF-16 code units, with murmur3's finalizer so that near seeds are far apart. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

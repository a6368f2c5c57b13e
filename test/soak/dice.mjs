/** Seeded draws. */
import { mix32 } from '../../dist/backends/memory/pattern.js';

/** Dice: the same numbers in [0, 1) for the same seeds. @param {...number} seeds */
export function diceOf(...seeds) {
  const start = seeds.reduce((mixed, seed) => mix32(mix32(mixed + 1) ^ seed), 0);
  let turn = 0;
  return () => {
    turn += 1;
    return (mix32(start ^ Math.imul(turn, 0x9e3779b1)) >>> 0) / 2 ** 32;
  };
}

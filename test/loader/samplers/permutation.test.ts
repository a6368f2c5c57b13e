import { describe, expect, it } from 'vitest';
import { createPermutation } from '../../../dist/loader/samplers/permutation.js';
import { tries } from '../../kit/effort.js';

const all = (length: number, seed: number | string): number[] => {
  const permutation = createPermutation(length, seed);
  return Array.from({ length }, (_, position) => permutation.at(position));
};

/** How many standard deviations a chi-square sum lies from its mean. */
const sigmas = (chiSquare: number, freedom: number): number => (chiSquare - freedom) / Math.sqrt(2 * freedom);

describe('createPermutation', () => {
  it('is a bijection for every length from 0 to 2000', () => {
    for (let length = 0; length <= tries(2000, 100); length += 1) {
      const seen = new Uint8Array(length);
      for (const index of all(length, length % 7)) seen[index] = (seen[index] ?? 9) + 1;
      expect(
        seen.every((times) => times === 1),
        `length ${length}`,
      ).toBe(true);
    }
  });

  it('is a bijection on both sides of the change of rounds and of square numbers', () => {
    for (const length of [4095, 4096, 4097, 65_535, 65_536, 65_537, 999_983]) {
      const seen = new Uint8Array(length);
      for (const index of all(length, 'edge')) seen[index] = (seen[index] ?? 9) + 1;
      expect(
        seen.every((times) => times === 1),
        `length ${length}`,
      ).toBe(true);
    }
  });

  it.each([1e8, 2 ** 40, Number.MAX_SAFE_INTEGER])(
    'gives distinct whole indices below %d at 200,000 positions from the start, the end and between',
    (length) => {
      const permutation = createPermutation(length, 'large');
      const indices = new Set<number>();
      const step = Math.floor((length - 200_000) / 100_000);
      const positions = new Set<number>();
      for (let i = 0; i < 100_000; i += tries(1, 100)) {
        positions.add(i < 50_000 ? i : length - 1 - i);
        positions.add(100_000 + i * step);
      }
      for (const position of positions) {
        const index = permutation.at(position);
        expect(Number.isSafeInteger(index) && index >= 0 && index < length).toBe(true);
        indices.add(index);
      }
      expect(indices.size).toBe(positions.size);
    },
  );

  it('gives the same order for the same seed, and another for another seed or length', () => {
    expect(all(100, 7)).toEqual(all(100, '7'));
    expect(all(100, 7)).not.toEqual(all(100, 8));
    expect(all(101, 7).slice(0, 100)).not.toEqual(all(100, 7));
  });

  it('keeps its order from release to release', () => {
    expect(all(12, 'golden')).toEqual([1, 5, 6, 10, 4, 11, 9, 8, 2, 0, 7, 3]);
    expect([0, 1, 2].map((at) => createPermutation(1e9, 42).at(at))).toEqual([
      410701738, 754370574, 563979132,
    ]);
  });

  it('reaches each of the 720 orders of six items about equally often', () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 720 * 50; seed += 1) {
      const order = all(6, seed).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(720);
    let chiSquare = 0;
    for (const count of counts.values()) chiSquare += (count - 50) ** 2 / 50;
    expect(Math.abs(sigmas(chiSquare, 719))).toBeLessThan(4);
  });

  it.each([100, 5000])('spreads the differences of neighbours evenly over %d', (length) => {
    const seeds = 200;
    const counts = new Float64Array(length);
    for (let seed = 0; seed < seeds; seed += 1) {
      const order = all(length, `difference ${seed}`);
      for (let i = 1; i < length; i += 1) {
        const difference = ((order[i] ?? 0) - (order[i - 1] ?? 0) + length) % length;
        counts[difference] = (counts[difference] ?? 0) + 1;
      }
    }
    expect(counts[0]).toBe(0);
    let chiSquare = 0;
    for (const count of counts.subarray(1)) chiSquare += (count - seeds) ** 2 / seeds;
    expect(Math.abs(sigmas(chiSquare, length - 2))).toBeLessThan(4);
  });

  it('sends neighbours far apart in a large range', () => {
    const length = 2 ** 40;
    const permutation = createPermutation(length, 3);
    let sum = 0;
    for (let i = 0; i < 10_000; i += 1) sum += Math.abs(permutation.at(i + 1) - permutation.at(i)) / length;
    // The mean distance of two random points in [0, 1) is 1/3, with a deviation of 0.236 / sqrt(10,000).
    expect(sum / 10_000).toBeGreaterThan(0.32);
    expect(sum / 10_000).toBeLessThan(0.345);
  });

  it('refuses a length or position that is not in range', () => {
    for (const length of [-1, 1.5, Number.NaN, 2 ** 53])
      expect(() => createPermutation(length, 1)).toThrow(
        expect.objectContaining({ code: 'InvalidArgument' }),
      );
    const permutation = createPermutation(10, 1);
    for (const position of [-1, 10, 0.5, Number.NaN])
      expect(() => permutation.at(position)).toThrow(RangeError);
    expect(() => createPermutation(0, 1).at(0)).toThrow(RangeError);
  });
});

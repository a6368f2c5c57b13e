import { describe, expect, it } from 'vitest';
import { createRandom, epochSeed, seedWords } from '../../../dist/loader/samplers/random.js';

describe('createRandom', () => {
  it('keeps its numbers from release to release', () => {
    const random = createRandom('golden');
    expect([random.uint32(), random.uint32(), random.uint32()]).toEqual([1160474324, 1270194652, 137400795]);
  });

  it('treats a number and its text as one seed, and other seeds as others', () => {
    expect(createRandom(7).uint32()).toBe(createRandom('7').uint32());
    const firsts = new Set(['', '7', '8', '-7', 'ä', 'a', '07'].map((seed) => createRandom(seed).uint32()));
    expect(firsts.size).toBe(7);
  });

  it('gives floats in [0, 1) with the mean and variance of even ones', () => {
    const random = createRandom(1);
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < 100_000; i += 1) {
      const value = random.float();
      if (!(value >= 0 && value < 1)) throw new Error(`float out of range: ${value}`);
      sum += value;
      squares += value * value;
    }
    expect(sum / 100_000).toBeCloseTo(1 / 2, 2);
    expect(squares / 100_000).toBeCloseTo(1 / 3, 2);
  });

  it('reaches each value below a bound about equally often', () => {
    const random = createRandom('dice');
    const counts = [0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < 70_000; i += 1) {
      const face = random.below(7);
      counts[face] = (counts[face] ?? Number.NaN) + 1;
    }
    const chiSquare = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chiSquare).toBeLessThan(22.5);
    expect(random.below(1)).toBe(0);
  });

  it('refuses a seed that is not a safe integer or a text', () => {
    for (const seed of [1.5, Number.NaN, Infinity, 2 ** 53, undefined as unknown as string])
      expect(() => createRandom(seed)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
  });
});

describe('epochSeed', () => {
  it('keeps its values from release to release', () => {
    expect([epochSeed(0, 0), epochSeed('run', 3)]).toEqual([4723576111346949, 5944829290583616]);
  });

  it('is a valid seed, and another for each seed and epoch', () => {
    const seeds = new Set<number>();
    for (let seed = 0; seed < 100; seed += 1) {
      for (let epoch = 0; epoch < 100; epoch += 1) seeds.add(epochSeed(seed, epoch));
    }
    expect(seeds.size).toBe(10_000);
    for (const seed of seeds) expect(Number.isSafeInteger(seed) && seed >= 0).toBe(true);
  });

  it('does not confuse seed 1, epoch 23 with seed 12, epoch 3', () => {
    expect(epochSeed(1, 23)).not.toBe(epochSeed(12, 3));
  });

  it('refuses an epoch that is not a whole number from 0 on', () => {
    for (const epoch of [-1, 0.5, Number.NaN])
      expect(() => epochSeed(1, epoch)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
  });
});

describe('seedWords', () => {
  it('gives distinct words that depend on the seed', () => {
    const words = seedWords('a', 48);
    expect(new Set(words).size).toBe(48);
    expect(seedWords('b', 48)).not.toEqual(words);
  });
});

import { describe, expect, it } from 'vitest';
import { between, seededRandom } from '../../dist/protocol/seeded.js';

const draws = (seed: number, name: string, count: number): number[] => {
  const random = seededRandom(seed, name);
  return Array.from({ length: count }, () => random());
};

describe('seededRandom', () => {
  it('gives the numbers that it always gave: a seed that is written down is to come again', () => {
    expect(draws(1, 'a', 3)).toEqual([0.5216400343924761, 0.6433616725262254, 0.620136882411316]);
    expect(draws(2 ** 40, 'delays', 3)).toEqual([
      0.3187406223732978, 0.026849128771573305, 0.7763778243679553,
    ]);
  });

  it('is another stream for another seed and for another name, and the same one for the same', () => {
    const streams = [
      draws(1, 'a', 20),
      draws(2, 'a', 20),
      draws(1, 'b', 20),
      draws(11, 'a', 20),
      draws(1, '1a', 20),
    ];
    expect(new Set(streams.flat()).size).toBe(100);
    expect(draws(1, 'a', 20)).toEqual(streams[0]);
  });

  it('spreads over [0, 1) evenly', () => {
    const counts = Array.from({ length: 10 }, () => 0);
    for (const value of draws(7, 'spread', 10_000)) counts[Math.floor(value * 10)]! += 1;
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1150);
    expect(counts).toHaveLength(10);
  });
});

describe('between', () => {
  it('gives every whole number of the two ends and between, and no other', () => {
    const random = seededRandom(3, 'between');
    const seen = new Set(Array.from({ length: 500 }, () => between(random, 4, 7)));
    expect([...seen].sort((a, b) => a - b)).toEqual([4, 5, 6, 7]);
    expect(between(random, 5, 5)).toBe(5);
  });

  it('is the least for the lowest draw and the most for the highest', () => {
    expect(between(() => 0, -2, 9)).toBe(-2);
    expect(between(() => 1 - 2 ** -32, -2, 9)).toBe(9);
  });
});

/** The statistics of the soak: what they say of numbers whose answer is known, and that a disturbed round moves nothing. */
import { describe, expect, test } from 'vitest';
import { diceOf } from './dice.mjs';
import { lastOverFirst, median, theilSen } from './statistics.mjs';

const line = (slope: number, count: number, noise: (i: number) => number) =>
  Array.from({ length: count }, (_, i) => ({ x: i, y: 100 + slope * i + noise(i) }));

describe('median', () => {
  test('is the middle one, or the mean of the middle two, in numeric order', () => {
    expect(median([10, 9, 100])).toBe(10);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });
});

describe('theilSen', () => {
  test('finds the slope of a line, with an interval of no width', () => {
    expect(theilSen(line(0.25, 20, () => 0))).toEqual({ slope: 0.25, low: 0.25, high: 0.25 });
  });

  test('is not moved by a fifth of points that are far off', () => {
    const fit = theilSen(line(0.25, 40, (i) => (i % 5 === 0 ? 1000 : 0)));
    expect(fit?.slope).toBeCloseTo(0.25, 1);
  });

  test('has an interval that holds the true slope of noisy points, and is as wide as the noise', () => {
    const random = diceOf(1);
    const noisy = line(0, 40, () => random() - 0.5);
    const fit = theilSen(noisy)!;
    expect(fit.low).toBeLessThan(0);
    expect(fit.high).toBeGreaterThan(0);
    // Of 40 points with a deviation of 0.29, least squares would have 1.96 * 0.29 / sqrt(40^3 / 12) to either side.
    expect(fit.high - fit.low).toBeGreaterThan(0.008);
    expect(fit.high - fit.low).toBeLessThan(0.04);
  });

  test('says nothing of fewer than three points, or of one moment', () => {
    expect(theilSen(line(1, 2, () => 0))).toBeNull();
    expect(theilSen([1, 2, 3].map((y) => ({ x: 5, y })))).toBeNull();
  });

  test('takes tens of thousands of points', () => {
    expect(theilSen(line(3, 30_000, () => 0))?.slope).toBeCloseTo(3);
  });
});

describe('lastOverFirst', () => {
  test('compares the last sixth with the first, whatever lies between', () => {
    const values = [...Array(10).fill(100), ...Array(40).fill(7), ...Array(10).fill(90)] as number[];
    expect(lastOverFirst(values)).toEqual({ first: 100, last: 90, ratio: 0.9, margin: 0 });
  });

  test('has a margin that follows the noise, and is infinite where a sixth is one or two values', () => {
    const random = diceOf(2);
    const noisy = (size: number, noise: number) =>
      Array.from({ length: size }, () => 100 + noise * (random() - 0.5));
    expect(lastOverFirst(noisy(300, 40))!.margin).toBeGreaterThan(lastOverFirst(noisy(300, 4))!.margin * 3);
    expect(lastOverFirst(noisy(12, 4))!.margin).toBe(Infinity);
    expect(lastOverFirst(noisy(5, 4))).toBeNull();
  });
});

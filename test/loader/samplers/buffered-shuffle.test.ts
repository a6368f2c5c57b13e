import { describe, expect, it } from 'vitest';
import { createShuffleBuffer } from '../../../dist/loader/samplers/buffered-shuffle.js';

const shuffle = (count: number, size: number, seed: number | string): number[] => {
  const buffer = createShuffleBuffer<number>(size, seed);
  const out: number[] = [];
  for (let item = 0; item < count; item += 1) {
    const pushed = buffer.push(item);
    if (pushed !== undefined) out.push(pushed);
    expect(buffer.held).toBe(Math.min(item + 1, size));
  }
  return [...out, ...buffer.drain()];
};

describe('createShuffleBuffer', () => {
  it.each([
    [0, 10],
    [5, 10],
    [10, 10],
    [1000, 10],
    [1000, 1],
  ])('hands out each of %i items once through a buffer of %i', (count, size) => {
    const out = shuffle(count, size, 'once');
    expect([...out].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
  });

  it('depends on the seed and the order in, and on nothing else', () => {
    expect(shuffle(200, 16, 5)).toEqual(shuffle(200, 16, 5));
    expect(shuffle(200, 16, 5)).not.toEqual(shuffle(200, 16, 6));
  });

  it('keeps its order from release to release', () => {
    expect(shuffle(12, 4, 'golden')).toEqual([1, 0, 5, 3, 2, 6, 4, 8, 9, 7, 11, 10]);
  });

  it('keeps the order with a buffer of one', () => {
    expect(shuffle(50, 1, 9)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  it('hands out nothing while it fills, and then one for each', () => {
    const buffer = createShuffleBuffer<string>(2, 0);
    expect(buffer.push('a')).toBeUndefined();
    expect(buffer.push('b')).toBeUndefined();
    expect(['a', 'b']).toContain(buffer.push('c'));
  });

  it('lets no item come more than size - 1 places early', () => {
    const size = 32;
    const out = shuffle(5000, size, 'early');
    const earliest = Math.max(...out.map((item, position) => item - position));
    expect(earliest).toBe(size - 1);
  });

  it('shuffles a stream that is no longer than the buffer evenly: each item at each place equally often', () => {
    const counts = new Float64Array(64);
    for (let seed = 0; seed < 8000; seed += 1) {
      shuffle(8, 8, seed).forEach((item, place) => {
        counts[item * 8 + place] = (counts[item * 8 + place] ?? 0) + 1;
      });
    }
    const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(95);
  });

  it('keeps what was not taken from drain', () => {
    const buffer = createShuffleBuffer<number>(4, 1);
    for (const item of [1, 2, 3, 4]) buffer.push(item);
    const first = buffer.drain().next().value as number;
    expect(buffer.held).toBe(3);
    expect([first, ...buffer.drain()].sort((a, b) => a - b)).toEqual([1, 2, 3, 4]);
    expect(buffer.held).toBe(0);
  });

  it('refuses a size that is not a whole number from 1 on', () => {
    for (const size of [0, -1, 1.5, Number.NaN])
      expect(() => createShuffleBuffer(size, 1)).toThrow(
        expect.objectContaining({ code: 'InvalidArgument' }),
      );
  });
});

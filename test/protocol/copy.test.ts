import { describe, expect, it } from 'vitest';
import { copyBytes, ownCopy } from '../../dist/protocol/copy.js';
import { patternBytes } from '../../dist/testing/pattern.js';

const shared = (length: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(length));
const bytes = patternBytes(1, 5000);

describe('copyBytes', () => {
  it.each([
    ['into shared memory', () => shared(6000)],
    ['into memory of its own', () => new Uint8Array(6000)],
  ])('writes every byte where it was told to, and no other, %s', (_, create) => {
    for (const [at, length] of [
      [0, 5000],
      [7, 4096],
      [1000, 1],
      [1000, 5000],
    ] as const) {
      const target = create();
      copyBytes(bytes.subarray(0, length), target, at);
      const expected = Buffer.concat([Buffer.alloc(at), bytes.subarray(0, length)], 6000);
      expect(Buffer.compare(target, expected)).toBe(0);
    }
  });

  it('begins at the first byte where no place is given', () => {
    const target = shared(5000);
    copyBytes(bytes, target);
    expect(Buffer.compare(target, bytes)).toBe(0);
  });

  it('copies nothing without complaint, even at the end', () => {
    const target = shared(3).fill(9);
    copyBytes(new Uint8Array(0), target, 3);
    expect([...target]).toEqual([9, 9, 9]);
  });

  it('refuses what reaches beyond the target, and writes none of it', () => {
    const target = shared(10);
    expect(() => copyBytes(bytes.subarray(0, 8), target, 3)).toThrow(RangeError);
    expect([...target]).toEqual(Array.from({ length: 10 }, () => 0));
  });
});

describe('ownCopy', () => {
  it('of shared memory is memory of its own, with the same bytes', () => {
    const source = shared(5000);
    copyBytes(bytes, source);
    const copy = ownCopy(source.subarray(100));
    expect(copy.buffer).toBeInstanceOf(ArrayBuffer);
    expect(copy.buffer.byteLength).toBe(4900);
    source.fill(0);
    expect(Buffer.compare(copy, bytes.subarray(100))).toBe(0);
  });

  it('of nothing is nothing', () => {
    expect(ownCopy(shared(0))).toHaveLength(0);
  });
});

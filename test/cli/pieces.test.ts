import { describe, expect, it } from 'vitest';
import { cut, pieceBytes } from '../../dist/cli/pieces.js';

const MIB = 2 ** 20;
const source = (start: number, length: number) => ({
  uri: 's3://b/a',
  key: 'a',
  size: 1000,
  version: 'v',
  start,
  length,
});

describe('pieces', () => {
  it('cover a source once, in order, and tell the last', () => {
    const spans = [...cut(source(5, 25), 10)].map(({ start, length, last }) => [start, length, last]);
    expect(spans).toEqual([
      [5, 10, false],
      [15, 10, false],
      [25, 5, true],
    ]);
    expect([...cut(source(0, 20), 10)].map(({ last }) => last)).toEqual([false, true]);
  });

  it('are one empty piece of an empty source', () => {
    expect([...cut(source(0, 0), 10)]).toMatchObject([{ start: 0, length: 0, last: true }]);
  });

  it('are an eighth of the budget, in pages, and 8 MiB at most', () => {
    expect(pieceBytes(512 * MIB)).toBe(8 * MIB);
    expect(pieceBytes(8 * MIB)).toBe(MIB);
    expect(pieceBytes(100_000)).toBe(12_288);
    expect(pieceBytes(1)).toBe(4096);
  });
});

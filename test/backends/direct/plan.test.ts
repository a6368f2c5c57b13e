import { describe, expect, it } from 'vitest';
import {
  BOUNCE_BYTES,
  type Layout,
  nextPiece,
  PIECE_BYTES,
  type Piece,
} from '../../../dist/backends/file/direct-plan.js';
import { mix32 } from '../../../dist/backends/memory/pattern.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Address modulo memoryBytes of the target's byte for the file's byte `x`. */
const addressOf = ({ phase, start, memoryBytes }: Layout, x: number): number =>
  (phase + x - start) % memoryBytes;

function piecesOf(layout: Layout): Piece[] {
  const pieces: Piece[] = [];
  for (let at = layout.start; at < layout.end;) {
    const piece = nextPiece(layout, at);
    pieces.push(piece);
    at += piece.take;
    if (pieces.length > 10_000) throw new Error('the plan does not end');
  }
  return pieces;
}

/** Everything that the plan's invariants claim, for one layout. */
function mustHold(layout: Layout): void {
  const { start, end, blockBytes, memoryBytes, phase } = layout;
  let at = start;
  for (const { bounced, position, length, skip, take } of piecesOf(layout)) {
    const facts = JSON.stringify({ layout, at, bounced, position, length, skip, take });
    const holds =
      take >= 1 &&
      position % blockBytes === 0 &&
      length % blockBytes === 0 &&
      position + skip === at &&
      skip < blockBytes &&
      skip + take <= length &&
      at + take <= end &&
      // A whole block more than what is wanted is never read.
      position + length < at + take + blockBytes &&
      (bounced
        ? length <= BOUNCE_BYTES
        : skip === 0 &&
          take === length &&
          length <= PIECE_BYTES &&
          phase !== -1 &&
          addressOf(layout, at) % memoryBytes === 0);
    if (!holds) throw new Error(`broken at ${facts}`);
    at += take;
  }
  expect(at).toBe(end);
}

describe('the plan of a direct read', () => {
  it('covers every range once, aligned, and without a byte beside it, whatever the alignments', () => {
    let seed = 1;
    const roll = (below: number): number => (mix32((seed += 1)) >>> 0) % below;
    for (let round = 0; round < 30_000; round += 1) {
      const blockBytes = 512 << roll(8);
      const memoryBytes = 4 << roll(11);
      const phase = roll(5) === 0 ? -1 : roll(3) === 0 ? 0 : roll(memoryBytes);
      const near = (unit: number): number => Math.max(0, roll(8) * unit + roll(5) - 2);
      const start = roll(2) === 0 ? near(blockBytes) : roll(10 * MIB);
      const length = 1 + (roll(2) === 0 ? near(blockBytes) : roll(10 * MIB));
      mustHold({ blockBytes, memoryBytes, phase, start, end: start + length });
    }
  });

  it('needs no bounce where the range and the target are aligned', () => {
    const layout = { blockBytes: 512, memoryBytes: 512, phase: 0, start: 16 * MIB, end: 32 * MIB };
    expect(piecesOf(layout).map(({ bounced, length }) => [bounced, length])).toEqual(
      Array.from({ length: 4 }, () => [false, 4 * MIB]),
    );
  });

  it('bounces less than a block at each end of a large range whose target is aligned with it', () => {
    const layout = { blockBytes: 4096, memoryBytes: 512, phase: 100, start: 4196, end: 4196 + 20 * MIB };
    const pieces = piecesOf(layout);
    const bounced = pieces.filter((piece) => piece.bounced);
    expect(bounced.map(({ take }) => take)).toEqual([3996, 100]);
    expect([pieces[0], pieces.at(-1)]).toEqual(bounced);
    expect(bounced.every(({ length }) => length === 4096)).toBe(true);
  });

  it('finds the place where offset and address meet also where memory asks for more than the file', () => {
    // Aligned to 512 at once, to 4096 only 1536 bytes later.
    const layout = { blockBytes: 512, memoryBytes: 4096, phase: 2560, start: 1024, end: 10 * MIB };
    const [first, second] = piecesOf(layout);
    expect(first).toMatchObject({ bounced: true, take: 1536 });
    expect(second).toMatchObject({ bounced: false, position: 2560 });
  });

  it('bounces all where they never meet, in pieces of the bounce buffer', () => {
    for (const phase of [-1, 16, 511]) {
      const layout = { blockBytes: 512, memoryBytes: 512, phase, start: 0, end: 2 * MIB };
      expect(piecesOf(layout).map(({ bounced, take }) => [bounced, take])).toEqual(
        Array.from({ length: 4 }, () => [true, BOUNCE_BYTES]),
      );
    }
  });

  it('makes one read of a small range, and none of its own for each end', () => {
    const layout = { blockBytes: 512, memoryBytes: 512, phase: 0, start: 0, end: 100 * KIB + 3 };
    expect(piecesOf(layout)).toEqual([
      { bounced: true, position: 0, length: 100 * KIB + 512, skip: 0, take: 100 * KIB + 3 },
    ]);
  });
});

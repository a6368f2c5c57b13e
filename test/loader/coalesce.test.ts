import { describe, expect, it } from 'vitest';
import { type CoalesceOptions, planCoalesced, type Span } from '../../dist/loader/coalesce.js';
import { checkRange, type RangeForm } from '../../dist/loader/range-forms.js';
import { createRandom } from '../../dist/loader/samplers/random.js';
import { tries } from '../kit/effort.js';

const all: CoalesceOptions = { coalesceBytes: Infinity, maxCoalescedBytes: Infinity };
const none: CoalesceOptions = { coalesceBytes: 0, maxCoalescedBytes: 1 };

interface Case {
  readonly size: number;
  readonly ranges: RangeForm[];
  readonly options: CoalesceOptions;
}

/** Ranges of every form; in every second case many that overlap. */
function caseOf(seed: number): Case {
  const random = createRandom(seed);
  const size = 1 + random.below(seed % 2 === 0 ? 300 : 9000);
  const ranges = Array.from({ length: 1 + random.below(40) }, (): RangeForm => {
    const form = random.below(100);
    const start = random.below(size);
    if (form === 0) return { start: -1 - random.below(2 * size), length: -1 };
    if (form === 1) return { start, length: -1 };
    return { start, length: 1 + random.below(form === 2 ? size : 60) };
  });
  return {
    size,
    ranges,
    options: { coalesceBytes: random.below(80), maxCoalescedBytes: 1 + random.below(600) },
  };
}

/** The bytes that a range means, one by one: written without the code under test. */
function meant({ start, length }: RangeForm, size: number): Span {
  const first = start < 0 ? Math.max(size + start, 0) : start;
  const end = length < 0 ? size : Math.min(size, first + length);
  return { start: first, length: end - first };
}

/** Pieces of a read that ranges reach without a gap between them. */
function overlapping(read: Span, wanted: readonly Span[]): Span[] {
  const inside = wanted
    .filter(({ start }) => start >= read.start && start < read.start + read.length)
    .toSorted((a, b) => a.start - b.start);
  const pieces: { start: number; length: number }[] = [];
  for (const { start, length } of inside) {
    const last = pieces.at(-1);
    if (last !== undefined && start < last.start + last.length) {
      last.length = Math.max(last.length, start + length - last.start);
    } else pieces.push({ start, length });
  }
  return pieces;
}

const SEEDS = Array.from({ length: tries(400, 40) }, (_, seed) => seed);

describe('a plan of reads', () => {
  it('has every range at its place, exactly', () => {
    for (const seed of SEEDS) {
      const { size, ranges, options } = caseOf(seed);
      const { reads, places } = planCoalesced(ranges, size, options);
      const placed = places.map(({ read, offset, length }) => ({
        start: reads[read]!.start + offset,
        length,
      }));
      expect(placed, `seed ${seed}`).toEqual(ranges.map((range) => meant(range, size)));
      for (const { read, offset, length } of places) {
        expect(offset).toBeGreaterThanOrEqual(0);
        expect(offset + length).toBeLessThanOrEqual(reads[read]!.length);
      }
    }
  });

  it('reads nothing twice, in order, and nothing in front of or behind what is wanted', () => {
    for (const seed of SEEDS) {
      const { size, ranges, options } = caseOf(seed);
      const wanted = ranges.map((range) => meant(range, size));
      const { reads, gapBytes } = planCoalesced(ranges, size, options);
      let end = -1;
      let gaps = 0;
      for (const read of reads) {
        expect(read.start, `seed ${seed}`).toBeGreaterThanOrEqual(Math.max(end, 0));
        end = read.start + read.length;
        expect(wanted.some(({ start }) => start === read.start)).toBe(true);
        expect(wanted.some(({ start, length }) => start + length === end)).toBe(true);
        gaps += read.length;
        for (const { length } of overlapping(read, wanted)) gaps -= length;
      }
      expect(gapBytes).toBe(gaps);
    }
  });

  it('reads across no longer gap and grows no longer by it than it may, and leaves nothing apart that may be merged', () => {
    let merged = 0;
    for (const seed of SEEDS) {
      const { size, ranges, options } = caseOf(seed);
      const wanted = ranges.map((range) => meant(range, size));
      const { reads } = planCoalesced(ranges, size, options);
      for (const [i, read] of reads.entries()) {
        const pieces = overlapping(read, wanted);
        if (pieces.length > 1) {
          merged += 1;
          expect(read.length, `seed ${seed}`).toBeLessThanOrEqual(options.maxCoalescedBytes);
        }
        for (const [at, { start }] of pieces.entries()) {
          const before = at === 0 ? undefined : pieces[at - 1]!;
          const gap = before === undefined ? 0 : start - before.start - before.length;
          expect(gap).toBeLessThanOrEqual(options.coalesceBytes);
        }
        const next = reads[i + 1];
        if (next === undefined) continue;
        const [first] = overlapping(next, wanted);
        const far = next.start - read.start - read.length > options.coalesceBytes;
        expect(far || first!.start + first!.length - read.start > options.maxCoalescedBytes).toBe(true);
      }
    }
    expect(merged).toBeGreaterThan(tries(100, 5));
  });

  it('needs no size for ranges with a first byte and a length', () => {
    for (const seed of SEEDS) {
      const { size, ranges, options } = caseOf(seed);
      const bounded = ranges.map((range) => meant(range, size));
      expect(planCoalesced(bounded, -1, options)).toEqual(planCoalesced(bounded, size, options));
    }
  });

  it('merges ranges that touch only as far as a read may grow, and ranges that overlap always', () => {
    const touching = [0, 10, 20].map((start) => ({ start, length: 10 }));
    expect(planCoalesced(touching, 30, none).reads).toHaveLength(3);
    expect(planCoalesced(touching, 30, all).reads).toEqual([{ start: 0, length: 30 }]);
    const overlaps = [0, 10, 20].map((start) => ({ start, length: 11 }));
    expect(planCoalesced(overlaps, 40, none).reads).toEqual([{ start: 0, length: 31 }]);
  });

  it('of nothing is nothing, and of an empty object one empty read', () => {
    expect(planCoalesced([], 100, all)).toEqual({ reads: [], places: [], gapBytes: 0 });
    const empty = [checkRange({ suffix: 4 }, ''), checkRange({ start: 0, end: 9 }, ''), checkRange({}, '')];
    const place = { read: 0, offset: 0, length: 0 };
    expect(planCoalesced(empty, 0, all)).toEqual({
      reads: [{ start: 0, length: 0 }],
      places: [place, place, place],
      gapBytes: 0,
    });
  });

  it('names the first range that begins behind the end', () => {
    const ranges = [
      { start: 0, length: 5 },
      { start: 10, length: -1 },
      { start: 99, length: 1 },
    ];
    expect(() => planCoalesced(ranges, 10, all)).toThrow(
      'ranges[1] begins at byte 10; the object ends after 10 bytes',
    );
    expect(() => planCoalesced([{ start: 1, length: 1 }], 0, all)).toThrow('ranges[0] begins at byte 1');
    expect(planCoalesced(ranges.slice(0, 1), 1, all).places).toEqual([{ read: 0, offset: 0, length: 1 }]);
  });
});

describe('the forms of a range', () => {
  it.each([
    [{}, { start: 0, length: -1 }],
    [{ start: 7 }, { start: 7, length: -1 }],
    [
      { start: 7, end: 9 },
      { start: 7, length: 2 },
    ],
    [{ end: 9 }, { start: 0, length: 9 }],
    [
      { start: 7, length: 9 },
      { start: 7, length: 9 },
    ],
    [{ suffix: 9 }, { start: -9, length: -1 }],
  ])('%o', (given, form) => {
    expect(checkRange(given, 'range')).toEqual(form);
  });

  it.each([
    [{ suffix: 0 }, 'range.suffix: expected a whole number from 1 on; given 0'],
    [{ suffix: -1 }, 'range.suffix: expected'],
    [{ suffix: 1, start: 0 }, 'range: expected suffix alone'],
    [{ suffix: 1, length: 1 }, 'range: expected suffix alone'],
    [{ start: 5, end: 5 }, 'end is exclusive'],
    [{ start: 0, end: 1, length: 1 }, 'range: expected end or length'],
    [{ length: 0 }, 'range.length: expected'],
    [{ start: 1.5 }, 'range.start: expected'],
    [{ sufix: 1 }, 'did you mean "suffix"'],
    [[0, 1], 'range: expected an object'],
  ])('%o is refused', (given, message) => {
    expect(() => checkRange(given, 'range')).toThrow(message);
  });
});

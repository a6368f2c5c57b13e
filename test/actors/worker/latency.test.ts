import { describe, expect, it } from 'vitest';
import { newLatency, noteLatency, UNSIZED, type LatencyState } from '../../../dist/actors/worker/latency.js';

const SMALL = 1000;
/** Attempts in a round, at least. */
const ROUND = 16;
/** So many attempts are more than the baseline remembers. */
const LONG = 400;

interface Attempts {
  readonly ms: number;
  readonly count?: number;
  readonly bytes?: number;
  readonly growing?: boolean;
  readonly round?: number;
}

/** Notes the same attempt some times; the verdicts of the rounds that came to their end. */
function note(state: LatencyState, { ms, count = 1, bytes = SMALL, growing = false, round = 0 }: Attempts) {
  const verdicts: boolean[] = [];
  for (let i = 0; i < count; i += 1) {
    const slow = noteLatency(state, { ms, bytes, growing, round });
    if (slow !== null) verdicts.push(slow);
  }
  return verdicts;
}

/** Of attempts that have taken 100 ms for long, and stands at the begin of a round. */
function settled(): LatencyState {
  const state = newLatency();
  note(state, { ms: 100, count: LONG });
  return state;
}

describe('a verdict', () => {
  it('is about a round, which is as long as the window and never shorter than 16', () => {
    expect(note(settled(), { ms: 100, count: ROUND - 1 })).toEqual([]);
    expect(note(settled(), { ms: 100, count: ROUND })).toEqual([false]);
    expect(note(settled(), { ms: 100, count: 29, round: 30 })).toEqual([]);
    expect(note(settled(), { ms: 100, count: 30, round: 30 })).toEqual([false]);
  });

  it.each([
    [12, false],
    [13, true],
  ])('of twenty attempts with %i slow ones is %s: more than three fifths have to be', (count, verdict) => {
    const state = settled();
    note(state, { ms: 1, count: 20 - count, round: 20 });
    expect(note(state, { ms: 700, count, round: 20 })).toEqual([verdict]);
  });

  it('forgets the round before', () => {
    const state = settled();
    expect(note(state, { ms: 900, count: ROUND })).toEqual([true]);
    expect(note(state, { ms: 100, count: ROUND })).toEqual([false]);
  });

  it('takes what is up to twice the mean for its spread, however long that is', () => {
    const state = newLatency();
    note(state, { ms: 1024, count: LONG });
    expect(note(state, { ms: 2048 - 100, count: ROUND })).toEqual([false]);
    // The mean has followed by a little: it is three times that, not twice.
    expect(note(state, { ms: 3 * 1024, count: ROUND })).toEqual([true]);
  });

  it('takes a delay of some 50 ms for that of the machine, many times the mean as it may be', () => {
    const state = newLatency();
    note(state, { ms: 2, count: LONG });
    expect(note(state, { ms: 50, count: ROUND })).toEqual([false]);
    expect(note(state, { ms: 80, count: ROUND })).toEqual([true]);
  });

  it('is not passed on what is seen for the first time', () => {
    const state = settled();
    note(state, { ms: 900, count: 9 });
    note(state, { ms: 5000, bytes: 8 << 20 });
    expect(note(state, { ms: 100, count: 6 })).toEqual([false]);
  });

  it('is given up once the service has been slower for some hundred attempts', () => {
    const state = settled();
    const verdicts = note(state, { ms: 400, count: LONG });
    expect(verdicts[0]).toBe(true);
    expect(verdicts.at(-1)).toBe(false);
  });

  it('is not hastened by attempts that take for ever: each counts for eight times the mean at most', () => {
    const state = settled();
    note(state, { ms: 1e9, count: 2 });
    expect(state.baselines[0]).toBeLessThan(107);
  });
});

describe('sizes', () => {
  const KIB = 1024;

  it.each([16 * KIB, 128 * KIB, 1024 * KIB, 4096 * KIB])('have a class that ends with %i bytes', (bytes) => {
    const state = newLatency();
    note(state, { ms: 10, count: LONG, bytes });
    // A byte more is another kind, of which nothing is known: what it takes is what it takes.
    expect(note(state, { ms: 900, count: ROUND, bytes: bytes + 1 })).toEqual([false]);
    expect(note(state, { ms: 900, count: ROUND, bytes })).toEqual([true]);
  });

  it('beyond the last class are one kind', () => {
    const state = newLatency();
    note(state, { ms: 10, count: LONG, bytes: 5 << 20 });
    expect(note(state, { ms: 900, count: ROUND, bytes: 2 ** 40 })).toEqual([true]);
  });

  it('of nothing have a class for each kind of question, which no answer with bytes is compared with', () => {
    const kinds = Object.values(UNSIZED);
    const state = newLatency();
    // Heads take 10 ms, pages of keys 200, and so on: each mean is that of its like.
    for (const [i, bytes] of kinds.entries()) note(state, { ms: 10 * 8 ** i, count: LONG, bytes });
    for (const [i, bytes] of kinds.entries()) {
      expect(note(state, { ms: 10 * 8 ** i, count: ROUND, bytes })).toEqual([false]);
      expect(note(state, { ms: 80 * 8 ** i, count: ROUND, bytes })).toEqual([true]);
    }
    for (const bytes of [0, SMALL, 8 << 20])
      expect(note(state, { ms: 300, count: ROUND, bytes })).toEqual([false]);
  });

  it('that are another mixture of the same are no change of the latency', () => {
    const state = newLatency();
    for (let i = 0; i < LONG; i += 1) {
      note(state, { ms: 20 });
      note(state, { ms: 1000, bytes: 8 << 20 });
    }
    expect(note(state, { ms: 1000, count: 2 * ROUND, bytes: 8 << 20 })).toEqual([false, false]);
  });
});

describe('while the window grows', () => {
  it('no verdict is passed, and the baseline follows at once', () => {
    const state = settled();
    expect(note(state, { ms: 800, count: 20, growing: true })).toEqual([]);
    expect(state.baselines[0]).toBeGreaterThan(600);
    expect(note(state, { ms: 800, count: ROUND })).toEqual([false]);
  });

  it('the round begins anew', () => {
    const state = settled();
    note(state, { ms: 900, count: ROUND - 1 });
    note(state, { ms: 100, growing: true });
    expect(note(state, { ms: 100, count: ROUND - 1 })).toEqual([]);
    expect(note(state, { ms: 100 })).toEqual([false]);
  });
});

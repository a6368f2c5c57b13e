/** Seeds as `npm run sim` goes through them. */
import { expect, it } from 'vitest';
import type { Scenario } from './scenario.kit.js';
import { runSlice, type Slice } from './slice.kit.js';

const SLICE: Slice = {
  scenarios: ['one', 'two', 'three'],
  from: 0,
  to: 12,
  step: 1,
  twice: false,
  explain: 0,
  maxFailures: 20,
};
const ON = { afterSeed: () => false };

/** Scenarios that note their seeds, and in some find something wrong. */
function noting(wrong: readonly number[] = []): {
  readonly ran: Record<string, number[]>;
  readonly all: Scenario[];
} {
  const ran: Record<string, number[]> = { one: [], two: [], three: [] };
  const all = Object.entries(ran).map(([name, seeds]) => ({
    name,
    marks: ['was there'],
    run: (draw: Parameters<Scenario['run']>[0]) => {
      seeds.push(draw.seed);
      draw.sometimes('was there');
      draw.sites.struck('worker.crash');
      return Promise.resolve(wrong.includes(draw.seed) ? ['not as it should be'] : []);
    },
  }));
  return { ran, all };
}

it('runs a seed in the same scenario, whatever the number of processes', async () => {
  const { ran, all } = noting();
  await runSlice(SLICE, all, ON);
  expect(ran).toEqual({ one: [0, 3, 6, 9], two: [1, 4, 7, 10], three: [2, 5, 8, 11] });
  for (const step of [2, 3, 5]) {
    const split = noting();
    for (let from = 0; from < step; from += 1) await runSlice({ ...SLICE, from, step }, split.all, ON);
    for (const name of ['one', 'two', 'three'])
      expect(split.ran[name]!.toSorted((a, b) => a - b)).toEqual(ran[name]);
  }
});

it('tells a seed at length in every scenario that was asked for, when nothing is wrong with it too', async () => {
  const { ran, all } = noting();
  const scenarios = ['one', 'three'];
  const tally = await runSlice({ ...SLICE, from: 5, to: 6, scenarios, atLength: true }, all, ON);
  expect(ran).toEqual({ one: [5], two: [], three: [5] });
  expect(tally.runs).toBe(2);
  expect(tally.told.map((text) => text.split('\n')[0])).toEqual([
    expect.stringMatching(/^scenario one, seed 5, policy \w+, 0 steps$/),
    expect.stringMatching(/^scenario three, seed 5, policy \w+, 0 steps$/),
  ]);
  for (const text of tally.told)
    for (const line of ['faults: worker.crash 1', 'marks: was there 1', 'latest events:'])
      expect(text.split('\n')).toContain(line);
});

it('explains what fails, and counts what was met', async () => {
  const { all } = noting([4, 7]);
  const tally = await runSlice({ ...SLICE, explain: 1 }, all, ON);
  expect(tally.told).toEqual([]);
  expect(tally.failures.map(({ scenario, seed }) => `${scenario} ${seed}`)).toEqual(['two 4', 'two 7']);
  expect(tally.failures[0]!.report).toContain('violated: not as it should be');
  expect(tally.failures[1]!.report).toBe(null);
  expect([tally.faults, tally.marks]).toEqual([
    { 'worker.crash': 12 },
    { 'one: was there': 4, 'two: was there': 4, 'three: was there': 4 },
  ]);
});

it('ends with as many failures as are enough, and when it is told to', async () => {
  const failing = noting([1, 2, 3]);
  expect((await runSlice({ ...SLICE, maxFailures: 2 }, failing.all, ON)).runs).toBe(3);
  const told = noting();
  const watch = { afterSeed: ({ runs }: { readonly runs: number }) => runs === 5 };
  expect((await runSlice(SLICE, told.all, watch)).runs).toBe(5);
});

it('says of a seed that does not go the same way twice in what it differs', async () => {
  let calls = 0;
  const unsteady: Scenario = {
    name: 'one',
    marks: [],
    run: (draw) => {
      calls += 1;
      if (calls > 1) draw.oracle.of([0, 1], 'one more');
      return Promise.resolve(calls === 3 ? ['wrong'] : []);
    },
  };
  const tally = await runSlice({ ...SLICE, to: 1, twice: true, scenarios: ['one'] }, [unsteady], ON);
  expect(tally.failures.map(({ violations }) => violations)).toEqual([
    ['the same seed has other tape the second time', 'with its own tape it has other tape, violations'],
  ]);
});

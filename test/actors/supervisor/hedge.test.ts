import { describe, expect, it } from 'vitest';
import {
  DEFAULT_HEDGE,
  HedgeBudget,
  hedgeBack,
  isHedgeable,
  isWanted,
  jobBack,
  jobLost,
  MAX_HEDGE_BYTES,
  RaceState,
} from '../../../dist/actors/supervisor/hedge.js';
import type { Part } from '../../../dist/actors/supervisor/parts.js';
import { newTask } from '../../../dist/actors/supervisor/tasks.js';
import type { StreamOptions, Task } from '../../../dist/actors/supervisor/types.js';
import { tries } from '../../kit/effort.js';
import { entryOf } from './kit.js';

const { Racing, HedgeWon, JobFailed, JobDecided, Over } = RaceState;
const landed = { landed: true, failed: false, stopped: false };
const failed = { landed: false, failed: true, stopped: false };
/** Given up, because it was revoked or its worker drains. */
const back = { landed: false, failed: false, stopped: false };
/** The stream was cancelled meanwhile. */
const stopped = { ...back, stopped: true };

describe('of a job and its hedge', () => {
  it.each([
    ['lands first: its result counts, and the hedge is stopped', landed],
    ['says that the object is another one: so it is', back],
    ['is cancelled with its stream', stopped],
    ['fails in a stream that is cancelled', { ...failed, stopped: true }],
  ])('the job %s', (_what, job) => {
    expect(jobBack(Racing, job)).toEqual({ state: JobDecided, job: 'own', revoke: 'hedge' });
    expect(hedgeBack(JobDecided, landed)).toEqual({ state: Over, job: null, revoke: null });
  });

  it('the hedge lands first: the job is stopped, and the bytes are taken over when it is back', () => {
    expect(hedgeBack(Racing, landed)).toEqual({ state: HedgeWon, job: null, revoke: 'job' });
    for (const job of [back, failed]) {
      expect(jobBack(HedgeWon, job)).toEqual({ state: Over, job: 'hedge', revoke: null });
    }
  });

  it('the hedge lands first, and the job too before it hears of that: what is in place stays', () => {
    expect(jobBack(HedgeWon, landed)).toEqual({ state: Over, job: 'own', revoke: null });
  });

  it('the hedge lands first, and the stream is cancelled before the job is back: nothing is taken over', () => {
    expect(jobBack(HedgeWon, stopped)).toEqual({ state: Over, job: 'own', revoke: null });
  });

  it('the job fails: the hedge is waited for, and decides', () => {
    expect(jobBack(Racing, failed)).toEqual({ state: JobFailed, job: 'keep', revoke: null });
    expect(hedgeBack(JobFailed, landed)).toEqual({ state: Over, job: 'hedge', revoke: null });
    expect(hedgeBack(JobFailed, failed)).toEqual({ state: Over, job: 'own', revoke: null });
    expect(hedgeBack(JobFailed, { ...landed, stopped: true })).toEqual({
      state: Over,
      job: 'own',
      revoke: null,
    });
  });

  it('the hedge fails: that is nothing', () => {
    expect(hedgeBack(Racing, failed)).toEqual({ state: Over, job: null, revoke: null });
  });

  it('the job is lost with its worker: its task begins again, and the hedge is stopped', () => {
    expect(jobLost(Racing)).toEqual({ state: JobDecided, job: null, revoke: 'hedge' });
    expect(jobLost(HedgeWon)).toEqual({ state: Over, job: null, revoke: null });
  });
});

describe('the budget', () => {
  const affordable = (budget: HedgeBudget): number => {
    let count = 0;
    for (; budget.affords; count += 1) budget.spend();
    return count;
  };

  it.each([
    [0.02, 49, 0],
    [0.02, 50, 1],
    [0.02, 99, 1],
    [0.1, 10, 1],
    [1, 1, 1],
  ])('of a share of %d has after %i requests enough for %i', (maxShare, requests, hedges) => {
    const budget = new HedgeBudget();
    for (let i = 0; i < requests; i += 1) budget.earn({ ...DEFAULT_HEDGE, maxShare });
    expect(affordable(budget)).toBe(hedges);
  });

  it('is never above its share, whatever came before, and saves up little', () => {
    const budget = new HedgeBudget();
    for (let i = 0; i < tries(1_000_000, 2000); i += 1) budget.earn(DEFAULT_HEDGE);
    expect(affordable(budget)).toBe(16);
    let spent = 0;
    const most = tries(100_000, 5000);
    for (let requests = 1; requests <= most; requests += 1) {
      budget.earn(DEFAULT_HEDGE);
      spent += affordable(budget);
      expect(spent).toBeLessThanOrEqual(requests * 0.02);
    }
    expect(spent).toBe(most * 0.02);
  });
});

describe('a second attempt', () => {
  const options = {} as StreamOptions;
  const task = (changes: Partial<Task> = {}): Task => ({ ...newTask(0, entryOf(0)), ...changes });
  const part = (changes: Partial<Part> = {}): Part => ({
    from: 0,
    length: 10,
    whole: true,
    copy: null,
    landed: false,
    ...changes,
  });

  it('may be made at a plain read', () => {
    expect(isHedgeable(options, task(), part(), false)).toBe(true);
    expect(isHedgeable(options, task(), part({ length: MAX_HEDGE_BYTES }), false)).toBe(true);
  });

  it.each<[string, () => boolean]>([
    ['what is written elsewhere', () => isHedgeable(options, task(), part(), true)],
    ['a stream that wants none', () => isHedgeable({ ...options, hedge: false }, task(), part(), false)],
    ['bytes that are there', () => isHedgeable(options, task(), part({ landed: true }), false)],
    [
      'a part behind bytes that are to be copied',
      () =>
        isHedgeable(
          options,
          task(),
          part({ copy: { extent: {} as never, offset: 0, length: 1, stale: false } }),
          false,
        ),
    ],
    ['what may have killed a worker', () => isHedgeable(options, task({ crashes: 1 }), part(), false)],
    ['nothing', () => isHedgeable(options, task(), part({ length: 0 }), false)],
    ['too much', () => isHedgeable(options, task(), part({ length: MAX_HEDGE_BYTES + 1 }), false)],
  ])('is not made at %s', (_what, may) => {
    expect(may()).toBe(false);
  });

  it('is of no use to a task that begins again, has failed or was handed back', () => {
    expect(isWanted(task())).toBe(true);
    for (const changes of [
      { restart: true },
      { error: new Error('x') as never },
      { left: true },
      { crashes: 1 },
    ])
      expect(isWanted(task(changes))).toBe(false);
  });
});

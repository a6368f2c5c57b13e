import { describe, expect, it } from 'vitest';
import type { Worker } from '../../../dist/actors/supervisor/crew.js';
import { load } from '../../../dist/actors/supervisor/load.js';
import { HedgeBudget } from '../../../dist/actors/supervisor/hedge.js';
import { Hedges } from '../../../dist/actors/supervisor/hedges.js';
import { IntMap } from '../../../dist/actors/supervisor/int-map.js';
import type { FetchJobRecord, RowResult } from '../../../dist/actors/supervisor/jobs.js';
import { Arena } from '../../../dist/protocol/arena.js';
import { DoneStatus } from '../../../dist/protocol/tables.js';
import { createCrew, createStream, pages, taskOf } from './kit.js';

const BYTES = 100;
const row = (status: DoneStatus, more: Partial<RowResult> = {}): RowResult => ({
  status,
  landed: BYTES,
  size: BYTES,
  version: 'v',
  retries: 0,
  throttled: 0,
  error: null,
  outputs: null,
  verified: null,
  ...more,
});

/** Each read that lands pays for a hedge. */
const ONE_EACH = { percentile: 98, maxShare: 1, leastSamples: 1 };

/** Two workers; job 1, of the first, is slow and may be hedged to the second as job 2. */
function createHedges({ budgetBytes = pages(8), isLimited = false, admits = true, saved = 3 } = {}) {
  const arena = new Arena(budgetBytes);
  const { crew, at } = createCrew(2);
  const { stream } = createStream(arena, []);
  const jobs = new IntMap<FetchJobRecord>();
  const budget = new HedgeBudget();
  for (let i = 0; i < saved; i += 1) budget.earn(ONE_EACH);
  const extent = arena.allocate(BYTES)!;
  const part = { from: 0, length: BYTES, whole: true, copy: null, landed: false };
  const job: FetchJobRecord = {
    id: 1,
    stream,
    worker: at(0),
    part,
    weight: BYTES,
    hedge: null,
    task: taskOf(0, {}, { extent, offset: extent.offset, capacity: BYTES, length: BYTES, jobsOut: 1 }),
  };
  jobs.set(job.id, job);
  const applied: [number, RowResult][] = [];
  const hedges = new Hedges({
    arena,
    crew,
    jobs,
    budget,
    send: (of, worker, _extent) => {
      stream.jobsOut += 1;
      load(worker, of.task.entry.store, of.weight);
      return { ...of, id: 2, worker };
    },
    gate: { limits: isLimited, admits: () => admits, ended: () => {} },
    hasSpare: () => true,
    apply: (of, result) => applied.push([of.id, result]),
  });
  const used = (): number => arena.stats().usedBytes;
  return { arena, stream, job, hedges, applied, at, used };
}

describe('a slow job', () => {
  it('is asked for again elsewhere, which counts for that worker and that stream until it is back', () => {
    const { arena, stream, job, hedges, at, used } = createHedges();
    hedges.slow(at(1), [job.id]);
    hedges.serve();
    expect([hedges.size, used()]).toEqual([0, pages(1)]);
    hedges.slow(at(0), [job.id, 77]);
    hedges.serve();
    hedges.serve();
    expect([hedges.size, used(), hedges.stats().hedged]).toEqual([1, pages(2), 1]);
    const other = createStream(arena, []).stream;
    const count = (worker: Worker): number[] => [
      hedges.with(worker),
      hedges.with(worker, stream),
      hedges.with(worker, other),
    ];
    expect([count(at(0)), count(at(1))]).toEqual([
      [0, 0, 0],
      [1, 1, 0],
    ]);
    hedges.back(2, at(0), row(DoneStatus.Ok));
    hedges.back(3, at(1), row(DoneStatus.Ok));
    expect(count(at(1))).toEqual([1, 1, 0]);
    hedges.back(2, at(1), row(DoneStatus.Failed));
    expect([count(at(1)), hedges.size, used(), at(1).rows]).toEqual([[0, 0, 0], 0, pages(1), 0]);
  });

  it.each<[string, DoneStatus, number]>([
    ['a read that has landed', DoneStatus.Ok, 1],
    ['one that was given back', DoneStatus.Left, 0],
    ['one that was cancelled', DoneStatus.Cancelled, 0],
    ['one that failed', DoneStatus.Failed, 0],
  ])('is asked for again when it is paid for: by %s', (_what, status, hedged) => {
    const { job, hedges, at } = createHedges({ saved: 0 });
    hedges.slow(at(0), [job.id]);
    hedges.pay(ONE_EACH, row(status));
    hedges.serve();
    expect(hedges.stats().hedged).toBe(hedged);
  });

  it('has the retries and the refusals of both counted, where the second one came first', () => {
    const { job, hedges, applied, at } = createHedges();
    hedges.slow(at(0), [job.id]);
    hedges.serve();
    hedges.back(2, at(1), row(DoneStatus.Ok, { retries: 1, throttled: 4 }));
    expect(hedges.jobBack(job, row(DoneStatus.Cancelled, { retries: 2, throttled: 3 }))).toBe(true);
    expect(applied).toMatchObject([[1, { status: DoneStatus.Ok, retries: 3, throttled: 7 }]]);
    expect(hedges.stats()).toEqual({ hedged: 1, hedgesWon: 1 });
  });

  it.each([
    ['there is no memory', { budgetBytes: pages(1) }],
    ['a cap of the runtime is reached', { isLimited: true, admits: false }],
  ])('is not asked for again where %s', (_what, options) => {
    const { job, hedges, at } = createHedges(options);
    hedges.slow(at(0), [job.id]);
    hedges.serve();
    expect([hedges.size, hedges.stats().hedged]).toEqual([0, 0]);
  });

  it('is asked for again where a cap has room for it', () => {
    const { job, hedges, at } = createHedges({ isLimited: true });
    hedges.slow(at(0), [job.id]);
    hedges.serve();
    expect(hedges.size).toBe(1);
  });
});

describe('a worker that is lost with a hedge', () => {
  it.each([
    [true, 1, pages(2)],
    [false, 0, pages(1)],
  ])('keeps its memory where it is stuck: %s', (stuck, kept, usedBytes) => {
    const { job, hedges, at, used } = createHedges();
    hedges.slow(at(0), [job.id]);
    hedges.serve();
    // The loss of a third one is nothing to it.
    expect(hedges.lost({} as Worker, [], stuck)).toEqual([]);
    expect(hedges.with(at(1))).toBe(1);
    expect(hedges.lost(at(1), [], stuck)).toHaveLength(kept);
    expect([hedges.with(at(1)), hedges.size, used()]).toEqual([0, 0, usedBytes]);
    // The job goes on by itself.
    expect(hedges.jobBack(job, row(DoneStatus.Ok))).toBe(false);
    expect(hedges.lost(at(1), [], stuck)).toEqual([]);
  });
});

describe('a hedge that gives way to somebody who is short of memory', () => {
  it('is told to stop, once; it counts where it had landed by then, and the job is stopped in its place', () => {
    const { job, hedges, applied, at } = createHedges();
    const told: [number, unknown][] = [];
    for (const [i, { link }] of [at(0), at(1)].entries())
      link.control.post = (message) => void told.push([i, message]);
    hedges.slow(at(0), [job.id]);
    hedges.serve();
    hedges.giveWay();
    hedges.giveWay();
    expect(told.splice(0)).toEqual([[1, { kind: 'revoke', job: 2 }]]);
    hedges.back(2, at(1), row(DoneStatus.Ok));
    expect(told).toEqual([[0, { kind: 'revoke', job: 1 }]]);
    expect(hedges.jobBack(job, row(DoneStatus.Cancelled))).toBe(true);
    expect(applied).toMatchObject([[1, { status: DoneStatus.Ok }]]);
    expect([hedges.stats().hedgesWon, hedges.size]).toEqual([1, 0]);
  });

  it('leaves the job to itself where it had not', () => {
    const { job, hedges, applied, at, used } = createHedges();
    hedges.slow(at(0), [job.id]);
    hedges.serve();
    hedges.giveWay();
    hedges.back(2, at(1), row(DoneStatus.Cancelled));
    expect([hedges.size, used(), applied]).toEqual([0, pages(1), []]);
    expect(hedges.jobBack(job, row(DoneStatus.Ok))).toBe(false);
  });
});

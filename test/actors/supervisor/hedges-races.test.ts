/** A job and its second attempt: which of the two counts, and what becomes of the other one. */
import { describe, expect, it, vi } from 'vitest';
import { load } from '../../../dist/actors/supervisor/load.js';
import { HedgeBudget } from '../../../dist/actors/supervisor/hedge.js';
import { Hedges } from '../../../dist/actors/supervisor/hedges.js';
import { IntMap } from '../../../dist/actors/supervisor/int-map.js';
import type { FetchJobRecord, RowResult } from '../../../dist/actors/supervisor/jobs.js';
import type { Task } from '../../../dist/actors/supervisor/types.js';
import { Arena, type Extent } from '../../../dist/protocol/arena.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import type { JobMessage } from '../../../dist/protocol/messages.js';
import { DoneStatus } from '../../../dist/protocol/tables.js';
import { createCrew, createStream, type FakeLink, pages, taskOf } from './kit.js';

const BYTES = 100;
/** Where in its item the part of each job begins. */
const FROM = 50;
const HEDGE = 1000;

function row(status: DoneStatus, more: Partial<RowResult> = {}): RowResult {
  const nothing = { error: null, outputs: null, verified: null, retries: 0, throttled: 0 };
  return { status, landed: BYTES, size: 900, version: 'v', ...nothing, ...more };
}
const failure = row(DoneStatus.Failed, {
  landed: 0,
  retries: 2,
  throttled: 3,
  error: new MillraceError(ErrorCode.ServiceUnavailable, 'not now'),
});

/** Jobs 1 and 2, of the first worker; the hedge of job N is job 1000 + N, of the second worker. */
function races() {
  const arena = new Arena(pages(8));
  const { crew, at } = createCrew(2);
  const { stream } = createStream(arena, []);
  const jobs = new IntMap<FetchJobRecord>();
  const budget = new HedgeBudget();
  for (let i = 0; i < 4; i += 1) budget.earn({ percentile: 98, maxShare: 1, leastSamples: 1 });
  const extents = new Map<number, Extent>();
  const job = (id: number): FetchJobRecord => {
    const extent = arena.allocate(FROM + BYTES)!;
    const place = { extent, offset: extent.offset, capacity: FROM + BYTES, length: FROM + BYTES, jobsOut: 1 };
    const part = { from: FROM, length: BYTES, whole: false, copy: null, landed: false };
    const made = { id, stream, worker: at(0), part, weight: BYTES, hedge: null, task: taskOf(id, {}, place) };
    jobs.set(id, made);
    return made;
  };
  const both = [job(1), job(2)] as const;
  stream.jobsOut = 2;
  const applied: [id: number, row: RowResult][] = [];
  const ended: number[] = [];
  const state = { hasSpare: true };
  const hedges = new Hedges({
    arena,
    crew,
    jobs,
    budget,
    send: (of, worker, extent) => {
      stream.jobsOut += 1;
      load(worker, of.task.entry.store, of.weight);
      extents.set(of.id, extent);
      return { ...of, id: HEDGE + of.id, worker };
    },
    gate: { limits: false, admits: () => true, ended: (of) => void ended.push(of.id) },
    hasSpare: () => state.hasSpare,
    apply: (of, result) => applied.push([of.id, result]),
  });
  const posts: [worker: number, message: unknown][] = [];
  for (let index = 0; index < 2; index += 1) {
    const { control } = at(index).link;
    vi.spyOn(control, 'post').mockImplementation((message) => void posts.push([index, message]));
  }
  /** These jobs are slow. */
  const slow = (...ids: number[]): void => {
    hedges.slow(at(0), ids);
    hedges.serve();
  };
  /** What the hedge of a job has landed. */
  const land = (id: number): number[] => {
    const bytes = Array.from({ length: BYTES }, (_, i) => (id * 31 + i) & 0xff);
    new Uint8Array(arena.buffer).set(bytes, extents.get(id)!.offset);
    return bytes;
  };
  /** What lies where a job was to land, and the byte before and behind that. */
  const place = ({ task }: FetchJobRecord): number[] => [
    ...new Uint8Array(arena.buffer, task.offset + FROM - 1, BYTES + 2),
  ];
  const used = (): number => arena.stats().usedBytes;
  const hedgeBack = (id: number, result: RowResult): void => hedges.back(HEDGE + id, at(1), result);
  const revoked = () => posts.splice(0);
  return {
    arena,
    hedges,
    stream,
    both,
    jobs,
    at,
    slow,
    land,
    place,
    used,
    applied,
    ended,
    hedgeBack,
    revoked,
    state,
  };
}

const revokeOf = (worker: number, job: number) => [worker, { kind: 'revoke', job }];

describe('a slow job', () => {
  it('is forgotten when it is back, its stream is over, or nobody wants it any more', () => {
    const over: ((kit: ReturnType<typeof races>) => void)[] = [
      ({ jobs }) => void jobs.delete(1),
      ({ jobs, both }) => jobs.set(1, { ...both[0] }),
      ({ stream }) => stream.token.cancel(),
      ({ both }) => Object.assign(both[0].task, { restart: true } satisfies Partial<Task>),
    ];
    for (const end of over) {
      const kit = races();
      kit.state.hasSpare = false;
      kit.slow(1);
      end(kit);
      kit.state.hasSpare = true;
      kit.hedges.serve();
      expect([kit.hedges.size, kit.hedges.stats().hedged]).toEqual([0, 0]);
    }
  });

  it('is asked for again as soon as nobody is short of memory', () => {
    const { hedges, slow, state, stream } = races();
    state.hasSpare = false;
    slow(1, 2);
    expect([hedges.size, stream.ledger.hedged]).toEqual([0, 0]);
    state.hasSpare = true;
    hedges.serve();
    expect([hedges.size, stream.ledger.hedged, stream.jobsOut]).toEqual([2, 2, 4]);
  });

  it('waits while no other worker can be sent anything', () => {
    const { hedges, at, slow, used } = races();
    const link = at(1).link as FakeLink;
    while (link.jobs.trySend({} as JobMessage) === 'ok');
    slow(1);
    expect([hedges.size, used()]).toEqual([0, pages(2)]);
    link.received();
    hedges.serve();
    expect([hedges.size, used()]).toEqual([1, pages(3)]);
  });

  it('waits while there is no memory', () => {
    const { arena, hedges, slow } = races();
    const rest = arena.allocate(pages(6))!;
    slow(1);
    expect(hedges.size).toBe(0);
    arena.release(rest);
    hedges.serve();
    expect(hedges.size).toBe(1);
  });

  it('goes on alone where somebody is short of memory: its hedge is stopped, and none that is needed', () => {
    const { hedges, slow, land, hedgeBack, revoked, both, used, applied } = races();
    slow(1, 2);
    land(2);
    hedgeBack(2, row(DoneStatus.Ok));
    expect(revoked()).toEqual([revokeOf(0, 2)]);
    hedges.giveWay();
    hedges.giveWay();
    expect(revoked()).toEqual([revokeOf(1, HEDGE + 1)]);
    hedgeBack(1, row(DoneStatus.Cancelled));
    expect([hedges.size, used()]).toEqual([1, pages(3)]);
    expect([hedges.jobBack(both[0], row(DoneStatus.Ok)), applied]).toEqual([false, []]);
  });
});

describe('of a job and its hedge', () => {
  it('the job counts when it is back first, and its hedge is stopped', () => {
    const { hedges, slow, both, hedgeBack, revoked, applied, used, stream, ended } = races();
    slow(1, 2);
    expect(hedges.jobBack(both[0], row(DoneStatus.Ok))).toBe(false);
    expect([revoked(), applied, used()]).toEqual([[revokeOf(1, HEDGE + 1)], [], pages(4)]);
    hedgeBack(1, row(DoneStatus.Cancelled));
    expect([hedges.size, used(), stream.jobsOut, ended]).toEqual([1, pages(3), 3, [HEDGE + 1]]);
    expect(hedges.stats()).toEqual({ hedged: 2, hedgesWon: 0 });
  });

  it('the hedge counts when it is, and its bytes are put in place when the job cannot write there any more', () => {
    const { hedges, slow, land, place, both, hedgeBack, revoked, applied, used, stream } = races();
    slow(1, 2);
    const bytes = land(1);
    const error = new MillraceError(ErrorCode.Internal, 'of another row');
    hedgeBack(1, row(DoneStatus.Ok, { retries: 1, throttled: 4, error, outputs: [], verified: 'md5' }));
    expect([revoked(), applied, stream.jobsOut]).toEqual([[revokeOf(0, 1)], [], 3]);
    expect(place(both[0]).every((byte) => byte === 0)).toBe(true);
    // The other race is none of it.
    expect(hedges.jobBack(both[1], row(DoneStatus.Ok))).toBe(false);
    expect(hedges.jobBack(both[0], row(DoneStatus.Cancelled, { retries: 2, throttled: 3 }))).toBe(true);
    expect(place(both[0])).toEqual([0, ...bytes, 0]);
    const result = row(DoneStatus.Ok, { retries: 3, throttled: 7, verified: 'md5' });
    expect(applied).toEqual([[1, result]]);
    expect([used(), stream.ledger.hedgesWon, hedges.stats().hedgesWon]).toEqual([pages(3), 1, 1]);
  });

  it('the job counts all the same where it has landed, too, by the time that it could be stopped', () => {
    const { hedges, slow, land, place, both, hedgeBack, applied, used } = races();
    slow(1);
    land(1);
    hedgeBack(1, row(DoneStatus.Ok));
    expect(hedges.jobBack(both[0], row(DoneStatus.Ok))).toBe(false);
    expect([applied, hedges.size, hedges.stats().hedgesWon, used()]).toEqual([[], 0, 0, pages(2)]);
    expect(place(both[0]).every((byte) => byte === 0)).toBe(true);
  });

  it('the hedge is waited for when the job fails, and counts when it lands', () => {
    const { hedges, slow, land, place, both, hedgeBack, revoked, applied, used } = races();
    slow(1);
    const bytes = land(1);
    expect([hedges.jobBack(both[0], failure), applied, revoked()]).toEqual([true, [], []]);
    hedgeBack(1, row(DoneStatus.Ok, { retries: 1 }));
    expect(applied).toEqual([[1, row(DoneStatus.Ok, { retries: 3, throttled: 3 })]]);
    expect(place(both[0])).toEqual([0, ...bytes, 0]);
    expect([used(), hedges.size, hedges.stats().hedgesWon]).toEqual([pages(2), 0, 1]);
  });

  it.each([
    ['before its hedge is back', false],
    ['after its hedge has landed', true],
  ])(
    "the job's own failure counts where it is the transform's, %s: other bytes would only run it again",
    (_, won) => {
      const { hedges, slow, land, both, hedgeBack, revoked, applied, used } = races();
      slow(1);
      land(1);
      if (won) hedgeBack(1, row(DoneStatus.Ok));
      revoked();
      const error = new MillraceError(ErrorCode.TransformFailed, 'no JSON', { phase: 'transform' });
      expect([hedges.jobBack(both[0], row(DoneStatus.Failed, { error })), applied]).toEqual([false, []]);
      expect(revoked()).toEqual(won ? [] : [revokeOf(1, HEDGE + 1)]);
      if (!won) hedgeBack(1, row(DoneStatus.Ok));
      expect([applied, hedges.size, hedges.stats().hedgesWon, used()]).toEqual([[], 0, 0, pages(2)]);
    },
  );

  it("the job's own failure counts when both have failed, as it was when it came", () => {
    const { hedges, slow, both, hedgeBack, applied, used } = races();
    slow(1);
    const own = { ...failure };
    hedges.jobBack(both[0], own);
    // A message's rows are read through one object.
    Object.assign(own, row(DoneStatus.Ok));
    hedgeBack(1, row(DoneStatus.Failed, { landed: 0, retries: 9 }));
    expect([applied, hedges.size, used()]).toEqual([[[1, failure]], 0, pages(2)]);
    expect(hedges.stats().hedgesWon).toBe(0);
  });

  it('the job counts once its stream is cancelled, whatever has landed', () => {
    const { hedges, slow, stream, both, land, hedgeBack, revoked, applied } = races();
    slow(1, 2);
    land(2);
    hedgeBack(2, row(DoneStatus.Ok));
    expect(revoked()).toEqual([revokeOf(0, 2)]);
    stream.token.cancel();
    expect(hedges.jobBack(both[0], failure)).toBe(false);
    expect(revoked()).toEqual([revokeOf(1, HEDGE + 1)]);
    expect(hedges.jobBack(both[1], row(DoneStatus.Cancelled))).toBe(false);
    expect([applied, hedges.size]).toEqual([[], 1]);
  });

  it('neither is looked for once it is over', () => {
    const { hedges, slow, both, hedgeBack, applied } = races();
    expect(hedges.jobBack(both[0], row(DoneStatus.Ok))).toBe(false);
    slow(1);
    hedges.jobBack(both[0], row(DoneStatus.Ok));
    // Its task may be read again under the same number of a job, while the hedge is still out.
    expect(hedges.jobBack(both[0], failure)).toBe(false);
    hedgeBack(1, row(DoneStatus.Cancelled));
    hedgeBack(1, row(DoneStatus.Ok));
    expect([applied, hedges.size]).toEqual([[], 0]);
  });
});

describe('a worker that is lost', () => {
  const stuckOrNot = [true, false];

  it.each(stuckOrNot)('with a job has its hedge stopped, and leaves the others (stuck: %s)', (stuck) => {
    const { hedges, slow, both, at, hedgeBack, revoked, applied, used } = races();
    slow(1, 2);
    expect(hedges.lost(at(0), [both[0]], stuck)).toEqual([]);
    expect([revoked(), hedges.size, hedges.with(at(1))]).toEqual([[revokeOf(1, HEDGE + 1)], 2, 2]);
    hedgeBack(1, row(DoneStatus.Ok));
    // Its task begins again elsewhere: what the hedge has landed is too late.
    expect([applied, hedges.size, used()]).toEqual([[], 1, pages(3)]);
  });

  it('with a job whose hedge has landed ends both', () => {
    const { hedges, slow, both, at, land, hedgeBack, applied, used } = races();
    slow(1);
    land(1);
    hedgeBack(1, row(DoneStatus.Ok));
    hedges.lost(at(0), [both[0]], false);
    expect([applied, hedges.size, used()]).toEqual([[], 0, pages(2)]);
  });

  it('with the hedge of a job that has failed lets that failure count', () => {
    const { hedges, slow, both, at, stream, applied, used } = races();
    slow(1);
    hedges.jobBack(both[0], failure);
    expect(hedges.lost(at(1), [], false)).toEqual([]);
    expect([applied, hedges.size, used(), stream.jobsOut]).toEqual([[[1, failure]], 0, pages(2), 2]);
  });

  it('with a hedge lets its job go on alone, and takes what it did in no account', () => {
    const { hedges, slow, both, at, applied, revoked, stream, land, place } = races();
    slow(1);
    land(1);
    hedges.lost(at(1), [], true);
    expect([hedges.size, stream.jobsOut, revoked()]).toEqual([0, 2, []]);
    expect(hedges.jobBack(both[0], row(DoneStatus.Ok))).toBe(false);
    expect([applied, place(both[0]).every((byte) => byte === 0)]).toEqual([[], true]);
  });
});

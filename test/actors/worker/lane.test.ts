import { describe, expect, it } from 'vitest';
import { attemptDeps } from './kit.js';
import { Lane, type LaneDeps, type LaneStream } from '../../../dist/actors/worker/lane.js';
import { Latencies } from '../../../dist/actors/worker/latencies.js';
import { LocalToken } from '../../../dist/actors/worker/tokens.js';
import type { JobMessage } from '../../../dist/protocol/messages.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Outcome, type ReadAnswer, type Store } from '../../../dist/protocol/store.js';
import {
  DoneStatus,
  Job,
  JOB_STRIDE,
  JobFlag,
  TableBuilder,
  type PackedTable,
} from '../../../dist/protocol/tables.js';
import { createRuntimeWords, fillRetryBudget, writeToken } from '../../../dist/protocol/words.js';

const BYTES = 64;
const complete: ReadAnswer = {
  outcome: Outcome.Complete,
  landed: BYTES,
  size: BYTES,
  version: '"v"',
  error: null,
  retryAfterMs: 0,
};

const transient: ReadAnswer = { ...complete, outcome: Outcome.Transient, landed: 0, version: null };

/** One job for the first bytes of the arena. */
function tableOf(key: string, flags = 0): PackedTable {
  const builder = new TableBuilder(JOB_STRIDE);
  const base = builder.addRow();
  builder.set(base + Job.Id, 7);
  builder.set(base + Job.BlobStart, builder.addText(key));
  builder.set(base + Job.KeyLength, builder.blobLength);
  builder.set(base + Job.Capacity, BYTES);
  builder.set(base + Job.Length, BYTES);
  builder.set(base + Job.Flags, flags);
  return builder.take();
}

function laneOf(store: () => Store | Promise<Store>) {
  const words = createRuntimeWords();
  writeToken(words, 0, 1, StopState.Live);
  fillRetryBudget(words);
  const ended: { status: DoneStatus; landed: number; version: string | null }[] = [];
  const state = { stopping: false, now: 0, watches: 0 };
  const means = attemptDeps(words);
  const deps: LaneDeps<LaneStream> = {
    ...means,
    context: { ...means.context, now: () => state.now, arena: new SharedArrayBuffer(BYTES) },
    latencies: new Latencies(),
    watch: () => void (state.watches += 1),
    get stopping() {
      return state.stopping;
    },
    store,
    ended: ({ status, landed, version }) => ended.push({ status, landed, version }),
  };
  const lane = new Lane(0, deps);
  const stream: LaneStream = {
    spec: { maxAttempts: 3, throttleTimeoutMs: 0 },
    token: new LocalToken(words, 0, 1),
  };
  const begin = (key: string, flags = 0): void => {
    means.origins.enter(0, false);
    lane.begin({ message: {} as JobMessage, open: 1 }, tableOf(key, flags), 0, stream);
  };
  return { begin, ended, state, lane, latencies: deps.latencies };
}

/** A store whose reads are answered by `read`, and the keys that were read. */
function storeOf(read: (done: (answer: ReadAnswer) => void) => void): { store: Store; keys: string[] } {
  const keys: string[] = [];
  const store = {
    read: ({ key }, _target, _stop, done) => {
      keys.push(Buffer.from(key).toString());
      read(done);
    },
  } as Partial<Store> as Store;
  return { store, keys };
}

describe('a lane', () => {
  it('ends a job that is answered before its read returns, and takes the next one', () => {
    const { store, keys } = storeOf((done) => done(complete));
    const { begin, ended } = laneOf(() => store);
    begin('a');
    begin('b');
    expect(keys).toEqual(['a', 'b']);
    expect(ended).toEqual([
      { status: DoneStatus.Ok, landed: BYTES, version: '"v"' },
      { status: DoneStatus.Ok, landed: BYTES, version: '"v"' },
    ]);
  });

  it('hands back a job whose worker was told to stop while its store was opened', async () => {
    const { store, keys } = storeOf((done) => done(complete));
    let open = (): void => {};
    const opening = new Promise<Store>((resolve) => {
      open = () => resolve(store);
    });
    const { begin, ended, state } = laneOf(() => opening);
    begin('a');
    state.stopping = true;
    open();
    await opening;
    expect(keys).toEqual([]);
    expect(ended).toEqual([{ status: DoneStatus.Left, landed: 0, version: null }]);
  });

  it('has no checksum looked at of a whole object whose answer broke off behind its last byte, and says so', () => {
    const answers = [{ ...complete, outcome: Outcome.Interrupted }, complete];
    const { store } = storeOf((done) => done(answers.shift()!));
    const { begin, ended, lane } = laneOf(() => store);
    begin('a', JobFlag.Whole | JobFlag.Verify | JobFlag.VerifyAlways);
    expect([ended.at(-1)!.status, lane.unverified]).toEqual([DoneStatus.Ok, true]);
    begin('b', JobFlag.Whole | JobFlag.Verify | JobFlag.VerifyAlways);
    expect([ended.at(-1)!.status, lane.unverified]).toEqual([DoneStatus.Ok, false]);
  });

  it('fails a job whose store cannot be opened, and one whose read throws', async () => {
    const refused = laneOf(() => Promise.reject(new RangeError('no such shelf')));
    refused.begin('a');
    await new Promise((resolve) => setImmediate(resolve));
    const thrown = laneOf(
      () =>
        storeOf(() => {
          throw new RangeError('no such shelf');
        }).store,
    );
    thrown.begin('a');
    for (const { ended } of [refused, thrown]) {
      expect(ended).toEqual([{ status: DoneStatus.Failed, landed: 0, version: null }]);
    }
  });

  it('tells how long its attempts take where that matters, and asks to be watched', () => {
    const answers: ((answer: ReadAnswer) => void)[] = [];
    const { store } = storeOf((done) => answers.push(done));
    const { begin, lane, state, latencies } = laneOf(() => store);
    begin('a');
    expect([lane.attemptAtMs, state.watches]).toEqual([-1, 0]);
    answers.pop()!(complete);
    const spec = { percentile: 50, leastSamples: 1 };
    expect(latencies.slowAfterMs(0, BYTES, spec)).toBe(Infinity);
    state.now = 1000;
    begin('b', JobFlag.Watched);
    expect([lane.attemptAtMs, lane.watched, state.watches]).toEqual([1000, true, 1]);
    state.now = 1064;
    answers.pop()!(complete);
    expect(lane.attemptAtMs).toBe(-1);
    expect(latencies.slowAfterMs(0, BYTES, spec)).toBe(128);
  });

  it('that is revoked ends as cancelled when its attempt has ended, and the next job is not touched by that', () => {
    const stops: (() => void)[] = [];
    const { store } = storeOf(() => {});
    store.read = (_request, _target, stop, done) =>
      void stop.onStop(() => stops.push(() => done({ ...complete, outcome: Outcome.Cancelled, landed: 0 })));
    const { begin, ended, lane } = laneOf(() => store);
    begin('a', JobFlag.Watched);
    expect(lane.reading).toBe(true);
    lane.revoke();
    expect([stops.length, ended, lane.reading]).toEqual([1, [], true]);
    stops.pop()!();
    expect(ended).toEqual([{ status: DoneStatus.Cancelled, landed: 0, version: null }]);
    expect(lane.reading).toBe(false);
    begin('b');
    expect([lane.revoked, stops.length]).toEqual([false, 0]);
  });

  it('that is revoked and has all of its bytes keeps them', () => {
    const answers: ((answer: ReadAnswer) => void)[] = [];
    const { store } = storeOf((done) => answers.push(done));
    const { begin, ended, lane } = laneOf(() => store);
    begin('a');
    lane.revoke();
    answers.pop()!(complete);
    expect(ended).toEqual([{ status: DoneStatus.Ok, landed: BYTES, version: '"v"' }]);
  });

  it.each([
    [JobFlag.Hedge, 1],
    [0, 3],
  ])('with the flags %i makes %i counted attempts', async (flags, attempts) => {
    const { store, keys } = storeOf((done) => done(transient));
    const { begin, ended } = laneOf(() => store);
    begin('a', flags);
    while (ended.length === 0) await new Promise(setImmediate);
    expect(keys).toHaveLength(attempts);
    expect(ended.map(({ status }) => status)).toEqual([DoneStatus.Failed]);
  });
});

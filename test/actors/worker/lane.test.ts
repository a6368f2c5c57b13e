import { describe, expect, it } from 'vitest';
import { JobFlag, DoneStatus } from '../../../dist/protocol/tables.js';
import { Outcome, type ReadAnswer, type Store } from '../../../dist/protocol/store.js';
import { BYTES, complete, laneOf, STORE, storeOf, transient } from './lane.kit.js';

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
    expect(latencies.slowAfterMs(STORE, BYTES, spec)).toBe(Infinity);
    state.now = 1000;
    begin('b', JobFlag.Watched);
    expect([lane.attemptAtMs, lane.watched, state.watches]).toEqual([1000, true, 1]);
    state.now = 1064;
    answers.pop()!(complete);
    expect(lane.attemptAtMs).toBe(-1);
    expect(latencies.slowAfterMs(STORE, BYTES, spec)).toBe(128);
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

/** What a lane tells of its job: whether its bytes are all, and verified, how long it took, and by whom it is stopped. */
import { describe, expect, it, vi } from 'vitest';
import { Outcome, type ReadAnswer } from '../../../dist/protocol/store.js';
import { DoneStatus, JobFlag } from '../../../dist/protocol/tables.js';
import {
  BYTES,
  complete,
  half,
  laneOf,
  scriptedStore,
  settled,
  STORE,
  storeOf,
  transient,
} from './lane.kit.js';

describe('whether a checksum is still to be looked at', () => {
  it.each([
    [0, 'never'],
    [JobFlag.VerifyAlways, 'never'],
    [JobFlag.Verify, 'auto'],
    [JobFlag.Verify | JobFlag.VerifyAlways, 'always'],
  ])('with the flags %i goes by the policy %s', (flags, policy) => {
    const { store, reads } = scriptedStore(complete);
    const { begin, lane } = laneOf(() => store);
    begin('a', flags);
    expect([lane.policy, reads[0]!.verify]).toEqual([policy, policy]);
  });

  const always = JobFlag.Verify | JobFlag.VerifyAlways;
  it.each([
    ['a whole object that came at once', JobFlag.Whole | always, complete, 0, false],
    ['bytes that came by other jobs', JobFlag.Landed | JobFlag.Verify, complete, 0, true],
    ['bytes that came by other jobs, unless nobody asks', JobFlag.Landed, complete, 0, false],
    ['a first part that is all of the object', JobFlag.First | always, complete, 0, true],
    ['one that was looked at', JobFlag.First | always, { ...complete, verified: 'md5' as const }, 0, false],
    ['one of which only what is cheap is wanted', JobFlag.First | JobFlag.Verify, complete, 0, false],
    ['a first part of which there is more', JobFlag.First | always, { ...complete, size: 900 }, 0, false],
    ['a first part that begins behind the first byte', JobFlag.First | always, complete, 1, false],
    ['a later part', always, complete, 0, false],
    [
      'a part that changed',
      JobFlag.First | always,
      { ...complete, outcome: Outcome.VersionChanged },
      0,
      false,
    ],
  ])('is clear for %s', (_what, flags, answer, start, expected) => {
    const { store } = scriptedStore(answer);
    const { begin, lane } = laneOf(() => store);
    begin('a', flags, { start });
    expect(lane.unverified).toBe(expected);
  });

  it('is clear for one that changed when some of it had landed', async () => {
    const { store } = scriptedStore(half, { ...complete, outcome: Outcome.VersionChanged, landed: 0 });
    const { begin, lane } = laneOf(() => store);
    begin('a', JobFlag.Whole | always);
    await settled();
    expect([lane.status, lane.unverified]).toEqual([DoneStatus.VersionChanged, false]);
  });

  it.each([
    [JobFlag.First, { ...complete, size: BYTES + 10 }, 10, true],
    [JobFlag.First, { ...complete, size: BYTES + 11 }, 10, false],
    [JobFlag.First, { ...complete, size: -1 }, 10, true],
    [0, { ...complete, size: 900 }, 10, true],
  ])('knows whether what landed is all of it: flags %i', (flags, answer, start, expected) => {
    const { store } = scriptedStore(answer);
    const { begin, lane } = laneOf(() => store);
    begin('a', flags, { start });
    expect(lane.complete).toBe(expected);
  });
});

describe('the time of an attempt', () => {
  const spec = { percentile: 50, leastSamples: 1 };

  it('is noted of hedges too, and not of what failed', async () => {
    const { store } = scriptedStore(transient, complete);
    const { begin, latencies, state } = laneOf(() => store, { slow: spec });
    begin('a', JobFlag.Hedge);
    await settled();
    expect(latencies.slowAfterMs(STORE, BYTES, spec)).toBe(Infinity);
    begin('a', JobFlag.Hedge);
    expect(latencies.slowAfterMs(STORE, BYTES, spec)).toBeLessThan(Infinity);
    expect(state.watches).toBe(0);
  });

  it('is noted of one that was revoked, which would have taken longer still', () => {
    const answers: ((answer: ReadAnswer) => void)[] = [];
    const { store } = storeOf((done) => answers.push(done));
    const { begin, lane, latencies, state } = laneOf(() => store);
    begin('a', JobFlag.Watched);
    state.now = 64;
    lane.revoke();
    answers[0]!({ ...complete, outcome: Outcome.Cancelled, landed: 0 });
    expect(latencies.slowAfterMs(STORE, BYTES, spec)).toBe(128);
  });

  it('is slow when its stream says so, and never without', () => {
    const { begin, lane } = laneOf(() => storeOf(() => {}).store, { slow: spec });
    begin('a');
    expect(lane.slow).toBe(spec);
    const never = laneOf(() => storeOf(() => {}).store);
    never.begin('a');
    expect(never.lane.slow).toEqual({ percentile: 100, leastSamples: Infinity });
  });
});

describe('the stop signal of a lane', () => {
  it('is that of its stream, made anew for another stream or after it was revoked, and leaves the one before', () => {
    const answers: ((answer: ReadAnswer) => void)[] = [];
    const { store } = storeOf((done) => answers.push(done));
    const { begin, lane, streams } = laneOf(() => store);
    const [first, second] = streams.map(({ token }) => token);
    const left = [first!, second!].map((token) => vi.spyOn(token, 'leave'));
    begin('a');
    const signal = lane.token;
    expect(signal.token).toBe(first);
    answers.pop()!(complete);
    begin('b');
    expect(lane.token).toBe(signal);
    expect(left.map(({ mock }) => mock.calls.length)).toEqual([0, 0]);
    answers.pop()!(complete);
    begin('c', 0, {}, streams[1]);
    expect([lane.token.token, left[0]!.mock.calls]).toEqual([second, [[signal]]]);
    const revoked = lane.token;
    lane.revoke();
    answers.pop()!(complete);
    begin('d', 0, {}, streams[1]);
    expect([lane.revoked, left[1]!.mock.calls]).toEqual([false, [[revoked]]]);
  });
});

/** What a lane asks of its store for one job after the other, and what it makes of the answers. */
import { describe, expect, it, vi } from 'vitest';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Outcome, type ReadAnswer, type Store } from '../../../dist/protocol/store.js';
import { DoneStatus, JobFlag } from '../../../dist/protocol/tables.js';
import { BYTES, complete, laneOf, scriptedStore, settled, STORE, storeOf, transient } from './lane.kit.js';

const problem = new MillraceError(ErrorCode.ServiceUnavailable, 'not now');
/** The first part of the bytes came, with the version that they are of. */
const half: ReadAnswer = {
  ...complete,
  outcome: Outcome.Interrupted,
  landed: 24,
  size: -1,
  error: problem,
};
const rest: ReadAnswer = { ...complete, landed: BYTES - 24, size: -1 };

describe('a job', () => {
  it('is read into its own lease, as its row says', () => {
    const { store, reads } = scriptedStore(complete);
    const { begin, lane, ended, inFlight } = laneOf(() => store);
    begin('ключ', JobFlag.Whole, { version: '"ü"', offset: 128, start: 1000, length: 50 });
    expect(reads).toEqual([
      {
        key: 'ключ',
        start: 1000,
        length: 50,
        whole: true,
        version: '"ü"',
        verify: 'never',
        target: [128, 50],
      },
    ]);
    expect([lane.id, lane.store, lane.start, lane.attemptBytes]).toEqual([7, STORE, 1000, 50]);
    expect([lane.offset, lane.capacity, lane.retries]).toEqual([128, 50, 0]);
    expect(Buffer.from(lane.key).toString()).toBe('ключ');
    expect([ended.length, inFlight()]).toEqual([1, 0]);
  });

  it('has nothing of the one before it', async () => {
    const { store, reads } = scriptedStore(
      transient,
      half,
      { ...rest, size: 500, verified: 'crc32c' },
      { ...complete, landed: 10, size: -1, version: null },
    );
    const { begin, lane, ended } = laneOf(() => store);
    begin('a', JobFlag.Whole | JobFlag.Watched, { start: 3, version: '"1"' });
    await settled();
    expect([ended.length, lane.retries, lane.size, lane.verified]).toEqual([1, 2, 500, 'crc32c']);
    Object.assign(lane, { outputs: [], askedAgain: 4, throttled: 2 });
    expect(lane.retries).toBe(6);
    begin('b', 0, { length: 10 });
    const {
      status,
      landed,
      size,
      version,
      error,
      outputs,
      verified,
      askedAgain,
      throttled,
      retries,
      watched,
    } = lane;
    expect({
      status,
      landed,
      size,
      version,
      error,
      outputs,
      verified,
      askedAgain,
      throttled,
      retries,
      watched,
    }).toEqual({
      status: DoneStatus.Ok,
      landed: 10,
      size: -1,
      version: null,
      error: null,
      outputs: null,
      verified: null,
      askedAgain: 0,
      throttled: 0,
      retries: 0,
      watched: false,
    });
    expect(reads.at(-1)).toMatchObject({ key: 'b', start: 0, length: 10, whole: false, version: null });
  });

  it('puts what landed before its size was known right before its own bytes', () => {
    const { store } = scriptedStore(complete);
    const { begin, arena } = laneOf(() => store);
    const bytes = new Uint8Array(arena);
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = i;
    begin('a', 0, { offset: 64, copyOffset: 200, copyLength: 16 });
    expect([...bytes.subarray(48, 64)]).toEqual([...bytes.subarray(200, 216)]);
    expect([bytes[47], bytes[64]]).toEqual([47, 64]);
  });

  it('whose bytes are there is not read, and needs no place of its origin', () => {
    const { store, keys } = storeOf((done) => done(complete));
    const { begin, ended, inFlight } = laneOf(() => store);
    begin('a', JobFlag.Landed | JobFlag.Transform, { version: '"1"', length: 40 });
    expect(keys).toEqual([]);
    expect(ended).toEqual([{ status: DoneStatus.Ok, landed: 40, version: '"1"' }]);
    // Of the kit's place, which it was not given.
    expect(inFlight()).toBe(1);
  });

  it.each([
    [StopState.Cancelled, DoneStatus.Cancelled],
    [StopState.Draining, DoneStatus.Left],
  ])('whose token has turned to %i is not begun, whether its bytes are there or not', (state, status) => {
    const { store, keys } = storeOf((done) => done(complete));
    for (const flags of [0, JobFlag.Landed]) {
      const { begin, ended, turn, inFlight } = laneOf(() => store);
      turn(state);
      begin('a', flags, { version: flags === 0 ? '' : '"1"' });
      expect(ended).toEqual([{ status, landed: 0, version: null }]);
      expect(inFlight()).toBe(flags === 0 ? 0 : 1);
    }
    expect(keys).toEqual([]);
  });

  it('whose bytes are there is handed back, too, by a worker that was told to stop', () => {
    const { begin, ended, state } = laneOf(() => storeOf(() => {}).store);
    state.stopping = true;
    begin('a', JobFlag.Landed, { version: '"1"' });
    expect(ended).toEqual([{ status: DoneStatus.Left, landed: 0, version: null }]);
  });

  it('waits for a store that is being opened', async () => {
    const { store, reads } = scriptedStore(complete);
    const { begin, ended, arena } = laneOf(() => Promise.resolve(store));
    new Uint8Array(arena).fill(9, 200, 216);
    begin('a', 0, { offset: 64, copyOffset: 200, copyLength: 16 });
    expect(reads).toEqual([]);
    await settled();
    expect([reads.length, ended.length, new Uint8Array(arena)[63]]).toEqual([1, 1, 9]);
  });
});

describe('after an answer that broke off', () => {
  it('the next attempt asks for what is missing, of the version that it came from', async () => {
    const { store, reads } = scriptedStore(half, rest);
    const { begin, ended, lane, inFlight } = laneOf(() => store);
    begin('a', JobFlag.Whole | JobFlag.Verify, { start: 100, offset: 64 });
    await settled();
    expect(reads).toMatchObject([
      { start: 100, length: BYTES, whole: true, version: null, verify: 'auto', target: [64, BYTES] },
      { start: 124, length: 40, whole: false, version: '"v"', verify: 'never', target: [88, 40] },
    ]);
    expect(ended).toEqual([{ status: DoneStatus.Ok, landed: BYTES, version: '"v"' }]);
    expect([lane.unverified, lane.retries, lane.error, inFlight()]).toEqual([true, 1, null, 0]);
  });

  it('without a version the next attempt begins again, and may come as a whole', async () => {
    const { store, reads } = scriptedStore({ ...half, version: null }, complete);
    const { begin, ended, lane } = laneOf(() => store);
    begin('a', JobFlag.Whole | JobFlag.Verify);
    await settled();
    expect(reads[1]).toMatchObject({
      start: 0,
      length: BYTES,
      whole: true,
      verify: 'auto',
      target: [0, BYTES],
    });
    expect(ended).toEqual([{ status: DoneStatus.Ok, landed: BYTES, version: '"v"' }]);
    expect(lane.unverified).toBe(false);
  });

  it('keeps the version that was asked for where the answer tells none', async () => {
    const { store, reads } = scriptedStore({ ...half, version: null }, { ...rest, version: null });
    const { begin, ended } = laneOf(() => store);
    begin('a', 0, { version: '"1"' });
    await settled();
    expect(reads[1]).toMatchObject({ start: 24, version: '"1"' });
    expect(ended).toEqual([{ status: DoneStatus.Ok, landed: BYTES, version: '"1"' }]);
  });

  it('behind the last byte that was asked for, nothing is left to ask', () => {
    const { store, reads } = scriptedStore({ ...half, landed: BYTES });
    const { begin, ended, lane } = laneOf(() => store);
    begin('a', JobFlag.Whole);
    expect(ended).toEqual([{ status: DoneStatus.Ok, landed: BYTES, version: '"v"' }]);
    expect([reads.length, lane.error]).toEqual([1, null]);
  });

  it('behind the last byte that the object has, neither, wherever the range begins', () => {
    const { store, reads } = scriptedStore({ ...half, landed: 24, size: 1024 });
    const { begin, ended } = laneOf(() => store);
    begin('a', JobFlag.First, { start: 1000 });
    expect(ended).toEqual([{ status: DoneStatus.Ok, landed: 24, version: '"v"' }]);
    expect(reads).toHaveLength(1);
  });

  it.each([
    ['before the last byte', { ...half, landed: 23, size: 1024 }],
    ['before any', { ...half, landed: 0, size: 1000 }],
    ['and whose size nobody knows', { ...half, landed: 24, size: -1 }],
  ])('%s of the object, more is asked for', async (_where, answer) => {
    const { store, reads } = scriptedStore(answer, { ...complete, landed: 1, size: 1024 });
    const { begin } = laneOf(() => store);
    begin('a', JobFlag.First, { start: 1000 });
    await settled();
    expect(reads.map(({ start }) => start)).toEqual([1000, 1000 + answer.landed]);
  });
});

describe('the end of a job', () => {
  it('tells of another version, or size, and where that is known which', () => {
    for (const [outcome, status, version] of [
      [Outcome.VersionChanged, DoneStatus.VersionChanged, '"1"'],
      [Outcome.SizeChanged, DoneStatus.SizeChanged, '"v"'],
    ] as const) {
      const { store } = scriptedStore({ ...complete, outcome, landed: 0, size: 99, error: problem });
      const { begin, ended, lane, inFlight } = laneOf(() => store);
      begin('a', JobFlag.Whole, { version: '"1"' });
      expect(ended).toEqual([{ status, landed: 0, version }]);
      expect([lane.size, lane.error, inFlight()]).toEqual([99, problem, 0]);
    }
    const { store } = scriptedStore({ ...complete, outcome: Outcome.SizeChanged, landed: 0, version: null });
    const { begin, ended } = laneOf(() => store);
    begin('a', 0, { version: '"1"' });
    expect(ended[0]!.version).toBe('"1"');
  });

  it('is the failure of its last attempt, of as many as it may have', async () => {
    const failed = { ...transient, error: problem };
    const { store, reads } = scriptedStore(failed, failed, failed, complete);
    const { begin, ended, lane, state, inFlight } = laneOf(() => store);
    begin('a');
    await settled();
    expect(ended).toEqual([{ status: DoneStatus.Failed, landed: 0, version: null }]);
    expect([reads.length, lane.retries, lane.error!.code, inFlight()]).toEqual([
      3,
      2,
      ErrorCode.ServiceUnavailable,
      0,
    ]);
    expect(state.sleeps).toHaveLength(2);
  });

  it('keeps what it knew of the size where a later answer tells none', async () => {
    const { store } = scriptedStore({ ...half, size: 900 }, { ...rest, size: -1 });
    const { begin, lane } = laneOf(() => store, { maxAttempts: 2 });
    begin('a', JobFlag.First, { start: 0 });
    await settled();
    expect(lane.size).toBe(900);
  });

  it.each([
    [StopState.Cancelled, DoneStatus.Cancelled],
    [StopState.Draining, DoneStatus.Left],
  ])('is what its token says, %i, when its attempt was cancelled', (to, status) => {
    const answers: ((answer: ReadAnswer) => void)[] = [];
    const { store } = storeOf((done) => answers.push(done));
    const { begin, ended, turn, inFlight } = laneOf(() => store);
    begin('a');
    turn(to);
    answers[0]!({ ...complete, outcome: Outcome.Cancelled, landed: 0, version: null });
    expect(ended).toEqual([{ status, landed: 0, version: null }]);
    expect(inFlight()).toBe(0);
  });

  it('comes before another attempt when its token turns meanwhile', async () => {
    const { store, reads } = scriptedStore(transient, complete);
    const { begin, ended, turn } = laneOf(() => store);
    begin('a');
    turn(StopState.Draining);
    await settled();
    expect([reads.length, ended.map(({ status }) => status)]).toEqual([1, [DoneStatus.Left]]);
  });

  it('gives back what a retry that helped has cost', async () => {
    // As the budget is shared by all, a hundred jobs would use it up.
    const { store, reads } = scriptedStore(
      ...Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? transient : complete)),
    );
    const { begin, ended } = laneOf(() => store);
    for (let i = 0; i < 200; i += 1) {
      begin('a');
      await settled();
    }
    expect(reads).toHaveLength(400);
    expect(ended.every(({ status }) => status === DoneStatus.Ok)).toBe(true);
  });

  it('comes once: what its listener throws is not a failure of the read', () => {
    const { store } = scriptedStore(complete);
    const { begin, ended, state } = laneOf(() => store);
    state.onEnd = () => {
      throw new RangeError('the reporter is broken');
    };
    expect(() => begin('a')).toThrow('the reporter is broken');
    expect(ended).toHaveLength(1);
  });

  it('says what a store threw, and nothing of the attempts before; the next job goes well', async () => {
    let calls = 0;
    const store = {
      read: (_request, _target, _stop, done) => {
        calls += 1;
        if (calls === 1) return done({ ...half, size: 900 });
        if (calls === 3) return done(complete);
        throw new RangeError('no such shelf');
      },
    } as Partial<Store> as Store;
    const { begin, ended, lane, inFlight } = laneOf(() => store);
    begin('a', JobFlag.Watched);
    await settled();
    expect(ended).toEqual([{ status: DoneStatus.Failed, landed: 0, version: null }]);
    expect([lane.size, lane.attemptAtMs, inFlight()]).toEqual([-1, -1, 0]);
    expect(lane.error).toMatchObject({ code: ErrorCode.Internal, context: { phase: 'request' } });
    expect(lane.error!.message).toContain('no such shelf');
    begin('b');
    expect(ended[1]).toEqual({ status: DoneStatus.Ok, landed: BYTES, version: '"v"' });
  });

  it("is a failure where a user's store gave nothing for an answer, watched or not", () => {
    for (const flags of [0, JobFlag.Watched]) {
      const { store } = storeOf((done) => done(undefined as unknown as ReadAnswer));
      const { begin, ended, lane, inFlight } = laneOf(() => store);
      begin('a', flags);
      expect(ended).toEqual([{ status: DoneStatus.Failed, landed: 0, version: null }]);
      expect([lane.error!.code, lane.attemptAtMs, inFlight()]).toEqual([ErrorCode.Internal, -1, 0]);
    }
  });

  it('is told with nothing of an answer that only says "not now": neither version nor bytes', async () => {
    for (const version of [null, '"1"']) {
      const { store, reads } = scriptedStore({ ...transient, version: '"x"', landed: 10 }, complete);
      const { begin, lane } = laneOf(() => store);
      begin('a', 0, version === null ? {} : { version });
      await settled();
      expect(reads[1]).toMatchObject({ start: 0, length: BYTES, version });
      expect(lane.throttled).toBe(0);
    }
  });

  it('is a failure where its store is not known', () => {
    const { begin, ended, lane, inFlight } = laneOf(() => {
      throw new MillraceError(ErrorCode.Internal, 'no store 2');
    });
    begin('a');
    expect(ended).toEqual([{ status: DoneStatus.Failed, landed: 0, version: null }]);
    expect([lane.error!.message, inFlight()]).toEqual(['no store 2', 0]);
  });

  it('knows that an object is empty', () => {
    const { store } = scriptedStore({ ...complete, landed: 0, size: 0 });
    const { begin, ended, lane } = laneOf(() => store);
    begin('a', JobFlag.First);
    expect([ended[0]!.status, lane.landed, lane.size, lane.complete]).toEqual([DoneStatus.Ok, 0, 0, true]);
  });
});

describe('between two attempts', () => {
  it('a job asks for fresher credentials than it had, and goes on at once, or fails where there are none', async () => {
    const stale = { ...transient, outcome: Outcome.StaleCredentials, error: problem };
    const { store, reads } = scriptedStore(stale, complete);
    const { begin, ended, state } = laneOf(() => store);
    begin('a');
    await settled();
    expect([state.refused, reads.length, ended[0]!.status]).toEqual([[[STORE, STORE + 5]], 2, DoneStatus.Ok]);
    const second = laneOf(() => scriptedStore(stale).store);
    second.state.refusal = new MillraceError(ErrorCode.Unauthenticated, 'none');
    second.begin('a');
    await settled();
    expect([second.lane.status, second.lane.error]).toEqual([DoneStatus.Failed, second.state.refusal]);
  });

  it('a job that was told to slow down waits for its time, and goes on when it is let in', async () => {
    const throttled = { ...transient, outcome: Outcome.Throttled, error: problem };
    const { store, reads } = scriptedStore(throttled, complete);
    const { begin, ended, lane, state, inFlight } = laneOf(() => store, { throttleTimeoutMs: 9000 });
    state.now = 500;
    begin('a');
    await settled();
    expect(state.waits).toEqual([{ waiter: lane, dueAtMs: 550 }]);
    expect([lane.patienceMs, reads.length, lane.throttled, inFlight()]).toEqual([9000, 1, 1, 0]);
    lane.resume(true, null);
    expect([ended.length, lane.retries, lane.throttled]).toEqual([1, 1, 1]);
  });

  it('a job that waits ends with the error that it is given, or as its token or its worker says', async () => {
    const throttled = { ...transient, outcome: Outcome.Throttled, error: problem };
    const waiting = async (answer = throttled) => {
      const { store, reads } = scriptedStore(answer, complete);
      const kit = laneOf(() => store, { throttleTimeoutMs: 9000 });
      kit.begin('a', 0, { version: '"1"' });
      await settled();
      expect(kit.state.waits).toHaveLength(1);
      return { ...kit, reads };
    };
    const failing = await waiting();
    failing.lane.resume(false, problem);
    expect(failing.ended).toEqual([{ status: DoneStatus.Failed, landed: 0, version: '"1"' }]);
    expect(failing.lane.error).toBe(problem);

    const stopping = await waiting();
    stopping.state.stopping = true;
    stopping.lane.resume(false, null);
    expect(stopping.ended).toEqual([{ status: DoneStatus.Left, landed: 0, version: null }]);

    const cancelled = await waiting();
    cancelled.state.stopping = true;
    cancelled.turn(StopState.Cancelled);
    cancelled.lane.resume(false, null);
    expect(cancelled.ended[0]!.status).toBe(DoneStatus.Cancelled);
    for (const { reads } of [failing, stopping, cancelled]) expect(reads).toHaveLength(1);
  });

  it('a hedge waits for nothing: it is told to slow down once, and ends', async () => {
    const throttled = { ...transient, outcome: Outcome.Throttled, error: problem };
    const { store, reads } = scriptedStore(throttled, complete);
    const { begin, ended, lane, state } = laneOf(() => store, { throttleTimeoutMs: 9000 });
    begin('a', JobFlag.Hedge);
    await settled();
    expect([lane.patienceMs, state.waits, reads.length, ended[0]!.status]).toEqual([
      0,
      [],
      1,
      DoneStatus.Failed,
    ]);
  });

  it('a job fails when the means of waiting break', async () => {
    const { store } = scriptedStore({ ...transient, outcome: Outcome.StaleCredentials, error: problem });
    const { begin, ended, lane, state, inFlight } = laneOf(() => store);
    state.onRefresh = () => {
      throw new RangeError('no way to ask');
    };
    begin('a');
    await settled();
    expect([ended.length, lane.status, inFlight()]).toEqual([1, DoneStatus.Failed, 0]);
    expect(lane.error!.message).toContain('no way to ask');
  });

  it('a job that has patience waits for an origin that was closed meanwhile, and one that has none does not', async () => {
    for (const [throttleTimeoutMs, attempts] of [
      [9000, 1],
      [0, 2],
    ] as const) {
      const { store, reads } = scriptedStore(transient, complete);
      const { begin, closeOrigin, state } = laneOf(() => store, { throttleTimeoutMs });
      begin('a');
      closeOrigin();
      await settled();
      expect([reads.length, state.waits.length]).toEqual([attempts, 2 - attempts]);
    }
  });

  it('a job gives up its slot where its origin has no place for it', async () => {
    const { store, reads } = scriptedStore(transient, complete);
    const { begin, enter, state, lane, ended } = laneOf(() => store);
    begin('a');
    // Four are what a fresh origin has places for; the job's own is given back by now.
    for (let i = 0; i < 4; i += 1) enter();
    await settled();
    expect([state.waits, reads.length, ended]).toEqual([[{ waiter: lane, dueAtMs: 0 }], 1, []]);
  });
});

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

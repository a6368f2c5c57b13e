/** What a lane asks of its store for one job after the other, and what it makes of the answers. */
import { describe, expect, it } from 'vitest';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Outcome, type ReadAnswer, type Store } from '../../../dist/protocol/store.js';
import { DoneStatus, JobFlag } from '../../../dist/protocol/tables.js';
import {
  BYTES,
  complete,
  half,
  laneOf,
  problem,
  scriptedStore,
  settled,
  STORE,
  storeOf,
  transient,
} from './lane.kit.js';

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

  it('is a failure when its attempt was cancelled and its token was not', async () => {
    const cancelled = { ...transient, outcome: Outcome.Cancelled };
    const { store, reads } = scriptedStore(half, cancelled);
    const { begin, ended, lane, inFlight } = laneOf(() => store);
    begin('a');
    await settled();
    expect(ended.map(({ status }) => status)).toEqual([DoneStatus.Failed]);
    expect(lane.error).toMatchObject({ code: 'Internal', message: expect.stringContaining('"cancelled"') });
    expect([reads.length, inFlight()]).toEqual([2, 0]);
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

/** One stream by itself: what is admitted, what its consumer gets, and how it comes to its end. */
import { describe, expect, it } from 'vitest';
import { Grants } from '../../../dist/actors/supervisor/grants.js';
import { Stream, type StreamDeps } from '../../../dist/actors/supervisor/stream.js';
import {
  type BatchRecord,
  type PlanEntry,
  type StreamOptions,
  type Task,
  type TaskOutput,
  TaskState,
} from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { CancellationToken } from '../../../dist/protocol/token.js';
import { handClock } from '../../protocol/hand-clock.js';
import { isSettled } from '../../protocol/pipe.js';
import { entryOf, pages, settle, uriOf, WHOLE } from './kit.js';

const TRANSFORM = { url: 'file:///t.js', options: null };
const SINK = {
  ...{ store: 1, prefix: new Uint8Array(0), strip: 0, upload: null },
  ...{ ifAbsent: false, ifVersion: null, contentType: null },
};
const OPTIONS: StreamOptions = {
  order: 'sequence',
  batchSize: 2,
  batchBytes: pages(100),
  dropLast: false,
  windowObjects: 100,
  windowBytes: Infinity,
  maxConcurrentObjects: 100,
  ranges: null,
  onError: 'skip',
  transform: null,
  verify: 'never',
  maxAttempts: 5,
  throttleTimeoutMs: 0,
};

type Pull = readonly PlanEntry[] | null | MillraceError;

/** A stream, whatever it told its supervisor, and the hands that bring its plan and its results. */
function open(
  pulls: readonly Pull[],
  options: Partial<StreamOptions> = {},
  { token = new CancellationToken({ clock: handClock() }), deps = {} as Partial<StreamDeps> } = {},
) {
  const arena = new Arena(pages(64));
  const left = [...pulls];
  const limits: number[] = [];
  const told = { pokes: 0, closed: 0 };
  let nowMs = 100;
  const source = {
    next: (limit: number) => {
      limits.push(limit);
      const answer = left.shift() ?? null;
      return answer instanceof MillraceError ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
  const stream = new Stream({ ...OPTIONS, ...options }, source, {
    ...{ id: 7, slot: 70, epoch: 700, arena, token, uri: uriOf },
    now: () => nowMs,
    stopError: () => token.error(),
    poke: () => void (told.pokes += 1),
    closed: () => void (told.closed += 1),
    list: () => Promise.reject(new Error('no lists here')),
    head: () => Promise.reject(new Error('no heads here')),
    write: () => Promise.reject(new Error('no writes here')),
    verifiable: () => false,
    ...deps,
  });
  const grants = new Grants({ arena, workers: 1, ranges: () => WHOLE, uri: uriOf });
  return {
    arena,
    stream,
    token,
    told,
    limits,
    pass: (ms: number): void => void (nowMs += ms),
    used: (): number => arena.stats().usedBytes,
    /** Asks the plan once, and grants what came. */
    pull: async (): Promise<Task[]> => {
      stream.pull(100);
      await turn();
      while (grants.grantNext(stream));
      return [...stream.granted];
    },
  };
}

/** Lets every promise go on that can. */
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });
const some = (count: number, more: Partial<PlanEntry> = {}) =>
  Array.from({ length: count }, (_, i) => entryOf(i, more));
/** Larger than what shares an extent: each has its own. */
const alone = (count: number) => Array.from({ length: count }, (_, i) => entryOf(i, { size: -1 }));
const sequences = (batch: BatchRecord | null) =>
  batch?.items.map(({ sequence, index }) => (index === 0 ? sequence : `${sequence}.${index}`)) ?? null;
const values = (count: number): TaskOutput[] =>
  Array.from({ length: count }, (_, value) => ({ kind: 'value', value }));
const GONE = new MillraceError(ErrorCode.NotFound, 'gone');

/** All bytes of a task that had no size are there. */
function land(stream: Stream, task: Task, bytes = 100): void {
  task.length = bytes;
  settle(stream, task);
}

function fail(stream: Stream, task: Task): void {
  task.error = GONE;
  settle(stream, task);
}

describe('a stream', () => {
  it('is known by its id and its token word, and knows whether it writes', () => {
    expect(open([]).stream).toMatchObject({ id: 7, slot: 70, epoch: 700, hasSink: false });
    expect(open([], { transform: TRANSFORM }).stream.hasSink).toBe(false);
    expect(open([], { transform: SINK }).stream.hasSink).toBe(true);
  });

  it('asks its questions of the supervisor, as its own', async () => {
    const asked: unknown[] = [];
    const ask = (...given: unknown[]) => {
      asked.push(given);
      return Promise.resolve(asked.length as never);
    };
    const { stream } = open([], {}, { deps: { list: ask, head: ask, write: ask } });
    const list = { ...{ store: 1, prefix: new Uint8Array(0), delimiter: null }, continuation: null, limit: 1 };
    const remove = { kind: 'delete', keys: [], ifVersion: null } as const;
    const { list: free } = stream;
    const key = new Uint8Array(1);
    expect(await Promise.all([free(list), stream.head(2, key), stream.write(3, remove)])).toEqual([1, 2, 3]);
    expect(asked).toEqual([
      [stream, list],
      [stream, 2, key],
      [stream, 3, remove],
    ]);
  });

  it('hands out in the order of its plan, and ends with the plan', async () => {
    const { stream, told, pull, pass, used } = open([some(3, { size: 500 }), null]);
    const [first, second, third] = (await pull()) as [Task, Task, Task];
    pass(40);
    const next = stream.next();
    settle(stream, third);
    settle(stream, second);
    expect(await isSettled(next)).toBe(false);
    settle(stream, first);
    expect(sequences(await next)).toEqual([0, 1]);
    expect([stream.over, stream.open]).toEqual([false, true]);
    const last = stream.next();
    expect(await isSettled(last)).toBe(false);
    await pull();
    const batch = await last;
    expect([sequences(batch), batch!.bytes]).toEqual([[2], 500]);
    expect([stream.over, stream.open, told.closed]).toEqual([true, false, 1]);
    expect(await stream.next()).toBeNull();
    expect(await stream.ended).toMatchObject({
      ...{ reason: 'completed', planned: 3, delivered: 3, items: 3, bytes: 1500, elapsedMs: 40 },
      ...{ listed: 'complete', dropped: 0, left: 0, failed: 0, filtered: 0 },
    });
    stream.release((await next)!);
    stream.release(batch!);
    expect(used()).toBe(0);
    expect(told.closed).toBe(1);
  });

  it('hands out whatever comes first where the order is that of completion', async () => {
    const { stream, pull } = open([some(4), null], { order: 'completion' });
    const [first, second, third, fourth] = (await pull()) as [Task, Task, Task, Task];
    const next = stream.next();
    settle(stream, fourth);
    settle(stream, second);
    expect(sequences(await next)).toEqual([3, 1]);
    settle(stream, third);
    // It is complete, and is part of no batch yet.
    expect([stream.tasks.size, stream.tasks.get(0)]).toEqual([1, first]);
    settle(stream, first);
    expect(sequences(await stream.next())).toEqual([2, 0]);
  });

  it('of no objects is over when its plan is', async () => {
    const { stream, pull } = open([null]);
    const next = stream.next();
    expect(stream.over).toBe(false);
    await pull();
    expect(await next).toBeNull();
    expect(await stream.ended).toMatchObject({ reason: 'completed', planned: 0, listed: 'complete' });
  });

  it('asks its plan for no more once it has turned', () => {
    const { stream, token, limits } = open([some(1)]);
    token.drain('SIGTERM');
    stream.pull(10);
    expect(limits).toEqual([]);
  });
});

describe('a consumer', () => {
  it('waits once at a time', async () => {
    const { stream, pull } = open([some(2)]);
    const next = stream.next();
    await expect(stream.next()).rejects.toMatchObject({
      code: 'InvalidArgument',
      message: 'next() was called while an earlier call still waits',
    });
    for (const task of await pull()) settle(stream, task);
    expect(sequences(await next)).toEqual([0, 1]);
  });

  it('is seen to wait from when it does until it has its batch', async () => {
    const { stream, told, pull, pass } = open([some(2)]);
    expect(stream.waitingSince).toBeNull();
    pass(23);
    const { pokes } = told;
    void stream.next();
    expect([stream.waitingSince, told.pokes]).toEqual([123, pokes + 1]);
    for (const task of await pull()) settle(stream, task);
    expect(stream.waitingSince).toBeNull();
  });

  it('that takes or gives back a batch lets the supervisor go on', async () => {
    const { stream, told, pull } = open([some(4)]);
    for (const task of await pull()) settle(stream, task);
    let { pokes } = told;
    const batch = await stream.next();
    expect(told.pokes).toBeGreaterThan(pokes);
    ({ pokes } = told);
    stream.release(batch!);
    expect(told.pokes).toBe(pokes + 1);
  });

  it('moves the cursor by what it acknowledges, also when the stream is over', async () => {
    const { stream, pull } = open([some(4), null]);
    for (const task of await pull()) settle(stream, task);
    const [first, second] = [(await stream.next())!, (await stream.next())!];
    stream.acknowledge(first);
    expect(stream.cursor).toEqual({ version: 1, objects: 2, items: 0 });
    await pull();
    expect(stream.over).toBe(true);
    stream.acknowledge(second);
    expect(stream.cursor.objects).toBe(4);
    expect((await stream.ended).cursor.objects).toBe(2);
    expect(await stream.finish('break')).toMatchObject({ reason: 'completed', cursor: { objects: 4 } });
  });

  it('is refused what nothing else would end, and may ask again', async () => {
    const { stream, pull } = open([some(2)]);
    stream.refuse(GONE);
    const next = stream.next();
    stream.refuse(GONE);
    await expect(next).rejects.toBe(GONE);
    expect([stream.waitingSince, stream.open]).toEqual([null, true]);
    const again = stream.next();
    for (const task of await pull()) settle(stream, task);
    expect(sequences(await again)).toEqual([0, 1]);
  });

  it('that goes away ends the stream: nothing more is begun, what is ready is dropped, what is out is left', async () => {
    const { stream, token, told, pull, used } = open([some(5), some(9)]);
    const tasks = await pull();
    for (const task of tasks.slice(0, 3)) settle(stream, task);
    tasks[3]!.jobsOut = stream.jobsOut = 1;
    const next = stream.next();
    const finished = stream.finish('break');
    expect([stream.open, stream.over, token.reason]).toEqual([false, false, 'break']);
    stream.release((await next)!);
    expect(await stream.next()).toBeNull();
    stream.jobEnded();
    expect(await finished).toMatchObject({
      ...{ reason: 'break', planned: 5, delivered: 2, dropped: 1, left: 2, listed: 'partial' },
    });
    expect([used(), told.closed, stream.tasks.size, stream.planned.length, stream.granted.length]).toEqual([
      0, 1, 0, 0, 0,
    ]);
    expect(await stream.finish('again')).toMatchObject({ reason: 'break' });
  });

  it('that goes away while it waits gets nothing, and no error', async () => {
    const { stream } = open([some(1)]);
    const next = stream.next();
    void stream.finish('break');
    expect(await next).toBeNull();
  });
});

describe('an object that failed', () => {
  it('and is skipped is told of, and nothing waits for it', async () => {
    const failures: unknown[] = [];
    const onFailure: StreamOptions['onFailure'] = (entry, error) => failures.push([entry, error]);
    const { stream, pull, used } = open([some(3), null], { onFailure });
    const [first, second, third] = (await pull()) as [Task, Task, Task];
    Object.assign(second, { verified: 'md5', retries: 2, throttled: 3 });
    fail(stream, second);
    settle(stream, first);
    settle(stream, third);
    const batch = (await stream.next())!;
    expect(sequences(batch)).toEqual([0, 2]);
    stream.acknowledge(batch);
    stream.release(batch);
    expect(stream.cursor.objects).toBe(3);
    expect(failures).toEqual([[entryOf(1), GONE]]);
    await pull();
    expect(await stream.ended).toMatchObject({
      ...{ reason: 'completed', failed: 1, delivered: 2, retries: 2, throttled: 3, verified: {} },
      failures: [{ uri: uriOf(entryOf(1)), error: GONE }],
    });
    expect(used()).toBe(0);
  });

  it('fails its stream, behind all that came before it in the plan', async () => {
    const { stream, token, told, pull, used } = open([some(6)], { onError: 'fail' });
    const tasks = await pull();
    for (const task of tasks.slice(0, 3)) settle(stream, task);
    settle(stream, tasks[5]!);
    fail(stream, tasks[3]!);
    expect([stream.open, token.cancelled, token.reason]).toEqual([false, true, 'failed']);
    expect(sequences(await stream.next())).toEqual([0, 1]);
    const last = (await stream.next())!;
    // What came before it is no reason to wait for a full batch any more.
    expect(sequences(last)).toEqual([2]);
    await expect(stream.next()).rejects.toBe(GONE);
    await expect(stream.next()).rejects.toBe(GONE);
    expect(await stream.ended).toMatchObject({ reason: 'failed', delivered: 3, failed: 1, left: 2 });
    // Whoever goes on from here gets to it again.
    stream.acknowledge(last);
    expect([stream.cursor.objects, told.closed]).toEqual([0, 1]);
    stream.release(last);
    expect(used()).toBe(pages(2));
  });

  it('fails a consumer that waits', async () => {
    const { stream, pull } = open([some(2)], { onError: 'fail' });
    const next = stream.next();
    fail(stream, (await pull())[0]!);
    await expect(next).rejects.toBe(GONE);
  });

  it('fails a stream in order of completion too', async () => {
    const { stream, pull } = open([some(3)], { onError: 'fail', order: 'completion' });
    const [first, second, third] = (await pull()) as [Task, Task, Task];
    settle(stream, third);
    fail(stream, second);
    settle(stream, first);
    expect(sequences(await stream.next())).toEqual([2]);
    await expect(stream.next()).rejects.toBe(GONE);
    expect(await stream.ended).toMatchObject({ delivered: 1, failed: 1, left: 1 });
  });
});

describe('a plan that fails', () => {
  it('fails its stream, behind what it had brought', async () => {
    const { stream, token, pull } = open([some(1), GONE]);
    const [task] = await pull();
    settle(stream, task!);
    await pull();
    expect(token.reason).toBe('failed');
    expect(sequences(await stream.next())).toEqual([0]);
    await expect(stream.next()).rejects.toBe(GONE);
    expect(await stream.ended).toMatchObject({ reason: 'failed', delivered: 1, listed: 'partial' });
  });

  it('after the stream turned is no failure: the stream ends when its answer is there', async () => {
    const { stream, token } = open([GONE]);
    stream.pull(10);
    token.drain('SIGTERM');
    expect(stream.over).toBe(false);
    await turn();
    expect(await stream.next()).toBeNull();
    expect(await stream.ended).toMatchObject({ reason: 'SIGTERM', listed: 'partial' });
  });

  it('after its consumer went away is none either', async () => {
    const { stream } = open([GONE]);
    stream.pull(10);
    const finished = stream.finish('break');
    expect(await finished).toMatchObject({ reason: 'break' });
    expect(await stream.next()).toBeNull();
  });

  it('lets the supervisor go on when it answers', async () => {
    const { told, stream } = open([some(1)]);
    stream.pull(10);
    const { pokes } = told;
    await turn();
    expect(told.pokes).toBe(pokes + 1);
  });
});

describe('a stream that is cancelled', () => {
  it('drops what is ready, refuses whoever waits or comes, and ends when its jobs are back', async () => {
    const { stream, token, told, pull, used } = open([some(5)]);
    const tasks = await pull();
    for (const task of tasks.slice(0, 3)) settle(stream, task);
    tasks[3]!.jobsOut = stream.jobsOut = 1;
    token.cancel('enough');
    await expect(stream.next()).rejects.toMatchObject({ code: 'Cancelled' });
    expect([stream.open, stream.over]).toEqual([false, false]);
    stream.jobEnded();
    expect([stream.over, told.closed, used()]).toEqual([true, 1, 0]);
    expect(await stream.ended).toMatchObject({ reason: 'enough', dropped: 3, left: 2, delivered: 0 });
    await expect(stream.next()).rejects.toMatchObject({ code: 'Cancelled' });
  });

  it('tells its waiting consumer the error of the caller', async () => {
    const { stream, token } = open([some(1)], {}, { deps: { stopError: () => GONE } });
    const next = stream.next();
    token.cancel('enough');
    await expect(next).rejects.toBe(GONE);
  });

  it('waits for its plan to answer, and takes nothing of it', async () => {
    const { stream, token } = open([some(3)]);
    stream.pull(10);
    token.cancel('enough');
    expect(stream.over).toBe(false);
    await turn();
    expect(stream.over).toBe(true);
    expect(await stream.ended).toMatchObject({ planned: 0, listed: 'partial' });
  });

  it('before it is opened is over at once', async () => {
    const token = new CancellationToken({ clock: handClock() });
    token.cancel('too late');
    const { stream, told } = open([some(3)], {}, { token });
    expect([stream.over, told.closed]).toEqual([true, 1]);
    await expect(stream.next()).rejects.toMatchObject({ code: 'Cancelled' });
    expect((await stream.ended).reason).toBe('too late');
  });

  it('when it is over stays as it ended', async () => {
    const token = new CancellationToken({ clock: handClock() });
    const onChange = token.onChange.bind(token);
    let listeners = 0;
    token.onChange = (fn) => {
      const unlink = onChange(fn);
      listeners += 1;
      return () => {
        listeners -= 1;
        unlink();
      };
    };
    const { stream, told, pull } = open([null], {}, { token });
    expect(listeners).toBe(1);
    await pull();
    expect(listeners).toBe(0);
    token.cancel('enough');
    expect(await stream.next()).toBeNull();
    expect([(await stream.ended).reason, told.closed]).toEqual(['completed', 1]);
  });

  it('after it failed stays failed', async () => {
    const { stream, token, pull } = open([some(2)], { onError: 'fail' });
    const tasks = await pull();
    tasks[1]!.jobsOut = stream.jobsOut = 1;
    fail(stream, tasks[0]!);
    token.cancel('enough');
    await expect(stream.next()).rejects.toBe(GONE);
    stream.jobEnded();
    expect((await stream.ended).reason).toBe('failed');
  });
});

describe('a stream that drains', () => {
  it('hands out what is complete up to the first gap, and leaves the rest', async () => {
    const { stream, token, pull, used } = open([some(6), some(3)], { dropLast: true });
    const tasks = await pull();
    for (const sequence of [0, 1, 2, 5]) settle(stream, tasks[sequence]!);
    tasks[3]!.jobsOut = stream.jobsOut = 1;
    token.drain('SIGTERM');
    expect(sequences(await stream.next())).toEqual([0, 1]);
    const next = stream.next();
    expect(await isSettled(next)).toBe(false);
    stream.jobEnded();
    // A short batch is handed out also where one at the end of a plan is dropped.
    expect(sequences(await next)).toEqual([2]);
    expect(await stream.next()).toBeNull();
    expect(await stream.ended).toMatchObject({ reason: 'SIGTERM', delivered: 3, left: 3, dropped: 0 });
    expect(used()).toBe(pages(2));
  });

  it('leaves what was handed back, and what is behind it', async () => {
    const { stream, token, pull, used } = open([some(4)]);
    const tasks = await pull();
    stream.jobsOut = 1;
    token.drain('SIGTERM');
    settle(stream, tasks[0]!);
    tasks[1]!.left = true;
    settle(stream, tasks[1]!);
    settle(stream, tasks[2]!);
    expect(stream.tasks.size).toBe(3);
    stream.jobEnded();
    expect(sequences(await stream.next())).toEqual([0]);
    expect(await stream.ended).toMatchObject({ delivered: 1, left: 3 });
    expect(used()).toBe(pages(1));
  });

  it('in order of completion leaves only what was handed back', async () => {
    const { stream, token, pull } = open([some(3)], { order: 'completion' });
    const tasks = await pull();
    stream.jobsOut = 1;
    token.drain('SIGTERM');
    tasks[0]!.left = true;
    settle(stream, tasks[0]!);
    settle(stream, tasks[1]!);
    settle(stream, tasks[2]!);
    expect(sequences(await stream.next())).toEqual([1, 2]);
    stream.jobEnded();
    expect(await stream.next()).toBeNull();
    expect(await stream.ended).toMatchObject({ delivered: 2, left: 1 });
  });

  it('with nothing on its way is over at once', async () => {
    const { stream, token } = open([some(3)]);
    const next = stream.next();
    token.drain('SIGTERM');
    expect(await next).toBeNull();
    expect([stream.over, (await stream.ended).reason]).toEqual([true, 'SIGTERM']);
  });

  it('before it is opened is over at once', async () => {
    const token = new CancellationToken({ clock: handClock() });
    token.drain('SIGTERM');
    const { stream, told } = open([some(3)], {}, { token });
    expect([stream.over, told.closed]).toEqual([true, 1]);
    expect(await stream.next()).toBeNull();
  });

  it('leaves what begins again, without waiting for memory', async () => {
    const { stream, token, pull, used } = open([some(1)]);
    const [task] = await pull();
    stream.granted.length = 0;
    stream.jobsOut = 1;
    token.drain('SIGTERM');
    stream.jobsOut = 0;
    stream.replan(task!);
    expect([stream.over, used()]).toEqual([true, 0]);
    expect(await stream.ended).toMatchObject({ planned: 1, left: 1 });
  });
});

describe('a stream that the runtime ends with an error', () => {
  it('hands out what is ready first', async () => {
    const { stream, pull } = open([some(4)]);
    const tasks = await pull();
    for (const task of tasks.slice(0, 3)) settle(stream, task);
    stream.fail(GONE);
    stream.fail(new MillraceError(ErrorCode.Internal, 'another one'));
    expect(sequences(await stream.next())).toEqual([0, 1]);
    expect(sequences(await stream.next())).toEqual([2]);
    await expect(stream.next()).rejects.toBe(GONE);
    expect(await stream.ended).toMatchObject({ reason: 'failed', delivered: 3, left: 1 });
  });
});

describe('the window', () => {
  it('counts what is admitted and what is ready, and lets one object of any size in', async () => {
    const { stream, pull } = open([some(3, { size: 4000 })], { windowBytes: 4000, batchSize: 1 });
    expect([stream.hasRoom(4001), stream.hasRoom(1e9)]).toEqual([true, true]);
    const [task] = await pull();
    expect([stream.memory.bytes, stream.hasRoom(0), stream.granted.length]).toEqual([4032, false, 1]);
    settle(stream, task!);
    // In the arena it is as long as before, and it waits for its consumer.
    expect([stream.memory.bytes, stream.hasRoom(1), stream.hasRoom(0)]).toEqual([0, false, true]);
    await stream.next();
    expect(stream.hasRoom(1e9)).toBe(true);
  });

  it('is of so many objects', async () => {
    const { stream, pull } = open([some(9)], { windowObjects: 3, batchSize: 1 });
    const tasks = await pull();
    expect([tasks.length, stream.hasRoom(0)]).toEqual([3, false]);
    expect(stream.upcoming(100)).toHaveLength(1);
    settle(stream, tasks[0]!);
    expect(stream.hasRoom(0)).toBe(false);
    await stream.next();
    expect([stream.hasRoom(0), stream.upcoming(100).length]).toEqual([true, 1]);
    settle(stream, tasks[1]!);
    await stream.next();
    expect([stream.upcoming(100).length, stream.upcoming(1).length]).toEqual([2, 1]);
  });
});

describe('an admitted object', () => {
  it('has the next place in the plan, and is what its store is', async () => {
    const { stream } = open([some(3)], {}, { deps: { verifiable: ({ size }) => size === 1000 } });
    stream.pull(10);
    await turn();
    expect(stream.peek()).toEqual(entryOf(0));
    const [first, second] = [stream.admit(), stream.admit()];
    expect([first, second]).toMatchObject([
      { sequence: 0, entry: entryOf(0), verifiable: true },
      { sequence: 1, entry: entryOf(1), verifiable: true },
    ]);
    expect([stream.tasks.get(0), stream.tasks.get(1), stream.ledger.planned]).toEqual([first, second, 2]);
  });

  it('that a batch will not hold lets that batch go before it is here', async () => {
    for (const [order, transform, size, early] of [
      ['sequence', null, 500, true],
      ['sequence', null, 400, false],
      ['sequence', null, -1, false],
      ['completion', null, 500, false],
      ['sequence', TRANSFORM, 500, false],
    ] as const) {
      const options = { order, transform, batchBytes: 1000, batchSize: 9, windowObjects: 1 };
      const { stream, pull } = open([[entryOf(0, { size: 600 }), entryOf(1, { size })]], options);
      const [first] = await pull();
      if (transform !== null) first!.outputs = [{ kind: 'bytes', bytes: new Uint8Array(600) }];
      const next = stream.next();
      settle(stream, first!);
      expect(await isSettled(next)).toBe(false);
      stream.admit();
      expect(await isSettled(next)).toBe(early);
    }
  });

  it('that comes behind others does not end a batch that they belong into', async () => {
    const entries = [entryOf(0, { size: 600 }), entryOf(1, { size: 100 }), entryOf(2, { size: 500 })];
    const { stream, pull } = open([entries], { batchBytes: 1000, batchSize: 9, windowObjects: 2 });
    const [first, second] = await pull();
    const next = stream.next();
    settle(stream, first!);
    stream.admit();
    expect(await isSettled(next)).toBe(false);
    settle(stream, second!);
    expect(sequences(await next)).toEqual([0, 1]);
  });

  it('whose bytes are there goes to a worker again, before all others', async () => {
    const { stream, told, pull } = open([some(3)]);
    const [first, second, third] = (await pull()) as [Task, Task, Task];
    stream.granted.splice(1, 1);
    second.state = TaskState.Sent;
    const { pokes } = told;
    stream.landedNext(second);
    expect([stream.granted, second.assembled, second.state]).toEqual([
      [second, first, third],
      true,
      TaskState.Granted,
    ]);
    expect(told.pokes).toBe(pokes + 1);
  });

  it('of which a transform made nothing is filtered, and nothing waits for it', async () => {
    const { stream, pull, used } = open([some(3), null], { transform: TRANSFORM });
    const [first, second, third] = (await pull()) as [Task, Task, Task];
    first.outputs = values(1);
    second.outputs = [];
    third.outputs = values(1);
    for (const task of [first, second, third]) settle(stream, task);
    const batch = (await stream.next())!;
    expect(sequences(batch)).toEqual([0, 2]);
    stream.acknowledge(batch);
    expect([stream.cursor.objects, used()]).toEqual([3, 0]);
    await pull();
    expect(await stream.ended).toMatchObject({ filtered: 1, delivered: 2, items: 2 });
  });

  it('of which a transform made several is delivered with the last of them', async () => {
    const { stream, pull } = open([some(2), null], { transform: TRANSFORM, batchSize: 2 });
    const [first, second] = (await pull()) as [Task, Task];
    first.outputs = values(3);
    second.outputs = values(2);
    settle(stream, first);
    settle(stream, second);
    expect(sequences(await stream.next())).toEqual([0, '0.1']);
    expect(stream.ledger.delivered).toBe(0);
    expect(sequences(await stream.next())).toEqual(['0.2', 1]);
    expect(stream.ledger.delivered).toBe(1);
    void stream.finish('break');
    // The last item of the second one was dropped, the first one was not.
    expect(await stream.ended).toMatchObject({ planned: 2, delivered: 1, dropped: 1, items: 4 });
  });

  it('is left where some of its items were handed out and the last ones never came to be', async () => {
    const { stream, pull } = open([some(1)], { transform: TRANSFORM, batchSize: 2 });
    const [task] = await pull();
    task!.outputs = values(5);
    settle(stream, task!);
    await stream.next();
    expect(stream.evict()).toBe(0);
    void stream.finish('break');
    expect(await stream.ended).toMatchObject({ planned: 1, delivered: 0, dropped: 0, left: 1 });
  });
});

describe('a task that begins again', () => {
  it('stands in its place of the plan, without memory', async () => {
    const { stream, pull, used } = open([alone(4)]);
    const tasks = await pull();
    stream.granted.length = 0;
    for (const sequence of [2, 0, 3, 1]) stream.replan(tasks[sequence]!);
    expect(stream.planned.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3]);
    expect([used(), stream.memory.bytes]).toEqual([0, 0]);
    expect(tasks[0]).toMatchObject({ state: TaskState.Planned, extent: null });
  });

  it('keeps what landed of it first, unless that is stale', async () => {
    const { stream, pull, used } = open([alone(2)]);
    const [first, second] = (await pull()) as [Task, Task];
    stream.granted.length = 0;
    for (const task of [first, second]) stream.memory.setAside(task, 100);
    second.prefix!.stale = true;
    const half = used() / 2;
    stream.replan(first);
    stream.replan(second);
    expect([first.prefix?.length, first.nextByte, second.prefix, second.nextByte]).toEqual([100, 100, null, 0]);
    expect(used()).toBe(half);
  });
});

describe('a stream that gives up memory for another', () => {
  it('gives up its batches, what is complete behind a gap, and what landed first; all of it comes again', async () => {
    const { stream, pull, used } = open([alone(6), null], { batchSize: 2 });
    const tasks = await pull();
    for (const sequence of [0, 1, 2, 4]) land(stream, tasks[sequence]!);
    stream.granted.splice(stream.granted.indexOf(tasks[5]!), 1);
    stream.memory.setAside(tasks[5]!, 50);
    stream.replan(tasks[5]!);
    const before = used();
    expect(stream.evict()).toBe(before - pages(2));
    expect(used()).toBe(pages(2));
    expect(stream.planned.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 4, 5]);
    expect(tasks[5]!.prefix).toBeNull();
    expect(stream.evict()).toBe(0);
    land(stream, tasks[3]!);
    await pull();
    for (const task of [...stream.granted]) land(stream, task);
    const got: unknown[] = [];
    for (let batch = await stream.next(); batch !== null; batch = await stream.next())
      got.push(sequences(batch));
    expect(got).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
    expect(await stream.ended).toMatchObject({ planned: 6, delivered: 6 });
  });

  it('takes the windows of what it gave up back', async () => {
    const { stream, pull } = open([alone(2)], { windowBytes: 1 });
    const [task] = await pull();
    land(stream, task!);
    stream.handOutPartial();
    expect(stream.hasRoom(1)).toBe(false);
    stream.evict();
    expect(stream.hasRoom(1)).toBe(true);
  });

  it('does not fetch again what was filtered or skipped among them', async () => {
    const { stream, pull } = open([alone(4), null], { batchSize: 9, transform: TRANSFORM });
    const [first, second, third, fourth] = (await pull()) as [Task, Task, Task, Task];
    const arena = { kind: 'lease' as const, length: 10 };
    for (const task of [first, fourth]) task.outputs = [{ ...arena, extent: task.extent!, offset: task.offset }];
    second.outputs = [];
    settle(stream, first);
    settle(stream, second);
    fail(stream, third);
    settle(stream, fourth);
    expect(stream.evict()).toBeGreaterThan(0);
    expect(stream.planned.map(({ sequence }) => sequence)).toEqual([0, 3]);
    await pull();
    for (const task of [...stream.granted]) {
      task.outputs = values(1);
      settle(stream, task);
    }
    await pull();
    expect(sequences(await stream.next())).toEqual([0, 3]);
    expect(await stream.ended).toMatchObject({ planned: 4, delivered: 2, filtered: 1, failed: 1 });
  });

  it('keeps its receipts, for which objects would be written a second time', async () => {
    const { stream, pull } = open([some(3)], { transform: SINK, batchSize: 1 });
    const [first, second, third] = (await pull()) as [Task, Task, Task];
    for (const task of [first, third]) {
      task.outputs = values(1);
      settle(stream, task);
    }
    expect(stream.evict()).toBe(0);
    expect(sequences(await stream.next())).toEqual([0]);
    expect([second.state, stream.planned.map(({ sequence }) => sequence)]).toEqual([TaskState.Granted, [2]]);
  });

  it('of its own gives up only what is complete behind its gap', async () => {
    const { stream, pull, used } = open([alone(4)], { batchSize: 1 });
    const tasks = await pull();
    for (const sequence of [0, 2]) land(stream, tasks[sequence]!);
    const before = used();
    expect(stream.evictOwn()).toBe(before / 4);
    expect(stream.planned).toEqual([tasks[2]]);
    expect(sequences(await stream.next())).toEqual([0]);
  });

  it('that is drained and gives up all of it ends', async () => {
    const { stream, token, pull, used } = open([alone(2)], { batchSize: 2 });
    for (const task of await pull()) land(stream, task);
    token.drain('SIGTERM');
    stream.evict();
    expect(used()).toBe(0);
    expect(await stream.next()).toBeNull();
    expect(await stream.ended).toMatchObject({ planned: 2, delivered: 0, left: 2 });
  });
});

describe('a batch that may be short', () => {
  /** One object is complete, the next one is short of memory. */
  async function short(options: Partial<StreamOptions>, next: Partial<PlanEntry> = {}) {
    const kit = open([[entryOf(0), entryOf(1, { size: 500, ...next })]], {
      ...{ batchSize: 9, windowObjects: 1, batchBytes: 1400 },
      ...options,
    });
    const [task] = await kit.pull();
    if (options.transform) task!.outputs = values(1);
    settle(kit.stream, task!);
    return kit.stream;
  }

  it('is handed out in order of completion', async () => {
    const stream = await short({ order: 'completion' });
    const next = stream.next();
    expect(stream.handOutEarly()).toBe(true);
    expect(sequences(await next)).toEqual([0]);
    expect(stream.handOutEarly()).toBe(false);
  });

  it('is handed out in plan order where the next object does not belong into it', async () => {
    const stream = await short({});
    const next = stream.next();
    expect(stream.handOutEarly()).toBe(true);
    expect(sequences(await next)).toEqual([0]);
  });

  it.each([
    ['it belongs into it', {}, { size: 400 }],
    ['it is not known whether it does', {}, { size: -1 }],
    ['a transform may make it smaller', { transform: TRANSFORM }, {}],
  ])('is not handed out in plan order where %s', async (_what, options, next) => {
    const stream = await short(options, next);
    void stream.next();
    expect(stream.handOutEarly()).toBe(false);
  });

  it('is not handed out in plan order where nothing is next', async () => {
    const { stream, pull } = open([some(1)], { batchBytes: 900 });
    expect(stream.handOutEarly()).toBe(false);
    await pull();
    expect(stream.handOutEarly()).toBe(false);
  });

  it('goes by what begins again before what is new', async () => {
    const { stream, pull } = open([[entryOf(0), entryOf(1, { size: 9 }), entryOf(2, { size: 900 })]], {
      ...{ batchSize: 9, windowObjects: 2, batchBytes: 1400 },
    });
    const [first, second] = (await pull()) as [Task, Task];
    stream.granted.length = 0;
    stream.replan(second);
    settle(stream, first);
    void stream.next();
    expect(stream.handOutEarly()).toBe(false);
    second.length = 500;
    expect(stream.handOutEarly()).toBe(true);
  });

  it('is handed out as it is, to whoever waits', async () => {
    const stream = await short({}, { size: 1 });
    const next = stream.next();
    expect(stream.handOutPartial()).toBe(true);
    expect(sequences(await next)).toEqual([0]);
    expect(stream.handOutPartial()).toBe(false);
  });
});

describe('a last batch that is short', () => {
  it('and dropped waits for those before it: an eviction has them come again as a whole', async () => {
    const { stream, told, pull, used } = open([some(3), null], { dropLast: true, batchSize: 2 });
    for (const task of await pull()) settle(stream, task);
    await pull();
    expect([stream.over, used()]).toEqual([false, pages(1)]);
    const batch = await stream.next();
    expect([stream.over, told.closed]).toEqual([true, 1]);
    stream.release(batch!);
    expect(await stream.ended).toMatchObject({ delivered: 2, dropped: 1, reason: 'completed' });
    expect(used()).toBe(0);
  });
});

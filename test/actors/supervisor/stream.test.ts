/** One stream by itself: what its consumer gets, and what became of each object. */
import { describe, expect, it } from 'vitest';
import type { StreamOptions, Task } from '../../../dist/actors/supervisor/types.js';
import { TaskState } from '../../../dist/actors/supervisor/types.js';
import { isSettled } from '../../protocol/pipe.js';
import { entryOf, pages, settle, uriOf } from './kit.js';
import { fail, GONE, open, sequences, SINK, some, TRANSFORM, turn, values } from './stream.kit.js';

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
    const list = {
      store: 1,
      prefix: new Uint8Array(0),
      delimiter: null,
      continuation: null,
      limit: 1,
    };
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
      reason: 'completed',
      planned: 3,
      delivered: 3,
      items: 3,
      bytes: 1500,
      elapsedMs: 40,
      listed: 'complete',
      dropped: 0,
      left: 0,
      failed: 0,
      filtered: 0,
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
    const { stream, token, pull } = open([some(4), null]);
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
    expect(token.cancelled).toBe(false);
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
      reason: 'break',
      planned: 5,
      delivered: 2,
      dropped: 1,
      left: 2,
      listed: 'partial',
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
      reason: 'completed',
      failed: 1,
      delivered: 2,
      retries: 2,
      throttled: 3,
      failures: [{ uri: uriOf(entryOf(1)), error: GONE }],
    });
    expect((await stream.ended).verified).toEqual({});
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

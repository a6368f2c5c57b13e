/** What a stream has of the memory: its window, what it gives up, and what it hands out early. */
import { describe, expect, it } from 'vitest';
import type { PlanEntry, StreamOptions, Task } from '../../../dist/actors/supervisor/types.js';
import { TaskState } from '../../../dist/actors/supervisor/types.js';
import { entryOf, pages, settle } from './kit.js';
import { alone, fail, land, open, sequences, SINK, some, TRANSFORM, values } from './stream.kit.js';

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
    expect([first.prefix?.length, first.nextByte, second.prefix, second.nextByte]).toEqual([
      100,
      100,
      null,
      0,
    ]);
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
    for (const task of stream.granted.slice()) land(stream, task);
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
    for (const task of [first, fourth])
      task.outputs = [{ ...arena, extent: task.extent!, offset: task.offset }];
    second.outputs = [];
    settle(stream, first);
    settle(stream, second);
    fail(stream, third);
    settle(stream, fourth);
    expect(stream.evict()).toBeGreaterThan(0);
    expect(stream.planned.map(({ sequence }) => sequence)).toEqual([0, 3]);
    await pull();
    for (const task of stream.granted.slice()) {
      task.outputs = values(1);
      settle(stream, task);
    }
    await pull();
    expect(sequences(await stream.next())).toEqual([0, 3]);
    expect(await stream.ended).toMatchObject({ planned: 4, delivered: 2, filtered: 1, failed: 1 });
  });

  it('and had handed out a part of an object has delivered it, should nothing be left of it when it comes again', async () => {
    const { stream, pull } = open([some(1), null], { batchSize: 1, transform: TRANSFORM });
    const [task] = (await pull()) as [Task];
    task.outputs = values(2);
    settle(stream, task);
    expect(sequences(await stream.next())).toEqual([0]);
    stream.evict();
    await pull();
    const [again] = stream.granted as [Task];
    expect(again.skipItems).toBe(1);
    again.outputs = values(1);
    settle(stream, again);
    expect(await stream.next()).toBeNull();
    expect(await stream.ended).toMatchObject({ planned: 1, delivered: 1, filtered: 0, items: 1 });
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
      batchSize: 9,
      windowObjects: 1,
      batchBytes: 1400,
      ...options,
    });
    const [task] = await kit.pull();
    if (options.transform) task!.outputs = [{ kind: 'bytes', bytes: new Uint8Array(1000) }];
    settle(kit.stream, task!);
    return kit.stream;
  }

  it('is handed out in order of completion', async () => {
    const stream = await short({ order: 'completion' }, { size: 1 });
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
      batchSize: 9,
      windowObjects: 2,
      batchBytes: 1400,
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

import { describe, expect, it } from 'vitest';
import { Intake } from '../../../dist/actors/supervisor/intake.js';
import { Ledger } from '../../../dist/actors/supervisor/ledger.js';
import { TaskMemory } from '../../../dist/actors/supervisor/task-memory.js';
import { evictedTasks, newTask, resetTask } from '../../../dist/actors/supervisor/tasks.js';
import { type PlanEntry, TaskState, type TerminalRecord } from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import {
  bytesItem,
  createStream,
  entryOf,
  MIB,
  pages,
  settle,
  settleAll,
  taskOf,
  valueItem,
  WHOLE,
} from './kit.js';
import { Grants } from '../../../dist/actors/supervisor/grants.js';
import { tries } from '../../kit/effort.js';

const CURSOR = { version: 1, objects: 3, items: 0 } as const;

const sumOfFive = (record: TerminalRecord): number =>
  record.delivered + record.filtered + record.failed + record.dropped + record.left;

describe('the checksums of a ledger', () => {
  it('are counted by kind, and none is there that was not looked at', () => {
    const ledger = new Ledger(0);
    expect(ledger.record('completed', CURSOR, 0).verified).toEqual({});
    const md5 = { items: [valueItem(0, { verified: 'md5' }), valueItem(1)], bytes: 0 };
    for (const batch of [md5, { items: [valueItem(2, { verified: 'crc32c' })], bytes: 0 }, md5])
      ledger.deliver(batch);
    const { verified } = ledger.record('completed', CURSOR, 0);
    expect(verified).toEqual({ md5: 2, crc32c: 1 });
    ledger.deliver(md5);
    expect(verified.md5).toBe(2);
  });

  it('are those of objects that were delivered, each once', () => {
    const ledger = new Ledger(0);
    const item = valueItem(0, { verified: 'md5' });
    ledger.drop({ items: [item], bytes: 0 });
    ledger.deliver({
      items: [
        { ...item, last: false },
        { ...item, index: 1 },
      ],
      bytes: 0,
    });
    expect(ledger.record('completed', CURSOR, 0).verified).toEqual({ md5: 1 });
  });
});

describe('a ledger', () => {
  it('has open what is in none of the five columns', () => {
    const ledger = new Ledger(0);
    ledger.planned = 20;
    expect(ledger.open).toBe(20);
    ledger.delivered = 1;
    ledger.filtered = 2;
    ledger.dropped = 4;
    ledger.left = 8;
    ledger.fail('fake://x', new MillraceError(ErrorCode.NotFound, 'gone'));
    expect(ledger.open).toBe(4);
  });

  it('counts every failure, and keeps the first hundred', () => {
    const ledger = new Ledger(0);
    for (let i = 0; i < 150; i += 1)
      ledger.fail(`fake://${i}`, new MillraceError(ErrorCode.NotFound, `gone ${i}`));
    const record = ledger.record('completed', CURSOR, 0);
    expect([record.failed, record.failures.length]).toEqual([150, 100]);
    expect(record.failures[99]).toMatchObject({ uri: 'fake://99', error: { message: 'gone 99' } });
  });

  it('writes down the time it took, the cursor, each stuck worker once, and whether the plan was seen', () => {
    const ledger = new Ledger(1000);
    for (const name of ['worker-1#0', 'worker-1#0', 'worker-2#3']) ledger.stuck(name);
    expect(ledger.record('SIGTERM', CURSOR, 1250)).toMatchObject({
      reason: 'SIGTERM',
      elapsedMs: 250,
      cursor: CURSOR,
      listed: 'partial',
      stuckWorkers: ['worker-1#0', 'worker-2#3'],
    });
    ledger.listedAll = true;
    expect(ledger.record('completed', CURSOR, 0).listed).toBe('complete');
  });
});

describe('the five columns of a stream that ended', () => {
  async function run(end: 'completed' | 'drain' | 'cancel' | 'break') {
    const arena = new Arena(64 * MIB);
    const entries = Array.from({ length: 40 }, (_, i) => entryOf(i));
    const { stream, pull } = createStream(arena, entries, { batchSize: 4, onError: 'skip' });
    const grants = new Grants({ arena, workers: 1, ranges: () => WHOLE, uri: () => 'fake://x' });
    await pull();
    while (grants.grantNext(stream));
    for (const task of stream.granted.slice()) {
      // Every fifth fails, every seventh is filtered, and what is behind 30 never comes back when it is stopped.
      if (end !== 'completed' && task.sequence >= 30) continue;
      if (task.sequence % 5 === 4) task.error = new MillraceError(ErrorCode.NotFound, 'gone');
      else if (task.sequence % 7 === 6) task.outputs = [];
      settle(stream, task);
    }
    const first = (await stream.next())!;
    if (end === 'drain') stream.token.drain('SIGTERM');
    if (end === 'cancel') stream.token.cancel('enough');
    if (end === 'break') void stream.finish('break');
    stream.release(first);
    if (end === 'completed' || end === 'drain') {
      // The plan is asked for its end.
      stream.pull(1000);
      for (let batch = await stream.next(); batch !== null; batch = await stream.next())
        stream.release(batch);
    }
    return { record: await stream.ended, used: arena.stats().usedBytes };
  }

  it.each([
    ['completed', { delivered: 28, filtered: 4, failed: 8, dropped: 0, left: 0, listed: 'complete' }],
    ['drain', { delivered: 20, filtered: 4, failed: 6, dropped: 0, left: 10, reason: 'SIGTERM' }],
    ['cancel', { delivered: 4, filtered: 4, failed: 6, dropped: 16, left: 10, reason: 'enough' }],
    ['break', { delivered: 4, filtered: 4, failed: 6, dropped: 16, left: 10, reason: 'break' }],
  ] as const)('sum up to what was planned, and all memory is back: %s', async (end, expected) => {
    const { record, used } = await run(end);
    expect(record).toMatchObject({ planned: 40, ...expected });
    expect(sumOfFive(record)).toBe(40);
    expect(used).toBe(0);
  });

  it.each([
    [false, { delivered: 10, dropped: 0 }],
    [true, { delivered: 8, dropped: 2 }],
  ])('count a short last batch as dropped when dropLast is %s', async (dropLast, expected) => {
    const arena = new Arena(MIB);
    const entries = Array.from({ length: 10 }, (_, i) => entryOf(i));
    const { stream, pull } = createStream(arena, entries, { batchSize: 4, dropLast });
    const grants = new Grants({ arena, workers: 1, ranges: () => WHOLE, uri: () => 'fake://x' });
    await pull();
    while (grants.grantNext(stream));
    settleAll(stream);
    stream.pull(1000);
    const lengths: number[] = [];
    for (let batch = await stream.next(); batch !== null; batch = await stream.next()) {
      lengths.push(batch.items.length);
      stream.release(batch);
    }
    expect(lengths).toEqual(dropLast ? [4, 4] : [4, 4, 2]);
    expect(await stream.ended).toMatchObject({ planned: 10, ...expected });
  });
});

describe('a task', () => {
  it.each([
    ['the whole object', {}, 1000],
    ['the rest behind a start', { start: 300 }, 700],
    ['nothing behind its end', { start: 2000 }, 0],
    ['a range', { start: 990, length: 50 }, 50],
    ['a range of what is not known', { size: -1, start: 5, length: 50 }, 50],
    ['what is not known', { size: -1, start: 5 }, -1],
  ])('begins as %s', (_what, more: Partial<PlanEntry>, length) => {
    expect(newTask(3, entryOf(0, more))).toMatchObject({
      sequence: 3,
      length,
      state: TaskState.Planned,
      jobsOut: 0,
      extent: null,
    });
  });

  it('that was evicted begins anew, behind the items that were handed out', () => {
    const items = [valueItem(3, { index: 2 }), valueItem(3, { index: 3 }), valueItem(4)];
    expect(evictedTasks([{ items, bytes: 0 }], () => false)).toEqual([
      newTask(4, entryOf(4)),
      { ...newTask(3, entryOf(3)), skipItems: 2 },
    ]);
  });

  it('that begins again keeps what was learnt, and how often it failed', () => {
    const task = taskOf(1, { size: -1 }, { state: TaskState.Sent, nextByte: 512, restart: true });
    Object.assign(task, { size: 900, length: 900, version: 'v2', restarts: 2, crashes: 1, outputs: [] });
    resetTask(task);
    expect(task).toMatchObject({ state: TaskState.Planned, nextByte: 0, restart: false, outputs: null });
    expect(task).toMatchObject({ size: 900, length: 900, version: 'v2', restarts: 2, crashes: 1 });
  });
});

describe('the memory of tasks', () => {
  it('is counted while tasks have it, and back in the arena when they do not', () => {
    const arena = new Arena(pages(64));
    const memory = new TaskMemory(arena);
    const [kept, trimmed, aside] = [taskOf(0), taskOf(1), taskOf(2)];
    for (const task of [kept, trimmed, aside]) {
      const extent = arena.allocate(pages(4))!;
      memory.give(task, extent, extent.offset, pages(4));
    }
    memory.trim(trimmed, 100);
    expect([memory.bytes, arena.stats().usedBytes]).toEqual([pages(8) + 100, pages(9)]);
    memory.setAside(aside, 5000);
    expect(aside.prefix).toMatchObject({ length: 5000, stale: false });
    expect([memory.bytes, arena.stats().usedBytes]).toEqual([pages(4) + 100, pages(9)]);
    memory.dropAll(aside);
    memory.dropAll(aside);
    memory.dropExtent(trimmed);
    memory.dropExtent(trimmed);
    expect([memory.bytes, arena.stats().usedBytes]).toEqual([pages(4), pages(4)]);
    memory.handOver(kept);
    expect([memory.bytes, arena.stats().usedBytes]).toEqual([0, pages(4)]);
  });

  it('gives back what a transform made outside of it', () => {
    const arena = new Arena(pages(8));
    const memory = new TaskMemory(arena);
    const task = taskOf(0);
    const extent = arena.allocate(1)!;
    memory.give(task, extent, extent.offset, 1);
    arena.charge(700);
    task.outputs = [bytesItem(0, 700).payload];
    memory.dropExtent(task);
    expect(arena.stats()).toMatchObject({ usedBytes: 0, chargedBytes: 0 });
  });
});

describe('the intake of a plan', () => {
  function createIntake(answers: (readonly PlanEntry[] | null | MillraceError)[]) {
    const limits: number[] = [];
    const changes: (MillraceError | null)[] = [];
    const source = {
      next: (limit: number) => {
        limits.push(limit);
        const answer = answers.shift() ?? null;
        return answer instanceof MillraceError ? Promise.reject(answer) : Promise.resolve(answer);
      },
    };
    return { limits, changes, intake: new Intake(source, (error) => changes.push(error)) };
  }
  const turn = (): Promise<void> =>
    new Promise((resolve) => {
      setImmediate(resolve);
    });
  const some = (from: number, count: number) => Array.from({ length: count }, (_, i) => entryOf(from + i));

  it('asks for a bounded number at a time, and takes as many as it is given', async () => {
    const count = tries(200_000, 8000);
    const { intake, limits } = createIntake([some(0, count), null]);
    intake.pull(1_000_000);
    await Promise.resolve().then(() => {});
    expect(limits).toEqual([4096]);
    expect(intake.upcoming(1e9)).toHaveLength(count);
    for (let i = 0; i < count * 0.75; i += 1) intake.take();
    expect(intake.peek()).toBe(intake.upcoming(1)[0]);
    expect(intake.upcoming(1e9)).toHaveLength(count / 4);
  });

  it('asks once at a time, and not while enough is there', async () => {
    const { intake, limits } = createIntake([some(0, 3), some(3, 3)]);
    intake.pull(3);
    intake.pull(3);
    expect([limits, intake.pulling]).toEqual([[3], true]);
    await turn();
    intake.pull(3);
    expect([limits, intake.pulling]).toEqual([[3], false]);
    expect(intake.upcoming(2)).toEqual(some(0, 2));
    expect(intake.take()).toEqual(entryOf(0));
    intake.pull(3);
    await turn();
    expect(limits).toEqual([3, 3]);
    expect(intake.upcoming(100)).toEqual(some(1, 5));
  });

  it('is exhausted at the end of the plan, when the last entry was taken', async () => {
    const { intake, limits } = createIntake([some(0, 1), null]);
    intake.pull(2);
    await turn();
    intake.pull(2);
    await turn();
    expect([intake.ended, intake.exhausted]).toEqual([true, false]);
    intake.take();
    expect([intake.exhausted, intake.peek()]).toEqual([true, null]);
    intake.pull(2);
    expect(limits).toHaveLength(2);
  });

  it('that is cleared has nothing more to give, and may be asked again', async () => {
    const { intake, limits } = createIntake([some(0, 5), some(5, 2)]);
    intake.pull(9);
    await turn();
    intake.take();
    intake.clear();
    expect([intake.peek(), intake.upcoming(9)]).toEqual([null, []]);
    intake.pull(1);
    await turn();
    expect([limits, intake.upcoming(9)]).toEqual([[9, 1], some(5, 2)]);
  });

  it('tells the error of a pull, and may be asked again', async () => {
    const error = new MillraceError(ErrorCode.Throttled, 'slow');
    const { intake, changes } = createIntake([error, some(0, 1)]);
    intake.pull(1);
    await turn();
    expect([changes, intake.pulling, intake.ended]).toEqual([[error], false, false]);
    intake.pull(1);
    await turn();
    expect([changes, intake.peek()]).toEqual([[error, null], entryOf(0)]);
  });
});

import { describe, expect, it } from 'vitest';
import {
  evictedTasks,
  newTask,
  plannedLength,
  resetTask,
  isUnverified,
} from '../../../dist/actors/supervisor/tasks.js';
import { type Task, TaskState } from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import { entryOf, taskOf, valueItem } from './kit.js';

describe('a task', () => {
  it('begins with what its entry says, and nothing done', () => {
    const entry = entryOf(3, { size: 100, version: 'v', start: 10 });
    expect(newTask(3, entry, true)).toMatchObject({
      sequence: 3,
      entry,
      state: TaskState.Planned,
      length: 90,
      size: 100,
      version: 'v',
      extent: null,
      offset: 0,
      capacity: 0,
      nextByte: 0,
      jobsOut: 0,
      restart: false,
      restarts: 0,
      mismatches: 0,
      crashes: 0,
      again: false,
      retries: 0,
      error: null,
      left: false,
      prefix: null,
      indivisible: false,
      filledBytes: 0,
      assembled: false,
      verifiable: true,
      jobs: 0,
      verified: null,
      isPartUnverified: false,
      outputs: null,
      skipItems: 0,
    });
    expect(newTask(3, entry).verifiable).toBe(false);
  });

  it.each([
    [{ size: 100, start: 10, length: 0 }, 0],
    [{ size: 100, start: 10, length: 5 }, 5],
    [{ size: -1, start: 10, length: 5 }, 5],
    [{ size: 100, start: 10, length: -1 }, 90],
    [{ size: 0, start: 0, length: -1 }, 0],
    [{ size: 5, start: 10, length: -1 }, 0],
    [{ size: -1, start: 0, length: -1 }, -1],
  ])('of %j has %i bytes', (entry, bytes) => {
    expect(plannedLength(entryOf(1, entry))).toBe(bytes);
  });

  it('that begins again keeps what was learnt, and a first part that is there', () => {
    const extent = new Arena(8192).allocate(1)!;
    const done: Partial<Task> = {
      state: TaskState.Sent,
      length: 500,
      version: 'v2',
      nextByte: 400,
      restart: true,
      assembled: true,
      jobs: 3,
      verified: 'md5',
      isPartUnverified: true,
      outputs: [],
    };
    const task = taskOf(1, {}, done);
    resetTask(task);
    const fresh = { state: TaskState.Planned, restart: false, assembled: false, isPartUnverified: false };
    expect(task).toMatchObject({ ...fresh, nextByte: 0, jobs: 0, verified: null, outputs: null });
    expect(task).toMatchObject({ length: 500, version: 'v2' });
    const with64 = taskOf(1, {}, { ...done, prefix: { extent, offset: 0, length: 64, stale: false } });
    resetTask(with64);
    expect(with64).toMatchObject({ ...fresh, nextByte: 64, jobs: 1 });
  });

  it('that was evicted begins again behind the items that were handed out, the last one first', () => {
    const items = [
      valueItem(4, { index: 2 }),
      valueItem(4, { index: 3 }),
      valueItem(5, { index: 0 }),
      valueItem(6, { index: 0 }),
    ];
    const batches = [
      { items: items.slice(0, 3), bytes: 0 },
      { items: items.slice(3), bytes: 0 },
    ];
    const tasks = evictedTasks(batches, ({ key }) => key === items[2]!.entry.key);
    expect(tasks.map(({ sequence, skipItems, verifiable }) => [sequence, skipItems, verifiable])).toEqual([
      [6, 0, false],
      [5, 0, true],
      [4, 2, false],
    ]);
  });
});

describe('an object some of whose items were handed out before it was evicted', () => {
  const again = (index: number, version: string | null) =>
    evictedTasks([{ items: [valueItem(4, { index, version, size: 77 })], bytes: 0 }], () => false)[0]!;

  it('comes again in the version that those are of, of the size that it has there', () => {
    const entry = { pinned: true, version: 'v1', size: 77 };
    expect(again(1, 'v1')).toMatchObject({ skipItems: 1, version: 'v1', size: 77, length: 77, entry });
  });

  it('comes again in any version where none was handed out, or none is known', () => {
    expect(again(0, 'v1')).toMatchObject({ version: null, entry: { pinned: false, version: null } });
    expect(again(1, null)).toMatchObject({ version: null, entry: { pinned: false } });
  });
});

describe('a whole object whose parts nobody could verify', () => {
  const arrived = { verifiable: true, jobs: 2, length: 1000 };

  it('is to be verified as one', () => {
    expect(isUnverified('auto', taskOf(1, {}, arrived))).toBe(true);
    expect(isUnverified('always', taskOf(1, {}, { ...arrived, length: 1 }))).toBe(true);
  });

  it.each<[string, Parameters<typeof taskOf>[1], Partial<Task>]>([
    ['it came by one job', {}, { jobs: 1 }],
    ['it has no bytes', {}, { length: 0 }],
    ['its store cannot', {}, { verifiable: false }],
    ['it was looked at', {}, { verified: 'crc32c' }],
    ['it is a range', { length: 500 }, {}],
    ['it is an empty range', { length: 0 }, {}],
    ['it is the rest behind a start', { start: 1 }, {}],
  ])('is not where %s', (_, entry, more) => {
    expect(isUnverified('auto', taskOf(1, entry, { ...arrived, ...more }))).toBe(false);
  });

  it('is not where nothing is to be verified', () => {
    expect(isUnverified('never', taskOf(1, {}, arrived))).toBe(false);
  });
});

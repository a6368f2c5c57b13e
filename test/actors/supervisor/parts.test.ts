import { describe, expect, it } from 'vitest';
import {
  firstPartBytes,
  hasMoreParts,
  isLarge,
  nextPart,
  type Part,
} from '../../../dist/actors/supervisor/parts.js';
import type { Prefix, RangePlan, Task } from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import { MIB, taskOf, WHOLE } from './kit.js';

const RANGES: RangePlan = { splitThreshold: 100, partBytes: 64, maxPerObject: 3 };

/** Sends the next part, as the dispatcher does. */
function send(task: Task, ranges: RangePlan): Part | null {
  const part = nextPart(task, ranges);
  if (part === null) return null;
  task.nextByte = part.from + part.length;
  task.jobsOut += 1;
  return part;
}

describe('the size that makes parts', () => {
  it.each([
    [100, 64, 100, false],
    [100, 64, 101, true],
    [10, 64, 64, false],
    [10, 64, 65, true],
    [Infinity, 64, 1e12, false],
  ])('over %d, in parts of %d: %d bytes, %s', (splitThreshold, partBytes, length, large) => {
    expect(isLarge(length, { ...RANGES, splitThreshold, partBytes })).toBe(large);
  });

  it('of an object of unknown size is one part, at most a share of the budget, at least a page', () => {
    const ranges = { ...RANGES, partBytes: 8 * MIB };
    expect(firstPartBytes(ranges, 512 * MIB)).toBe(8 * MIB);
    expect(firstPartBytes(ranges, 64 * MIB)).toBe(2 * MIB);
    expect(firstPartBytes(ranges, 32 * 5000)).toBe(4096);
    expect(firstPartBytes(ranges, 4096)).toBe(4096);
  });
});

describe('an object that is not split', () => {
  it('is one part, whole, and nothing more while that is out', () => {
    const task = taskOf(1, { size: 90 });
    expect(send(task, RANGES)).toMatchObject({ from: 0, length: 90, whole: true, copy: null, landed: false });
    expect([send(task, RANGES), hasMoreParts(task, RANGES)]).toEqual([null, false]);
  });

  it.each([
    ['a range', { size: 90, start: 0, length: 50 }, 50],
    ['the rest behind a start', { size: 90, start: 30 }, 60],
  ])('is not whole when the user asked for %s', (_what, entry, length) => {
    expect(send(taskOf(1, entry), RANGES)).toMatchObject({ from: 0, length, whole: false });
  });

  it('is one part even when it is empty', () => {
    const task = taskOf(1, { size: 0 });
    expect(send(task, RANGES)).toMatchObject({ from: 0, length: 0, whole: true });
    expect(send(task, RANGES)).toBeNull();
  });

  it('stays in one part, however large, when the service gives no version', () => {
    expect(send(taskOf(1, { size: 1000 }, { indivisible: true }), RANGES)).toMatchObject({ length: 1000 });
  });
});

describe('an object of unknown size', () => {
  it('is asked for with all the room there is, once', () => {
    const task = taskOf(1, { size: -1 }, { capacity: 4096 });
    expect(send(task, RANGES)).toMatchObject({ from: 0, length: 4096, whole: false });
    expect([send(task, RANGES), hasMoreParts(task, RANGES)]).toEqual([null, false]);
  });
});

describe('a large object', () => {
  it.each([65 * 3, 64 * 4, 101, 1000])('of %d bytes is covered once, in order, by parts', (size) => {
    const task = taskOf(1, { size, version: 'v1' });
    let covered = 0;
    while (hasMoreParts(task, RANGES)) {
      const part = send(task, RANGES)!;
      expect(part).toMatchObject({ from: covered, whole: false });
      expect(part.length).toBeGreaterThan(0);
      expect(part.length).toBeLessThanOrEqual(64);
      covered += part.length;
      task.jobsOut = 0;
    }
    expect(covered).toBe(size);
    expect(send(task, RANGES)).toBeNull();
  });

  it('has at most maxPerObject parts out', () => {
    const task = taskOf(1, { size: 1000, version: 'v1' });
    expect([1, 2, 3, 4].map(() => send(task, RANGES)?.from)).toEqual([0, 64, 128, undefined]);
    task.jobsOut -= 1;
    expect(send(task, RANGES)?.from).toBe(192);
  });

  it('sends its first part alone while no version is known', () => {
    const task = taskOf(1, { size: 1000 });
    expect(send(task, RANGES)?.from).toBe(0);
    expect(send(task, RANGES)).toBeNull();
    task.version = 'v1';
    expect(send(task, RANGES)?.from).toBe(64);
  });
});

describe('a first part that landed elsewhere', () => {
  const prefixOf = (more: Partial<Prefix> = {}): Prefix => {
    const extent = new Arena(4096).allocate(1)!;
    return { extent, offset: extent.offset, length: 64, stale: false, ...more };
  };

  it('is copied by the part right behind it, and by no other', () => {
    const prefix = prefixOf();
    const task = taskOf(1, { size: 1000, version: 'v1' }, { prefix, nextByte: 64 });
    expect(send(task, RANGES)).toMatchObject({ from: 64, length: 64, copy: prefix });
    expect(send(task, RANGES)).toMatchObject({ from: 128, copy: null });
  });

  it('is copied too when the rest comes in one part', () => {
    const prefix = prefixOf();
    const task = taskOf(1, { size: 90, version: 'v1' }, { prefix, nextByte: 64 });
    expect(send(task, WHOLE)).toMatchObject({ from: 64, length: 26, whole: false, copy: prefix });
  });

  it('is not copied once it is stale', () => {
    const task = taskOf(1, { size: 90, version: 'v1' }, { prefix: prefixOf({ stale: true }), nextByte: 64 });
    expect(send(task, WHOLE)?.copy).toBeNull();
  });
});

describe('an object whose parts are all there', () => {
  it('is sent once more, as a whole that has landed, for its transform', () => {
    const task = taskOf(1, { size: 1000, version: 'v1' }, { nextByte: 1000, assembled: true });
    expect(nextPart(task, RANGES)).toMatchObject({ from: 0, length: 1000, landed: true, copy: null });
    expect(hasMoreParts(task, RANGES)).toBe(false);
  });
});

describe('whether there is more to send', () => {
  it.each<[string, Parameters<typeof taskOf>[1], Partial<Task>, boolean]>([
    ['the whole, in one part', { size: 90 }, {}, true],
    ['nothing more of it', { size: 90 }, { nextByte: 90, jobsOut: 1 }, false],
    ['nothing more of an empty one', { size: 0 }, { jobsOut: 1 }, false],
    ['an empty one', { size: 0 }, {}, true],
    ['the rest behind a first part that is out', { size: 90 }, { nextByte: 64 }, false],
    ['nothing while the size is not known', { size: -1 }, {}, false],
    ['nothing once all is assembled', { size: 1000 }, { assembled: true, nextByte: 0 }, false],
    ['another part', { size: 1000 }, { nextByte: 960, jobsOut: 3 }, true],
    ['no part behind the last one', { size: 1000 }, { nextByte: 1000, jobsOut: 3 }, false],
  ])('%s', (_, entry, more, answer) => {
    expect(hasMoreParts(taskOf(1, entry, more), RANGES)).toBe(answer);
  });

  it('a later part goes out alone where the first one is over and no version came', () => {
    const task = taskOf(1, { size: 1000 }, { nextByte: 64 });
    expect(send(task, RANGES)?.from).toBe(64);
    expect(send(task, RANGES)).toBeNull();
  });

  it('the first part goes out again while a later one is out', () => {
    const task = taskOf(1, { size: 1000 }, { nextByte: 0, jobsOut: 1 });
    expect(send(task, RANGES)?.from).toBe(0);
  });

  it('what was assembled is no whole object to be verified, and an empty range is none', () => {
    expect(nextPart(taskOf(1, { size: 10 }, { assembled: true }), RANGES)).toMatchObject({ whole: false });
    expect(nextPart(taskOf(1, { size: 10, length: 0 }), RANGES)).toMatchObject({ whole: false, length: 0 });
  });

  it('nothing of what the service thread fills itself', () => {
    expect(nextPart(taskOf(1, { size: 10, fill: () => {} }), RANGES)).toBeNull();
  });
});

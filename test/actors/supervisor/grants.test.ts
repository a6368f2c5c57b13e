import { describe, expect, it } from 'vitest';
import { Grants, lostNote, MAX_PACK_ITEMS } from '../../../dist/actors/supervisor/grants.js';
import type { Stream } from '../../../dist/actors/supervisor/stream.js';
import type { Task } from '../../../dist/actors/supervisor/types.js';
import { Arena, PAGE_BYTES, pageAlign } from '../../../dist/protocol/arena.js';
import { createStream, entryOf, MIB, pages, settle, uriOf, WHOLE } from './kit.js';

function createGrants(budgetBytes: number, { workers = 1, ranges = WHOLE } = {}) {
  const arena = new Arena(budgetBytes);
  return { arena, grants: new Grants({ arena, workers, ranges: () => ranges, uri: uriOf }) };
}

const sized = (sizes: readonly number[], more = {}) => sizes.map((size, i) => entryOf(i, { size, ...more }));
const granted = (stream: Stream): number[] => stream.granted.map((task) => task.sequence);
/** The bytes of the arena that a task may write to. */
const span = (task: Task): [number, number] => [task.offset, task.offset + task.capacity];

function grantAll(grants: Grants, stream: Stream): void {
  while (grants.grantNext(stream));
}

describe('small objects', () => {
  it('share an extent, each on a boundary of 64 and apart from the others, in plan order', async () => {
    const { arena, grants } = createGrants(4 * MIB);
    const sizes = [100, 64, 0, 1, 5000, 65];
    const { stream, pull } = createStream(arena, sized(sizes));
    await pull();
    expect(grants.grantNext(stream)).toBe(true);
    expect(granted(stream)).toEqual([0, 1, 2, 3, 4, 5]);
    const extent = stream.granted[0]!.extent!;
    expect(new Set(stream.granted.map((task) => task.extent))).toEqual(new Set([extent]));
    expect(extent.holders).toBe(sizes.length);
    let end = extent.offset;
    for (const [i, task] of stream.granted.entries()) {
      expect(task.offset % 64).toBe(0);
      expect(task.offset).toBe(end);
      expect(task.capacity).toBeGreaterThanOrEqual(sizes[i]!);
      end = span(task)[1];
    }
    expect(end).toBeLessThanOrEqual(extent.offset + extent.length);
  });

  it('are 64 in a pack at most, and fewer when the window is small and there are several workers', async () => {
    const { arena, grants } = createGrants(4 * MIB, { workers: 4 });
    const entries = Array.from({ length: 200 }, (_, i) => entryOf(i, { size: 10 }));
    const [wide, narrow] = [
      createStream(arena, entries),
      createStream(arena, entries, { windowObjects: 40 }),
    ];
    await Promise.all([wide.pull(), narrow.pull()]);
    grants.grantNext(wide.stream);
    grants.grantNext(narrow.stream);
    expect([wide.stream.granted.length, narrow.stream.granted.length]).toEqual([MAX_PACK_ITEMS, 5]);
  });

  it('are a MiB in a pack at most, and stop at a large one', async () => {
    const { arena, grants } = createGrants(16 * MIB);
    const { stream, pull } = createStream(arena, sized([MIB / 2, MIB / 4, MIB / 2, 10, MIB, 10]));
    await pull();
    const packs: number[] = [];
    for (let before = 0; grants.grantNext(stream); before = stream.granted.length)
      packs.push(stream.granted.length - before);
    expect(packs).toEqual([2, 2, 1, 1]);
    expect(granted(stream)).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

describe('a grant', () => {
  it('gives nobody bytes that another task may write to', async () => {
    const { arena, grants } = createGrants(8 * MIB);
    const sizes = Array.from({ length: 120 }, (_, i) => (i % 7 === 0 ? 600_000 : (i * 977) % 9000));
    const { stream, pull } = createStream(arena, sized(sizes));
    await pull();
    grantAll(grants, stream);
    expect(stream.granted.length).toBeGreaterThan(50);
    const spans = stream.granted.map(span).sort((a, b) => a[0] - b[0]);
    for (let i = 1; i < spans.length; i += 1) expect(spans[i]![0]).toBeGreaterThanOrEqual(spans[i - 1]![1]);
    expect(spans.at(-1)![1]).toBeLessThanOrEqual(arena.budgetBytes);
  });

  it('waits in plan order: what is behind and would fit is not preferred', async () => {
    const { arena, grants } = createGrants(2 * MIB);
    const { stream, pull } = createStream(arena, sized([1_500_000, 1_000_000, 10]));
    await pull();
    grantAll(grants, stream);
    expect(granted(stream)).toEqual([0]);
    expect(stream.blockedBytes).toBe(pageAlign(1_000_000));
    const first = stream.granted[0]!;
    settle(stream, first);
    stream.release((await stream.next())!);
    grantAll(grants, stream);
    expect(granted(stream)).toEqual([1, 2]);
    expect(stream.blockedBytes).toBe(0);
  });

  it('goes first to what has to be fetched again', async () => {
    const { arena, grants } = createGrants(4 * MIB);
    const { stream, pull } = createStream(arena, sized([MIB, MIB, MIB]));
    await pull();
    grants.grantNext(stream);
    grants.grantNext(stream);
    const [first, second] = [...stream.granted];
    stream.granted.length = 0;
    stream.replan(second!);
    stream.replan(first!);
    expect(arena.stats().usedBytes).toBe(0);
    grantAll(grants, stream);
    expect(granted(stream)).toEqual([0, 1, 2]);
  });

  it('keeps to the window of objects and of bytes, and lets one larger object through', async () => {
    const { arena, grants } = createGrants(64 * MIB);
    const objects = createStream(arena, sized([MIB, MIB, MIB]), { windowObjects: 2 });
    const bytes = createStream(arena, sized([MIB, MIB, MIB]), { windowBytes: 2 * MIB });
    const large = createStream(arena, sized([3 * MIB, 1]), { windowBytes: MIB });
    await Promise.all([objects.pull(), bytes.pull(), large.pull()]);
    for (const { stream } of [objects, bytes, large]) grantAll(grants, stream);
    expect([objects, bytes, large].map(({ stream }) => granted(stream))).toEqual([[0, 1], [0, 1], [0]]);
  });

  it('of a range is as long as the range, of an unknown size as long as a first part', async () => {
    const { arena, grants } = createGrants(64 * MIB);
    const { stream, pull } = createStream(arena, [
      entryOf(0, { size: -1, start: 500, length: 5000 }),
      entryOf(1, { size: 10_000_000, start: 9_000_000 }),
      entryOf(2, { size: -1 }),
    ]);
    await pull();
    grantAll(grants, stream);
    expect(stream.granted.map((task) => task.capacity)).toEqual([5000, 1_000_000, 2 * MIB]);
  });
});

describe('an object larger than the budget', () => {
  it('is refused at once, with both sizes and the ways out', async () => {
    const { arena, grants } = createGrants(MIB);
    const { stream, pull } = createStream(arena, sized([MIB + 1, 10]), { onError: 'skip' });
    await pull();
    expect(grants.grantNext(stream)).toBe(true);
    expect(stream.ledger.failed).toBe(1);
    const record = stream.ledger.record('x', stream.cursor, 0);
    expect(record.failures).toMatchObject([
      {
        uri: uriOf(entryOf(0)),
        error: { code: 'BudgetTooSmall', phase: 'grant', message: expect.stringMatching(/1 MiB.*getRange/s) },
      },
    ]);
    grantAll(grants, stream);
    expect(granted(stream)).toEqual([1]);
  });

  it('is one too when a stuck worker keeps the memory, and the error says so', async () => {
    const { arena, grants } = createGrants(4 * MIB);
    const lost = arena.allocate(2 * MIB)!;
    arena.quarantine(lost);
    const { stream, pull } = createStream(arena, sized([3 * MIB]));
    await pull();
    const next = stream.next();
    expect(grants.grantNext(stream)).toBe(true);
    await expect(next).rejects.toMatchObject({
      code: 'BudgetTooSmall',
      message: expect.stringContaining('2 MiB of it lost to a stuck worker'),
    });
  });
});

describe('a pack', () => {
  it('is as long as the window has room for', async () => {
    const { arena, grants } = createGrants(4 * MIB);
    const entries = [entryOf(9, { length: 6400 }), ...sized([6400, 6400, 6400, 6400])];
    const { stream, pull } = createStream(arena, entries, { windowBytes: 3 * 6400 });
    await pull();
    expect([grants.grantNext(stream), grants.grantNext(stream)]).toEqual([true, true]);
    expect(granted(stream)).toEqual([0, 1, 2]);
    expect(stream.granted[1]!.extent).toMatchObject({ holders: 2, length: pageAlign(2 * 6400) });
    expect(grants.grantNext(stream)).toBe(false);
  });

  it('is no longer than the window, also where that is empty', async () => {
    const { arena, grants } = createGrants(4 * MIB);
    const { stream, pull } = createStream(arena, sized([6400, 6400, 6400]), { windowBytes: 2 * 6400 });
    await pull();
    expect([grants.grantNext(stream), granted(stream)]).toEqual([true, [0, 1]]);
  });

  it('is none where the memory is short, unless its consumer waits: then it is what fits', async () => {
    const { arena, grants } = createGrants(pages(8));
    const { stream, pull } = createStream(arena, sized([3, 3, 3].map((count) => pages(count))));
    await pull();
    expect(grants.grantNext(stream)).toBe(false);
    expect([stream.blockedBytes, stream.granted.length, arena.stats().usedBytes]).toEqual([pages(9), 0, 0]);
    void stream.next().catch(() => {});
    expect(grants.grantNext(stream)).toBe(true);
    expect([granted(stream), arena.stats().usedBytes]).toEqual([[0, 1], pages(6)]);
    expect(stream.granted[0]!.extent!.holders).toBe(2);
    // What waits now has something on its way.
    expect([grants.grantNext(stream), stream.blockedBytes]).toEqual([false, pages(3)]);
  });

  it('is none where not even one fits, whoever waits', async () => {
    const { arena, grants } = createGrants(pages(8));
    arena.allocate(pages(6));
    const { stream, pull } = createStream(arena, sized([pages(3), pages(3)]));
    await pull();
    void stream.next().catch(() => {});
    expect([grants.grantNext(stream), stream.blockedBytes, stream.granted.length]).toEqual([
      false,
      pages(3),
      0,
    ]);
  });

  it('has no ranges in it, and nothing that comes in parts', async () => {
    const { arena, grants } = createGrants(4 * MIB, {
      ranges: { ...WHOLE, splitThreshold: 5000, partBytes: 5000 },
    });
    const { stream, pull } = createStream(arena, [
      entryOf(0, { size: 100 }),
      entryOf(1, { size: 100, length: 0 }),
      entryOf(2, { size: 100, length: 50 }),
      entryOf(3, { size: 5001 }),
      entryOf(4, { size: 5500, start: 500 }),
      entryOf(5, { size: 5000 }),
      entryOf(6, { size: 0 }),
    ]);
    await pull();
    const packs: number[] = [];
    for (let before = 0; grants.grantNext(stream); before = stream.granted.length)
      packs.push(stream.granted.length - before);
    expect(packs).toEqual([1, 1, 1, 1, 3]);
  });

  it('is a MiB, and one object more does not fit in it', async () => {
    const { arena, grants } = createGrants(16 * MIB);
    const { stream, pull } = createStream(arena, sized([MIB / 2, MIB / 2, 1]));
    await pull();
    expect([grants.grantNext(stream), stream.granted.length]).toEqual([true, 2]);
    expect([grants.grantNext(stream), stream.granted.length]).toEqual([true, 3]);
  });

  it('that is larger than half of one stands alone', async () => {
    const { arena, grants } = createGrants(16 * MIB);
    const { stream, pull } = createStream(arena, sized([MIB / 2 + 1, 1]));
    await pull();
    expect([grants.grantNext(stream), stream.granted.length]).toEqual([true, 1]);
    expect(stream.granted[0]).toMatchObject({ capacity: MIB / 2 + 1 });
  });
});

describe('a turn', () => {
  it('is that of one stream: nobody else is granted any memory until it is over', async () => {
    const { arena, grants } = createGrants(MIB);
    const [one, other] = [createStream(arena, sized([10])), createStream(arena, sized([10]))];
    await Promise.all([one.pull(), other.pull()]);
    grants.turn = one.stream;
    expect(grants.grantNext(other.stream)).toBe(false);
    grants.forget(other.stream);
    expect(grants.turn).toBe(one.stream);
    expect(grants.grantNext(one.stream)).toBe(true);
    grants.forget(one.stream);
    expect(grants.turn).toBeNull();
    expect(grants.grantNext(other.stream)).toBe(true);
  });
});

describe('an object of exactly the budget', () => {
  it('is granted, also when it has to be fetched again', async () => {
    const { arena, grants } = createGrants(pages(4));
    const { stream, pull } = createStream(arena, [entryOf(0, { size: pages(4), length: pages(4) })]);
    await pull();
    expect([grants.grantNext(stream), stream.grants]).toEqual([true, 1]);
    stream.replan(stream.granted.splice(0)[0]!);
    expect([grants.grantNext(stream), stream.grants, stream.planned.length]).toEqual([true, 2, 0]);
    expect(stream.granted[0]).toMatchObject({ sequence: 0, capacity: pages(4), filledBytes: 0 });
  });
});

describe('what has to be fetched again', () => {
  it('waits for its memory, and is refused when it turns out to be larger than the budget', async () => {
    const { arena, grants } = createGrants(pages(64));
    const { stream, pull } = createStream(arena, [entryOf(0, { size: -1 })], { onError: 'skip' });
    await pull();
    expect(grants.grantNext(stream)).toBe(true);
    const task = stream.granted.splice(0)[0]!;
    // An object of unknown size is asked for by a part: a thirty-second of the budget.
    expect(task.capacity).toBe(pages(2));
    stream.replan(task);
    expect([grants.grantNext(stream), stream.granted[0]?.capacity]).toEqual([true, pages(2)]);
    stream.replan(stream.granted.splice(0)[0]!);
    task.length = pages(10);
    const held = arena.allocate(pages(60))!;
    expect([grants.grantNext(stream), stream.blockedBytes, stream.planned.length]).toEqual([
      false,
      pages(10),
      1,
    ]);
    arena.release(held);
    expect([grants.grantNext(stream), stream.granted[0]?.capacity]).toEqual([true, pages(10)]);
    stream.replan(stream.granted.splice(0)[0]!);
    task.length = 64 * PAGE_BYTES + 1;
    expect([grants.grantNext(stream), stream.ledger.failed]).toEqual([true, 1]);
  });
});

describe('the note of what is lost', () => {
  it('is empty where nothing is', () => {
    expect([lostNote(0), lostNote(1)]).toEqual(['', ' (1 B of it lost to a stuck worker)']);
  });
});

describe('a stream that has ended', () => {
  it('gets no memory any more, be it what was refused a moment ago that has ended it', async () => {
    const { arena, grants } = createGrants(pages(4));
    const { stream, pull } = createStream(arena, sized([pages(5), pages(1)]), { onError: 'fail' });
    await pull();
    expect([grants.grantNext(stream), stream.open]).toEqual([true, false]);
    expect([grants.grantNext(stream), granted(stream), arena.stats().usedBytes]).toEqual([false, [], 0]);
  });
});

import { describe, expect, it } from 'vitest';
import { Assembler, itemBytes } from '../../../dist/actors/supervisor/assembler.js';
import { CursorTrack } from '../../../dist/actors/supervisor/cursor.js';
import { itemsOf, releaseItems } from '../../../dist/actors/supervisor/items.js';
import type { BatchRecord, TaskOutput } from '../../../dist/actors/supervisor/types.js';
import { Arena } from '../../../dist/protocol/arena.js';
import { mix32 } from '../../../dist/backends/memory/pattern.js';
import { bytesItem, taskOf, valueItem } from './kit.js';

const sequences = (batch: BatchRecord | null): number[] => (batch?.items ?? []).map((item) => item.sequence);

describe('an assembler', () => {
  it('closes a batch with its last item, by number', () => {
    const assembler = new Assembler({ batchSize: 3, batchBytes: Infinity });
    const closed = Array.from({ length: 7 }, (_, i) => assembler.push(bytesItem(i, 10)));
    expect(closed.map((batches) => batches.map(sequences))).toEqual([
      [],
      [],
      [[0, 1, 2]],
      [],
      [],
      [[3, 4, 5]],
      [],
    ]);
    expect(closed[2]![0]!.bytes).toBe(30);
    expect(assembler.pendingItems).toBe(1);
    expect(sequences(assembler.flush())).toEqual([6]);
    expect(assembler.flush()).toBeNull();
  });

  it('closes a batch before the item that would carry it over batchBytes', () => {
    const assembler = new Assembler({ batchSize: 100, batchBytes: 100 });
    expect(assembler.push(bytesItem(0, 60))).toEqual([]);
    expect(assembler.push(bytesItem(1, 39))).toEqual([]);
    expect(assembler.push(bytesItem(2, 2)).map(sequences)).toEqual([[0, 1]]);
    expect(assembler.push(bytesItem(3, 98)).map(sequences)).toEqual([[2, 3]]);
    expect(assembler.flush()).toBeNull();
  });

  it('gives an item larger than batchBytes a batch of its own', () => {
    const assembler = new Assembler({ batchSize: 100, batchBytes: 100 });
    assembler.push(bytesItem(0, 1));
    expect(assembler.push(bytesItem(1, 500)).map(sequences)).toEqual([[0], [1]]);
  });

  it('counts neither values nor what it gave away', () => {
    const assembler = new Assembler({ batchSize: 2, batchBytes: 100 });
    assembler.push(valueItem(0));
    expect(assembler.push(bytesItem(1, 7))).toMatchObject([{ bytes: 7 }]);
    assembler.push(bytesItem(2, 3));
    expect(assembler.flush()?.bytes).toBe(3);
    expect(itemBytes(valueItem(0))).toBe(0);
  });

  it('lets a batch leave before an item that is known not to fit, and only then', () => {
    const assembler = new Assembler({ batchSize: 100, batchBytes: 100 });
    expect(assembler.closeBefore(1000)).toBeNull();
    assembler.push(bytesItem(0, 60));
    expect(assembler.closeBefore(40)).toBeNull();
    expect(sequences(assembler.closeBefore(41))).toEqual([0]);
  });

  it('ends batches at the same places whether or not it was asked to close early', () => {
    const sizes = Array.from({ length: 300 }, (_, i) => (mix32(i) >>> 0) % 60);
    const ends = (early: boolean): number[][] => {
      const assembler = new Assembler({ batchSize: 8, batchBytes: 150 });
      const batches: BatchRecord[] = [];
      for (const [i, size] of sizes.entries()) {
        const before = early ? assembler.closeBefore(size) : null;
        if (before !== null) batches.push(before);
        batches.push(...assembler.push(bytesItem(i, size)));
      }
      const last = assembler.flush();
      if (last !== null) batches.push(last);
      return batches.map(sequences);
    };
    expect(ends(true)).toEqual(ends(false));
    expect(ends(true).flat()).toEqual(sizes.map((_, i) => i));
  });
});

describe('the items of a settled task', () => {
  const lease = (task: ReturnType<typeof taskOf>, start: number, length: number): TaskOutput => ({
    kind: 'lease',
    extent: task.extent!,
    offset: task.offset + start,
    length,
  });

  function granted(arena: Arena) {
    const extent = arena.allocate(4096)!;
    return taskOf(7, { size: 1000, version: 'v1' }, { extent, offset: extent.offset, capacity: 4096 });
  }

  it('are one with its bytes, which holds its extent, when nothing was made of them', () => {
    const arena = new Arena(8 * 4096);
    const task = granted(arena);
    const extent = task.extent!;
    const [item, ...others] = itemsOf(task, arena);
    expect(others).toEqual([]);
    expect(item).toMatchObject({ sequence: 7, index: 0, last: true, version: 'v1', size: 1000 });
    expect(item?.payload).toEqual({ kind: 'lease', extent, offset: extent.offset, length: 1000 });
    expect([task.extent, extent.holders]).toEqual([null, 1]);
  });

  it('hold the extent once for each that lies in it', () => {
    const arena = new Arena(8 * 4096);
    const task = granted(arena);
    const extent = task.extent!;
    task.outputs = [lease(task, 0, 10), { kind: 'value', value: 1 }, lease(task, 16, 10)];
    const items = itemsOf(task, arena);
    expect(items.map(({ index, last }) => [index, last])).toEqual([
      [0, false],
      [1, false],
      [2, true],
    ]);
    expect(extent.holders).toBe(2);
    arena.release(extent);
    arena.release(extent);
    expect(arena.stats().usedBytes).toBe(0);
  });

  it.each([
    ['values', [{ kind: 'value', value: 1 }]],
    ['nothing', []],
  ] as const)('give the extent back when the transform made %s', (_what, outputs) => {
    const arena = new Arena(8 * 4096);
    const task = granted(arena);
    task.outputs = outputs;
    expect(itemsOf(task, arena)).toHaveLength(outputs.length);
    expect(arena.stats().usedBytes).toBe(0);
  });

  it('leave out what was handed out before an eviction, and hold nothing for it', () => {
    const arena = new Arena(8 * 4096);
    const task = granted(arena);
    const extent = task.extent!;
    arena.charge(30);
    const bytes = (length: number): TaskOutput => ({ kind: 'bytes', bytes: new Uint8Array(length) });
    task.outputs = [lease(task, 0, 8), bytes(10), lease(task, 8, 8), bytes(20)];
    task.skipItems = 2;
    const items = itemsOf(task, arena);
    expect(items.map(({ index, last, payload }) => [index, last, payload.kind])).toEqual([
      [2, false, 'lease'],
      [3, true, 'bytes'],
    ]);
    expect([extent.holders, arena.stats().chargedBytes]).toEqual([1, 20]);
  });
});

describe('a cursor', () => {
  const acknowledge = (track: CursorTrack, sequence: number, index = 0, last = true): void =>
    track.acknowledge({ sequence, index, last });
  const place = ({ value }: CursorTrack): [number, number] => [value.objects, value.items];

  it('stands behind what is acknowledged without a gap, in whatever order that was', () => {
    const track = new CursorTrack();
    const places = [2, 0, 1, 5, 4, 3].map((sequence) => {
      acknowledge(track, sequence);
      return place(track)[0];
    });
    expect(places).toEqual([0, 1, 3, 3, 3, 6]);
    expect(track.value).toEqual({ version: 1, objects: 6, items: 0 });
  });

  it('does not wait for what needs no acknowledgement', () => {
    const track = new CursorTrack();
    acknowledge(track, 0);
    track.settle(2);
    track.settle(1);
    expect(place(track)).toEqual([3, 0]);
  });

  it('counts the items of an object that is not acknowledged to its end', () => {
    const track = new CursorTrack();
    acknowledge(track, 0);
    acknowledge(track, 1, 0, false);
    acknowledge(track, 1, 1, false);
    expect(place(track)).toEqual([1, 2]);
    acknowledge(track, 1, 2, true);
    expect(place(track)).toEqual([2, 0]);
  });

  it('does not go over items whose batch is not acknowledged, though a later batch of their object is', () => {
    const track = new CursorTrack();
    acknowledge(track, 0, 2, false);
    acknowledge(track, 0, 3, true);
    expect(place(track)).toEqual([0, 0]);
    acknowledge(track, 0, 0, false);
    expect(place(track)).toEqual([0, 1]);
    acknowledge(track, 0, 1, false);
    expect(place(track)).toEqual([1, 0]);
  });

  it('remembers the items of an object that was not the first one when they came', () => {
    const track = new CursorTrack();
    acknowledge(track, 1, 0, false);
    acknowledge(track, 0);
    expect(place(track)).toEqual([1, 1]);
  });

  it('agrees with a plain set, whatever the order', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const order = Array.from({ length: 200 }, (_, i) => i).sort(
        (a, b) => mix32(a * 31 + seed) - mix32(b * 31 + seed),
      );
      const track = new CursorTrack();
      const seen = new Set<number>();
      let first = 0;
      for (const sequence of order) {
        track.settle(sequence);
        seen.add(sequence);
        while (seen.has(first)) first += 1;
        expect(place(track)).toEqual([first, 0]);
      }
    }
  });
});

describe('the items of a batch that are bytes of their own', () => {
  it('are given back to the budget', () => {
    const arena = new Arena(8 * 4096);
    arena.charge(30);
    releaseItems({ items: [bytesItem(1, 10), valueItem(2), bytesItem(3, 15)], bytes: 25 }, arena);
    expect(arena.stats()).toMatchObject({ chargedBytes: 5, usedBytes: 0 });
  });
});

describe('the items of a batch', () => {
  it('give back one hold each, wherever the others of their extent stand', () => {
    const arena = new Arena(8 * 4096);
    const extents = [arena.allocate(4096)!, arena.allocate(4096)!, arena.allocate(4096)!];
    const order = [0, 0, 1, 0, 2, 2, 1];
    const items = order.map((which, sequence) => {
      const extent = extents[which]!;
      const payload: TaskOutput = { kind: 'lease', extent, offset: extent.offset, length: 1 };
      return { ...bytesItem(sequence, 0), payload };
    });
    for (const extent of extents)
      arena.hold(extent, order.filter((which) => extents[which] === extent).length);
    releaseItems({ items: [...items, bytesItem(7, 0)], bytes: 7 }, arena);
    expect(extents.map(({ holders }) => holders)).toEqual([1, 1, 1]);
    for (const extent of extents) arena.release(extent);
    expect(arena.stats().usedBytes).toBe(0);
  });
});

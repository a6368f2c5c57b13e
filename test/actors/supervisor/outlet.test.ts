import { describe, expect, it } from 'vitest';
import { Ledger } from '../../../dist/actors/supervisor/ledger.js';
import { Outlet } from '../../../dist/actors/supervisor/outlet.js';
import type { BatchRecord } from '../../../dist/actors/supervisor/types.js';
import { bytesItem } from './kit.js';

const sequences = (batch: BatchRecord | null): number[] | null =>
  batch === null ? null : batch.items.map((item) => item.sequence);

function filled(items: number): Outlet {
  const outlet = new Outlet({ batchSize: 2, batchBytes: 100 });
  for (let i = 0; i < items; i += 1) outlet.push(bytesItem(i, 10 + i));
  return outlet;
}

describe('an outlet', () => {
  it('gives the batches that are full, in their order, and counts their bytes until then', () => {
    const outlet = filled(5);
    expect([outlet.empty, outlet.readyBytes]).toEqual([false, 10 + 11 + 12 + 13]);
    expect(sequences(outlet.take())).toEqual([0, 1]);
    expect([outlet.empty, outlet.readyBytes]).toEqual([false, 12 + 13]);
    expect(sequences(outlet.take())).toEqual([2, 3]);
    expect([outlet.empty, outlet.readyBytes, outlet.take()]).toEqual([true, 0, null]);
  });

  it('makes the batch ready that is being filled when it is told to, or when an item is known not to fit', () => {
    const outlet = filled(1);
    expect([outlet.closeBefore(90), outlet.empty]).toEqual([false, true]);
    expect([outlet.closeBefore(91), outlet.readyBytes]).toEqual([true, 10]);
    expect(outlet.flush()).toBe(false);
    outlet.push(bytesItem(1, 7));
    expect([outlet.flush(), outlet.readyBytes]).toEqual([true, 17]);
    expect([outlet.take(), outlet.take()].map(sequences)).toEqual([[0], [1]]);
  });

  it('gives all at once, those that are ready first, and is empty then', () => {
    const outlet = filled(3);
    expect(outlet.takeAll().map(sequences)).toEqual([[0, 1], [2]]);
    expect([outlet.empty, outlet.readyBytes, outlet.flush(), outlet.takeAll()]).toEqual([true, 0, false, []]);
  });

  it('has its consumer wait from that time on, until somebody takes the waiter and answers', async () => {
    const outlet = filled(2);
    expect([outlet.waitingSince, outlet.takeWaiter()]).toEqual([null, null]);
    const waiting = outlet.wait(0);
    expect(outlet.waitingSince).toBe(0);
    const waiter = outlet.takeWaiter()!;
    expect([outlet.waitingSince, outlet.takeWaiter()]).toEqual([null, null]);
    waiter.resolve(outlet.take());
    expect(sequences(await waiting)).toEqual([0, 1]);
    const failing = outlet.wait(5);
    outlet.takeWaiter()!.reject(new Error('enough') as never);
    await expect(failing).rejects.toThrow('enough');
  });
});

describe('the ledger of what leaves', () => {
  it('counts an object with its last item, and items and bytes of what was delivered alone', () => {
    const ledger = new Ledger(0);
    ledger.planned = 4;
    const items = [bytesItem(0, 10), { ...bytesItem(1, 20), last: false }];
    ledger.deliver({ items, bytes: 30 });
    expect(ledger).toMatchObject({ delivered: 1, dropped: 0, items: 2, bytes: 30, open: 3 });
    ledger.drop({ items: [{ ...bytesItem(1, 5), index: 1 }, bytesItem(2, 1)], bytes: 6 });
    expect(ledger).toMatchObject({ delivered: 1, dropped: 2, items: 2, bytes: 30, open: 1 });
  });
});

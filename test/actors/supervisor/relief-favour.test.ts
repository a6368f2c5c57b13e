/** Two consumers that wait, and memory for what one of them collects: an eviction helps the one that it is for, once. */
import { describe, expect, it } from 'vitest';
import { Grants } from '../../../dist/actors/supervisor/grants.js';
import { Relief } from '../../../dist/actors/supervisor/relief.js';
import { Arena } from '../../../dist/protocol/arena.js';
import { isSettled } from '../../protocol/pipe.js';
import { createStream, entryOf, MIB, settleAll, uriOf, WHOLE } from './kit.js';

function createRelief(budgetBytes: number) {
  const arena = new Arena(budgetBytes);
  const grants = new Grants({ arena, workers: 1, ranges: () => WHOLE, uri: uriOf });
  const timers = new Set<() => void>();
  const after = (_ms: number, fn: () => void): (() => void) => {
    timers.add(fn);
    return () => void timers.delete(fn);
  };
  const relief = new Relief({ arena, grants, timeoutMs: 60_000, after, poke: () => {} });
  const pass = (): void => {
    // The last part of the wait has a timer of its own.
    for (let part = 0; part < 2; part += 1)
      for (const fn of [...timers].splice(0)) if (timers.delete(fn)) fn();
  };

  /** A stream whose consumer waits for batches of four, and whose plan has brought so much; granted as far as there is room. */
  async function waitingFor(...sizes: readonly number[]) {
    const entries = sizes.map((size, i) => entryOf(i, { size }));
    const kit = createStream(arena, entries, { batchSize: 4, batchBytes: 64 * MIB });
    await kit.pull();
    const next = kit.stream.next();
    next.catch(() => {});
    while (grants.grantNext(kit.stream));
    settleAll(kit.stream);
    return { ...kit, next };
  }
  return { arena, grants, relief, pass, waitingFor };
}

const sequences = (tasks: readonly { readonly sequence: number }[]): number[] =>
  tasks.map(({ sequence }) => sequence);

describe('what was evicted for a consumer that waits', () => {
  it('does not come back by evicting the other, whose consumer gets what there is', async () => {
    const { arena, grants, relief, waitingFor } = createRelief(3 * MIB);
    const elder = await waitingFor(MIB);
    const younger = await waitingFor(MIB, MIB, MIB);
    const both = [elder.stream, younger.stream];
    expect(relief.relieve(both, true)).toBe(true);
    expect([sequences(elder.stream.planned), arena.stats().usedBytes]).toEqual([[0], 2 * MIB]);
    expect([grants.grantNext(elder.stream), grants.grantNext(younger.stream)]).toEqual([false, true]);
    settleAll(younger.stream);
    // It waits for its plan, and the other for the memory that it has.
    expect([relief.relieve(both, true), grants.turn]).toEqual([true, null]);
    expect([grants.grantNext(elder.stream), await isSettled(younger.next)]).toEqual([false, false]);
    expect(relief.relieve(both, true)).toBe(true);
    const batch = (await younger.next)!;
    expect([sequences(batch.items), sequences(elder.stream.planned)]).toEqual([[0, 1, 2], [0]]);
    younger.stream.release(batch);
    expect(grants.grantNext(elder.stream)).toBe(true);
  });

  it('is fetched where the memory that was freed is not enough, once the other has left with what it had', async () => {
    const { grants, relief, waitingFor } = createRelief(4 * MIB);
    const elder = await waitingFor(MIB);
    const younger = await waitingFor(2 * MIB, 3 * MIB);
    const both = [elder.stream, younger.stream];
    expect(relief.relieve(both, true)).toBe(true);
    expect(relief.relieve(both, true)).toBe(true);
    expect(sequences(elder.stream.granted)).toEqual([]);
    expect((await younger.next)!.items.length).toBe(1);
    // Served, it goes behind again, though it waits as it did.
    void younger.stream.next();
    expect([relief.relieve(both, true), grants.turn]).toEqual([true, null]);
    expect(sequences(elder.stream.granted)).toEqual([0]);
  });

  it('goes before the other again once that one was refused', async () => {
    const { arena, grants, relief, pass, waitingFor } = createRelief(4 * MIB);
    const elder = await waitingFor(MIB);
    arena.allocate(2 * MIB);
    const younger = await waitingFor(3 * MIB);
    const both = [elder.stream, younger.stream];
    expect(relief.relieve(both, true)).toBe(true);
    // While it waits for consumers the other may have what there is.
    expect(relief.relieve(both, true)).toBe(true);
    expect([sequences(elder.stream.granted), grants.turn]).toEqual([[0], younger.stream]);
    settleAll(elder.stream);
    relief.relieve(both, true);
    pass();
    while (younger.stream.waitingSince !== null) relief.relieve(both, true);
    await expect(younger.next).rejects.toMatchObject({ code: 'BudgetHeldByConsumer' });
    void younger.stream.next().catch(() => {});
    expect([relief.relieve(both, true), grants.turn]).toEqual([true, null]);
    expect(sequences(elder.stream.granted)).toEqual([0]);
  });
});

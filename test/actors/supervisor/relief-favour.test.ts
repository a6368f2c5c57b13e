/** Two consumers that wait, and memory for what one of them collects: an eviction helps the one that it is for, once. */
import { describe, expect, it } from 'vitest';
import { isSettled } from '../../protocol/pipe.js';
import { createStream, MIB, settleAll } from './kit.js';
import { createRelief, grantAll, sequences, sized } from './relief.kit.js';

function createFavour(budgetBytes: number) {
  const kit = createRelief(budgetBytes);
  const { arena, grants } = kit;
  /** A stream whose consumer waits for batches of four, and whose plan has brought so much; granted as far as there is room. */
  async function waitingFor(...sizes: readonly number[]) {
    const stream = createStream(arena, sized(sizes), { batchSize: 4, batchBytes: 64 * MIB });
    await stream.pull();
    const next = stream.stream.next();
    next.catch(() => {});
    grantAll(grants, stream.stream);
    settleAll(stream.stream);
    return { ...stream, next };
  }
  return { ...kit, waitingFor };
}

describe('what was evicted for a consumer that waits', () => {
  it('does not come back by evicting the other, whose consumer gets what there is', async () => {
    const { arena, grants, relief, waitingFor } = createFavour(3 * MIB);
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
    const { grants, relief, waitingFor } = createFavour(4 * MIB);
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
    const { arena, grants, relief, pass, waitingFor } = createFavour(4 * MIB);
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

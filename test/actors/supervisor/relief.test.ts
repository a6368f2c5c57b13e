/** A consumer that waits for memory: what is taken from whom, and when it is told that only consumers can help. */
import { describe, expect, it } from 'vitest';
import type { Grants } from '../../../dist/actors/supervisor/grants.js';
import type { Stream } from '../../../dist/actors/supervisor/stream.js';
import { type Arena, PAGE_BYTES } from '../../../dist/protocol/arena.js';
import { isSettled } from '../../protocol/pipe.js';
import { createStream, MIB, pages, settle, settleAll } from './kit.js';
import { createRelief, grantAll, sequences, sized } from './relief.kit.js';

const granted = (stream: Stream): number[] => sequences(stream.granted);

describe('a consumer that waits for memory', () => {
  /** A stream that has its whole budget in batches that nobody has asked for. */
  async function hoarder(grants: Grants, arena: Arena) {
    const kit = createStream(arena, sized([MIB, MIB]), { batchSize: 1, batchBytes: 4 * MIB });
    await kit.pull();
    grantAll(grants, kit.stream);
    settleAll(kit.stream);
    expect(arena.stats().usedBytes).toBe(2 * MIB);
    return kit.stream;
  }

  it('gets what others have complete and not handed out, and they fetch it again later, nothing lost', async () => {
    const { arena, grants, relief } = createRelief(2 * MIB);
    const other = await hoarder(grants, arena);
    const { stream, pull } = createStream(arena, sized([MIB]));
    await pull();
    const next = stream.next();
    expect(grants.grantNext(stream)).toBe(false);
    expect(relief.relieve([other, stream], true)).toBe(true);
    grantAll(grants, stream);
    expect(granted(stream)).toEqual([0]);
    settleAll(stream);
    stream.release((await next)!);
    relief.relieve([other, stream], true);
    grantAll(grants, other);
    expect(granted(other)).toEqual([0, 1]);
    settleAll(other);
    expect((await other.next())?.items.map((item) => item.sequence)).toEqual([0]);
    expect((await other.next())?.items.map((item) => item.sequence)).toEqual([1]);
    expect(other.ledger).toMatchObject({ planned: 2, delivered: 2 });
  });

  it('is told when consumers have held it all for the whole time-out, with what is needed and what is held', async () => {
    const { arena, grants, relief, timers, pass } = createRelief(2 * MIB);
    const held = arena.allocate(MIB + PAGE_BYTES)!;
    const { stream, pull } = createStream(arena, sized([MIB]));
    await pull();
    const next = stream.next();
    expect(grants.grantNext(stream)).toBe(false);
    expect(relief.relieve([stream], true)).toBe(false);
    expect(await isSettled(next)).toBe(false);
    pass();
    relief.relieve([stream], true);
    await expect(next).rejects.toMatchObject({
      code: 'BudgetHeldByConsumer',
      retryable: true,
      message: expect.stringContaining('1 MiB are needed'),
    });
    expect(timers.size).toBe(0);
    arena.release(held);
    const again = stream.next();
    grantAll(grants, stream);
    settle(stream, stream.granted[0]!);
    expect((await again)?.items).toHaveLength(1);
  });

  it('begins its wait anew whenever there is more room than before', async () => {
    const { arena, grants, relief, timers, pass } = createRelief(2 * MIB);
    const held = [arena.allocate(MIB + PAGE_BYTES)!, arena.allocate(PAGE_BYTES)!];
    const { stream, pull } = createStream(arena, sized([MIB]));
    await pull();
    const next = stream.next();
    grants.grantNext(stream);
    relief.relieve([stream], true);
    pass();
    arena.release(held[1]!);
    // What was released is not enough: the rest is waited for.
    relief.relieve([stream], true);
    expect(await isSettled(next)).toBe(false);
    expect(timers.size).toBe(1);
    arena.release(held[0]!);
    grantAll(grants, stream);
    settle(stream, stream.granted[0]!);
    expect((await next)?.items).toHaveLength(1);
    relief.relieve([stream], true);
    expect(timers.size).toBe(0);
  });

  it('does not keep those waiting that need less', async () => {
    const { arena, grants, relief } = createRelief(2 * MIB);
    arena.allocate(MIB + PAGE_BYTES);
    const [large, small] = [
      createStream(arena, sized([MIB])),
      createStream(arena, sized([pages(1)]), { batchSize: 1 }),
    ];
    await Promise.all([large.pull(), small.pull()]);
    const largeNext = large.stream.next();
    grants.grantNext(large.stream);
    const next = small.stream.next();
    expect(relief.relieve([large.stream, small.stream], true)).toBe(true);
    settle(small.stream, small.stream.granted[0]!);
    expect((await next)?.items).toHaveLength(1);
    large.stream.token.cancel();
    await expect(largeNext).rejects.toMatchObject({ code: 'Cancelled' });
  });

  it('is told although others that need less take and release, again and again', async () => {
    const { arena, grants, relief, pass } = createRelief(2 * MIB);
    arena.allocate(MIB + PAGE_BYTES);
    const large = createStream(arena, sized([MIB]));
    await large.pull();
    const next = large.stream.next();
    grants.grantNext(large.stream);
    for (let round = 0; round < 3; round += 1) {
      const extent = arena.allocate(PAGE_BYTES)!;
      relief.relieve([large.stream], true);
      arena.release(extent);
      relief.relieve([large.stream], true);
    }
    pass();
    relief.relieve([large.stream], true);
    await expect(next).rejects.toMatchObject({ code: 'BudgetHeldByConsumer' });
  });

  it('lets nobody else be told, nor a timer stay, once it is over', async () => {
    const { arena, grants, relief, timers } = createRelief(2 * MIB);
    arena.allocate(MIB + PAGE_BYTES);
    const { stream, pull } = createStream(arena, sized([MIB]));
    await pull();
    const next = stream.next();
    grants.grantNext(stream);
    relief.relieve([stream], true);
    stream.token.cancel();
    await expect(next).rejects.toMatchObject({ code: 'Cancelled' });
    relief.forget(stream);
    expect(timers.size).toBe(0);
  });

  it('is told nothing while jobs are out that may give memory back', async () => {
    const { arena, grants, relief } = createRelief(2 * MIB);
    arena.allocate(MIB + PAGE_BYTES);
    const { stream, pull } = createStream(arena, sized([MIB]));
    await pull();
    const next = stream.next();
    grants.grantNext(stream);
    expect(relief.relieve([stream], false)).toBe(false);
    expect(await isSettled(next)).toBe(false);
    stream.token.cancel();
    await expect(next).rejects.toMatchObject({ code: 'Cancelled' });
  });

  it('goes before those whose consumers are busy, until it has what it needs', async () => {
    const { arena, grants, relief } = createRelief(2 * MIB);
    const held = arena.allocate(MIB)!;
    const [waiting, busy] = [createStream(arena, sized([MIB + 1])), createStream(arena, sized([pages(1)]))];
    await Promise.all([waiting.pull(), busy.pull()]);
    const next = waiting.stream.next();
    grants.grantNext(waiting.stream);
    relief.relieve([waiting.stream, busy.stream], false);
    expect(grants.grantNext(busy.stream)).toBe(false);
    arena.release(held);
    expect(grants.grantNext(waiting.stream)).toBe(true);
    relief.relieve([waiting.stream, busy.stream], false);
    expect(grants.grantNext(busy.stream)).toBe(true);
    settle(waiting.stream, waiting.stream.granted[0]!);
    expect(await next).not.toBeNull();
  });
});

describe('who is helped', () => {
  /** A consumer that waits for so much, of which there is nothing. */
  async function waitingFor(grants: Grants, arena: Arena, sizes: readonly number[], batchSize = 4) {
    const { stream, pull } = createStream(arena, sized(sizes), { batchSize });
    await pull();
    void stream.next().catch(() => {});
    grantAll(grants, stream);
    return stream;
  }

  it('takes what busy consumers have complete while jobs are out, but nothing of one that waits too', async () => {
    const { arena, grants, relief } = createRelief(4 * MIB);
    const complete = createStream(arena, sized([MIB, MIB]), { batchSize: 1 });
    await complete.pull();
    grantAll(grants, complete.stream);
    settleAll(complete.stream);
    const hungry = createStream(arena, sized([2 * MIB + 1]), { batchSize: 1 });
    await hungry.pull();
    void hungry.stream.next();
    const collecting = createStream(arena, sized([MIB, MIB, MIB]), { batchSize: 3, batchBytes: 4 * MIB });
    await collecting.pull();
    void collecting.stream.next();
    grantAll(grants, collecting.stream);
    settleAll(collecting.stream);
    expect([arena.stats().usedBytes, collecting.stream.granted.length]).toEqual([4 * MIB, 0]);
    grants.grantNext(hungry.stream);
    const all = [collecting.stream, complete.stream, hungry.stream];
    expect([relief.relieve(all, false), arena.stats().usedBytes]).toEqual([true, 2 * MIB]);
    expect([relief.relieve(all, false), arena.stats().usedBytes]).toEqual([false, 2 * MIB]);
    // Nothing comes back by itself: then it has precedence, because it has waited longer.
    expect([relief.relieve(all, true), arena.stats().usedBytes < 2 * MIB]).toEqual([true, true]);
    expect([grants.grantNext(collecting.stream), grants.grantNext(hungry.stream)]).toEqual([false, true]);
  });

  it('is who has waited longest, whatever the order', async () => {
    const { arena, grants, relief } = createRelief(2 * MIB);
    arena.allocate(2 * MIB);
    const streams = [];
    for (let i = 0; i < 3; i += 1) streams.push(await waitingFor(grants, arena, [MIB]));
    const [first, second, third] = streams;
    for (const order of [
      [third!, first!, second!],
      [second!, third!, first!],
      [third!, second!, first!],
    ]) {
      relief.relieve(order, true);
      expect(grants.turn).toBe(first);
    }
  });

  it('waits while another has memory and no worker: that comes back by itself', async () => {
    const { arena, grants, relief, timers } = createRelief(2 * MIB);
    const other = createStream(arena, sized([2 * MIB]));
    await other.pull();
    grantAll(grants, other.stream);
    const idle = createStream(arena, []);
    const stream = await waitingFor(grants, arena, [MIB]);
    expect(relief.relieve([stream, other.stream, idle.stream], true)).toBe(false);
    expect([timers.size, grants.turn]).toEqual([0, stream]);
    settleAll(other.stream);
    expect(relief.relieve([stream, other.stream, idle.stream], true)).toBe(true);
    expect(granted(other.stream)).toEqual([]);
    expect(grants.grantNext(stream)).toBe(true);
  });

  it('is nobody who has something on its way', async () => {
    const { arena, grants, relief, timers } = createRelief(2 * MIB);
    arena.allocate(MIB);
    const out = await waitingFor(grants, arena, [MIB + 1]);
    out.jobsOut += 1;
    const waits = await waitingFor(grants, arena, [MIB, MIB], 2);
    expect([granted(waits), waits.blockedBytes]).toEqual([[0], MIB]);
    expect([relief.relieve([out, waits], true), grants.turn, timers.size]).toEqual([false, null, 0]);
  });

  it('is anybody again when a turn is over, who is told once', async () => {
    const { arena, grants, relief } = createRelief(2 * MIB);
    const { stream } = createStream(arena, []);
    grants.turn = stream;
    expect([relief.relieve([stream], true), grants.turn]).toEqual([true, null]);
    expect(relief.relieve([stream], true)).toBe(false);
  });

  it('is nobody else in the last quarter of the wait, so that what is released adds up', async () => {
    const { arena, grants, relief, timers, waits } = createRelief(2 * MIB);
    const held = [arena.allocate(MIB + PAGE_BYTES)!, arena.allocate(MIB - PAGE_BYTES)!];
    const large = await waitingFor(grants, arena, [MIB]);
    const small = await waitingFor(grants, arena, [pages(1)], 1);
    expect(relief.relieve([large, small], true)).toBe(false);
    const [lastPart] = timers;
    lastPart!();
    expect(waits).toEqual([45_000, 15_000]);
    // Nobody is told before that quarter is over, and it is not prolonged.
    expect([relief.relieve([large, small], true), large.over]).toEqual([false, false]);
    expect([small.granted.length, waits.length]).toEqual([0, 2]);
    arena.release(held[1]!);
    // More room than ever before: the wait begins anew, and the small one may have some of it.
    expect([relief.relieve([large, small], true), granted(small)]).toEqual([true, [0]]);
    expect(waits).toEqual([45_000, 15_000, 45_000]);
  });
});

describe('a wait for consumers', () => {
  async function starving(timeoutMs?: number) {
    const kit = createRelief(4 * MIB, timeoutMs);
    kit.arena.quarantine(kit.arena.allocate(MIB)!);
    kit.arena.allocate(2 * MIB);
    kit.arena.charge(pages(4));
    const { stream, pull } = createStream(kit.arena, sized([MIB]));
    await pull();
    const next = stream.next();
    kit.grants.grantNext(stream);
    return { ...kit, stream, next };
  }

  it('of no time ends at once, with all the figures and the way out', async () => {
    const { stream, next, relief, timers } = await starving(0);
    expect(relief.relieve([stream], true)).toBe(true);
    expect(timers.size).toBe(0);
    await expect(next).rejects.toMatchObject({
      context: { phase: 'grant' },
      message: expect.stringMatching(
        /^1 MiB are needed .* 2(\.\d+)? MiB of the memory budget of 4 MiB \(1 MiB of it lost .*Release them.*memoryBudget$/,
      ),
    });
  });

  it('is over with its stream, and with no other', async () => {
    const { arena, stream, relief, timers } = await starving();
    relief.forget(stream);
    relief.relieve([stream], true);
    expect(timers.size).toBe(1);
    relief.forget(createStream(arena, []).stream);
    expect(timers.size).toBe(1);
    relief.forget(stream);
    expect(timers.size).toBe(0);
  });
});

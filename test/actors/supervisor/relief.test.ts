/** A consumer that waits for memory: what is taken from whom, and when it is told that only consumers can help. */
import { describe, expect, it } from 'vitest';
import { Grants } from '../../../dist/actors/supervisor/grants.js';
import { Relief } from '../../../dist/actors/supervisor/relief.js';
import type { Stream } from '../../../dist/actors/supervisor/stream.js';
import { Arena, PAGE_BYTES } from '../../../dist/protocol/arena.js';
import { isSettled } from '../../protocol/pipe.js';
import { createStream, entryOf, MIB, pages, settle, settleAll, uriOf, WHOLE } from './kit.js';

/** `pass` lets the time pass that a consumer waits for others; `timers` says how many of such waits there are. */
function createRelief(budgetBytes: number) {
  const arena = new Arena(budgetBytes);
  const grants = new Grants({ arena, workers: 1, ranges: () => WHOLE, uri: uriOf });
  const timers = new Set<() => void>();
  const relief = new Relief({
    arena,
    grants,
    timeoutMs: 60_000,
    after: (_ms, fn) => {
      timers.add(fn);
      return () => void timers.delete(fn);
    },
    poke: () => {},
  });
  const pass = (): void => {
    // The last part of the wait has a timer of its own.
    for (let part = 0; part < 2; part += 1)
      for (const fn of [...timers].splice(0)) if (timers.delete(fn)) fn();
  };
  return { arena, grants, relief, timers, pass };
}

const sized = (sizes: readonly number[]) => sizes.map((size, i) => entryOf(i, { size }));
const granted = (stream: Stream): number[] => stream.granted.map((task) => task.sequence);

function grantAll(grants: Grants, stream: Stream): void {
  while (grants.grantNext(stream));
}

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

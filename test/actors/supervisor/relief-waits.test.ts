/** What a consumer that is short of memory is given, and when its wait for other consumers begins anew. */
import { describe, expect, it, vi } from 'vitest';
import type { Stream } from '../../../dist/actors/supervisor/stream.js';
import type { StreamOptions } from '../../../dist/actors/supervisor/types.js';
import { PAGE_BYTES } from '../../../dist/protocol/arena.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { formatBytes } from '../../../dist/protocol/sizes.js';
import { createStream, MIB, pages, settle, settleAll } from './kit.js';
import { createRelief, grantAll, sequences, sized, TIMEOUT_MS } from './relief.kit.js';

function reliefOf(timeoutMs = TIMEOUT_MS) {
  const kit = createRelief(4 * MIB, timeoutMs);
  const { arena, timers } = kit;
  /** A stream of objects of these sizes, and what its consumer has got. */
  const streamOf = async (sizes: readonly number[], options: Partial<StreamOptions> = {}) => {
    const { stream, pull } = createStream(arena, sized(sizes), options);
    await pull();
    const got: (readonly number[] | null)[] = [];
    const next = (): void =>
      void stream.next().then(
        (batch) => got.push(batch === null ? null : sequences(batch.items)),
        (error: Error) => got.push([error.message.length]),
      );
    return { stream, next, got };
  };
  /** Time goes by until the next timer. */
  const ring = (): void => {
    const [fn] = timers;
    timers.delete(fn!);
    fn!();
  };
  const used = (): number => arena.stats().usedBytes;
  return { ...kit, streamOf, ring, used };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const granted = (stream: Stream): number[] => sequences(stream.granted);

describe('a consumer that is short of memory', () => {
  it('gets at once what has become free', async () => {
    const { arena, grants, relief, streamOf, waits } = reliefOf();
    const held = arena.allocate(4 * MIB)!;
    const { stream, next } = await streamOf([MIB]);
    next();
    expect(grants.grantNext(stream)).toBe(false);
    arena.release(held);
    expect(relief.relieve([stream], true)).toBe(true);
    expect([granted(stream), waits]).toEqual([[0], []]);
  });

  it('gets what there is of its batch where the next item finds no room', async () => {
    const { arena, grants, relief, streamOf } = reliefOf();
    arena.allocate(2 * MIB);
    const { stream, next, got } = await streamOf([MIB, 2 * MIB], { batchBytes: 8 * MIB });
    next();
    grantAll(grants, stream);
    settleAll(stream);
    expect(relief.relieve([stream], true)).toBe(true);
    await settled();
    expect(got).toEqual([[0]]);
  });

  it('gets memory in one piece where what is free lies in several', async () => {
    const { arena, grants, relief, streamOf, waits } = reliefOf();
    const pieces = [0, 1, 2, 3].map(() => arena.allocate(MIB)!);
    arena.release(pieces[0]!);
    arena.release(pieces[2]!);
    const { stream, next } = await streamOf([2 * MIB]);
    next();
    expect(grants.grantNext(stream)).toBe(false);
    expect([relief.relieve([stream], true), waits]).toEqual([true, []]);
    expect(grants.grantNext(stream)).toBe(true);
  });

  it('is the one that was there first, of two that wait equally long', async () => {
    const { arena, grants, relief, streamOf } = reliefOf();
    arena.allocate(4 * MIB);
    const [first, second] = [await streamOf([MIB]), await streamOf([MIB])];
    for (const { stream, next } of [first, second]) {
      next();
      grants.grantNext(stream);
      Object.defineProperty(stream, 'waitingSince', { get: () => 5 });
    }
    for (const streams of [
      [second.stream, first.stream],
      [first.stream, second.stream],
    ]) {
      relief.relieve(streams, true);
      expect(grants.turn).toBe(first.stream);
    }
  });

  it('is told how much others hold, with what is charged and without what is lost', async () => {
    const { arena, grants, relief, streamOf, waits } = reliefOf(0);
    arena.quarantine(arena.allocate(MIB)!);
    arena.allocate(MIB);
    arena.charge(MIB + MIB / 2);
    const { stream, next } = await streamOf([MIB]);
    next();
    grants.grantNext(stream);
    const refuse = vi.spyOn(stream, 'refuse');
    expect(relief.relieve([stream], true)).toBe(true);
    const [error] = refuse.mock.calls[0]!;
    expect(error.message).toContain(`${formatBytes(2.5 * MIB)} of the memory budget`);
    expect(waits).toEqual([]);
  });
});

describe('what a stream has ready that is stopped, and cannot fetch it again,', () => {
  /** Its consumer is busy; that of another one waits for memory. */
  async function stopped(end: (stream: Stream) => void) {
    const kit = reliefOf();
    const [large, over] = [
      await kit.streamOf([4 * MIB]),
      await kit.streamOf([2 * MIB, MIB], { batchSize: 1 }),
    ];
    grantAll(kit.grants, over.stream);
    settleAll(over.stream);
    end(over.stream);
    large.next();
    kit.grants.grantNext(large.stream);
    return { ...kit, large, over, streams: [over.stream, large.stream] };
  }

  it.each<[string, (stream: Stream) => void]>([
    ['drained', ({ token }) => token.drain('SIGTERM')],
    ['failed', (stream) => stream.fail(new MillraceError(ErrorCode.Internal, 'oops'))],
  ])('stays for its consumer, who comes in time: %s', async (_, end) => {
    const { relief, grants, streams, over, large, used } = await stopped(end);
    for (let i = 0; i < 3; i += 1) expect(relief.relieve(streams, true)).toBe(false);
    expect(used()).toBe(3 * MIB);
    for (let i = 0; i < 2; i += 1) over.stream.release((await over.stream.next())!);
    expect(relief.relieve([large.stream], true) || grants.grantNext(large.stream)).toBe(true);
    expect(await over.stream.ended).toMatchObject({ delivered: 2, left: 0 });
    expect(granted(large.stream)).toEqual([0]);
  });

  it('is left when nobody came for it in all the time that others can wait', async () => {
    const { relief, streams, over, large, pass, used } = await stopped((stream) =>
      stream.token.drain('SIGTERM'),
    );
    expect(relief.relieve(streams, true)).toBe(false);
    pass();
    const refuse = vi.spyOn(large.stream, 'refuse');
    expect(relief.relieve(streams, true)).toBe(true);
    expect([used(), refuse.mock.calls]).toEqual([0, []]);
    expect(await over.stream.ended).toMatchObject({ planned: 2, delivered: 0, left: 2 });
    expect([relief.relieve([large.stream], true), granted(large.stream)]).toEqual([true, [0]]);
  });
});

describe('while one waits for consumers', () => {
  /** One that needs more than consumers leave, and a small one of two items. */
  async function waiting() {
    const kit = reliefOf();
    const { arena, grants, relief, streamOf } = kit;
    const held = [arena.allocate(2 * MIB)!, arena.allocate(MIB / 2)!];
    arena.charge(pages(4));
    const large = await streamOf([3 * MIB]);
    large.next();
    grants.grantNext(large.stream);
    expect(relief.relieve([large.stream], true)).toBe(false);
    expect(kit.waits).toEqual([TIMEOUT_MS * 0.75]);
    return { ...kit, held, large };
  }

  it('another gets what there is of its batch, where it finds no room for the rest', async () => {
    const { relief, large, streamOf } = await waiting();
    const other = await streamOf([MIB, MIB], { batchBytes: 8 * MIB });
    other.next();
    const streams = [large.stream, other.stream];
    expect([relief.relieve(streams, true), granted(other.stream)]).toEqual([true, [0]]);
    settleAll(other.stream);
    expect(relief.relieve(streams, true)).toBe(true);
    await settled();
    expect(other.got).toEqual([[0]]);
  });

  it('what another was helped to is not taken from it again', async () => {
    const { relief, grants, large, streamOf, used } = await waiting();
    const other = await streamOf([pages(2)]);
    grants.turn = null;
    expect(grants.grantNext(other.stream)).toBe(true);
    settleAll(other.stream);
    const before = used();
    // Its consumer is busy: the batch waits to be asked for.
    expect(relief.relieve([large.stream, other.stream], true)).toBe(false);
    expect([used(), before > 2.5 * MIB]).toEqual([before, true]);
  });

  it('the wait begins anew when less is charged, and not when more is', async () => {
    const { arena, relief, large, waits, timers } = await waiting();
    arena.charge(PAGE_BYTES);
    relief.relieve([large.stream], true);
    expect(waits).toHaveLength(1);
    arena.uncharge(2 * PAGE_BYTES);
    relief.relieve([large.stream], true);
    expect([waits.length, timers.size]).toEqual([2, 1]);
  });

  it('the wait begins anew when it was granted something, be all of that used up', async () => {
    const { arena, grants, relief, streamOf, waits, timers } = reliefOf();
    const held = [arena.allocate(2 * MIB)!, arena.allocate(MIB)!, arena.allocate(MIB)!];
    const { stream, next, got } = await streamOf([MIB, 3 * MIB], { batchSize: 1 });
    next();
    grants.grantNext(stream);
    relief.relieve([stream], true);
    expect([waits.length, timers.size]).toEqual([1, 1]);
    arena.release(held[2]!);
    expect(grants.grantNext(stream)).toBe(true);
    settle(stream, stream.granted[0]!);
    await settled();
    expect(got).toEqual([[0]]);
    next();
    expect(grants.grantNext(stream)).toBe(false);
    relief.relieve([stream], true);
    expect([waits.length, timers.size]).toEqual([2, 1]);
  });

  it('its last part begins anew while something is under way that consumers may still release', async () => {
    const { relief, large, waits, ring, timers } = await waiting();
    ring();
    expect(waits.slice(1)).toEqual([TIMEOUT_MS / 4]);
    expect(relief.relieve([large.stream], false)).toBe(false);
    expect([waits.slice(1), timers.size]).toEqual([[TIMEOUT_MS / 4, TIMEOUT_MS / 4], 1]);
    ring();
    // It has expired; what is under way comes first, and all of that time is given once more.
    expect(relief.relieve([large.stream], false)).toBe(false);
    expect(relief.relieve([large.stream], true)).toBe(false);
    ring();
    expect(relief.relieve([large.stream], true)).toBe(true);
    await settled();
    expect(large.got).toHaveLength(1);
  });
});

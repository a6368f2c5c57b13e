/** The supervisor with workers that are played by hand: who is sent what, and is told what. */
import { describe, expect, it, vi } from 'vitest';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { createKeyPageBuilder } from '../../../dist/protocol/key-page.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { DoneStatus } from '../../../dist/protocol/tables.js';
import { CancellationToken } from '../../../dist/protocol/token.js';
import { readToken, TokenSlots } from '../../../dist/protocol/words.js';
import type { StreamHandle } from '../../../dist/actors/supervisor/types.js';
import { handClock } from '../../protocol/hand-clock.js';
import { isSettled } from '../../protocol/pipe.js';
import {
  ALONE,
  createHand,
  entries,
  finishAll,
  keysOf,
  kinds,
  LIST,
  rest,
  small,
  specOf,
  type HandWorker,
} from './hand.kit.js';
import { entryOf, keyOf, MIB, pages } from './kit.js';

describe('a supervisor', () => {
  it('loads what it is asked for, over all workers, and counts what it has', async () => {
    const hand = createHand(2);
    const stream = hand.open(entries(4, ALONE));
    expect([hand.supervisor.workers, hand.supervisor.stats]).toMatchObject([2, { deaths: 0, streams: 1 }]);
    await hand.settle();
    expect(hand.links.map(keysOf)).toEqual([
      [0, 2],
      [1, 3],
    ]);
    finishAll(hand.links);
    await hand.settle();
    const got = rest(stream);
    await hand.settle();
    expect(await got).toEqual([0, 1, 2, 3]);
    expect([hand.supervisor.stats.streams, hand.used()]).toEqual([0, 0]);
    expect(await stream.ended).toMatchObject({ reason: 'completed', delivered: 4, retries: 0 });
    // Nobody knows of it any more.
    expect(hand.links.map(kinds)).toEqual([['close-stream'], ['close-stream']]);
    expect([...hand.supervisor.links].map(({ rows }) => rows)).toEqual([0, 0]);
  });

  it('gives the streams their turns, one message each', async () => {
    const hand = createHand(1);
    hand.open(entries(3, ALONE));
    hand.open(Array.from({ length: 3 }, (_, i) => entryOf(10 + i, ALONE)));
    await hand.settle();
    const keys = keysOf(hand.at(0));
    const rounds = [0, 2, 4].map((at) => keys.slice(at, at + 2).toSorted((a, b) => a - b));
    expect(rounds).toEqual([
      [0, 10],
      [1, 11],
      [2, 12],
    ]);
  });

  it('looks once at what many things of one turn come to', async () => {
    const hand = createHand(2);
    await hand.settle();
    const { soon } = hand.turns;
    const streams = [hand.open(null), hand.open(null), hand.open(null)];
    expect(hand.turns.soon).toBe(soon + 1);
    await hand.settle();
    for (const stream of streams) void stream.next();
    expect(hand.turns.soon).toBeGreaterThan(soon + 1);
  });

  it('refuses streams for which there is no token word left', () => {
    const hand = createHand(1);
    vi.spyOn(TokenSlots.prototype, 'acquire').mockReturnValueOnce(null);
    expect(() => hand.open([])).toThrow(
      expect.objectContaining({
        code: 'Throttled',
        message: 'too many loaders and direct calls at the same time: await some before beginning more',
      }),
    );
  });
});

describe('the token of a caller', () => {
  it('ends its stream with its own error', async () => {
    const hand = createHand(1);
    const caller = new CancellationToken({ clock: hand.clock }).withDeadline(1000);
    const stream = hand.open(entries(1, ALONE), {}, caller);
    await hand.settle();
    const next = stream.next();
    hand.clock.advance(1000);
    await expect(next).rejects.toMatchObject({ code: 'DeadlineExceeded' });
    expect(hand.token.cancelled).toBe(false);
  });

  it('is let go when the stream is over', async () => {
    const hand = createHand(1);
    const caller = new CancellationToken({ clock: hand.clock });
    let links = 0;
    const onChange = caller.onChange.bind(caller);
    caller.onChange = (fn) => {
      links += 1;
      const unlink = onChange(fn);
      return () => {
        links -= 1;
        unlink();
      };
    };
    const stream = hand.open([], {}, caller);
    expect(links).toBe(1);
    await hand.settle();
    await stream.ended;
    expect(links).toBe(0);
  });

  it('that has turned already ends it at once', async () => {
    const hand = createHand(1);
    const caller = new CancellationToken({ clock: hand.clock });
    caller.drain('SIGTERM');
    const drained = hand.open(entries(1), {}, caller);
    expect(await drained.next()).toBeNull();
    caller.cancel();
    const cancelled = hand.open(entries(1), {}, caller);
    await expect(cancelled.next()).rejects.toMatchObject({ code: 'Cancelled' });
    expect((await cancelled.ended).reason).toBe('SIGTERM');
    expect(hand.supervisor.stats.streams).toBe(0);
    await hand.settle();
    expect(hand.at(0).fetched).toEqual([]);
  });

  it('ends its stream in whatever moment of the opening its deadline passes', async () => {
    for (const whose of ['caller', 'runtime'] as const) {
      for (let look = 0; look < 40; look += 1) {
        const clock = handClock();
        let looks = 0;
        let isTicking = false;
        const ticking = { ...clock, now: () => (isTicking ? (looks += 1) : 0) };
        const root = new CancellationToken({ clock: ticking });
        const bounded = root.withDeadline(look);
        const hand = createHand(1, whose === 'runtime' ? { options: { token: bounded } } : {});
        isTicking = true;
        const stream = hand.open(null, {}, whose === 'caller' ? bounded : null);
        // From here on its timer tells.
        looks = 1000;
        clock.advance(1000);
        await hand.settle();
        expect([stream.token.cancelled, hand.supervisor.stats.streams], `look ${look}`).toEqual([true, 0]);
        expect(await stream.ended).toMatchObject({ reason: 'deadline', planned: 0 });
      }
    }
  });
});

describe('a stream that turns', () => {
  it('has its word written, and the workers that know it told, and nobody else', async () => {
    const hand = createHand(2);
    const stream = hand.open(entries(1, ALONE));
    await hand.settle();
    const { tokenSlot, tokenEpoch } = hand.at(0).inbox[0]!.open!;
    const word = (): StopState => readToken(hand.words, tokenSlot, tokenEpoch);
    expect(word()).toBe(StopState.Live);
    const seen: StopState[] = [];
    stream.token.onChange(() => seen.push(word()));
    hand.token.drain('SIGTERM');
    hand.token.cancel('enough');
    expect(seen).toEqual([StopState.Draining, StopState.Cancelled]);
    const told = { kind: 'token', slot: tokenSlot, epoch: tokenEpoch };
    expect(hand.links.map(({ heard }) => heard)).toEqual([
      [
        { ...told, state: StopState.Draining },
        { ...told, state: StopState.Cancelled },
      ],
      [],
    ]);
  });

  it('that has come to its end answers the questions that still wait', async () => {
    const hand = createHand(1);
    for (const link of hand.links) link.jobs.close();
    const stream = hand.open([]);
    const list = stream.list(LIST);
    list.catch(() => {});
    const next = stream.next();
    await hand.settle();
    expect(await next).toBeNull();
    await expect(list).rejects.toMatchObject({ code: 'Cancelled' });
  });

  it('asks nothing any more', async () => {
    const hand = createHand(1);
    for (const link of hand.links) link.jobs.close();
    const stream = hand.open(null);
    const list = stream.list(LIST);
    stream.token.drain('SIGTERM');
    await expect(list).rejects.toMatchObject({ code: 'Draining' });
  });

  it('and is cancelled takes the workers with it that do not give its work back, and only those', async () => {
    const hand = createHand(4);
    const stream = hand.open(entries(2, ALONE));
    await hand.settle();
    const other = hand.open([entryOf(9, ALONE)]);
    await hand.settle();
    expect(hand.links.map(keysOf)).toEqual([[0], [1], [9], []]);
    const head = stream.head(1, keyOf(0));
    head.catch(() => {});
    await hand.settle();
    expect(hand.at(3).inbox.map(({ kind }) => kind)).toEqual(['head']);
    stream.token.cancel('enough');
    hand.at(1).done(hand.at(1).fetched, { status: DoneStatus.Cancelled });
    await hand.settle();
    await hand.pass(2900);
    expect(hand.links.map(({ abandoned }) => abandoned)).toEqual([false, false, false, false]);
    await hand.pass(100);
    expect(hand.links.map(({ abandoned }) => abandoned)).toEqual([true, false, false, true, false, false]);
    await expect(head).rejects.toMatchObject({ code: 'Cancelled' });
    expect(await stream.ended).toMatchObject({ left: 2, stuckWorkers: ['worker-0#0'] });
    expect(await isSettled(other.ended)).toBe(false);
  });

  it('and has its work back in time keeps its workers', async () => {
    const hand = createHand(1);
    const stream = hand.open(entries(1, ALONE));
    await hand.settle();
    stream.token.cancel('enough');
    const { timers } = hand.clock;
    hand.at(0).done(hand.at(0).fetched, { status: DoneStatus.Cancelled });
    await hand.settle();
    expect(hand.clock.timers).toBe(timers - 1);
    await hand.pass(10_000);
    expect([hand.links.length, (await stream.ended).left]).toEqual([1, 1]);
  });

  it('and only drains keeps its workers, however long that takes', async () => {
    const hand = createHand(1);
    const stream = hand.open(entries(1, ALONE));
    await hand.settle();
    stream.token.drain('SIGTERM', { deadlineMs: Infinity });
    await hand.pass(10_000);
    expect(hand.links).toHaveLength(1);
    hand.at(0).done(hand.at(0).fetched, small);
    await hand.settle();
    expect(await rest(stream)).toEqual([0]);
  });
});

describe('a question', () => {
  it('is answered by the worker that has it, and makes room in it', async () => {
    const hand = createHand(1);
    const stream = hand.open(null);
    const list = stream.list(LIST);
    await hand.settle();
    const [{ jobId }] = hand.at(0).inbox as unknown as [{ jobId: number }];
    expect([...hand.supervisor.links][0]!.rows).toBe(1);
    const page = createKeyPageBuilder().finish(['p/'], 'more');
    hand.at(0).report({ kind: 'page', jobId: 4711, status: DoneStatus.Ok, page, error: null });
    hand.at(0).report({ kind: 'page', jobId, status: DoneStatus.Ok, page, error: null });
    await hand.settle();
    expect(await list).toMatchObject({ prefixes: ['p/'], next: 'more' });
    expect([...hand.supervisor.links][0]!.rows).toBe(0);
    expect((await stream.finish('break')).reason).toBe('break');
  });

  it.each([
    ['a head', (stream: StreamHandle) => stream.head(1, keyOf(0)), 'head'],
    ['a write', (stream: StreamHandle) => stream.write(1, removal()), 'write'],
  ] as const)('ends with what the service said to %s', async (_what, ask, kind) => {
    const hand = createHand(1);
    const stream = hand.open(null);
    const asked = ask(stream);
    asked.catch(() => {});
    await hand.settle();
    const [message] = hand.at(0).inbox as unknown as [{ kind: string; jobId: number }];
    expect(message.kind).toBe(kind);
    const error = new MillraceError(ErrorCode.AccessDenied, 'no').toWire();
    const info = { size: 1, version: null, lastModifiedMs: null, contentType: null };
    hand.at(0).report({ kind: 'info', jobId: message.jobId, status: DoneStatus.Failed, info, error });
    await hand.settle();
    await expect(asked).rejects.toMatchObject({ code: 'AccessDenied', message: 'no' });
  });

  function removal() {
    return { kind: 'delete', keys: [keyOf(0)], ifVersion: null } as const;
  }
});

describe('a store whose credentials are stale', () => {
  it('is asked for fresh ones, which every worker gets that uses it', async () => {
    const hand = createHand(3);
    const stream = hand.open(entries(2, ALONE));
    await hand.settle();
    const { snapshot } = specOf(1, 2);
    hand.refresh.answer = () => Promise.resolve(specOf(1, 2));
    hand.at(0).say({ kind: 'stale-store', id: 1, version: 1 });
    await hand.settle();
    expect(hand.refreshed).toEqual([[1, 1]]);
    const fresh = { kind: 'store', id: 1, snapshot };
    expect(hand.links.map(({ heard }) => heard)).toEqual([[fresh], [fresh], []]);
    void stream.finish('break');
  });

  it('that has none tells the worker that asked', async () => {
    const hand = createHand(2);
    const stream = hand.open(entries(2, ALONE));
    await hand.settle();
    hand.refresh.answer = () => Promise.reject(new MillraceError(ErrorCode.Unauthenticated, 'expired'));
    hand.at(1).say({ kind: 'stale-store', id: 1, version: 1 });
    await hand.settle();
    expect(hand.links.map(({ heard }) => heard)).toMatchObject([
      [],
      [{ kind: 'store-failed', id: 1, error: { code: 'Unauthenticated', message: 'expired' } }],
    ]);
    void stream.finish('break');
  });

  it('is not what a worker says that is ready', async () => {
    const hand = createHand(1);
    const [worker] = [...hand.supervisor.links];
    expect(worker!.ready).toBe(false);
    hand.at(0).say({ kind: 'ready' });
    await hand.settle();
    expect([worker!.ready, hand.refreshed]).toEqual([true, []]);
  });
});

describe('a store that tells the checksums of its objects', () => {
  it.each([
    [true, 3],
    [false, 2],
  ])('has those that come in parts looked at as a whole: %s', async (checksums, jobs) => {
    const defaults = { splitThreshold: pages(2), partBytes: pages(2), maxPartsPerObject: 4, checksums };
    const hand = createHand(1, { stores: { defaults: () => defaults } });
    const more = { size: pages(4), version: 'v' };
    const stream = hand.open(entries(1, more), { verify: 'auto' });
    await hand.settle();
    const { fetched } = hand.at(0);
    hand.at(0).done(fetched.slice(), { size: pages(4), version: 'v' });
    await hand.settle();
    expect(fetched).toHaveLength(jobs);
    if (checksums) hand.at(0).done(fetched.slice(2));
    await hand.settle();
    const got = rest(stream);
    await hand.settle();
    expect(await got).toEqual([0]);
  });
});

describe('memory', () => {
  it('that a waiting consumer needs is taken from those whose consumers are busy', async () => {
    const hand = createHand(1, { budgetBytes: 4 * MIB });
    const hoarder = hand.open(entries(3, { size: MIB }));
    await hand.settle();
    for (let i = 0; i < 3; i += 1) {
      hand.at(0).done(hand.at(0).fetched.splice(0));
      await hand.settle();
    }
    expect(hand.used()).toBe(3 * MIB);
    const stream = hand.open(entries(1, { size: 2 * MIB }));
    const next = stream.next();
    await hand.settle();
    expect(hand.at(0).fetched.map(({ length }) => length)).toContain(2 * MIB);
    hand.at(0).done(hand.at(0).fetched.splice(0));
    await hand.settle();
    stream.release((await next)!);
    for (let i = 0; i < 4; i += 1) {
      hand.at(0).done(hand.at(0).fetched.splice(0));
      await hand.settle();
    }
    const got = rest(hoarder);
    await hand.settle();
    expect(await got).toEqual([0, 1, 2]);
  });

  it('that only consumers hold is waited for as long as the runtime was told', async () => {
    const hand = createHand(1, { budgetBytes: 4 * MIB });
    const keeper = hand.open(entries(1, { size: 3 * MIB }));
    await hand.settle();
    land(hand.at(0));
    await hand.settle();
    await keeper.next();
    const stream = hand.open(entries(1, { size: 2 * MIB }));
    const next = stream.next();
    next.catch(() => {});
    await hand.settle();
    await hand.pass(3750);
    expect(await isSettled(next)).toBe(false);
    await hand.pass(1300);
    await expect(next).rejects.toMatchObject({ code: 'BudgetHeldByConsumer' });
  });

  function land(worker: HandWorker): void {
    worker.done(worker.fetched.splice(0));
  }
});

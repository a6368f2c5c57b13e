/** The supervisor with workers that are played by hand: slow ones, dead ones, and how it closes. */
import { describe, expect, it } from 'vitest';
import { OwnWord } from '../../../dist/protocol/context.js';
import { DoneStatus, JobFlag } from '../../../dist/protocol/tables.js';
import { CancellationToken } from '../../../dist/protocol/token.js';
import { isSettled } from '../../protocol/pipe.js';
import { ALONE, createHand, entries, finishAll, keyIn, keysOf, kinds, rest, small } from './hand.kit.js';
import { entryOf, keyOf, pages } from './kit.js';

const HEDGE = { percentile: 98, maxShare: 1, leastSamples: 1 };

/** A read lands, which pays for a second attempt at another one. */
async function payForHedge(hand: ReturnType<typeof createHand>): Promise<void> {
  const stream = hand.open(entries(1), { hedge: HEDGE });
  await hand.settle();
  hand.at(0).done(hand.at(0).fetched.splice(0));
  await hand.settle();
  expect(await rest(stream)).toEqual([0]);
  hand.at(0).heard.splice(0);
}

describe('a slow read', () => {
  /** The first worker has told that its job is slow. */
  async function openSlow(size = 1000, options: Parameters<typeof createHand>[1] = {}) {
    const hand = createHand(2, options);
    await payForHedge(hand);
    const stream = hand.open(entries(1, { size }), { hedge: HEDGE });
    await hand.settle();
    const [job] = hand.at(0).fetched;
    hand.at(0).say({ kind: 'slow', jobs: [job!.id] });
    await hand.settle();
    return { hand, stream, job: job! };
  }

  it('is asked for a second time elsewhere, and counts once', async () => {
    const { hand, stream, job } = await openSlow();
    const [second] = hand.at(1).fetched;
    expect(second!.flags & JobFlag.Hedge).toBe(JobFlag.Hedge);
    expect(hand.supervisor.stats.hedged).toBe(1);
    hand.at(1).done([second!], { landed: 1000 });
    await hand.settle();
    expect(hand.at(0).heard).toEqual([{ kind: 'revoke', job: job.id }]);
    hand.at(0).done([job], { status: DoneStatus.Cancelled, landed: 0 });
    await hand.settle();
    expect(await rest(stream)).toEqual([0]);
    expect(hand.supervisor.stats).toMatchObject({ hedged: 1, hedgesWon: 1 });
    expect([...hand.supervisor.links].map(({ rows }) => rows)).toEqual([0, 0]);
  });

  it('is not asked for a second time while somebody is short of memory, and those under way are given up', async () => {
    const { hand, stream, job } = await openSlow(pages(1), { budgetBytes: pages(4) });
    expect(hand.at(1).fetched).toHaveLength(1);
    const other = hand.open(entries(1, { size: pages(3) }));
    const next = other.next();
    await hand.settle();
    const [hedged] = hand.at(1).fetched;
    expect(hand.at(1).heard).toEqual([{ kind: 'revoke', job: hedged!.id }]);
    hand.at(1).done([hedged!], { status: DoneStatus.Cancelled, landed: 0 });
    await hand.settle();
    hand.at(0).say({ kind: 'slow', jobs: [job.id] });
    await hand.settle();
    expect(hand.supervisor.stats.hedged).toBe(1);
    finishAll([hand.at(0)]);
    void next.catch(() => {});
    void stream.finish('break');
  });

  it('is given up with the worker that a cancel waits for in vain', async () => {
    const { hand, stream, job } = await openSlow();
    stream.token.cancel('enough');
    hand.at(0).done([job], { status: DoneStatus.Cancelled, landed: 0 });
    await hand.settle();
    await hand.pass(3000);
    expect([hand.links[0]!.abandoned, hand.links[1]!.abandoned]).toEqual([false, true]);
    expect((await stream.ended).reason).toBe('enough');
  });
});

describe('a worker that dies', () => {
  it('loses nothing: what it had reported counts, and the rest goes to others', async () => {
    const hand = createHand(2);
    const stream = hand.open(entries(4, ALONE));
    await hand.settle();
    const [worker] = hand.links;
    worker!.done(worker!.fetched.slice(0, 1), small);
    worker!.exit({ cause: new Error('out of memory') });
    await hand.settle();
    expect([hand.supervisor.stats.deaths, hand.links.length]).toEqual([1, 3]);
    finishAll(hand.links.slice(1));
    await hand.settle();
    finishAll(hand.links.slice(1));
    await hand.settle();
    const got = rest(stream);
    await hand.settle();
    expect(await got).toEqual([0, 1, 2, 3]);
    expect(await stream.ended).toMatchObject({ delivered: 4, stuckWorkers: [] });
  });

  it('reports nothing any more, be it to a job that another one has', async () => {
    const hand = createHand(1);
    const stream = hand.open(entries(1, ALONE));
    await hand.settle();
    const [worker] = hand.links;
    await hand.pass(2600, worker!);
    expect([worker!.abandoned, hand.at(0)]).toEqual([true, hand.links[1]]);
    const next = stream.next();
    worker!.done(worker!.fetched, small);
    await hand.settle();
    expect([await isSettled(next), [...hand.supervisor.links][0]!.rows]).toEqual([false, 1]);
    const [job] = worker!.fetched;
    worker!.done([{ ...job!, id: hand.at(0).fetched[0]!.id }], small);
    await hand.settle();
    expect([await isSettled(next), [...hand.supervisor.links][0]!.rows]).toEqual([false, 1]);
    finishAll([hand.at(0)]);
    await hand.settle();
    expect(keyIn(await next)).toBe(0);
  });

  it('takes an item with it that alone explains three deaths', async () => {
    const hand = createHand(1);
    const stream = hand.open(entries(1, ALONE));
    for (let death = 0; death < 3; death += 1) {
      await hand.settle();
      expect(hand.at(0).fetched).toHaveLength(1);
      hand.at(0).exit({ cause: new Error('segfault') });
      await hand.pass(10_000);
    }
    expect(await rest(stream)).toEqual([]);
    expect(await stream.ended).toMatchObject({
      failed: 1,
      failures: [
        {
          uri: 'fake://1/key-0',
          error: { code: 'WorkerCrashed', worker: 'worker-0#2', cause: { message: 'segfault' } },
        },
      ],
    });
  });

  it('with a hedge alone leaves the job of that where it is', async () => {
    const hand = createHand(2);
    await payForHedge(hand);
    const [stream, other] = [hand.open(entries(1), { hedge: HEDGE }), hand.open(null)];
    await hand.settle();
    const [job] = hand.at(0).fetched;
    hand.at(0).say({ kind: 'slow', jobs: [job!.id] });
    await hand.settle();
    expect(hand.at(1).fetched).toHaveLength(1);
    hand.at(1).exit({});
    await hand.settle();
    expect(hand.supervisor.stats).toMatchObject({ hedged: 1, deaths: 1 });
    hand.at(0).done([job!]);
    await hand.settle();
    expect(await rest(stream)).toEqual([0]);
    expect((await stream.ended).delivered).toBe(1);
    void other.finish('break');
  });

  it('twelve times in a row, with nothing in between, ends every load', async () => {
    const hand = createHand(1);
    const [stream, idle] = [hand.open(null), hand.open(null)];
    const failed = idle.next();
    failed.catch(() => {});
    for (let death = 0; death < 11; death += 1) {
      hand.at(0).exit({});
      await hand.pass(6000);
    }
    expect(hand.supervisor.stats).toMatchObject({ deaths: 11, streams: 2 });
    hand.at(0).exit({ cause: new Error('no such module') });
    await hand.settle();
    await expect(failed).rejects.toMatchObject({
      code: 'WorkerCrashed',
      message: 'workers died 12 times in a row without a single result: no such module',
    });
    await expect(stream.next()).rejects.toMatchObject({ code: 'WorkerCrashed' });
  });

  it('has the one that it was busy with sent alone, though another load would keep all others busy for ever', async () => {
    const hand = createHand(1);
    const busy = hand.open(entries(500, ALONE), { windowObjects: 10 });
    const stream = hand.open([entryOf(999, { store: 1, ...ALONE })]);
    await hand.settle();
    const [worker] = hand.links;
    const suspect = worker!.fetched.find(({ key }) => key === 999)!;
    Atomics.store(worker!.ownWords, OwnWord.Transforming, suspect.id);
    worker!.exit();
    const next = stream.next();
    for (let round = 0; round < 30 && !keysOf(hand.at(0)).includes(999); round += 1) {
      await hand.settle();
      // One is always under way when the others are back.
      const { fetched } = hand.at(0);
      const back = fetched.splice(0, Math.max(1, fetched.length - 1));
      hand.at(0).done(back, small);
      await hand.settle();
      for (const _ of back) busy.release((await busy.next())!);
      await hand.settle();
    }
    expect(keysOf(hand.at(0))).toEqual([999]);
    finishAll([hand.at(0)]);
    await hand.settle();
    expect(keyIn(await next)).toBe(0);
    void busy.finish('break');
  });

  it('twelve times with results in between is no end', async () => {
    const hand = createHand(1);
    const stream = hand.open(entries(20, ALONE), { maxConcurrentObjects: 1 });
    for (let death = 0; death < 13; death += 1) {
      await hand.settle();
      hand.at(0).done(hand.at(0).fetched.splice(0), small);
      await hand.settle();
      hand.at(0).exit({});
      await hand.pass(100);
    }
    expect(hand.supervisor.stats).toMatchObject({ deaths: 13, streams: 1 });
    void stream.finish('break');
  });

  it('because of the cancel of one load says nothing against what others had there', async () => {
    const hand = createHand(1);
    const [cancelled, other] = [hand.open(entries(1, ALONE)), hand.open(entries(1, ALONE))];
    await hand.settle();
    expect(hand.at(0).fetched).toHaveLength(2);
    cancelled.token.cancel('enough');
    await hand.pass(3000);
    expect(hand.links.map(({ abandoned }) => abandoned)).toEqual([true, false]);
    // One more that stops answering, with that item alone, is the first that the item may have to do with.
    await hand.pass(2600, hand.at(0));
    expect(hand.links).toHaveLength(3);
    finishAll([hand.at(0)]);
    await hand.settle();
    const got = rest(other);
    await hand.settle();
    expect(await got).toEqual([0]);
    expect((await other.ended).stuckWorkers).toEqual(['worker-0#0', 'worker-0#1']);
  });

  it('has nothing of what it was told to come back in the memory of others', async () => {
    const hand = createHand(1);
    const stream = hand.open(entries(1, ALONE));
    await hand.settle();
    const [stuck] = hand.links;
    const held = hand.used();
    await hand.pass(2600, stuck!);
    expect(hand.arena.stats()).toMatchObject({ quarantinedBytes: held, usedBytes: 2 * held });
    stuck!.exit({});
    await hand.settle();
    expect(hand.arena.stats()).toMatchObject({ quarantinedBytes: 0, usedBytes: held });
    finishAll([hand.at(0)]);
    await hand.settle();
    const got = rest(stream);
    await hand.settle();
    expect(await got).toEqual([0]);
    expect((await stream.ended).stuckWorkers).toEqual(['worker-0#0']);
  });
});

describe('a supervisor that closes', () => {
  it('drains, has its workers end, and says what became of it, once', async () => {
    const hand = createHand(2);
    const stream = hand.open(entries(2, ALONE));
    await hand.settle();
    hand.at(0).exit({});
    await hand.settle();
    const closed = hand.supervisor.close('SIGTERM');
    expect(hand.supervisor.close('again')).toBe(closed);
    expect([hand.token.draining, hand.token.reason]).toEqual([true, 'SIGTERM']);
    await hand.settle();
    expect(hand.links.map(kinds)).toEqual([[], ['token'], ['token']]);
    hand.at(1).done(hand.at(1).fetched, small);
    hand.at(0).done(hand.at(0).fetched, { status: DoneStatus.Left });
    await hand.settle();
    // What is complete behind a gap is left with it.
    expect(await stream.next()).toBeNull();
    expect(await stream.ended).toMatchObject({ reason: 'SIGTERM', left: 2 });
    const all = ['token', 'close-stream', 'stop'];
    expect(hand.links.map(kinds)).toEqual([[], all, all]);
    hand.at(0).exit({ clean: true });
    await hand.settle();
    expect(await isSettled(closed)).toBe(false);
    hand.at(1).exit({ clean: true });
    await hand.settle();
    expect(await closed).toEqual({ reason: 'SIGTERM', stuckWorkers: [], unreleasedBytes: 0, deaths: 1 });
    expect([hand.token.cancelled, hand.clock.timers, hand.links.length]).toEqual([true, 0, 3]);
  });

  it('cancels what has not ended by its deadline', async () => {
    const hand = createHand(1);
    const stream = hand.open(entries(1, ALONE));
    await hand.settle();
    const closed = hand.supervisor.close('SIGTERM', 700);
    await hand.pass(600);
    expect(hand.token.cancelled).toBe(false);
    await hand.pass(100);
    expect(hand.token.cancelled).toBe(true);
    hand.at(0).done(hand.at(0).fetched, { status: DoneStatus.Cancelled });
    await hand.settle();
    expect((await stream.ended).reason).toBe('SIGTERM');
    hand.at(0).exit({ clean: true });
    await hand.settle();
    expect((await closed).reason).toBe('SIGTERM');
  });

  it('gives up workers that do not end in time, and names them and what was not released', async () => {
    const hand = createHand(2);
    const stream = hand.open(entries(1, ALONE));
    await hand.settle();
    finishAll([hand.at(0)]);
    await hand.settle();
    await stream.next();
    const closed = hand.supervisor.close();
    await hand.settle();
    hand.at(1).exit({ clean: true });
    await hand.pass(2900);
    expect([await isSettled(closed), hand.at(0).abandoned]).toEqual([false, false]);
    await hand.pass(100);
    expect(await closed).toEqual({
      reason: 'close',
      stuckWorkers: ['worker-0#0'],
      unreleasedBytes: pages(1),
      deaths: 0,
    });
    expect([hand.at(0).abandoned, hand.links.length]).toEqual([true, 2]);
  });

  it('counts memory that a stuck worker keeps as unusable, not as unreleased', async () => {
    const hand = createHand(1);
    const stream = hand.open(entries(1, ALONE));
    await hand.settle();
    const [stuck] = hand.links;
    await hand.pass(2600, stuck!);
    void stream.finish('break');
    hand.at(0).done(hand.at(0).fetched, { status: DoneStatus.Cancelled });
    await hand.settle();
    const closed = hand.supervisor.close();
    await hand.settle();
    hand.at(0).exit({ clean: true });
    await hand.settle();
    expect(hand.arena.stats().quarantinedBytes).toBeGreaterThan(0);
    expect(await closed).toMatchObject({ unreleasedBytes: 0, stuckWorkers: ['worker-0#0'] });
  });

  it('with nobody to end is closed', async () => {
    const hand = createHand(1);
    for (let death = 0; death < 2; death += 1) hand.at(0).exit({});
    const closed = hand.supervisor.close();
    await hand.settle();
    expect(await closed).toMatchObject({ deaths: 2 });
    expect(hand.clock.timers).toBe(0);
  });

  it('waits for streams that clean up behind others, and refuses those that come too late', async () => {
    const hand = createHand(1);
    const bound = new CancellationToken({ clock: hand.clock });
    const cleanup = hand.cleanup(bound);
    const closed = hand.supervisor.close();
    const head = cleanup.head(1, keyOf(0));
    await hand.settle();
    expect([kinds(hand.at(0)), hand.at(0).inbox.length]).toEqual([[], 1]);
    const second = hand.cleanup(bound);
    const [{ jobId }] = hand.at(0).inbox as unknown as [{ jobId: number }];
    const info = { size: 1, version: null, lastModifiedMs: null, contentType: null };
    hand.at(0).report({ kind: 'info', jobId, status: DoneStatus.Ok, info, error: null });
    await hand.settle();
    expect(await head).toEqual(info);
    void cleanup.finish('done');
    await hand.settle();
    expect([await isSettled(closed), kinds(hand.at(0))]).toEqual([false, ['token', 'close-stream']]);
    void second.finish('done');
    await hand.settle();
    expect(kinds(hand.at(0))).toEqual(['token', 'close-stream', 'stop']);
    const late = hand.cleanup(bound);
    expect(late.token.draining).toBe(true);
    await expect(late.head(1, keyOf(0))).rejects.toMatchObject({ code: 'Draining' });
    hand.at(0).exit({ clean: true });
    await hand.settle();
    await closed;
  });
});

describe('threads that never end', () => {
  it('end every load, also those to come, when they have taken all places, and until one of them has ended', async () => {
    const hand = createHand(1);
    const loads = Array.from({ length: 5 }, () => hand.open(entries(2, ALONE)));
    for (let i = 0; i < 5; i += 1) {
      await hand.settle();
      await hand.pass(2600, ...hand.links);
    }
    expect([hand.links.length, [...hand.supervisor.links].length]).toEqual([5, 0]);
    const stuck = {
      code: 'WorkerStuck',
      message: expect.stringMatching(/^5 workers stopped answering/) as string,
    };
    for (const load of loads) expect((await load.ended).reason).toBe('failed');
    const late = hand.open(entries(1, ALONE));
    const next = late.next();
    next.catch(() => {});
    await hand.settle();
    await expect(next).rejects.toMatchObject(stuck);
    hand.links[0]!.exit({});
    const again = hand.open(entries(1, ALONE));
    await hand.settle();
    finishAll([hand.at(0)]);
    await hand.settle();
    expect(await rest(again)).toEqual([0]);
  });
});

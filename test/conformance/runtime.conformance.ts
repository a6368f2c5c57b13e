/**
 * The contract of `src/protocol/context.ts`, for every runtime that actors stand on: ports, control, exits, questions,
 * sleeps and timers.
 */
import { describe, expect, it } from 'vitest';
import { ErrorCode, MillraceError } from '../../dist/protocol/errors.js';
import { type OpenBench, upTo, Watched } from './runtime.kit.js';

export function runtimeConformance(name: string, open: OpenBench): void {
  describe(`${name} as a runtime`, () => {
    describe('ports', () => ports(open));
    describe('closing', () => closing(open));
    describe('exits', () => exits(open));
    describe('questions', () => questions(open));
    describe('time', () => time(open));
    describe('one clock', () => oneClock(open));
    describe('load', () => load(open));
  });
}

function ports(open: OpenBench): void {
  it('keep the order of messages, in both directions', async () => {
    const worker = new Watched(open('echo'));
    const sending = (async () => {
      for (const n of upTo(100)) expect(await worker.send(n)).toBe('ok');
    })();
    await worker.outcome(sending);
    await worker.stop();
    expect(worker.results).toEqual(upTo(100));
  });

  it('take as many messages as they have credits, and one more for each that was taken', async () => {
    const worker = new Watched(open('gated'));
    await worker.untilHeard('ready');
    const { capacity } = worker.link.jobs;
    expect(worker.link.jobs.credits).toBe(capacity);
    for (const n of upTo(capacity)) expect(worker.trySend(n)).toBe('ok');
    expect([worker.trySend(-1), worker.link.jobs.credits]).toEqual(['full', 0]);
    expect(worker.link.jobs.fullCount).toBe(1);
    const waiting = worker.send(capacity);
    worker.tell('go');
    expect(await worker.outcome(waiting)).toBe('ok');
    await worker.stop();
    expect(worker.results).toEqual(upTo(capacity + 1));
  });

  it('hold back a sender whose receiver does not listen, and lose nothing of it', async () => {
    const worker = new Watched(open('echo'), { listen: false });
    const count = 100;
    const sent: string[] = [];
    const sending = (async () => {
      for (const n of upTo(count)) sent.push(await worker.send(n));
    })();
    // The last job that finds a credit: nothing is taken any more until somebody listens to the results.
    worker.tell('ping');
    await worker.untilHeard('heard');
    expect(sent.length).toBeLessThan(count);
    worker.listen();
    await worker.outcome(sending);
    await worker.stop();
    expect(worker.results).toEqual(upTo(count));
  });

  it('detach what is transferred, and refuse what cannot be cloned without taking a credit', async () => {
    const worker = new Watched(open('echo'));
    const given = new Float64Array(4);
    const before = worker.link.jobs.credits;
    expect(() => worker.link.jobs.trySend({ n: 0, fn: () => {} } as never)).toThrow(/clone/);
    expect(worker.link.jobs.credits).toBe(before);
    expect(worker.link.jobs.trySend({ n: 1, given } as never, [given.buffer])).toBe('ok');
    expect(given.length).toBe(0);
    await worker.stop();
    expect(worker.results).toEqual([1]);
  });

  it('let control overtake data that nobody takes', async () => {
    const worker = new Watched(open('gated'));
    await worker.untilHeard('ready');
    while (worker.trySend(0) === 'ok');
    worker.tell('ping');
    await worker.untilHeard('heard');
    expect(worker.link.jobs.credits).toBe(0);
    await worker.stop();
  });

  it('keep the order of control messages, in both directions and beside a full port', async () => {
    const bench = open('gated');
    const worker = new Watched(bench);
    await worker.untilHeard('ready');
    while (worker.trySend(0) === 'ok');
    const kinds = upTo(30).map((n) => `kind ${n}`);
    for (const kind of kinds) worker.tell(kind);
    await bench.until(() => worker.heard.length > kinds.length);
    expect(worker.link.jobs.credits).toBe(0);
    await worker.stop();
    const heard = worker.heard.map(({ kind, what }) => what ?? kind);
    expect(heard.slice(0, 31)).toEqual(['ready', ...kinds]);
  });

  it('show what the worker wrote into shared memory', async () => {
    const bench = open('writer');
    const worker = new Watched(bench);
    await worker.untilHeard('ready');
    const bytes = new Uint8Array(bench.arena);
    expect([bytes[99], bytes[100], bytes[199], bytes[200]]).toEqual([0, 7, 7, 0]);
    expect(worker.link.ownWords.at(-1)).toBe(42);
    await worker.untilExit();
  });
}

function closing(open: OpenBench): void {
  it('by the sender tells how many are in flight, refuses what comes after, and loses none of them', async () => {
    const worker = new Watched(open('gated'));
    await worker.untilHeard('ready');
    for (const n of upTo(3)) worker.trySend(n);
    expect([worker.link.jobs.close(), worker.link.jobs.close()]).toEqual([3, 0]);
    expect([worker.trySend(9), await worker.send(9), worker.link.jobs.credits]).toEqual([
      'closed',
      'closed',
      0,
    ]);
    worker.tell('go');
    await worker.untilResults(3);
    await worker.stop();
    expect(worker.results).toEqual(upTo(3));
  });

  it('by the receiver ends a sender that waits, and loses nothing that was accepted', async () => {
    const worker = new Watched(open('gated'));
    await worker.untilHeard('ready');
    const accepted: number[] = [];
    const sending = (async () => {
      for (let n = 0; (await worker.send(n)) === 'ok'; n += 1) accepted.push(n);
    })();
    worker.tell('stop');
    await worker.outcome(sending);
    await worker.untilExit();
    expect(accepted.length).toBeGreaterThan(0);
    expect(worker.results).toEqual(accepted);
  });

  it('in the middle of traffic loses and doubles nothing', async () => {
    for (const after of [1, 2, 5, 9, 17]) {
      const worker = new Watched(open('echo'));
      const accepted: number[] = [];
      const sending = (async () => {
        for (let n = 0; (await worker.send(n)) === 'ok'; n += 1) {
          accepted.push(n);
          if (n === after) worker.tell('stop');
        }
      })();
      await worker.outcome(sending);
      await worker.untilExit();
      expect(worker.results).toEqual(accepted);
    }
  });
}

function exits(open: OpenBench): void {
  it('are reported once, as clean, when the actor has returned', async () => {
    const worker = new Watched(open('echo'));
    worker.trySend(5);
    await worker.stop();
    expect(worker.exits).toEqual([{ clean: true, cause: null }]);
    expect(worker.results).toEqual([5]);
  });

  it('are reported once, with their cause, when the actor throws; what it had sent is there', async () => {
    const worker = new Watched(open('failing'));
    for (const n of upTo(4)) worker.trySend(n);
    const { clean, cause } = await worker.untilExit();
    expect([clean, cause?.message]).toEqual([false, 'thrown by the actor']);
    expect(worker.results).toEqual(upTo(3));
    expect(worker.exits).toHaveLength(1);
  });

  it('end a sender that waits for a credit', async () => {
    const worker = new Watched(open('fails when full'));
    const sending = (async () => {
      for (;;) {
        const sent = await worker.send(0);
        if (sent !== 'ok') return sent;
        if (worker.link.jobs.credits === 0) worker.tell('go');
      }
    })();
    expect(await worker.outcome(sending)).toBe('closed');
    expect((await worker.untilExit()).clean).toBe(false);
  });

  it('are reported of an actor that never came up', async () => {
    const worker = new Watched(open('fails at once'));
    const { clean, cause } = await worker.untilExit();
    expect([clean, cause?.message, worker.heard]).toEqual([false, 'it never came up', []]);
  });
}

function questions(open: OpenBench): void {
  const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => 'answered',
      (error: MillraceError) => error.code,
    );

  it('are answered while the actor lives, and refused when it has ended', async () => {
    const worker = new Watched(open('echo'));
    expect(await worker.outcome(worker.link.stats())).toMatchObject({ busy: 7 });
    await worker.stop();
    expect(await worker.outcome(codeOf(worker.link.stats()))).toBe(ErrorCode.WorkerCrashed);
  });

  it('that are never answered end with their actor', async () => {
    const worker = new Watched(open('mute'));
    await worker.untilHeard('ready');
    const asked = codeOf(worker.link.stats());
    await worker.stop();
    expect(await worker.outcome(asked)).toBe(ErrorCode.WorkerCrashed);
  });

  it('about fresher credentials come back with them, or with the reason why not', async () => {
    const { context, ...bench } = open('echo');
    const worker = new Watched({ context, ...bench });
    expect(await worker.outcome(context.refreshStore(1, 4))).toMatchObject({
      id: 1,
      snapshot: { version: 5 },
    });
    const refused = context.refreshStore(2, 4).then(null, (error: unknown) => error);
    expect(await worker.outcome(refused)).toBeInstanceOf(MillraceError);
    await worker.stop();
  });
}

function time(open: OpenBench): void {
  it('wakes a sleeper when it is over, and at once when its token turns', async () => {
    const worker = new Watched(open('sleeper'));
    await worker.untilHeard('slept');
    expect(worker.heard.at(-1)).toEqual({ kind: 'slept', enough: true });
    worker.tell('turn');
    await worker.untilHeard('woken');
    expect(worker.heard.at(-1)).toEqual({ kind: 'woken', listeners: 0 });
    expect(await worker.untilExit()).toEqual({ clean: true, cause: null });
  });

  it('runs timers in their order, what comes soon once this has returned, and nothing that was taken back', async () => {
    const bench = open('echo');
    const { context } = bench;
    const seen: string[] = [];
    const note = (what: string) => () => {
      seen.push(what);
      bench.changed();
    };
    const began = context.now();
    context.after(60, note('later'));
    const takeBack = context.after(20, note('taken back'));
    context.after(30, note('sooner'));
    let returned = false;
    context.soon(() => note(returned ? 'soon' : 'too soon')());
    takeBack();
    takeBack();
    returned = true;
    await bench.until(() => seen.includes('later') && seen.includes('soon'));
    // There is no order between timers and what comes soon.
    expect(seen.filter((what) => what !== 'soon')).toEqual(['sooner', 'later']);
    // A timer of Node may fire a fraction of a millisecond early.
    expect(context.now() - began).toBeGreaterThanOrEqual(59);
    for (const _ of upTo(100)) expect(Math.floor(context.random())).toBe(0);
  });
}

/** Times that actors write into shared words are looked at by others. */
function oneClock(open: OpenBench): void {
  it('tells every actor the same time', async () => {
    const bench = open('echo');
    const worker = new Watched(bench);
    const beforeMs = bench.context.now();
    worker.tell('what time is it');
    await worker.untilHeard('heard');
    const { atMs } = worker.heard.at(-1) as unknown as { readonly atMs: number };
    // The clocks of two threads are set by two readings, a few microseconds apart.
    expect(atMs).toBeGreaterThan(beforeMs - 1);
    expect(atMs).toBeLessThan(bench.context.now() + 1);
    await worker.stop();
  });
}

function load(open: OpenBench): void {
  it('is read again and again, and never shows that less was done than before', async () => {
    const bench = open('echo');
    const watch = bench.context.watchLoad();
    const worker = new Watched(bench);
    const seen = [watch.read()];
    for (const n of upTo(5)) {
      expect(await worker.outcome(worker.send(n))).toBe('ok');
      seen.push(watch.read());
    }
    await worker.stop();
    seen.push(watch.read(), watch.read());
    const busy = seen.map(({ busyMs }) => busyMs);
    expect(busy).toEqual(busy.toSorted((a, b) => a - b));
    for (const { busyMs, eventLoopDelayMs } of seen)
      expect(Math.min(busyMs, eventLoopDelayMs)).toBeGreaterThanOrEqual(0);
    watch.stop();
    watch.stop();
  });
}

import { describe, expect, it } from 'vitest';
import { latency } from '../../dist/decorators/latency.js';
import { limit } from '../../dist/decorators/limit.js';
import { throttle } from '../../dist/decorators/throttle.js';
import { NEVER, type StopSignal, StopState } from '../../dist/protocol/stop.js';
import type { AsyncStore } from '../../dist/protocol/store.js';
import { decoratorClock, handSignal, handStore, read, readOf, turns } from './kit.js';

const CANCELLED = { outcome: 'cancelled', error: null };

describe('limit', () => {
  it('lets so many calls through at the same time, of whatever kind, in their order', async () => {
    const inner = handStore(true);
    const store = limit(inner, { concurrency: 2 });
    const key = Buffer.from('k');
    const list = { prefix: key, delimiter: null, continuation: null, limit: 1 };
    const all = [
      read(store, readOf('1'), NEVER),
      store.head(key, NEVER),
      store.list(list, NEVER),
      store.write!({ kind: 'delete', keys: [key], ifVersion: null }, NEVER),
      read(store, readOf('2'), NEVER),
    ];
    for (let left = all.length; left > 0; left -= 1) {
      await turns();
      expect(inner.running).toBe(Math.min(left, 2));
      inner.answer();
    }
    await Promise.all(all);
    expect(inner.calls).toEqual(['read 1', 'head k', 'list k', 'write delete', 'read 2']);
    expect(inner.mostRunning).toBe(2);
  });

  it('gets the place of a call back that throws', async () => {
    const inner = handStore(true);
    const store = limit(inner, { concurrency: 1 });
    const first = read(store, readOf('1'), NEVER);
    const second = read(store, readOf('2'), NEVER);
    await turns();
    inner.fail(new Error('broken'));
    await expect(first).rejects.toThrow('broken');
    await turns();
    inner.answer();
    expect(await second).toMatchObject({ outcome: 'complete' });
  });

  it.each([StopState.Draining, StopState.Cancelled])(
    'ends the wait of a call whose signal turns (%i) at once, and holds nothing for it',
    async (state) => {
      const inner = handStore(true);
      const store = limit(inner, { concurrency: 1 });
      const signal = handSignal();
      const first = read(store, readOf('1'), NEVER);
      const second = read(store, readOf('2'), signal);
      const third = read(store, readOf('3'), NEVER);
      await turns();
      expect(signal.listeners).toBe(1);
      signal.turn(state);
      expect(await second).toMatchObject(CANCELLED);
      expect(signal.listeners).toBe(0);
      inner.answer();
      await first;
      await turns();
      inner.answer();
      await third;
      expect(inner.calls).toEqual(['read 1', 'read 3']);
      expect(await read(store, readOf('4'), signal)).toMatchObject(CANCELLED);
    },
  );

  it('unlinks whoever had to wait and was let in', async () => {
    const inner = handStore(true);
    const store = limit(inner, { concurrency: 1 });
    const signal = handSignal();
    const first = read(store, readOf('1'), signal);
    const second = read(store, readOf('2'), signal);
    await turns();
    inner.answer();
    await first;
    await turns();
    expect([inner.running, signal.listeners]).toEqual([1, 0]);
    inner.answer();
    await second;
  });
});

describe('throttle', () => {
  /** At which millisecond each of these reads went to the store. */
  async function timesOf(
    options: Parameters<typeof throttle>[1],
    lengths: readonly number[],
  ): Promise<number[]> {
    const clock = decoratorClock();
    const begin = clock.now();
    const times: number[] = [];
    const inner: AsyncStore = {
      ...handStore(),
      read: async ({ length }) => {
        times.push(clock.now() - begin);
        return { outcome: 'complete', landed: length, size: -1, version: null, error: null, retryAfterMs: 0 };
      },
    };
    const store = throttle(inner, options, clock);
    const all = lengths.map((length, i) => read(store, readOf(String(i), length), NEVER));
    await clock.advance(4000);
    await Promise.all(all);
    return times;
  }

  it('lets a second’s worth of bytes through at once, and the rest at the rate', async () => {
    expect(await timesOf({ bytesPerSecond: 100 }, [60, 40, 50, 100, 1])).toEqual([0, 0, 500, 1500, 1510]);
    expect(await timesOf({ bytesPerSecond: '1KiB' }, [1024, 512])).toEqual([0, 500]);
  });

  it('lets a read through that is more than a second’s worth, and what comes after it waits for that', async () => {
    expect(await timesOf({ bytesPerSecond: 100 }, [250, 100])).toEqual([0, 2500]);
  });

  it('counts requests, also fewer than one per second', async () => {
    expect(await timesOf({ requestsPerSecond: 2 }, [9, 9, 9, 9])).toEqual([0, 0, 500, 1000]);
    expect(await timesOf({ requestsPerSecond: 0.5 }, [9, 9])).toEqual([0, 2000]);
    expect(await timesOf({ requestsPerSecond: 2, bytesPerSecond: 9 }, [9, 9, 9])).toEqual([0, 1000, 2000]);
  });

  it('gives back what was asked for and did not come, and whoever waits goes on at once', async () => {
    const clock = decoratorClock();
    const inner = handStore(true);
    const store = throttle(inner, { bytesPerSecond: 100 }, clock);
    const first = read(store, readOf('1', 100), NEVER);
    const second = read(store, readOf('2', 100), NEVER);
    await turns();
    expect([inner.calls, clock.timers]).toEqual([['read 1'], 1]);
    inner.answer(10);
    await first;
    await clock.advance(99);
    expect(inner.calls).toEqual(['read 1']);
    await clock.advance(1);
    expect(inner.calls).toEqual(['read 1', 'read 2']);
    inner.answer();
    await second;
  });

  it('charges heads and listings as requests, and the bodies of writes', async () => {
    const clock = decoratorClock();
    const inner = handStore();
    const store = throttle(inner, { bytesPerSecond: 100, requestsPerSecond: 1000 }, clock);
    const key = Buffer.from('k');
    const body = new Uint8Array(100);
    const condition = { ifAbsent: false, ifVersion: null, contentType: null };
    const put = { kind: 'put', key, body, ...condition } as const;
    await store.head(key, NEVER);
    await store.write!(put, NEVER);
    const second = store.write!(put, NEVER);
    await clock.advance(999);
    expect(inner.calls).toEqual(['head k', 'write put']);
    await clock.advance(1);
    await second;
    expect(inner.calls).toEqual(['head k', 'write put', 'write put']);
  });

  it.each([StopState.Draining, StopState.Cancelled])(
    'ends the waits of calls whose signal turns (%i) at once, first in the row or not, and charges nothing',
    async (state) => {
      const clock = decoratorClock();
      const inner = handStore();
      const store = throttle(inner, { bytesPerSecond: 100 }, clock);
      const signal = handSignal();
      await read(store, readOf('1', 100), NEVER);
      const stopped = [2, 3].map((i) => read(store, readOf(String(i), 100), signal));
      const last = read(store, readOf('4', 50), NEVER);
      await turns();
      expect(clock.timers).toBe(1);
      signal.turn(state);
      expect(await Promise.all(stopped)).toMatchObject([CANCELLED, CANCELLED]);
      expect(signal.listeners).toBe(0);
      await clock.advance(500);
      await last;
      expect([inner.calls, clock.timers]).toEqual([['read 1', 'read 4'], 0]);
    },
  );
});

describe('latency', () => {
  async function delays(seed: number, jitterMs: number): Promise<number[]> {
    const asked: number[] = [];
    const clock = { now: () => 0, sleep: async (ms: number) => void asked.push(ms) };
    const store = latency(handStore(), { ms: 20, jitterMs, seed }, clock);
    for (let i = 0; i < 50; i += 1) await store.head(Buffer.from('k'), NEVER);
    return asked;
  }

  it('delays every call by so much, and up to the jitter more, the same for the same seed', async () => {
    expect(new Set(await delays(1, 0))).toEqual(new Set([20]));
    const drawn = await delays(1, 10);
    expect(drawn.every((ms) => ms >= 20 && ms < 30)).toBe(true);
    expect(new Set(drawn).size).toBe(50);
    expect(await delays(1, 10)).toEqual(drawn);
    expect(await delays(2, 10)).not.toEqual(drawn);
  });

  it.each([StopState.Draining, StopState.Cancelled])(
    'is over at once when the signal turns (%i), and the store is not asked',
    async (state) => {
      const clock = decoratorClock();
      const inner = handStore();
      const store = latency(inner, { ms: 1000 }, clock);
      const signal = handSignal();
      const waiting = read(store, readOf('1'), signal);
      await turns();
      expect(clock.timers).toBe(1);
      signal.turn(state);
      expect(await waiting).toMatchObject(CANCELLED);
      expect([inner.calls, clock.timers, signal.listeners]).toEqual([[], 0, 0]);
    },
  );

  it('ends with a signal that tells of a cancel alone', async () => {
    const signal = handSignal();
    const plain: StopSignal = {
      get state() {
        return signal.state;
      },
      onStop: (fn) => signal.onStop(fn),
    };
    const clock = decoratorClock();
    const store = latency(handStore(), { ms: 1000 }, clock);
    const waiting = read(store, readOf('1'), plain);
    await turns();
    signal.turn(StopState.Cancelled);
    expect(await waiting).toMatchObject(CANCELLED);
  });

  it('waits by a real timer when no clock is given, and leaves none behind', async () => {
    const store = latency(handStore(), { ms: 1 });
    expect(await read(store, readOf('1'), NEVER)).toMatchObject({ outcome: 'complete' });
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const signal = handSignal();
    const stopped = read(latency(handStore(), { ms: 3_600_000 }), readOf('1'), signal);
    await turns();
    expect(timers()).toBe(before + 1);
    signal.turn(StopState.Cancelled);
    expect(await stopped).toMatchObject(CANCELLED);
    expect(timers()).toBe(before);
  });
});

describe('a store around a store', () => {
  it('passes on snapshots and the close, and writes only where there are any', () => {
    const inner = handStore();
    const readOnly: AsyncStore = { ...inner };
    delete readOnly.write;
    for (const wrap of [
      (store: AsyncStore) => limit(store, { concurrency: 1 }),
      (store: AsyncStore) => latency(store, { ms: 0 }),
    ]) {
      inner.calls.length = 0;
      const store = wrap(inner);
      store.update({ version: 1, expiresAtMs: null, config: null });
      store.close();
      expect(inner.calls).toEqual(['update', 'close']);
      expect([typeof store.write, typeof wrap(readOnly).write]).toEqual(['function', 'undefined']);
    }
  });
});

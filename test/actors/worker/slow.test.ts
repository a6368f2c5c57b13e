import { describe, expect, it } from 'vitest';
import { Latencies } from '../../../dist/actors/worker/latencies.js';
import { SlowWatch } from '../../../dist/actors/worker/slow.js';
import type { TurnSignal } from '../../../dist/protocol/context.js';
import type { ControlReply } from '../../../dist/protocol/messages.js';

const STORE = 2;
const SPEC = { percentile: 90, leastSamples: 100 };

describe('how long an attempt may take', () => {
  it('is not known before enough have come back', () => {
    const latencies = new Latencies();
    for (let i = 0; i < 99; i += 1) latencies.note(STORE, 10, 50);
    expect(latencies.slowAfterMs(STORE, 10, SPEC)).toBe(Infinity);
    latencies.note(STORE, 10, 50);
    expect(latencies.slowAfterMs(STORE, 10, SPEC)).toBeLessThan(Infinity);
    expect(latencies.slowAfterMs(STORE + 1, 10, SPEC)).toBe(Infinity);
    expect(latencies.slowAfterMs(STORE, 8 << 20, SPEC)).toBe(Infinity);
  });

  it.each([90, 95, 98])('is the percentile %i of them, or up to a fifth more', (percentile) => {
    const latencies = new Latencies();
    for (let i = 1; i <= 1000; i += 1) latencies.note(STORE, 10, i <= 800 ? 30 : i);
    const slow = latencies.slowAfterMs(STORE, 10, { ...SPEC, percentile });
    expect(slow).toBeGreaterThanOrEqual(percentile * 10);
    expect(slow).toBeLessThan(percentile * 10 * 1.2);
  });

  it('is twice the median at least, and never what our own event loop may take', () => {
    const latencies = new Latencies();
    for (let i = 0; i < 200; i += 1) latencies.note(STORE, 10, 100);
    expect(latencies.slowAfterMs(STORE, 10, SPEC)).toBeGreaterThanOrEqual(200);
    const quick = new Latencies();
    for (let i = 0; i < 200; i += 1) quick.note(STORE, 10, 0.3);
    expect(quick.slowAfterMs(STORE, 10, SPEC)).toBe(20);
  });

  it('follows a store that gets slower, and one that gets faster', () => {
    const latencies = new Latencies();
    const slowAfter = (ms: number): number => {
      for (let i = 0; i < 10_000; i += 1) latencies.note(STORE, 10, ms);
      return latencies.slowAfterMs(STORE, 10, SPEC);
    };
    expect(slowAfter(1000)).toBeGreaterThan(1000);
    expect(slowAfter(50)).toBeLessThan(150);
    expect(slowAfter(1000)).toBeGreaterThan(1000);
  });

  it('is of one store and one size: no other is known by it', () => {
    const known = (store: number, bytes: number): [number, number][] => {
      const latencies = new Latencies();
      for (let i = 0; i < 100; i += 1) latencies.note(store, bytes, 50);
      return [STORE - 1, STORE, STORE + 1].flatMap((each) =>
        [0, 64, 256, 4 ** 10].flatMap((kib): [number, number][] =>
          latencies.slowAfterMs(each, kib * 1024, SPEC) < Infinity ? [[each, kib]] : [],
        ),
      );
    };
    expect(known(STORE, 65_535)).toEqual([[STORE, 0]]);
    expect(known(STORE, 4 * 65_536 - 1)).toEqual([[STORE, 64]]);
    expect(known(STORE, 4 * 65_536)).toEqual([[STORE, 256]]);
    expect(known(STORE, 2 ** 40)).toEqual([[STORE, 4 ** 10]]);
  });

  it('is known on, when the past comes to count for half', () => {
    const latencies = new Latencies();
    for (let i = 0; i < 2048; i += 1) latencies.note(STORE, 10, 50);
    expect(latencies.slowAfterMs(STORE, 10, { ...SPEC, leastSamples: 1024 })).toBeLessThan(120);
    expect(latencies.slowAfterMs(STORE, 10, { ...SPEC, leastSamples: 1025 })).toBe(Infinity);
  });

  it('is not thrown off by times that no bucket is long enough for', () => {
    const latencies = new Latencies();
    for (const ms of [0, 1e9, Number.MAX_VALUE]) latencies.note(STORE, 2 ** 40, ms);
    expect(latencies.slowAfterMs(STORE, 2 ** 40, { percentile: 99, leastSamples: 1 })).toBe(2 ** 17 * 2);
  });
});

describe('the watch', () => {
  function create() {
    const world = { now: 0, due: Infinity, pauses: [] as number[], wake: (): void => {} };
    const told: ControlReply[] = [];
    const latencies = new Latencies();
    for (let i = 0; i < 100; i += 1) latencies.note(STORE, 10, 40);
    const lanes = [1, 2, 3].map((id) => ({
      id,
      store: STORE,
      watched: true,
      attemptAtMs: -1,
      attemptBytes: 10,
      slow: SPEC,
    }));
    const context = {
      now: () => world.now,
      control: { post: (reply: ControlReply) => void told.push(reply), onMessage: () => {} },
      sleep: (ms: number, stop: TurnSignal) =>
        new Promise<void>((resolve) => {
          world.pauses.push(ms);
          world.due = world.now + ms;
          world.wake = () => {
            world.due = Infinity;
            resolve();
          };
          stop.onTurn(world.wake);
        }),
    };
    const watch = new SlowWatch(context, latencies, lanes);
    /** Lets so much time pass; with `held` in one turn of the thread. */
    const pass = async (ms: number, held = false): Promise<void> => {
      const until = world.now + ms;
      while (!held && world.due <= until) {
        world.now = world.due;
        world.wake();
        await new Promise(setImmediate);
      }
      world.now = until;
      if (world.due <= until) world.wake();
      await new Promise(setImmediate);
    };
    return { world, told, lanes, latencies, watch, pass };
  }

  it('tells of each slow attempt once, the oldest first, and of no other', async () => {
    const { told, lanes, watch, pass } = create();
    await pass(1000);
    Object.assign(lanes[0]!, { attemptAtMs: 1002 });
    Object.assign(lanes[1]!, { attemptAtMs: 1000 });
    Object.assign(lanes[2]!, { attemptAtMs: 1000, watched: false });
    watch.began();
    await pass(60);
    expect(told).toEqual([]);
    await pass(400);
    expect(told).toEqual([{ kind: 'slow', jobs: [2, 1] }]);
    await pass(1000);
    expect(told).toHaveLength(1);
  });

  it('runs only while there is something to watch', async () => {
    const { world, lanes, watch, pass } = create();
    Object.assign(lanes[0]!, { attemptAtMs: 0 });
    watch.began();
    watch.began();
    await pass(5);
    expect(world.due).toBeLessThan(Infinity);
    Object.assign(lanes[0]!, { attemptAtMs: -1 });
    await pass(200);
    expect(world.due).toBe(Infinity);
    Object.assign(lanes[0]!, { attemptAtMs: 205 });
    watch.began();
    expect(world.due).toBeLessThan(Infinity);
    watch.stop();
    await pass(0);
    expect(world.due).toBe(Infinity);
    watch.began();
    expect(world.due).toBe(Infinity);
  });

  it('has one timer, which looks again within a quarter of what the quickest of them may take', async () => {
    const { world, lanes, watch, pass } = create();
    Object.assign(lanes[0]!, { attemptAtMs: 0 });
    // Of its size nothing is known.
    Object.assign(lanes[1]!, { attemptAtMs: 0, attemptBytes: 8 << 20 });
    watch.began();
    watch.began();
    await pass(60);
    expect(world.pauses.slice(1, 3)).toEqual([expect.closeTo(22.6, 0), expect.closeTo(22.6, 0)]);
    expect(world.pauses.length).toBeLessThanOrEqual(4);
    Object.assign(lanes[0]!, { attemptAtMs: -1 });
    await pass(300);
    expect(world.pauses.at(-1)).toBe(100);
  });

  it('looks no more often than every 10 ms', async () => {
    const { world, lanes, watch, latencies, pass } = create();
    for (let i = 0; i < 100; i += 1) latencies.note(STORE, 8 << 20, 0.1);
    Object.assign(lanes[0]!, { attemptAtMs: 0, attemptBytes: 8 << 20 });
    watch.began();
    await pass(15);
    expect(world.pauses).toEqual([10, 10]);
  });

  it('may be stopped before it began', () => {
    const { world, watch } = create();
    watch.stop();
    expect(world.pauses).toEqual([]);
  });

  it('says nothing right after its own thread was held up', async () => {
    const { told, lanes, watch, pass } = create();
    Object.assign(lanes[0]!, { attemptAtMs: 0 });
    watch.began();
    await pass(5000, true);
    expect(told).toEqual([]);
    await pass(200);
    expect(told).toEqual([{ kind: 'slow', jobs: [1] }]);
  });
});

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

  it('is not thrown off by times that no bucket is long enough for', () => {
    const latencies = new Latencies();
    for (const ms of [0, 1e9, Number.MAX_VALUE]) latencies.note(STORE, 2 ** 40, ms);
    expect(latencies.slowAfterMs(STORE, 2 ** 40, { percentile: 99, leastSamples: 1 })).toBe(2 ** 17 * 2);
  });
});

describe('the watch', () => {
  function create() {
    const world = { now: 0, due: Infinity, wake: (): void => {} };
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
    return { world, told, lanes, watch, pass };
  }

  it('tells of each slow attempt once, the oldest first, and of no other', async () => {
    const { told, lanes, watch, pass } = create();
    Object.assign(lanes[0]!, { attemptAtMs: 30 });
    Object.assign(lanes[1]!, { attemptAtMs: 0 });
    Object.assign(lanes[2]!, { attemptAtMs: 0, watched: false });
    watch.began();
    await pass(60);
    expect(told).toEqual([]);
    await pass(400);
    expect(told.flatMap((reply) => (reply.kind === 'slow' ? reply.jobs : []))).toEqual([2, 1]);
    await pass(1000);
    expect(told.length).toBeLessThanOrEqual(2);
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

/** A runtime beside others: what its caps and its courtesy come to on real threads, over a real network stack. */
import { availableParallelism } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ObjectDataset, type Runtime } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { KIB, MIB, keysInOrder, startRuntime, type StartOptions } from './kit.js';

const BUCKET = 'neighbour';
const BURN = new URL('./transforms/burning.mjs', import.meta.url);
const COUNT = 96;
const SIZE = 64 * KIB;

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin({
    objects: [
      { bucket: BUCKET, prefix: 'small/', count: COUNT, sizes: [SIZE] },
      { bucket: BUCKET, key: 'large', size: 6 * MIB },
    ],
  });
});
afterAll(() => origin.stop());

async function within<T>(options: StartOptions, use: (runtime: Runtime) => Promise<T>): Promise<T> {
  await origin.reset();
  const runtime = await startRuntime(origin, options);
  try {
    return await use(runtime);
  } finally {
    await runtime.close();
  }
}

const dataset = () => ObjectDataset.fromPrefix(`s3://${BUCKET}/small/`);

/** On the origin's clock, from a question before the load until its last read, and the bytes asked for by then. */
async function asked(): Promise<{ elapsedMs: number; bytes: number }> {
  const requests = await origin.requests();
  const reads = requests.filter(({ op }) => op === 'get');
  const bytes = reads.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
  // The first read may arrive late, and a later one not: only what was asked before any of them tells when that was.
  const [first] = requests;
  expect(first!.op).not.toBe('get');
  return { elapsedMs: Math.max(...reads.map(({ atMs }) => atMs)) - first!.atMs, bytes };
}

describe('maxBandwidth', () => {
  const RATE = 4_000_000;

  test('bounds what small objects ask for in a time, by the clock of the origin', async () => {
    await within({ maxBandwidth: '4MB', maxEventLoopDelayMs: false }, async (runtime) => {
      const keys = await keysInOrder(runtime.loader(dataset(), { batchSize: 8 }), () => SIZE);
      expect(keys).toHaveLength(COUNT);
      const { elapsedMs, bytes } = await asked();
      expect(bytes).toBe(COUNT * SIZE);
      // A quarter of a second of it at once, and one object beyond; the rest takes its time.
      expect(elapsedMs).toBeGreaterThanOrEqual(((bytes - RATE / 4 - 2 * SIZE) / RATE) * 1000);
    });
  });

  test('bounds the parts of a large object, and counts for all calls of the runtime together', async () => {
    const ranges = { splitThreshold: MIB, partBytes: MIB };
    await within({ maxBandwidth: RATE, maxEventLoopDelayMs: false }, async (runtime) => {
      const uri = `s3://${BUCKET}/large`;
      await runtime.head(uri);
      const load = keysInOrder(runtime.loader([uri], { ranges }), () => 6 * MIB);
      const got = await runtime.get(`s3://${BUCKET}/small/00`);
      got.release();
      expect(await load).toEqual(['large']);
      const { elapsedMs, bytes } = await asked();
      expect(bytes).toBe(6 * MIB + SIZE);
      expect(elapsedMs).toBeGreaterThanOrEqual(((bytes - RATE / 4 - 2 * MIB) / RATE) * 1000);
    });
  });

  test('is told while it holds something back, with what was moved', async () => {
    await within({ maxBandwidth: '1MB' }, async (runtime) => {
      const loader = runtime.loader(dataset(), { batchSize: 4 });
      const seen = new Set<string>();
      let most = 0;
      for await (const batch of loader) {
        const { admission, bytesPerSecond } = await runtime.stats();
        seen.add(admission);
        most = Math.max(most, bytesPerSecond);
        if (batch.items.some(({ sequence }) => sequence >= 40)) break;
      }
      expect(seen).toContain('bandwidth');
      expect(most).toBeGreaterThan(SIZE);
    });
  });
});

describe('maxCpuShare', () => {
  test('has burning transforms take their time', async () => {
    const ms = 25;
    const cap = { workers: 2, maxCpuShare: 0.25, maxEventLoopDelayMs: false } as const;
    await within(cap, async (runtime) => {
      const rows = runtime.explain();
      expect(rows.find(({ option }) => option === 'maxCpuShare')).toMatchObject({
        value: 0.25,
        origin: 'given',
      });
      const transform = { url: BURN, options: { ms } };
      const loader = runtime.loader(dataset(), { transform, batchSize: 4 });
      const beganAtMs = performance.now();
      let busyMs = 0;
      let share = 0;
      const seen = new Set<string>();
      for await (const batch of loader) {
        for (const item of batch) busyMs += (item.value as { busyMs: number }).busyMs;
        const { admission, cpuShare } = await runtime.stats();
        seen.add(admission);
        share = Math.max(share, cpuShare!);
      }
      const elapsedMs = performance.now() - beganAtMs;
      expect(busyMs).toBeGreaterThanOrEqual(COUNT * ms);
      expect(seen).toContain('cpu');
      expect(share).toBeGreaterThan(0.05);
      const cores = availableParallelism();
      // What was owed at the end need not have been paid: what is given out before the cost is known, a burst, two samples.
      const owedMs = 12 * ms + 0.25 * cores * 250 + 2 * 200;
      expect(elapsedMs).toBeGreaterThanOrEqual((busyMs - owedMs) / (0.25 * cores));
    });
  });
});

describe('maxEventLoopDelayMs', () => {
  const blockFor = (ms: number): void => {
    const untilMs = performance.now() + ms;
    while (performance.now() < untilMs);
  };

  test.each<[string | false, boolean]>([
    ['20ms', true],
    [false, false],
  ])('%s: a service that blocks its own thread is given way to: %s', async (maxEventLoopDelayMs, gives) => {
    await within({ maxEventLoopDelayMs }, async (runtime) => {
      const loader = runtime.loader(dataset(), { batchSize: 2, prefetchBatches: 2 });
      const seen = new Set<string>();
      let delay: number | null = null;
      let items = 0;
      for await (const batch of loader) {
        items += batch.length;
        if (items > COUNT / 2) continue;
        blockFor(120);
        const stats = await runtime.stats();
        seen.add(stats.admission);
        delay = stats.eventLoopDelayMs === null ? null : Math.max(delay ?? 0, stats.eventLoopDelayMs);
      }
      expect(items).toBe(COUNT);
      expect(seen.has('event-loop')).toBe(gives);
      if (gives) expect(delay).toBeGreaterThan(80);
      else expect(delay).toBeNull();
    });
  });
});

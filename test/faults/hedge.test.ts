/** Requests that stall, on threads and sockets: what hedging makes of the waits of a consumer, and what it costs. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ObjectDataset, type Runtime, type TerminalRecord } from '../../dist/index.js';
import { expectIdle, expectSum, fault, startRuntime, type LoaderOptions } from '../e2e/kit.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';

const BUCKET = 'tail';
const KIB = 1024;
const COUNT = 600;
const SIZE = 4 * KIB;
const LARGE = 320 * 128 * KIB;
const SMALL = `s3://${BUCKET}/small/`;
const LARGE_URI = `s3://${BUCKET}/large`;
const STALL_MS = 3000;
/** Of the seeds from 0 on, the first one that has four to eight of the objects stall, and none of them again when it is asked for twice. */
const SEED = 1;

let origin: Origin;
let runtime: Runtime;
beforeAll(async () => {
  origin = await startOrigin({
    objects: [
      { bucket: BUCKET, prefix: 'small/', count: COUNT, sizes: [SIZE] },
      { bucket: BUCKET, key: 'large', size: LARGE },
    ],
  });
  runtime = await startRuntime(origin);
  // So that each worker knows how long a request takes.
  await load({});
});
afterAll(async () => {
  await runtime.close();
  await origin.stop();
});
afterEach(async () => {
  await origin.reset();
  await expectIdle(runtime);
});

/** Goes through the small objects; how long the consumer waited for each batch. */
async function load(
  options: LoaderOptions,
): Promise<{ waitsMs: number[]; hedged: number; hedgesWon: number }> {
  const loader = runtime.loader(ObjectDataset.fromPrefix(SMALL), { batchSize: 4, ...options });
  const waitsMs: number[] = [];
  let since = performance.now();
  for await (const batch of loader) {
    waitsMs.push(performance.now() - since);
    for (const item of batch) expect(fault(item.key, item.bytes, SIZE)).toBeNull();
    since = performance.now();
  }
  expectSum(loader.report);
  expect(loader.report).toMatchObject({ delivered: COUNT, reason: 'completed' });
  return { waitsMs, ...loader.report! };
}

function percentile(values: readonly number[], of: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil((sorted.length * of) / 100) - 1]!;
}

describe('where one request in a hundred stalls', () => {
  test('the 99th percentile of the waits is a fifth of what it is without hedging, for a fiftieth more requests', async () => {
    const stalls = {
      key: /^small/,
      probability: 0.01,
      seed: SEED,
      do: { stall: 'before-head', stallMs: STALL_MS },
    } as const;
    await origin.script(stalls);
    const plain = await load({ hedge: false });
    const stalled = (await origin.stats()).faults;
    expect(stalled).toBeGreaterThanOrEqual(3);
    expect(plain).toMatchObject({ hedged: 0, hedgesWon: 0 });
    await origin.reset();
    await origin.script(stalls);
    const hedged = await load({});
    expect(hedged.hedgesWon).toBeGreaterThan(0);
    const [before, after] = [percentile(plain.waitsMs, 99), percentile(hedged.waitsMs, 99)];
    expect(before / after, `${before} ms without, ${after} ms with`).toBeGreaterThan(5);
    // What had been saved up of the loads before counts too.
    const { hedged: sent } = await runtime.stats();
    expect(sent).toBeLessThanOrEqual(0.02 * 2 * COUNT);
    const asked = await origin.requests({ op: 'get' });
    // Each was given up for one that came, so nobody waited until a stall was over.
    const met = asked.filter(({ rule }) => rule !== null);
    expect(new Set(met.map(({ key }) => key)).size, 'none stalls again: see SEED').toBe(met.length);
    expect(met.map(({ complete }) => complete)).toEqual(met.map(() => false));
    const gets = asked.length;
    // A hedge whose read comes first after all is taken back, mostly before it is sent.
    expect(gets - COUNT).toBeLessThanOrEqual(hedged.hedged);
    expect(gets - COUNT).toBeGreaterThanOrEqual(hedged.hedgesWon);
  });
});

describe('a request that stalls for ever', () => {
  test('for a part of a large object is given up when the same part has come by another one', async () => {
    const loadLarge = async (): Promise<TerminalRecord> => {
      const loader = runtime.loader(ObjectDataset.fromUris([{ uri: LARGE_URI, size: LARGE }]), {
        batchBytes: LARGE,
        ranges: { splitThreshold: 128 * KIB, partBytes: 128 * KIB, maxPerObject: 8 },
      });
      for await (const batch of loader) {
        for (const item of batch) expect(fault(item.key, item.bytes, LARGE)).toBeNull();
      }
      return loader.report!;
    };
    // So that each worker knows how long a part takes, also one that the machine gives little time.
    await loadLarge();
    await origin.reset();
    await origin.script({ key: 'large', op: 'get', nth: 310, do: { stall: 50_000 } });
    const report = await loadLarge();
    expect(report).toMatchObject({ reason: 'completed', delivered: 1, retries: 0 });
    expect(report.hedgesWon, JSON.stringify(report)).toBeGreaterThanOrEqual(1);
    await origin.waitFor({ inFlight: 0 });
    const stalled = (await origin.requests({ op: 'get' })).filter(({ rule }) => rule !== null);
    expect(stalled.map(({ complete }) => complete)).toEqual([false]);
    const same = (await origin.requests({ op: 'get' })).filter(({ range }) => range === stalled[0]!.range);
    expect(same).toHaveLength(2);
    expect(same[1]!.connection).not.toBe(same[0]!.connection);
    expect(same.map(({ ifMatch }) => ifMatch)).toEqual([same[0]!.ifMatch, same[0]!.ifMatch]);
    expect(same[0]!.ifMatch).not.toBeNull();
  });

  test('for a single object is hedged out of what the requests before have paid for', async () => {
    const key = 'small/007';
    await origin.script({ key, op: 'get', nth: 1, do: { stall: 1000 } });
    const result = await runtime.get(`s3://${BUCKET}/${key}`, { size: SIZE });
    expect(fault(key, result.bytes, SIZE)).toBeNull();
    result.release();
    await origin.waitFor({ inFlight: 0 });
    expect((await origin.requests({ op: 'get' })).map(({ complete }) => complete)).toEqual([false, true]);
  });

  test('is waited for where hedging is switched off', async () => {
    await origin.script({ key: 'small/300', op: 'get', nth: 1, do: { stall: 1000 } });
    const over = load({ hedge: false });
    await origin.waitFor({ stalled: 1, requests: 300 });
    await origin.release();
    expect(await over).toMatchObject({ hedged: 0 });
  });
});

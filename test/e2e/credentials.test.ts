/** Credentials that expire in mid-run: renewed once for all workers, buckets and loaders of a process, each time. */
import { describe, expect, test } from 'vitest';
import { ObjectDataset, type Loader } from '../../dist/index.js';
import type { LoggedRequest, Origin } from '../../dist/testing/index.js';
import { expectIdle, expectSum, fault } from './kit.js';
import { RENEWING, runtimeOf, startService } from './stores.kit.js';

const COUNT = 120;
const SIZE = 700;
const BUCKETS = ['first', 'second', 'third'];
const objects = BUCKETS.map((bucket) => ({ bucket, prefix: '', count: COUNT, sizes: [SIZE] }));

/** Requests that were refused for what they were authorized with. */
async function refused(origin: Origin): Promise<LoggedRequest[]> {
  return (await origin.requests()).filter(({ status, op }) => op !== 'token' && status >= 400);
}

describe.each(RENEWING)('$service.scheme', ({ service, begin }) => {
  test('two expiries in mid-run cost two renewals, and no item', async () => {
    await using origin = await startService(service, { objects });
    const source = await begin(origin);
    const stores = { [service.scheme]: source.options };
    const runtime = await runtimeOf(service, origin, { workers: 3, stores });
    try {
      const loaders = BUCKETS.map((bucket) =>
        runtime.loader(ObjectDataset.fromPrefix(service.uriOf(origin, bucket, '')), {
          batchSize: 10,
          prefetchBatches: 1,
        }),
      );
      const seen = BUCKETS.map(() => 0);
      // Between two expiries all loaders go on, so that each of them meets each.
      const iterators = loaders.map((loader: Loader) => loader[Symbol.asyncIterator]());
      for (let round = 0; round < COUNT / 10; round += 1) {
        if (round === 3 || round === 7) await source.expire();
        for (const [i, iterator] of iterators.entries()) {
          const { value } = await iterator.next();
          for (const item of value!) expect(fault(item.key, item.bytes, SIZE)).toBeNull();
          seen[i]! += value!.length;
        }
      }
      for (const iterator of iterators) expect((await iterator.next()).done).toBe(true);
      expect(seen).toEqual(BUCKETS.map(() => COUNT));
      expect(source.fetchedAtMs()).toHaveLength(3);
      expect(new Set((await refused(origin)).map(({ bucket }) => bucket))).toEqual(new Set(BUCKETS));
      for (const { report } of loaders) {
        expect(report).toMatchObject({ delivered: COUNT, failed: 0 });
        expectSum(report);
      }
      await expectIdle(runtime);
    } finally {
      await runtime.close();
    }
  });
});

const LIFETIME_MS = 2_000;
const BY_CLOCK = RENEWING.filter(({ service }) => service.scheme !== 's3');

describe.each(BY_CLOCK)('$service.scheme', ({ service, begin }) => {
  test('tokens of two seconds under load: no item fails, and none is fetched before the last one is over', async () => {
    await using origin = await startService(service, { objects });
    const source = await begin(origin, LIFETIME_MS);
    const stores = { [service.scheme]: source.options };
    const runtime = await runtimeOf(service, origin, { workers: 4, stores });
    try {
      // A store that is opened asks for what lives longer than these do: all of them first.
      await Promise.all(BUCKETS.map((bucket) => runtime.head(service.uriOf(origin, bucket, '000'))));
      const opened = source.fetchedAtMs().length;
      const epochs = BUCKETS.map(async (bucket) => {
        const dataset = ObjectDataset.fromPrefix(service.uriOf(origin, bucket, ''));
        while (source.fetchedAtMs().length < opened + 3) {
          const loader = runtime.loader(dataset, { batchSize: 10 });
          for await (const batch of loader)
            for (const item of batch) expect(fault(item.key, item.bytes, SIZE)).toBeNull();
          expect(loader.report).toMatchObject({ delivered: COUNT, failed: 0 });
        }
      });
      await Promise.all(epochs);
      const times = source.fetchedAtMs().slice(opened - 1);
      for (const [i, atMs] of times.entries())
        if (i > 0) expect(atMs - times[i - 1]!).toBeGreaterThanOrEqual(LIFETIME_MS);
      await expectIdle(runtime);
    } finally {
      await runtime.close();
    }
  });
});

/** Credentials that expire in mid-run: renewed once for all workers, buckets and loaders of a process, each time. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ObjectDataset, type Loader } from '../../dist/index.js';
import { startOrigin, type Origin } from '../kit/origin.mjs';
import { expectIdle, expectSum, fault, s3Options, startRuntime } from './kit.js';

const COUNT = 120;
const SIZE = 700;
const BUCKETS = ['first', 'second'];
const GENERATIONS = [1, 2, 3].map((n) => ({
  accessKeyId: `AKIAGENERATION00000${n}`,
  secretAccessKey: `secret-of-generation-${n}`,
  sessionToken: `token-of-generation-${n}`,
}));

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin({
    objects: BUCKETS.map((bucket) => ({ bucket, prefix: '', count: COUNT, sizes: [SIZE] })),
    credentials: GENERATIONS,
  });
});
afterAll(() => origin.stop());

test('two expiries in mid-run cost two renewals, and no item', async () => {
  let resolutions = 0;
  const credentials = () => Promise.resolve(GENERATIONS[resolutions++]!);
  const runtime = await startRuntime(origin, {
    workers: 3,
    stores: { s3: s3Options(origin, { credentials }) },
  });
  try {
    const loaders = BUCKETS.map((bucket) =>
      runtime.loader(ObjectDataset.fromPrefix(`s3://${bucket}/`), { batchSize: 10, prefetchBatches: 1 }),
    );
    const seen = BUCKETS.map(() => 0);
    // Between two expiries both loaders go on, so that each of them meets each.
    const iterators = loaders.map((loader: Loader) => loader[Symbol.asyncIterator]());
    for (let round = 0; round < COUNT / 10; round += 1) {
      if (round === 3 || round === 7) await origin.expire(GENERATIONS[resolutions - 1]!.accessKeyId);
      for (const [i, iterator] of iterators.entries()) {
        const { value } = await iterator.next();
        for (const item of value!) expect(fault(item.key, item.bytes, SIZE)).toBeNull();
        seen[i]! += value!.length;
      }
    }
    for (const iterator of iterators) expect((await iterator.next()).done).toBe(true);
    expect(seen).toEqual([COUNT, COUNT]);
    expect(resolutions).toBe(3);
    const refused = (await origin.requests()).filter(({ code }) => code === 'ExpiredToken');
    expect(new Set(refused.map(({ bucket }) => bucket))).toEqual(new Set(BUCKETS));
    for (const { report } of loaders) {
      expect(report).toMatchObject({ delivered: COUNT, failed: 0 });
      expectSum(report);
    }
    await expectIdle(runtime);
  } finally {
    await runtime.close();
  }
});

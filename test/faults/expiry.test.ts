/** Credentials that end while the parts of an object are under way: renewed, and the object comes byte for byte. */
import { expect, test } from 'vitest';
import { ObjectDataset } from '../../dist/index.js';
import { backToBaseline, takeBaseline } from '../kit/leaks.mjs';
import { expectIdle, expectSum, fault, KIB } from '../e2e/kit.js';
import { RENEWING, runtimeOf, startService } from '../e2e/stores.kit.js';
import { BUCKET, script } from './kit.js';

const PART = 64 * KIB;
const SIZES: Readonly<Record<string, number>> = { a: 9 * PART + 1, b: 5 * PART, c: 100, d: 3 * PART + 7 };
const RANGES = { splitThreshold: PART, partBytes: PART, maxPerObject: 4 };

test.each(RENEWING)(
  '$service.scheme: what they were asked with ends at the second and the eleventh part',
  async ({ service, begin }) => {
    const baseline = await takeBaseline();
    const objects = Object.entries(SIZES).map(([key, size]) => ({ bucket: BUCKET, key, size }));
    const origin = await startService(service, { objects });
    const source = await begin(origin);
    const runtime = await runtimeOf(service, origin, { stores: { [service.scheme]: source.options } });
    try {
      const allFired = await script(origin, { op: 'get', nth: [2, 11], do: { expire: true } });
      const uris = Object.keys(SIZES).map((key) => service.uriOf(origin, BUCKET, key));
      const loader = runtime.loader(ObjectDataset.fromUris(uris), { ranges: RANGES });
      const seen: string[] = [];
      for await (const batch of loader) {
        for (const item of batch) {
          expect(fault(item.key, item.bytes, SIZES[item.key]!)).toBeNull();
          seen.push(item.key);
        }
      }
      expect(seen).toEqual(Object.keys(SIZES));
      expect(loader.report).toMatchObject({ delivered: 4, failed: 0 });
      expectSum(loader.report);
      await allFired();
      // Two ends may fall to the same credentials: what was sent before a renewal comes behind it.
      const { length: fetched } = source.fetchedAtMs();
      expect(fetched).toBeGreaterThan(1);
      expect(fetched).toBeLessThanOrEqual(4);
      await expectIdle(runtime);
    } finally {
      expect(await runtime.close()).toMatchObject({ unreleasedBytes: 0, stuckWorkers: [] });
      await origin.waitFor({ connections: 0 });
      await origin.stop();
    }
    await backToBaseline(baseline);
  },
);

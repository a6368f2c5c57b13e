/** Objects that come in several pieces: each byte is asked for once, and a transform sees all of them at once. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ObjectDataset, type Runtime } from '../../dist/index.js';
import type { Origin } from '../../dist/testing/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';
import { expectedSha256, expectIdle, fault, MIB, sha256 } from './kit.js';
import { runtimeOf, SERVICES, startService } from './stores.kit.js';

const BUCKET = 'parts';
// A thirty-second of the budget is what an object of unknown size is asked for at first: 2 MiB.
const FIRST = 2 * MIB;
const SIZES = { below: FIRST - 1, exact: FIRST, above: FIRST + 1, large: 11 * MIB + 7, huge: 30 * MIB };
const keys = Object.keys(SIZES) as (keyof typeof SIZES)[];
const DIGEST = new URL('transforms/digest.mjs', import.meta.url);

describe.each(SERVICES)('$scheme', (service) => {
  const uriOf = (key: string): string => service.uriOf(origin, BUCKET, key);
  let origin: Origin;
  let runtime: Runtime;
  beforeAll(async () => {
    origin = await startService(service, {
      objects: keys.map((key) => ({ bucket: BUCKET, key, size: SIZES[key] })),
    });
    runtime = await runtimeOf(service, origin, { memoryBudget: 32 * FIRST });
  });
  afterEach(async () => {
    await origin.reset();
    await expectIdle(runtime);
  });
  afterAll(async () => {
    await runtime.close();
    await origin.stop();
  });

  /** Bytes of one object that the origin was asked for. */
  async function askedFor(key: string): Promise<number> {
    const requests = await origin.requests();
    let bytes = 0;
    for (const request of requests) {
      if (request.key !== key || request.op !== 'get') continue;
      const size = SIZES[key as 'below'];
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.range ?? '');
      bytes += range === null ? size : Math.min(Number(range[2]) + 1, size) - Number(range[1]);
    }
    return bytes;
  }

  describe('an object whose size is not known', () => {
    test.each(keys)('%s: arrives whole, and no byte of it is asked for twice', async (key) => {
      const result = await runtime.get(uriOf(key));
      expect(fault(key, result.bytes, SIZES[key])).toBeNull();
      expect(await askedFor(key)).toBe(SIZES[key]);
      result.release();
    });

    test('all of them at once, with memory for little more than the largest', async () => {
      const small = await runtimeOf(service, origin, { memoryBudget: 36 * MIB });
      const loader = small.loader(ObjectDataset.fromUris([...keys, ...keys].map(uriOf)), { batchSize: 1 });
      const seen: string[] = [];
      for await (const [item] of loader) {
        expect(fault(item!.key, item!.bytes, SIZES[item!.key as 'below'])).toBeNull();
        seen.push(item!.key);
      }
      expect(seen).toEqual([...keys, ...keys]);
      await expectIdle(small);
      await small.close();
    });

    test('replaced behind its first part: it is read again from the begin, of one version', async () => {
      await origin.script({
        key: 'large',
        range: /^bytes=2097152-/,
        times: 1,
        do: { status: 412 },
      });
      const result = await runtime.get(uriOf('large'));
      expect(fault('large', result.bytes, SIZES.large)).toBeNull();
      expect(await askedFor('large')).toBeGreaterThan(SIZES.large);
      result.release();
    });

    test.each(['above', 'large'] as const)(
      '%s, without a version: it is read again by one request, because two could be mixed',
      async (key) => {
        await origin.script({ key, do: service.unversioned });
        const result = await runtime.get(uriOf(key));
        expect(fault(key, result.bytes, SIZES[key])).toBeNull();
        expect(await askedFor(key)).toBe(FIRST + SIZES[key]);
        expect((await origin.requests()).length).toBe(2);
        result.release();
      },
    );
  });

  describe('a transform', () => {
    test.each([
      ['of known size', true],
      ['of unknown size', false],
    ])('sees each object %s whole, and once, however many parts it came in', async (_name, known) => {
      const refs = keys.map((key) => (known ? { uri: uriOf(key), size: SIZES[key] } : uriOf(key)));
      const loader = runtime.loader(ObjectDataset.fromUris(refs), { batchSize: 2, transform: DIGEST });
      const values: unknown[] = [];
      for await (const batch of loader) for (const item of batch) values.push(item.value);
      expect(values).toEqual(
        keys.map((key) => ({
          key,
          size: SIZES[key],
          version: expect.any(String),
          sha256: expectedSha256(key, SIZES[key]),
        })),
      );
      expect(loader.report).toMatchObject({ delivered: keys.length, filtered: 0 });
    });

    test('is given the range that was asked for', async () => {
      const range = { start: 5, end: FIRST };
      const loader = runtime.loader(ObjectDataset.fromUris([{ uri: uriOf('large'), range }]), {
        transform: DIGEST,
      });
      const values: unknown[] = [];
      for await (const batch of loader) for (const item of batch) values.push(item.value);
      const bytes = patternBytes(objectIdOf('large'), FIRST - 5, 5);
      expect(values).toEqual([
        { key: 'large', size: FIRST - 5, version: expect.any(String), sha256: sha256(bytes) },
      ]);
    });
  });
});

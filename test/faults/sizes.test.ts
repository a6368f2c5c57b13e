/** A plan that is older than its objects: what comes is the object, never as much of it as the plan says. */
import { describe, expect, test } from 'vitest';
import { ObjectDataset, Runtime } from '../../dist/index.js';
import { expectIdle, expectSum, fault, KIB } from '../e2e/kit.js';
import { PLACES, SERVICES } from '../e2e/stores.kit.js';
import { script, worldFor } from './kit.js';

const PART = 64 * KIB;
const RANGES = { splitThreshold: PART, partBytes: PART, maxPerObject: 3 };
const SIZES = { grown: 6 * PART + 7, small: 3000 };
type Key = keyof typeof SIZES;

describe.each(SERVICES)('$scheme', (service) => {
  const world = worldFor(service, { sizes: SIZES });
  const refTo = (key: Key, size: number): { uri: string; size: number } => ({ uri: world.uriOf(key), size });

  test('planned with another size in the version that it has, is a contradiction', async () => {
    const { version } = await world.runtime.head(world.uriOf('grown'));
    const ref = { ...refTo('grown', 4 * PART), version: version! };
    const loader = world.runtime.loader(ObjectDataset.fromUris([ref]), { ranges: RANGES });
    await expect(loader[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'ProtocolViolation',
      message: expect.stringContaining(`has ${4 * PART} bytes`),
    });
  });

  test('overwritten while its parts are under way, comes in one version, whichever part is late', async () => {
    for (const nth of [1, 2, 4, 7]) {
      const size = SIZES.grown + nth;
      const allFired = await script(world.origin, { op: 'get', nth, do: { overwrite: { size } } });
      const loader = world.runtime.loader(ObjectDataset.fromUris([world.uriOf('grown')]), { ranges: RANGES });
      for await (const [item] of loader) expect(item!.bytes.length).toBe(size);
      const after = await world.runtime.get(world.uriOf('grown'));
      for await (const [item] of world.runtime.loader(ObjectDataset.fromUris([world.uriOf('grown')])))
        expect(Buffer.compare(item!.copy(), after.copy())).toBe(0);
      after.release();
      await allFired();
      await world.origin.reset();
    }
  });
});

describe.each(PLACES)('wherever it is: $scheme', ({ open }) => {
  test('an object that has grown or shrunk since the plan was made comes whole', async () => {
    const place = await open(Object.entries(SIZES).map(([key, size]) => ({ key, size })));
    const runtime = await Runtime.start({ workers: 1, memoryBudget: '16MiB', stores: place.stores });
    const { grown } = SIZES;
    const planned = {
      grown: [10, 3 * PART, 3 * PART + 1, grown - 1, grown + 1, 9 * PART],
      small: [2999, 3001, 5 * PART],
    };
    try {
      for (const [key, sizes] of Object.entries(planned)) {
        for (const size of sizes) {
          // A checksum would find it out as well.
          const ref = { uri: place.uriOf(key), size };
          const loader = runtime.loader(ObjectDataset.fromUris([ref]), { ranges: RANGES, verify: 'never' });
          for await (const [item] of loader)
            expect(fault(key, item!.bytes, SIZES[key as Key]), `planned with ${size}`).toBeNull();
          expect(loader.report).toMatchObject({ planned: 1, delivered: 1 });
          expectSum(loader.report);
          const result = await runtime.get(ref.uri, { size, verify: 'never' });
          expect(fault(key, result.bytes, SIZES[key as Key])).toBeNull();
          result.release();
        }
      }
      await expectIdle(runtime);
    } finally {
      await runtime.close();
      await place.close();
    }
  });
});

/** A listing that is led astray or broken off: each key comes once, or the listing is an error that says why. */
import { describe, expect, test } from 'vitest';
import { ObjectDataset } from '../../dist/index.js';
import type { Fault } from '../../dist/testing/index.js';
import { expectSum, fault } from '../e2e/kit.js';
import { SERVICES } from '../e2e/stores.kit.js';
import { BUCKET, script, worldFor } from './kit.js';

/** Three pages and a bit. */
const COUNT = 3_100;
const SIZE = 16;
const PASSING: readonly (readonly [what: string, fault: Fault])[] = [
  ['cut in the middle', { cutAfter: 5000 }],
  ['reset before its head', { reset: 'before-head' }],
  ['garbage', { raw: 'not HTTP at all\r\n\r\n' }],
  ['in drops', { drip: { bytes: 4000, everyMs: 0 } }],
  ['a head in single bytes', { drip: { bytes: 1, everyMs: 0, of: 'head' } }],
  ['503', { status: 503, retryAfter: 0 }],
  ['a 103 before it', { lie: 'interim' }],
];

describe.each(SERVICES)('$scheme', (service) => {
  const world = worldFor(service, {
    sizes: {},
    origin: { objects: [{ bucket: BUCKET, prefix: 'n/', count: COUNT, sizes: [SIZE] }] },
  });

  async function keysOf(uri: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of world.runtime.list(uri)) keys.push(key);
    return keys;
  }

  test.each(PASSING)('each second page: %s', async (_what, how) => {
    const allFired = await script(world.origin, { op: 'list', every: 2, do: how });
    const keys = await keysOf(world.uriOf('n/'));
    expect(keys).toHaveLength(COUNT);
    expect(keys).toEqual([...new Set(keys)].toSorted());
    await allFired();
  });

  test.each([
    ['same-continuation', 1],
    ['same-continuation', 2],
    ['same-continuation', 3],
    ['repeat-page', 1],
    ['repeat-page', 3],
  ] as const)('%s, once, on page %i: an error, and no object comes twice', async (lie, nth) => {
    const allFired = await script(world.origin, { op: 'list', nth, do: { lie } });
    const loader = world.runtime.loader(ObjectDataset.fromPrefix(world.uriOf('n/')), { batchSize: 500 });
    const seen = new Set<string>();
    const load = async (): Promise<void> => {
      for await (const batch of loader) {
        for (const item of batch) {
          expect(fault(item.key, item.bytes, SIZE)).toBeNull();
          expect(seen.has(item.key), item.key).toBe(false);
          seen.add(item.key);
        }
      }
    };
    await expect(load()).rejects.toMatchObject({ code: 'ProtocolViolation', phase: 'list' });
    expect(loader.report).toMatchObject({ reason: 'failed', listed: 'partial' });
    expectSum(loader.report);
    await allFired();
  });

  test('that leads back to the same page for ever ends all the same', async () => {
    const allFired = await script(world.origin, { op: 'list', do: { lie: 'same-continuation' } });
    await expect(keysOf(world.uriOf('n/'))).rejects.toMatchObject({ code: 'ProtocolViolation' });
    expect((await world.origin.requests({ op: 'list' })).length).toBeLessThan(5);
    await allFired();
  });
});

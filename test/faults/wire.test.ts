/** What goes wrong on the wire and passes: every object comes all the same, byte for byte, of every service. */
import { describe, expect, test } from 'vitest';
import { ObjectDataset } from '../../dist/index.js';
import type { Fault } from '../../dist/testing/index.js';
import { expectSum, fault, KIB } from '../e2e/kit.js';
import { SERVICES } from '../e2e/stores.kit.js';
import { BUCKET, everythingComes, script, worldFor } from './kit.js';

/** Small ones, an empty one, and one that comes in several parts. */
const SMALL = Array.from({ length: 40 }, (_, i) => `small/${String(i).padStart(2, '0')}`);
const SIZES: Readonly<Record<string, number>> = {
  ...Object.fromEntries(SMALL.map((key, i) => [key, 3000 + i])),
  empty: 0,
  parts: 1200 * KIB + 7,
};
const RANGES = { splitThreshold: 256 * KIB, partBytes: 256 * KIB, maxPerObject: 3 };

const PASSING: readonly (readonly [what: string, fault: Fault])[] = [
  ['cut before the head', { cutAfter: 'before-head' }],
  ['cut behind the head', { cutAfter: 'after-head' }],
  ['cut after 1,000 bytes', { cutAfter: 1000 }],
  ['cut one byte before the end', { cutAfter: 2999 }],
  ['reset before the head', { reset: 'before-head' }],
  ['reset after 1,000 bytes', { reset: 1000 }],
  ['garbage instead of a head', { raw: 'SSH-2.0-OpenSSH_9.2\r\n' }],
  ['nothing but zeros', { raw: Buffer.alloc(5000) }],
  ['a status line that is none', { lie: 'bad-status-line' }],
  ['a head of a MiB', { lie: 'huge-head' }],
  ['a head in single bytes', { drip: { bytes: 1, everyMs: 0, of: 'head' } }],
  ['a body in drops', { drip: { bytes: 700, everyMs: 1, of: 'body' } }],
  ['a 103 before the answer', { lie: 'interim' }],
  ['a connection that is closed without a word', { close: 'silent' }],
  ['a delay', { delayMs: 100 }],
  ['500', { status: 500 }],
  ['503 without Retry-After', { status: 503 }],
  ['503 with Retry-After', { status: 503, retryAfter: 0 }],
  ['429', { status: 429, retryAfter: 0 }],
];

/** What a service says against itself is not asked for again: it is an error of that one object. */
const LIES: readonly (readonly [key: string, fault: Fault, code: string])[] = [
  ['small/07', { lie: 'long-length' }, 'ProtocolViolation'],
  ['small/08', { lie: 'short-length' }, 'ProtocolViolation'],
  ['parts', { lie: 'range-label' }, 'RangeRejected'],
  ['parts', { lie: 'range-total' }, 'ProtocolViolation'],
];

describe.each(SERVICES)('$scheme', (service) => {
  const world = worldFor(service, { sizes: SIZES });

  test.each(PASSING)('each fifth answer: %s', async (_what, how) => {
    const allFired = await script(world.origin, { op: 'get', every: 5, times: 8, do: how });
    await everythingComes(world, SIZES, { ranges: RANGES });
    await allFired();
  });

  test('later requests of a connection find it closed', async () => {
    const allFired = await script(
      world.origin,
      { op: 'get', ordinal: 3, do: { cutAfter: 'before-head' } },
      { op: 'get', ordinal: 2, every: 2, do: { reset: 'before-head' } },
    );
    await everythingComes(world, SIZES, { ranges: RANGES });
    await everythingComes(world, SIZES, { ranges: RANGES });
    await allFired();
  });

  test('connections that are ended as soon as they are made, or not read for a while', async () => {
    const allFired = await script(
      world.origin,
      { every: 3, times: 2, connection: { end: 'reset' } },
      { every: 2, times: 2, connection: { end: 'cut' } },
      { connection: { accept: 50 } },
    );
    await everythingComes(world, SIZES, { ranges: RANGES });
    await allFired();
  });

  test('all of it at once, drawn by a seed', async () => {
    await world.origin.script(
      PASSING.map(([, how], i) => ({ op: 'get' as const, probability: 0.03, seed: i, times: 4, do: how })),
    );
    await everythingComes(world, SIZES, { ranges: RANGES, maxAttempts: 12 });
    const { fired, faults } = await world.origin.stats();
    expect(faults).toBeGreaterThan(10);
    expect(Object.values(fired).filter((times) => times > 0).length).toBeGreaterThan(5);
  });

  test.each(LIES)('%s with %j in each answer fails alone, by name', async (key, how, code) => {
    const allFired = await script(world.origin, { op: 'get', key: new RegExp(`${key}$`), do: how });
    const loader = world.runtime.loader(ObjectDataset.fromPrefix(world.uriOf('')), {
      ranges: RANGES,
      onError: 'skip',
    });
    const seen: string[] = [];
    for await (const batch of loader) {
      for (const item of batch) {
        expect(fault(item.key, item.bytes, SIZES[item.key]!)).toBeNull();
        seen.push(item.key);
      }
    }
    expect(seen).toEqual(
      Object.keys(SIZES)
        .toSorted()
        .filter((one) => one !== key),
    );
    expect(loader.report).toMatchObject({
      failed: 1,
      failures: [{ uri: world.uriOf(key), error: { code } }],
    });
    expectSum(loader.report);
    await allFired();
  });
});

describe('s3 over TLS', () => {
  const objects = Object.entries(SIZES).map(([key, size]) => ({ bucket: BUCKET, key, size }));
  const world = worldFor(SERVICES[0]!, { sizes: {}, origin: { secure: true, objects } });

  test('handshakes that drip', async () => {
    const allFired = await script(world.origin, { connection: { handshake: { bytes: 100, everyMs: 5 } } });
    await everythingComes(world, SIZES, { ranges: RANGES });
    await allFired();
  });

  test('handshakes that wait, and answers that are cut or reset', async () => {
    const allFired = await script(
      world.origin,
      { every: 2, connection: { accept: 100 } },
      { op: 'get', every: 7, do: { cutAfter: 500 } },
      { op: 'get', every: 5, do: { reset: 500 } },
    );
    await everythingComes(world, SIZES, { ranges: RANGES });
    await allFired();
  });
});

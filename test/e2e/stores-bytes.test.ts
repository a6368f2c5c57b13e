/** Ten thousand objects of every scheme, with odd keys and from nothing to 256 MiB: what is delivered is what was put. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ObjectDataset, Runtime } from '../../dist/index.js';
import { mix32 } from '../../dist/backends/memory/pattern.js';
import { expectIdle, expectSum, fault, KIB, MIB, type LoaderOptions } from './kit.js';
import { PLACES, type Entry, type Place } from './stores.kit.js';

const COUNT = 10_000;
/** What a URI, a query, a path, a shell or an encoding may take for its own; each can be part of a key of every scheme. */
const ODD = [
  'with space',
  'plus+sign',
  '100%',
  'looks%2Fencoded%20',
  'a?b#c',
  'ünïcödé',
  'nfd-e\u0301',
  '日本語/名前',
  'emoji-😀',
  'tilde~(*)!\'"',
  'semi;colon,comma=&amp;<x>',
  '[brackets]{braces}|^`$',
  'line\nfeed\ttab',
  '@at:colon',
  'sig-nature',
];
const EDGES = [8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB, 16 * MIB + 1, 17 * MIB + 3];
const LARGEST = 256 * MIB;

function sizeAt(i: number): number {
  if (i === COUNT / 2) return LARGEST;
  if (i < EDGES.length) return EDGES[i]!;
  if (i % 50 === 9) return 0;
  if (i % 50 === 11) return 4 * KIB + (i % 3) - 1;
  return (mix32(i + 1) >>> 0) % (i % 100 === 13 ? 64 * KIB : 2 * KIB);
}

const ENTRIES: readonly Entry[] = Array.from({ length: COUNT }, (_, i) => ({
  key: `${i < 100 ? 'a' : 'b'}/${ODD[i % ODD.length]}/${String(i).padStart(5, '0')}`,
  size: sizeAt(i),
}));

describe.each(PLACES)('$scheme', ({ open }) => {
  let place: Place;
  let runtime: Runtime;
  beforeAll(async () => {
    place = await open(ENTRIES);
    runtime = await Runtime.start({ workers: 4, memoryBudget: '320MiB', stores: place.stores });
  });
  afterAll(async () => {
    expect(await runtime.close()).toMatchObject({ deaths: 0, unreleasedBytes: 0, leaks: 0 });
    await place.close();
  });

  /** Each once, each with its bytes. */
  async function brings(
    entries: readonly Entry[],
    dataset: Parameters<Runtime['loader']>[0],
    options: LoaderOptions,
  ) {
    const left = new Map(entries.map(({ key, size }) => [key, size]));
    const loader = runtime.loader(dataset, options);
    for await (const batch of loader) {
      for (const item of batch) {
        const key = place.keyOf(item);
        const size = left.get(key);
        if (size === undefined) expect.unreachable(`${JSON.stringify(key)} came twice, or does not exist`);
        left.delete(key);
        expect(fault(key, item.bytes, size)).toBeNull();
      }
    }
    expect([...left.keys()]).toEqual([]);
    expect(loader.report).toMatchObject({ delivered: entries.length, failed: 0 });
    expectSum(loader.report);
    await expectIdle(runtime);
  }

  test(`${COUNT} objects of a listing, byte for byte`, () =>
    brings(ENTRIES, ObjectDataset.fromPrefix(place.uriOf('')), {}));

  test('a hundred of unknown size, named by their URIs, in the order of completion', () => {
    const some = ENTRIES.slice(0, 100);
    return brings(some, ObjectDataset.fromUris(some.map(({ key }) => place.uriOf(key))), {
      order: 'completion',
      batchSize: 7,
    });
  });
});

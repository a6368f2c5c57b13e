import { describe, expect, it } from 'vitest';
import type { PlanEntry } from '../../dist/actors/supervisor/types.js';
import { asDataset, type DatasetLike, ObjectDataset } from '../../dist/loader/datasets.js';
import { createPlanSource, type PlanOrder } from '../../dist/loader/plan-source.js';
import type { EntrySource } from '../../dist/loader/sources.js';
import { createFakeSupervisor, type FakeSupervisor, uriOf } from './fake-supervisor.js';

const PLAIN: PlanOrder = { shuffle: false, seed: 0, epoch: 0, sampler: null };

const keysOf = (entries: readonly PlanEntry[]): string[] =>
  entries.map(({ key }) => Buffer.from(key).toString());

const sourceOf = (
  dataset: DatasetLike,
  order: Partial<PlanOrder> = {},
  supervisor: FakeSupervisor = createFakeSupervisor(),
): EntrySource => {
  const idle = { next: async () => null };
  const stream = supervisor.openStream({} as never, idle, null);
  return createPlanSource(
    asDataset(dataset),
    { ...PLAIN, ...order },
    { stores: supervisor.stores, stream: () => stream },
  );
};

const drain = async (source: EntrySource, limit = 7): Promise<PlanEntry[]> => {
  const all: PlanEntry[] = [];
  for (let pull = await source.next(limit); pull !== null; pull = await source.next(limit)) {
    expect(pull.length).toBeGreaterThan(0);
    expect(pull.length).toBeLessThanOrEqual(limit);
    all.push(...pull);
  }
  expect(await source.next(limit)).toBeNull();
  return all;
};

const orderOf = async (dataset: DatasetLike, order: Partial<PlanOrder> = {}, limit = 7) =>
  keysOf(await drain(sourceOf(dataset, order), limit));

const names = Array.from({ length: 50 }, (_, at) => `k${String(at).padStart(3, '0')}`);
const uris = names.map(uriOf);
async function* later(values: readonly string[]): AsyncGenerator<string> {
  for (const value of values) yield value;
}

describe('the plan of a dataset', () => {
  it.each<[string, () => DatasetLike]>([
    ['an array', () => uris],
    ['fromUris of an array', () => ObjectDataset.fromUris(uris)],
    ['fromUris of an async iterable', () => ObjectDataset.fromUris(later(uris))],
    ['fromIterable of a generator function', () => ObjectDataset.fromIterable(() => later(uris))],
    ['a set', () => new Set(uris)],
    ['a map-style object', () => ({ length: uris.length, at: (at: number) => uris[at]! })],
    ['promises', () => ObjectDataset.fromMap({ length: 50, at: async (at) => ({ uri: uris[at]! }) })],
  ])('has the order of %s', async (_name, dataset) => {
    expect(await orderOf(dataset())).toEqual(names);
  });

  it('is the listing of a prefix, page after page, with sizes and versions and keys that stay bytes', async () => {
    const supervisor = createFakeSupervisor({ keys: ['a', ...names], pageKeys: 8 });
    const entries = await drain(sourceOf(ObjectDataset.fromPrefix(uriOf('k')), {}, supervisor));
    expect(keysOf(entries)).toEqual(names);
    expect(entries[9]).toMatchObject({ size: 1000, version: 'v-k009', pinned: false, start: 0, length: -1 });
    expect(supervisor.streams[0]?.lists.map(({ continuation }) => continuation)).toEqual(
      [null, 8, 16, 24, 32, 40, 48].map((at) => (at === null ? null : String(at))),
    );
  });

  it('asks for the next page as soon as the one before is begun, and for none further', async () => {
    const supervisor = createFakeSupervisor({ keys: names, pageKeys: 8 });
    const source = sourceOf(ObjectDataset.fromPrefix(uriOf('')), {}, supervisor);
    await source.next(1);
    expect(supervisor.streams[0]?.lists).toHaveLength(2);
    await source.next(8);
    expect(supervisor.streams[0]?.lists).toHaveLength(2);
    await source.next(1);
    expect(supervisor.streams[0]?.lists).toHaveLength(3);
  });

  it('has of a prefix only what the filter passes, however many pages that empties', async () => {
    const supervisor = createFakeSupervisor({ keys: names, pageKeys: 2 });
    const filter = ({ key, size }: { key: string; size: number }) => size === 1000 && key > 'k044';
    const source = sourceOf(ObjectDataset.fromPrefix(uriOf(''), { filter }), {}, supervisor);
    expect(keysOf(await drain(source))).toEqual(names.slice(45));
  });

  it('opens a store once, and takes no promise for it afterwards', async () => {
    const supervisor = createFakeSupervisor();
    let opens = 0;
    const open = supervisor.stores.open.bind(supervisor.stores);
    Object.assign(supervisor.stores, { open: (store: string) => ((opens += 1), open(store)) });
    const source = sourceOf(['fake://one/a', 'fake://two/b', 'fake://one/c', 'fake://two/d'], {}, supervisor);
    await source.next(2);
    await source.next(2);
    expect(opens).toBe(2);
    expect(supervisor.opened).toEqual(['fake://one', 'fake://two']);
  });

  it('carries size, version and range of a reference', async () => {
    const at = (range: object) => ({ uri: uriOf('a'), size: 9, version: 'v1', range });
    const ranges = [{}, { start: 4 }, { start: 2, end: 5 }, { length: 3 }];
    const entries = await drain(sourceOf(ranges.map(at)));
    expect(entries.map(({ start, length }) => [start, length])).toEqual([
      [0, -1],
      [4, -1],
      [2, 3],
      [0, 3],
    ]);
    expect(entries[0]).toMatchObject({ size: 9, version: 'v1', pinned: true });
  });

  it.each<[unknown, string]>([
    ['nonsense', 'dataset.at(1): "nonsense" is not a fake URI'],
    [5, 'dataset.at(1): expected a URI, or {uri, size?, version?, range?}; given 5'],
    [undefined, 'given undefined'],
    [{ url: 'x' }, 'dataset.at(1): unknown option "url"; did you mean "uri"?'],
    [{ uri: uriOf('a'), size: -1 }, 'dataset.at(1).size: expected a whole number from 0 on; given -1'],
    [{ uri: uriOf('a'), version: '' }, 'dataset.at(1).version: expected an ETag'],
    [{ uri: uriOf('a'), range: { start: 3, end: 3 } }, 'more than start (3); end is exclusive; given 3'],
    [{ uri: uriOf('a'), range: { end: 3, length: 3 } }, 'expected end or length; given "both"'],
    [{ uri: uriOf('a'), range: { length: 0 } }, 'range.length: expected a whole number from 1 on; given 0'],
  ])('refuses the reference %j and tells its index', async (reference, message) => {
    const source = sourceOf([uriOf('a'), reference] as DatasetLike);
    await expect(source.next(10)).rejects.toMatchObject({
      code: 'InvalidArgument',
      message: expect.stringContaining(message) as string,
    });
  });

  it('names the index when at(i) throws, and leaves no rejection of its neighbours unhandled', async () => {
    const at = (index: number) => {
      if (index === 1) throw new Error('no such row');
      return Promise.reject<string>(new Error(`late ${index}`));
    };
    await expect(sourceOf({ length: 3, at }).next(3)).rejects.toMatchObject({
      message: expect.stringMatching(/^dataset\.at\([012]\) failed: /) as string,
    });
  });

  it('hands out what a producer has yielded while it waits for that to be loaded', async () => {
    let loaded = (): void => {};
    async function* answering(): AsyncGenerator<string> {
      for (const uri of uris.slice(0, 3)) {
        yield uri;
        // Wait ends: below, with the pull that took the value before.
        await new Promise<void>((resolve) => {
          loaded = resolve;
        });
      }
    }
    const source = sourceOf(ObjectDataset.fromIterable(answering));
    const pulls: string[][] = [];
    for (let pull = await source.next(7); pull !== null; pull = await source.next(7)) {
      pulls.push(keysOf(pull));
      loaded();
    }
    expect(pulls).toEqual([['k000'], ['k001'], ['k002']]);
  });

  it('reports what an iterator throws late, after what it yielded before', async () => {
    let fail = (): void => {};
    async function* failing(): AsyncGenerator<string> {
      yield uris[0]!;
      // Wait ends: below.
      await new Promise((_resolve, reject) => {
        fail = () => reject(new Error('the queue broke'));
      });
    }
    const source = sourceOf(ObjectDataset.fromIterable(failing));
    expect(keysOf((await source.next(7)) ?? [])).toEqual(['k000']);
    fail();
    await expect(source.next(7)).rejects.toMatchObject({
      message: 'the iterator of the dataset failed: the queue broke',
    });
  });

  it('runs the finally of a generator that is not gone through', async () => {
    let closed: () => void = () => {};
    const done = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const source = sourceOf(
      ObjectDataset.fromIterable(function* generate() {
        try {
          for (;;) yield uriOf('a');
        } finally {
          closed();
        }
      }),
    );
    await source.next(3);
    source.close();
    await done;
  });

  it('refuses to go through a generator twice', async () => {
    const dataset = asDataset(later(uris));
    const supervisor = createFakeSupervisor();
    const world = { stores: supervisor.stores, stream: () => supervisor.streams[0]! };
    await drain(createPlanSource(dataset, PLAIN, world));
    await expect(createPlanSource(dataset, PLAIN, world).next(1)).rejects.toMatchObject({
      code: 'InvalidArgument',
      message: expect.stringContaining('used up') as string,
    });
  });

  it.each<[string, unknown]>([
    ['a text', uriOf('a')],
    ['nothing', null],
    ['a plain object', {}],
  ])('is not made of %s', (_name, given) => {
    expect(() => asDataset(given as DatasetLike)).toThrow('dataset: expected ObjectDataset.fromPrefix');
  });
});

describe('the order of a plan', () => {
  it('with shuffle is a permutation that seed and epoch alone decide', async () => {
    const first = await orderOf(uris, { shuffle: true, seed: 1 }, 7);
    expect([...first].sort()).toEqual(names);
    expect(first).not.toEqual(names);
    expect(await orderOf(uris, { shuffle: true, seed: 1 }, 50)).toEqual(first);
    expect(await orderOf(uris, { shuffle: true, seed: 2 })).not.toEqual(first);
    expect(await orderOf(uris, { shuffle: true, seed: 1, epoch: 1 })).not.toEqual(first);
  });

  it('with a shuffle buffer has each entry once, and seed and epoch alone decide, whatever the pulls', async () => {
    const order = { shuffle: { buffer: 16 }, seed: 1 };
    const first = await orderOf(new Set(uris), order, 1);
    expect([...first].sort()).toEqual(names);
    expect(first).not.toEqual(names);
    expect(await orderOf(new Set(uris), order, 50)).toEqual(first);
    expect(await orderOf(new Set(uris), { ...order, epoch: 1 })).not.toEqual(first);
  });

  it('fills a shuffle buffer with turns of the event loop in between', async () => {
    let turns = 0;
    const count = (): void => {
      turns += 1;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    const many = ObjectDataset.fromIterable(function* generate() {
      for (let at = 0; at < 10_000; at += 1) yield uriOf(String(at));
    });
    await sourceOf(many, { shuffle: { buffer: 8192 } }).next(1);
    clearImmediate(timer);
    expect(turns).toBeGreaterThanOrEqual(7);
  });

  it('of a hundred million computed keys is found without a list of them', async () => {
    let calls = 0;
    const at = (index: number) => ((calls += 1), uriOf(String(index)));
    const source = sourceOf({ length: 1e8, at }, { shuffle: true, seed: 3 });
    expect(new Set(keysOf((await source.next(64))!)).size).toBe(64);
    expect(calls).toBe(64);
  });

  it.each<[string, PlanOrder['sampler']]>([
    ['an array', [3, 1, 1]],
    ['a function', ({ length }) => [3, 1, length - 49]],
    [
      'an async generator',
      () =>
        (async function* indexes() {
          yield* [3, 1, 1];
        })(),
    ],
  ])('is that of a sampler: %s', async (_name, sampler) => {
    expect(await orderOf(uris, { sampler }, 2)).toEqual(['k003', 'k001', 'k001']);
  });

  it('gives a sampler length, seed and epoch', async () => {
    const seen: unknown[] = [];
    await orderOf(uris, { sampler: (given) => (seen.push(given), []), seed: 's', epoch: 4 });
    expect(seen).toEqual([{ length: 50, seed: 's', epoch: 4 }]);
  });

  it.each([50, -1, 0.5, '1'])('refuses the index %j of a sampler', async (index) => {
    await expect(sourceOf(uris, { sampler: [index as number] }).next(1)).rejects.toThrow(
      'sampler: expected indexes from 0 to 49',
    );
  });

  it('refuses the wrong shuffle and says which is right', () => {
    expect(() => sourceOf(ObjectDataset.fromPrefix(uriOf('')), { shuffle: true })).toThrow(
      'a streamed listing has none; use shuffle: {buffer: n}',
    );
    expect(() => sourceOf(new Set(uris), { shuffle: true })).toThrow('use shuffle: {buffer: n}');
    expect(() => sourceOf(uris, { shuffle: { buffer: 5 } })).toThrow('use shuffle: true');
    expect(() => sourceOf(new Set(uris), { sampler: [0] })).toThrow('sampler needs a dataset with length');
  });
});

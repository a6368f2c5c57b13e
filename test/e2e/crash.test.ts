/** Workers that die lose nothing; an item that kills is named; workers that only die end in one error. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MillraceError, ObjectDataset, type Runtime } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';
import {
  BUCKET,
  DEAD_ON_ARRIVAL,
  DEADLY,
  deaths,
  everythingComesOnce,
  momentsOf,
  SIZES,
  WAYS,
  type Way,
} from './crash.kit.js';
import { expectIdle, expectSum, fault, keysInOrder, startRuntime } from './kit.js';

const COUNT = 200;
const URI = `s3://${BUCKET}/few/`;
const keyOf = (i: number): string => `few/${String(i).padStart(3, '0')}`;
const KEYS = Array.from({ length: COUNT }, (_, i) => keyOf(i));
const sizeOf = (key: string): number => SIZES[KEYS.indexOf(key) % SIZES.length]!;
const HEAP_MB = 24;

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin({ objects: [{ bucket: BUCKET, prefix: 'few/', count: COUNT, sizes: SIZES }] });
});
afterAll(() => origin.stop());

async function withRuntime(use: (runtime: Runtime) => Promise<void>, workers = 2): Promise<void> {
  const runtime = await startRuntime(origin, { workers, heapLimitMb: HEAP_MB });
  try {
    await use(runtime);
  } finally {
    const record = await runtime.close();
    expect(record).toMatchObject({ unreleasedBytes: 0, stuckWorkers: [] });
  }
}

describe.each(WAYS)('workers that die by %s', (way) => {
  test('lose nothing: every object comes once, with its own bytes', () =>
    withRuntime((runtime) =>
      everythingComesOnce(runtime, URI, COUNT, deaths(COUNT, momentsOf(way.length, 4, COUNT, [way]))),
    ));

  test('of one item have that item named under skip, and the others delivered', () =>
    withRuntime(async (runtime) => {
      const poison = { key: keyOf(77), way };
      const loader = runtime.loader(ObjectDataset.fromPrefix(URI), {
        batchSize: 16,
        onError: 'skip',
        transform: { url: DEADLY, options: deaths(COUNT, new Map(), poison) },
      });
      expect(await keysInOrder(loader, sizeOf)).toEqual(KEYS.filter((key) => key !== poison.key));
      expect(loader.report).toMatchObject({
        delivered: COUNT - 1,
        failed: 1,
        failures: [{ uri: uriOf(77) }],
      });
      expectSum(loader.report);
      const error = loader.report?.failures[0]?.error;
      expect(error).toBeInstanceOf(MillraceError);
      expect(error).toMatchObject({ code: 'WorkerCrashed', phase: 'transform', uri: uriOf(77) });
      expect(error?.message).toContain(uriOf(77));
      expect(await runtime.stats()).toMatchObject({ deaths: 3 });
      await expectIdle(runtime);
    }));
});

test('a transform that throws when it is over loses nothing, however often it does', () =>
  withRuntime(async (runtime) => {
    await everythingComesOnce(runtime, URI, COUNT, deaths(COUNT, momentsOf(5, 5, COUNT, ['late'])));
    const loader = runtime.loader(ObjectDataset.fromPrefix(URI), {
      transform: { url: DEADLY, options: deaths(COUNT, new Map(), { key: keyOf(150), way: 'late' }) },
    });
    expect(await keysInOrder(loader, sizeOf)).toEqual(KEYS);
    await expectIdle(runtime);
  }));

test('a mixture of deaths loses nothing of files either', async () => {
  const root = await mkdtemp(join(tmpdir(), 'millrace-deaths-'));
  try {
    for (const key of KEYS) {
      const name = key.slice('few/'.length);
      await writeFile(join(root, name), patternBytes(objectIdOf(name), sizeOf(key)));
    }
    await withRuntime((runtime) =>
      everythingComesOnce(
        runtime,
        `${pathToFileURL(root).href}/`,
        COUNT,
        deaths(COUNT, momentsOf(9, 6, COUNT, WAYS)),
        (key) => key.slice(key.lastIndexOf('/') + 1),
      ),
    );
  } finally {
    await rm(root, { recursive: true });
  }
});

test.each(['throw', 'exit'] as Way[])(
  'an item that kills by %s ends the epoch with an error that names it',
  (way) =>
    withRuntime(async (runtime) => {
      const loader = runtime.loader(ObjectDataset.fromPrefix(URI), {
        batchSize: 16,
        transform: { url: DEADLY, options: deaths(COUNT, new Map(), { key: keyOf(40), way }) },
      });
      const seen: string[] = [];
      const run = async (): Promise<void> => {
        for await (const batch of loader) {
          for (const item of batch) {
            expect(fault(item.key, item.bytes, sizeOf(item.key))).toBeNull();
            seen.push(item.key);
          }
        }
      };
      await expect(run()).rejects.toMatchObject({ code: 'WorkerCrashed', uri: uriOf(40) });
      // What comes before it in the plan was delivered, and nothing behind it.
      expect(seen).toEqual(KEYS.slice(0, 40));
      expect(loader.report).toMatchObject({ reason: 'failed', delivered: 40, failed: 1 });
      expectSum(loader.report);
      await expectIdle(runtime);
      // The runtime goes on.
      const next = runtime.loader(ObjectDataset.fromPrefix(URI));
      expect(await keysInOrder(next, sizeOf)).toEqual(KEYS);
    }),
);

test('workers that only die end in one error, and the runtime goes on', () =>
  withRuntime(async (runtime) => {
    const loader = runtime.loader(ObjectDataset.fromUris(KEYS.map((key) => `s3://${BUCKET}/${key}`)), {
      onError: 'skip',
      transform: DEAD_ON_ARRIVAL,
    });
    await expect(keysInOrder(loader, sizeOf)).rejects.toMatchObject({
      code: 'WorkerCrashed',
      message: expect.stringContaining('12 times in a row without a single result') as string,
    });
    expect(loader.report).toMatchObject({ reason: 'failed', delivered: 0 });
    expectSum(loader.report);
    await expectIdle(runtime);
    const next = runtime.loader(ObjectDataset.fromPrefix(URI));
    expect(await keysInOrder(next, sizeOf)).toEqual(KEYS);
  }, 4));

function uriOf(i: number): string {
  return `s3://${BUCKET}/${keyOf(i)}`;
}

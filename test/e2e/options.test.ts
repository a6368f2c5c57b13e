/** What the options of a loader do, end to end on threads: short batches, transforms, checks, stores of one's own. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ObjectDataset, Runtime, type Item } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';
import {
  exhaust,
  expectIdle,
  expectSum,
  fault,
  keysInOrder,
  startRuntime,
  type LoaderOptions,
} from './kit.js';

const BUCKET = 'options';
const COUNT = 50;
const SIZES = [100, 5000, 70_001];
const KEYS = Array.from({ length: COUNT }, (_, i) => `all/${String(i).padStart(2, '0')}`);
const URI = `s3://${BUCKET}/all/`;
const SHAPES = new URL('./modules/shapes.mjs', import.meta.url);
const sizeOf = (key: string): number => SIZES[KEYS.indexOf(key) % SIZES.length] ?? -1;
const bytesOf = (key: string): Uint8Array => patternBytes(objectIdOf(key), sizeOf(key));
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

let origin: Origin;
let runtime: Runtime;
beforeAll(async () => {
  origin = await startOrigin({ objects: [{ bucket: BUCKET, prefix: 'all/', count: COUNT, sizes: SIZES }] });
  runtime = await startRuntime(origin);
});
afterAll(async () => {
  await runtime.close();
  await origin.stop();
});
afterEach(async () => {
  await origin.reset();
  await expectIdle(runtime);
});

/** Goes through the objects; `look` is called with each item while its batch is held. */
async function through(options: LoaderOptions, look: (item: Item) => void) {
  const loader = runtime.loader(ObjectDataset.fromPrefix(URI), { batchSize: 8, ...options });
  for await (const batch of loader) for (const item of batch) look(item);
  expectSum(loader.report);
  return loader.report!;
}

const shaped = (shape: string, more: object = {}): LoaderOptions => ({
  transform: { url: SHAPES, options: { shape, ...more } },
});

describe('dropLast', () => {
  test.each([
    [true, 48, 2],
    [false, 50, 0],
  ])('%s delivers %i objects in batches of 8 and drops %i', async (dropLast, delivered, dropped) => {
    const seen: string[] = [];
    const report = await through({ dropLast }, ({ key }) => seen.push(key));
    expect(seen).toEqual(KEYS.slice(0, delivered));
    expect(report).toMatchObject({ delivered, dropped, planned: COUNT, reason: 'completed' });
  });
});

describe('a transform', () => {
  test.each(['nothing', 'null', 'none'])('that returns %s filters the object', async (odd) => {
    const seen: string[] = [];
    const report = await through(shaped('odd', { odd }), (item) => {
      expect(same(item.bytes, bytesOf(item.key))).toBe(true);
      seen.push(item.key);
    });
    expect(seen).toEqual(KEYS.filter((_, i) => i % 2 === 0));
    expect(report).toMatchObject({ delivered: 25, filtered: 25, failed: 0 });
  });

  test('that filters everything ends without a batch', async () => {
    const report = await through(shaped('nothing'), () => expect.unreachable());
    expect(report).toMatchObject({ delivered: 0, filtered: COUNT, items: 0, reason: 'completed' });
  });

  test.each(['same', 'later', 'copy', 'buffer', 'shared'])('that returns its bytes (%s)', async (shape) => {
    const seen: string[] = [];
    const report = await through(shaped(shape), (item) => {
      expect(same(item.bytes, bytesOf(item.key))).toBe(true);
      seen.push(item.key);
    });
    expect(seen).toEqual(KEYS);
    expect(report).toMatchObject({ delivered: COUNT, items: COUNT });
  });

  test('that returns more bytes than it was given has them delivered and given back', async () => {
    let items = 0;
    await through(shaped('twice'), (item) => {
      const once = bytesOf(item.key);
      expect(same(item.bytes, Buffer.concat([once, once]))).toBe(true);
      items += 1;
    });
    expect(items).toBe(COUNT);
  });

  test('that returns several items has them in their order, with the object that they come from', async () => {
    const seen: [string, number, number][] = [];
    const report = await through(shaped('halves'), (item) => {
      const whole = bytesOf(item.key);
      const middle = whole.length >> 1;
      const expected = item.index === 0 ? whole.subarray(0, middle) : whole.subarray(middle);
      expect(same(item.bytes, expected)).toBe(true);
      seen.push([item.key, item.sequence, item.index]);
    });
    expect(seen).toEqual(KEYS.flatMap((key, i) => [0, 1].map((index) => [key, i, index])));
    expect(report).toMatchObject({ delivered: COUNT, items: 2 * COUNT });
  });

  test('that returns pieces, copies and values of one object has each as it was', async () => {
    let items = 0;
    await through(shaped('mixed'), (item) => {
      const whole = bytesOf(item.key);
      items += 1;
      if (item.index === 2) expect(item.value).toEqual({ key: item.key });
      else {
        const expected = [whole.subarray(0, 10), whole, null, whole.subarray(10)][item.index]!;
        expect(same(item.bytes, expected), `${item.key} ${item.index}`).toBe(true);
      }
    });
    expect(items).toBe(4 * COUNT);
  });

  test('that returns a value is told its object, and the value arrives as it was', async () => {
    const values: unknown[] = [];
    await through(shaped('value'), (item) => {
      expect(() => item.bytes).toThrow(expect.objectContaining({ code: 'Unsupported' }) as Error);
      expect((item.value as { version: string }).version).toBe(item.version);
      values.push(item.value);
    });
    expect(values).toEqual(
      KEYS.map((key) => ({
        key,
        uri: `s3://${BUCKET}/${key}`,
        size: sizeOf(key),
        version: expect.any(String) as string,
        sum: bytesOf(key).reduce((sum, byte) => sum + byte, 0),
        map: new Map([[key, 1n]]),
      })),
    );
  });

  test.each([
    ['throws', 'I never liked this one'],
    ['function', 'cannot be sent between threads'],
  ])('that %s fails its own object alone, and says why', async (odd, message) => {
    const seen: string[] = [];
    const report = await through({ ...shaped('odd', { odd }), onError: 'skip' }, ({ key }) => seen.push(key));
    expect(seen).toEqual(KEYS.filter((_, i) => i % 2 === 0));
    expect(report).toMatchObject({ delivered: 25, failed: 25 });
    expect(report.failures.map(({ uri }) => uri)).toEqual(
      KEYS.filter((_, i) => i % 2 === 1).map((key) => `s3://${BUCKET}/${key}`),
    );
    for (const { uri, error } of report.failures) {
      expect(error).toMatchObject({ code: 'TransformFailed', phase: 'transform', uri });
      expect(error.message).toContain(message);
    }
  });

  test('that fails ends the epoch with its error, and nothing behind it is delivered', async () => {
    const seen: string[] = [];
    const run = through(shaped('odd', { odd: 'throws' }), ({ key }) => seen.push(key));
    await expect(run).rejects.toMatchObject({ code: 'TransformFailed', uri: `s3://${BUCKET}/${KEYS[1]}` });
    expect(seen).toEqual(KEYS.slice(0, 1));
  });

  test('whose module is missing is ModuleUnavailable and names it', async () => {
    const transform = new URL('./modules/nowhere.mjs', import.meta.url);
    await expect(through({ transform }, () => {})).rejects.toMatchObject({
      code: 'ModuleUnavailable',
      message: expect.stringContaining('nowhere.mjs') as string,
    });
  });
});

describe('checked', () => {
  test.each([true, false])('%s: a view of a released batch is empty only when it is on', async (checked) => {
    const views: Uint8Array[] = [];
    const items: Item[] = [];
    await through({ checked }, (item) => {
      expect(same(item.bytes, bytesOf(item.key))).toBe(true);
      views.push(item.bytes);
      items.push(item);
    });
    expect(views.map((view) => view.length)).toEqual(KEYS.map((key) => (checked ? 0 : sizeOf(key))));
    for (const item of items) {
      expect(() => item.bytes).toThrow(expect.objectContaining({ code: 'Released' }) as Error);
    }
  });
});

describe('verify', () => {
  test('finds bytes that are not those of the checksum, fetches them again, and gives up in the end', async () => {
    await origin.script({ key: KEYS[7]!, nth: [1, 2], do: { lie: 'wrong-bytes' } });
    const read = async (verify: 'auto' | 'always' | 'never', maxAttempts = 5): Promise<string[]> => {
      const wrong: string[] = [];
      await through({ verify, maxAttempts }, (item) => {
        if (fault(item.key, item.bytes, sizeOf(item.key)) !== null) wrong.push(item.key);
      });
      return wrong;
    };
    expect(await read('auto')).toEqual([]);
    expect((await origin.stats()).faults).toBe(2);
    await origin.script({ key: KEYS[7]!, do: { lie: 'wrong-bytes' } });
    expect(await read('never')).toEqual([KEYS[7]]);
    await expect(read('always', 2)).rejects.toMatchObject({
      code: 'ChecksumMismatch',
      uri: `s3://${BUCKET}/${KEYS[7]}`,
    });
  });
});

test("a store of one's own, by the URL of its module, lists, splits and delivers", async () => {
  const size = 9 * 1024 * 1024 + 5;
  const own = await Runtime.start({
    workers: 2,
    memoryBudget: '64MiB',
    stores: {
      letters: {
        module: new URL('./modules/pattern-store.mjs', import.meta.url),
        config: { count: 9, size },
      },
    },
  });
  try {
    const loader = own.loader(ObjectDataset.fromPrefix('letters://abc/'), { batchSize: 2 });
    const keys = await keysInOrder(loader, () => size);
    expect(keys).toEqual(Array.from({ length: 9 }, (_, i) => `abc-000${i}`));
    expectSum(loader.report);
    const result = await own.getRange('letters://abc/xyz', { start: size - 3, end: size + 100 });
    expect(same(result.bytes, patternBytes(objectIdOf('xyz'), 3, size - 3))).toBe(true);
    result.release();
    expect(await own.head('letters://abc/xyz')).toMatchObject({ size, version: 'only' });
    await expectIdle(own);
  } finally {
    await own.close();
  }
});

describe('a service that tells everybody to slow down', () => {
  const slowDown = { op: 'get', do: { status: 503, code: 'SlowDown' } } as const;

  test('is waited out by a loader whatever maxAttempts says, and the report counts its answers', async () => {
    await origin.script({ ...slowDown, times: 20 });
    const report = await through({ maxAttempts: 1 }, () => {});
    expect(report).toMatchObject({ delivered: COUNT, failed: 0, throttled: 20, retries: 20 });
    const { workers } = await runtime.stats();
    const ours = Object.values(workers).flatMap((stats) => stats!.origins);
    expect(ours.map(({ store, inFlight, closed }) => ({ store, inFlight, closed }))).toEqual([
      { store: `s3://${BUCKET}`, inFlight: 0, closed: false },
      { store: `s3://${BUCKET}`, inFlight: 0, closed: false },
    ]);
    expect(ours.reduce((sum, { throttled }) => sum + throttled, 0)).toBeGreaterThanOrEqual(20);
  });

  test('is a failure after maxAttempts where throttleTimeoutMs is 0', async () => {
    await origin.script({ ...slowDown, key: KEYS[0]! });
    const run = through({ throttleTimeoutMs: 0, maxAttempts: 2 }, () => {});
    await expect(run).rejects.toMatchObject({
      code: 'Throttled',
      attempt: 2,
      uri: `s3://${BUCKET}/${KEYS[0]}`,
    });
  });

  test('is a failure after throttleTimeoutMs, and the error says so', async () => {
    await origin.script(slowDown);
    const run = through({ throttleTimeoutMs: 300 }, () => {});
    await expect(run).rejects.toMatchObject({
      code: 'Throttled',
      message: expect.stringContaining('throttleTimeoutMs is 300') as string,
    });
  });
});

describe('adaptiveConcurrency', () => {
  test.each([
    [true, 8],
    [false, 16],
  ])('%s: a fresh runtime begins with %i requests', async (adaptiveConcurrency, most) => {
    const fresh = await startRuntime(origin, { adaptiveConcurrency });
    try {
      await origin.script({ op: 'get', do: { stall: 'before-head' } });
      const loading = exhaust(fresh.loader(ObjectDataset.fromPrefix(URI), { batchSize: 8 }));
      await origin.waitFor({ stalled: most });
      // Those that are answered let others in.
      expect((await origin.stats()).maxInFlight).toBe(most);
      await origin.script();
      await origin.release();
      expect(await loading).toBe(COUNT);
      const row = fresh.explain().find(({ option }) => option === 'adaptiveConcurrency');
      expect(row).toMatchObject({ value: adaptiveConcurrency, origin: 'given' });
    } finally {
      await fresh.close();
    }
  });
});

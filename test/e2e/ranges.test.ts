/** Large objects and ranges of them: cut into parts, past the end, transformed, and put together again. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Runtime } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { expectIdle, expectSum, fault, MIB, startRuntime } from './kit.js';

const BUCKET = 'ranges';
const KEY = 'large';
const SIZE = 17 * MIB + 11;
const URI = `s3://${BUCKET}/${KEY}`;
const SHAPES = new URL('./modules/shapes.mjs', import.meta.url);

let origin: Origin;
let runtime: Runtime;
beforeAll(async () => {
  origin = await startOrigin({ objects: [{ bucket: BUCKET, key: KEY, size: SIZE }] });
  runtime = await startRuntime(origin);
});
afterAll(async () => {
  await runtime.close();
  await origin.stop();
});

// In whole parts of 8 MiB, in parts and a bit, and within one part; then far behind the end.
const STARTS = [1 * MIB + 11, 9 * MIB + 11, SIZE - 8 * MIB, SIZE - 8 * MIB - 1, SIZE - 5, 0];

test.each(STARTS)('a range of 60 MiB from byte %i has what there is', async (start) => {
  for (const pinned of [false, true]) {
    const { version } = await runtime.head(URI);
    const result = await runtime.getRange(
      URI,
      { start, length: 60 * MIB },
      pinned ? { version: version! } : {},
    );
    expect(fault(KEY, result.bytes, SIZE - start, start)).toBeNull();
    expect(result.size).toBe(SIZE);
    result.release();
  }
  await expectIdle(runtime);
});

test('the parts of one object are fetched at the same time, for a single get and for a loader of one object at once', async () => {
  const loader = runtime.loader([URI], { maxConcurrentObjects: 1 });
  const calls = [
    async () => {
      const result = await runtime.get(URI, { size: SIZE });
      expect(fault(KEY, result.bytes, SIZE)).toBeNull();
      result.release();
    },
    async () => {
      for await (const batch of loader) expect(fault(KEY, batch.at(0)!.bytes, SIZE)).toBeNull();
    },
  ];
  for (const call of calls) {
    await origin.reset();
    // All parts but the first one: they wait for each other here.
    await origin.script({ op: 'get', range: /^bytes=[1-9]/, do: { stall: 'before-head' } });
    const done = call();
    await origin.waitFor({ stalled: 2 });
    await origin.script();
    await origin.release();
    await done;
  }
  await expectIdle(runtime);
});

test('a part that comes when another one was refused is not taken for the beginning', async () => {
  await origin.reset();
  // A thirty-second of the budget is asked for first, then parts of 8 MiB.
  const first = (128 * MIB) / 32;
  await origin.script(
    {
      range: `bytes=${first}-${first + 8 * MIB - 1}`,
      times: 1,
      do: { status: 412, code: 'PreconditionFailed' },
    },
    { range: `bytes=${first + 8 * MIB}-${SIZE - 1}`, times: 1, do: { stall: 'before-head' } },
  );
  const call = runtime.get(URI);
  await origin.waitFor({ stalled: 1, answered: 2 });
  await origin.release();
  const result = await call;
  expect(fault(KEY, result.bytes, SIZE)).toBeNull();
  expect((await origin.stats()).faults).toBe(2);
  result.release();
  await expectIdle(runtime);
});

test('a range that turns out to be too short to be split is complete all the same', async () => {
  const start = SIZE - 10 * MIB;
  const loader = runtime.loader([{ uri: URI, range: { start, length: 40 * MIB } }], {
    ranges: { splitThreshold: '20MiB', partBytes: '4MiB' },
  });
  const faults: (string | null)[] = [];
  for await (const batch of loader) {
    for (const item of batch) faults.push(fault(KEY, item.bytes, SIZE - start, start));
  }
  expect(faults).toEqual([null]);
  expectSum(loader.report);
});

test('a range that begins behind the end is refused', async () => {
  for (const start of [SIZE, SIZE + 30 * MIB]) {
    const range = runtime.getRange(URI, { start, length: 30 * MIB });
    await expect(range).rejects.toMatchObject({ code: 'RangeRejected', uri: URI });
  }
  await expectIdle(runtime);
});

test.each([false, undefined] as const)(
  'an object is transformed whatever its size (ranges: %s)',
  async (ranges) => {
    for (const size of [SIZE, undefined]) {
      const loader = runtime.loader([{ uri: URI, size }], {
        transform: { url: SHAPES, options: { shape: 'halves' } },
        ...(ranges === undefined ? {} : { ranges }),
      });
      const lengths: number[] = [];
      for await (const batch of loader) {
        for (const item of batch) {
          expect(fault(KEY, item.bytes, item.length, item.index === 0 ? 0 : SIZE >> 1)).toBeNull();
          lengths.push(item.length);
        }
      }
      expect(lengths).toEqual([SIZE >> 1, SIZE - (SIZE >> 1)]);
    }
    await expectIdle(runtime);
  },
);

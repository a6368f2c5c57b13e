/** Many ranges of one object by one call: merged, in parallel, of one version, and all released at once. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CancellationToken, type Runtime } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { expectIdle, fault, KIB, MIB, startRuntime } from './kit.js';

const BUCKET = 'many-ranges';
const KEY = 'columns';
const SIZE = 40 * MIB + 11;
const URI = `s3://${BUCKET}/${KEY}`;

let origin: Origin;
let runtime: Runtime;
beforeAll(async () => {
  origin = await startOrigin({
    objects: [
      { bucket: BUCKET, key: KEY, size: SIZE },
      { bucket: BUCKET, key: 'empty', size: 0 },
      { bucket: BUCKET, key: 'changing', size: SIZE },
    ],
  });
  runtime = await startRuntime(origin);
});
afterEach(async () => {
  await origin.reset();
  await expectIdle(runtime);
});
afterAll(async () => {
  await runtime.close();
  await origin.stop();
});

/** What the origin was asked for, by first byte. */
async function asked(): Promise<string[]> {
  const requests = await origin.requests();
  const firstOf = (text: string): number => Number(/\d+/.exec(text)?.[0] ?? -1);
  return requests
    .map(({ op, range }) => (op === 'get' ? (range ?? 'all') : op))
    .toSorted((a, b) => firstOf(a) - firstOf(b));
}

describe('the last bytes of an object', () => {
  test('are those, of the version that told the size', async () => {
    const footer = await runtime.getRange(URI, { suffix: 8 });
    expect(fault(KEY, footer.bytes, 8, SIZE - 8)).toBeNull();
    expect([footer.start, footer.size]).toEqual([SIZE - 8, SIZE]);
    const requests = await origin.requests();
    expect(requests.map(({ op, range }) => [op, range])).toEqual([
      ['head', null],
      ['get', `bytes=${SIZE - 8}-${SIZE - 1}`],
    ]);
    expect(requests[1]!.ifMatch).toContain(footer.version);
    footer.release();
  });

  test('need no question where the size is given, and one that is not true any more is told', async () => {
    const footer = await runtime.getRange(URI, { suffix: 100 }, { size: SIZE });
    expect(fault(KEY, footer.bytes, 100, SIZE - 100)).toBeNull();
    expect(await asked()).toEqual([`bytes=${SIZE - 100}-${SIZE - 1}`]);
    footer.release();
    for (const size of [SIZE - 1, 50]) {
      const stale = runtime.getRange(URI, { suffix: 100 }, { size });
      await expect(stale).rejects.toMatchObject({ code: 'VersionChanged', uri: URI });
    }
  });

  test('are all of an object that has fewer, and none of an empty one', async () => {
    const whole = await runtime.getRange(URI, { suffix: SIZE + 1 });
    expect(fault(KEY, whole.bytes, SIZE)).toBeNull();
    whole.release();
    const none = await runtime.getRange(`s3://${BUCKET}/empty`, { suffix: 5 });
    expect([none.length, none.size]).toEqual([0, 0]);
    none.release();
  });

  test('of an object that is replaced after its size was told are an error', async () => {
    await origin.script({ op: 'head', do: { stall: 'before-head' } });
    const footer = runtime.getRange(`s3://${BUCKET}/changing`, { suffix: 8 });
    await origin.waitFor({ stalled: 1 });
    await origin.bump(BUCKET, 'changing');
    await origin.release();
    await expect(footer).rejects.toMatchObject({ code: 'VersionChanged' });
  });

  test('of each object of a dataset come in its order, whatever was known of them', async () => {
    const { version } = await runtime.head(URI);
    const range = { suffix: 9 };
    const loader = runtime.loader([
      { uri: URI, range },
      { uri: `s3://${BUCKET}/empty`, range },
      { uri: URI, range, size: SIZE, version: version! },
      { uri: URI, range, size: 12 },
    ]);
    const found: [number, string | null][] = [];
    await origin.mark();
    for await (const batch of loader) {
      for (const item of batch)
        found.push([item.start, fault(KEY, item.bytes, item.size === 0 ? 0 : 9, item.start)]);
    }
    const at = [SIZE - 9, null];
    expect(found).toEqual([at, [0, null], at, at]);
    const heads = await origin.requests({ afterMark: true, op: 'head' });
    expect(heads).toHaveLength(3);
  });
});

describe('many ranges', () => {
  test('near ones come by one request, in the order of the caller, and overlapping ones share memory', async () => {
    const result = await runtime.getRanges(URI, [
      { start: 20 * MIB, length: 100 },
      { start: 500, end: 600 },
      { start: 0, length: 10 },
      { start: 550, length: 1000 },
      { start: 500, end: 600 },
      { start: 20 * MIB + 100 * KIB, length: 7 },
    ]);
    expect(await asked()).toEqual(['bytes=0-1549', `bytes=${20 * MIB}-${20 * MIB + 100 * KIB + 6}`]);
    expect(result.ranges.map(({ start, length }) => [start, length])).toEqual([
      [20 * MIB, 100],
      [500, 100],
      [0, 10],
      [550, 1000],
      [500, 100],
      [20 * MIB + 100 * KIB, 7],
    ]);
    for (const { start, length, bytes } of result.ranges) {
      expect(fault(KEY, bytes, length, start)).toBeNull();
      expect(bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
    }
    const [, first, , over, same] = result.ranges;
    expect(same!.bytes.byteOffset).toBe(first!.bytes.byteOffset);
    expect(over!.bytes.byteOffset - first!.bytes.byteOffset).toBe(50);
    expect(result).toMatchObject({ size: SIZE, requests: 2, bytesRead: 1550 + 100 * KIB + 7 });
    result.release();
    expect(() => first!.bytes).toThrow('was used after its memory was released');
    expect(() => first!.copy()).toThrow('was used after its memory was released');
    expect(() => result.release()).toThrow('already released');
  });

  test('far ones are asked for at the same time', async () => {
    await origin.script({ op: 'get', do: { stall: 'before-head' } });
    const call = runtime.getRanges(
      URI,
      Array.from({ length: 8 }, (_, i) => ({ start: i * 5 * MIB, length: 1000 })),
    );
    await origin.waitFor({ stalled: 8 });
    await origin.script();
    await origin.release();
    const result = await call;
    expect(result.requests).toBe(8);
    for (const { start, bytes } of result.ranges) expect(fault(KEY, bytes, 1000, start)).toBeNull();
    result.release();
  });

  test('a large one comes in parts, as many as are told', async () => {
    const result = await runtime.getRanges(URI, [{ start: 3, length: 20 * MIB }, { suffix: 8 }], {
      size: SIZE,
    });
    const [large, last] = result.ranges;
    expect(fault(KEY, large!.bytes, 20 * MIB, 3)).toBeNull();
    expect(fault(KEY, last!.bytes, 8, SIZE - 8)).toBeNull();
    expect((await asked()).length).toBe(4);
    expect(result.requests).toBe(4);
    result.release();
  });

  test('gaps are read along as far as it was asked for, and no further than the longest read', async () => {
    const ranges = [0, 1000, 3000].map((start) => ({ start, length: 10 }));
    const cases = [
      [{ coalesceBytes: 0 }, ['bytes=0-9', 'bytes=1000-1009', 'bytes=3000-3009']],
      [{ coalesceBytes: 990 }, ['bytes=0-1009', 'bytes=3000-3009']],
      [{ coalesceBytes: '1MiB', maxCoalescedBytes: 2010 }, ['bytes=0-1009', 'bytes=3000-3009']],
      [{ coalesceBytes: '1MiB', maxCoalescedBytes: 3010 }, ['bytes=0-3009']],
      [{}, ['bytes=0-3009']],
    ] as const;
    for (const [options, expected] of cases) {
      await origin.reset();
      const result = await runtime.getRanges(URI, ranges, options);
      expect(await asked()).toEqual(expected);
      result.release();
    }
  });

  test('all forms of a range take one question for the size, and none where it is given', async () => {
    const ranges = [{ start: SIZE - 20 }, { suffix: 5 }, { start: SIZE - 30, length: 100 }];
    for (const options of [{}, { size: SIZE }]) {
      await origin.reset();
      const result = await runtime.getRanges(URI, ranges, options);
      expect(result.ranges.map(({ length }) => length)).toEqual([20, 5, 30]);
      for (const { start, length, bytes } of result.ranges)
        expect(fault(KEY, bytes, length, start)).toBeNull();
      const questions = 'size' in options ? [] : ['head'];
      expect(await asked()).toEqual([...questions, `bytes=${SIZE - 30}-${SIZE - 1}`]);
      expect(result.requests).toBe(questions.length + 1);
      result.release();
    }
  });

  test('what reaches beyond the end is cut there, with no question for the size', async () => {
    const result = await runtime.getRanges(URI, [
      { start: SIZE - 5, length: 100 },
      { start: SIZE - 9, length: 100 },
      { start: 0, length: 4 },
    ]);
    expect(result.ranges.map(({ length }) => length)).toEqual([5, 9, 4]);
    for (const { start, length, bytes } of result.ranges) expect(fault(KEY, bytes, length, start)).toBeNull();
    expect(result).toMatchObject({ requests: 2, bytesRead: 13, size: SIZE });
    result.release();
  });

  test.each([
    ['in a read of its own', SIZE + 9 * MIB, {}],
    ['in a read that began before the end', SIZE + 10, {}],
    ['and the size is given', SIZE, { size: SIZE }],
  ])('one that begins behind the end is named: %s', async (_name, start, options) => {
    const ranges = [
      { start: 0, length: 4 },
      { start: SIZE - 5, length: 5 },
      { start, length: 1 },
    ];
    await expect(runtime.getRanges(URI, ranges, options)).rejects.toMatchObject({
      code: 'RangeRejected',
      message: expect.stringContaining(`ranges[2] begins at byte ${start}`) as string,
      uri: URI,
    });
  });

  test('of an empty object are empty, if they begin with its first byte', async () => {
    const uri = `s3://${BUCKET}/empty`;
    for (const ranges of [
      [{ start: 0 }, { suffix: 3 }],
      [
        { start: 0, length: 9 },
        { start: 0, end: 1 },
      ],
    ]) {
      const result = await runtime.getRanges(uri, ranges);
      expect(result.ranges.map(({ bytes }) => bytes.length)).toEqual([0, 0]);
      expect(result.size).toBe(0);
      result.release();
    }
    const behind = runtime.getRanges(uri, [{ start: 0 }, { start: 1 }]);
    await expect(behind).rejects.toMatchObject({ code: 'RangeRejected' });
  });

  test('none are an empty result without a request', async () => {
    const result = await runtime.getRanges(URI, []);
    expect(result).toMatchObject({ ranges: [], requests: 0, bytesRead: 0, size: -1 });
    result.release();
    expect(() => result.release()).toThrow('already released');
    expect(await origin.requests()).toEqual([]);
  });
});

describe('one version', () => {
  const uri = `s3://${BUCKET}/changing`;
  const ranges = [0, 10, 20].map((at) => ({ start: at * MIB, length: 1000 }));

  test('bytes of two are never mixed: an object replaced between two reads is an error', async () => {
    const narrow = await startRuntime(origin, { workers: 1, maxConnections: 1 });
    await origin.script({ op: 'get', nth: 1, do: { stall: 'before-head' } });
    const call = narrow.getRanges(uri, ranges);
    await origin.waitFor({ stalled: 1 });
    await origin.bump(BUCKET, 'changing');
    await origin.release();
    await expect(call).rejects.toMatchObject({ code: 'VersionChanged', uri });
    expect((await origin.requests()).length).toBe(3);
    await expectIdle(narrow);
    await narrow.close();
  });

  test('the one that the size was asked of is required of every read', async () => {
    const result = await runtime.getRanges(uri, [...ranges, { suffix: 8 }]);
    const reads = await origin.requests({ op: 'get' });
    expect(reads).toHaveLength(4);
    for (const { ifMatch } of reads) expect(ifMatch).toContain(result.version);
    result.release();
    const other = runtime.getRanges(uri, ranges, { version: '"another"' });
    await expect(other).rejects.toMatchObject({ code: 'VersionChanged' });
  });

  test('a size that is given and not true is told', async () => {
    for (const size of [SIZE - 1, SIZE + 1]) {
      const call = runtime.getRanges(uri, ranges, { size });
      await expect(call).rejects.toMatchObject({ code: 'VersionChanged', uri });
    }
  });

  test('where a store gives none, one read is enough and more are refused', async () => {
    await origin.script({ do: { lie: 'no-etag' } });
    await expect(runtime.getRanges(uri, ranges)).rejects.toMatchObject({ code: 'Unsupported', uri });
    const one = await runtime.getRanges(uri, ranges, { coalesceBytes: SIZE, maxCoalescedBytes: SIZE });
    expect(one.version).toBeNull();
    one.release();
  });
});

describe('a stop in the middle', () => {
  const ranges = Array.from({ length: 8 }, (_, i) => ({ start: i * 5 * MIB, length: 1000 }));

  test.each(['token', 'signal', 'drain', 'failure'] as const)('by %s gives all memory back', async (way) => {
    const isFailure = way === 'failure';
    const fate = isFailure ? { status: 403, code: 'AccessDenied' } : { stall: 500 };
    await origin.script({ op: 'get', nth: 4, do: fate });
    const token = new CancellationToken();
    const controller = new AbortController();
    const call = runtime.getRanges(URI, ranges, way === 'signal' ? { signal: controller.signal } : { token });
    const settled = call.catch((thrown: unknown) => thrown);
    if (!isFailure) await origin.waitFor({ stalled: 1, answered: 7 });
    if (way === 'token') token.cancel('enough');
    else if (way === 'signal') controller.abort();
    else if (way === 'drain') {
      token.drain('SIGTERM');
      await origin.release();
    }
    // A drain delivers what is in flight: here that is all there is.
    if (way === 'drain') (await call).release();
    else expect(await settled).toMatchObject({ code: isFailure ? 'AccessDenied' : 'Cancelled' });
    await expectIdle(runtime);
  });

  test('a drain before it begins refuses it', async () => {
    const token = new CancellationToken();
    token.drain('SIGTERM');
    await expect(runtime.getRanges(URI, ranges, { token })).rejects.toMatchObject({ code: 'Draining' });
    expect(await origin.requests()).toEqual([]);
  });
});

describe('memory', () => {
  test('what would take more than the budget is refused before anything is read', async () => {
    const small = await startRuntime(origin, { memoryBudget: '4MiB' });
    const ranges = Array.from({ length: 20 }, (_, i) => ({ start: i * MIB, length: 1000 }));
    const refused = small.getRanges(URI, ranges);
    await expect(refused).rejects.toMatchObject({
      code: 'BudgetTooSmall',
      message: expect.stringContaining('lower coalesceBytes') as string,
    });
    expect(await origin.requests()).toEqual([]);
    const fits = await small.getRanges(URI, ranges, { coalesceBytes: 0 });
    expect(fits.requests).toBe(20);
    fits.release();
    await expectIdle(small);
    await small.close();
  });

  test('calls that need more than the budget together take turns', async () => {
    const small = await startRuntime(origin, { memoryBudget: '4MiB' });
    const ranges = Array.from({ length: 10 }, (_, i) => ({ start: i * MIB, length: 300 * KIB }));
    const faults = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const result = await small.getRanges(URI, ranges, { coalesceBytes: 0 });
        const wrong = result.ranges.map(({ start, bytes }) => fault(KEY, bytes, 300 * KIB, start));
        result.release();
        return wrong;
      }),
    );
    expect(new Set(faults.flat())).toEqual(new Set([null]));
    await expectIdle(small);
    await small.close();
  });

  test('in checked mode every view is empty after the release', async () => {
    const result = await runtime.getRanges(
      URI,
      [
        { start: 0, length: 5 },
        { start: 2, length: 5 },
      ],
      { checked: true },
    );
    const views = result.ranges.map(({ bytes }) => bytes);
    expect(views.map(({ length }) => length)).toEqual([5, 5]);
    result.release();
    expect(views.map(({ length }) => length)).toEqual([0, 0]);
  });
});

test('as a reader of Parquet files does: the length of the footer, the footer, then columns', async () => {
  const footer = await runtime.getRange(URI, { suffix: 8 });
  const { size, version } = footer;
  footer.release();
  const known = { size, version: version! };
  const columns = await runtime.getRanges(URI, [{ suffix: 64 * KIB }, { start: 4, length: MIB }], known);
  for (const { start, length, bytes } of columns.ranges) expect(fault(KEY, bytes, length, start)).toBeNull();
  expect(columns.requests).toBe(2);
  expect((await origin.requests()).length).toBe(4);
  columns.release();
});

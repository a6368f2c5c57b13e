/** Ten thousand ranges of an object of 1 GiB: merged or not, they cost memory for their bytes and next to nothing each. */
import { createHook } from 'node:async_hooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Runtime } from '../../dist/index.js';
import { expectIdle, KIB, MIB } from './kit.js';

const COUNT = 10_000;
const LENGTH = 100;
const SIZE = 1024 * MIB;
const URI = 'memory:///big/00000000';

let runtime: Runtime;
beforeAll(async () => {
  runtime = await Runtime.start({
    workers: 2,
    memoryBudget: '128MiB',
    stores: { memory: [{ prefix: 'big/', count: 1, size: SIZE, seed: 5 }] },
  });
});
afterAll(() => runtime.close());

const starts = (step: number): number[] =>
  Array.from({ length: COUNT }, (_, i) => ((i * 7919) % COUNT) * step);

/** What was called, and the promises that this thread made meanwhile. */
async function counted<T>(call: () => Promise<T>): Promise<[T, number]> {
  let promises = 0;
  const hook = createHook({ init: (_id, type) => void (promises += type === 'PROMISE' ? 1 : 0) });
  hook.enable();
  try {
    return [await call(), promises];
  } finally {
    hook.disable();
  }
}

test.each([
  ['far apart, by a read for each', Math.floor(SIZE / COUNT), { coalesceBytes: 0 }, COUNT],
  ['near each other, by few reads', 4 * KIB, {}, 5],
])('%s', async (_name, step, options, requests) => {
  const wanted = starts(step);
  const ranges = wanted.map((start) => ({ start, length: LENGTH }));
  const [result, promises] = await counted(() => runtime.getRanges(URI, ranges, options));
  expect(result.ranges.map(({ start }) => start)).toEqual(wanted);
  expect(result.requests).toBe(requests);
  expect(promises).toBeLessThan(COUNT / 10);
  for (const i of [0, 1, 4999, COUNT - 1]) {
    const single = await runtime.getRange(URI, { start: wanted[i]!, length: LENGTH });
    expect(Buffer.compare(result.ranges[i]!.bytes, single.bytes)).toBe(0);
    single.release();
  }
  result.release();
  await expectIdle(runtime);
});

test('spread over all of it they are refused where all gaps would be read along, with the way out named', async () => {
  const ranges = starts(Math.floor(SIZE / COUNT)).map((start) => ({ start, length: LENGTH }));
  await expect(runtime.getRanges(URI, ranges)).rejects.toMatchObject({
    code: 'BudgetTooSmall',
    message: expect.stringMatching(/10000 ranges of .* lie between them\).* lower coalesceBytes/) as string,
  });
});

/** Users' code that goes on turning and never settles: a cancel ends the wait for it, and its worker is given up. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CancellationToken, ObjectDataset, Runtime } from '../../dist/index.js';
import { exhaust, expectIdle, expectSum } from './kit.js';

const DEAF = new URL('transforms/deaf.mjs', import.meta.url);
const objects = Array.from({ length: 20 }, (_, i) => ({
  key: `b/k${i}`,
  bytes: new Uint8Array(500).fill(i),
}));
const DATASET = ObjectDataset.fromPrefix('memory:///b/');

let runtime: Runtime;
beforeEach(async () => {
  runtime = await Runtime.start({
    workers: 2,
    maxConnections: 4,
    memoryBudget: '8MiB',
    stores: { memory: objects },
  });
});
afterEach(async () => {
  await runtime.close({ deadlineMs: 0 });
});

test('a transform that ignores its signal does not keep a cancelled loader', async () => {
  const token = new CancellationToken();
  const words = new Int32Array(new SharedArrayBuffer(4));
  const loader = runtime.loader(DATASET, { transform: { url: DEAF, options: { words } }, token });
  const loading = exhaust(loader);
  await Atomics.waitAsync(words, 0, 0).value;
  token.cancel('enough');
  await expect(loading).rejects.toMatchObject({ code: 'Cancelled' });
  expectSum(await loader.done);
  // Its threads turn and may still write: their memory is out of use, not lost to anybody else.
  const { arena, streams } = await runtime.stats();
  expect([streams, arena.usedBytes]).toEqual([0, arena.quarantinedBytes]);
  expect(await exhaust(runtime.loader(DATASET, { batchSize: 3 }))).toBe(objects.length);
  const record = await runtime.close();
  expect(record.unreleasedBytes).toBe(0);
});

test('a loader that is not cancelled is not disturbed by the look at one that was', async () => {
  const token = new CancellationToken();
  const cancelled = runtime.loader(DATASET, { token, batchSize: 2 });
  const iterator = cancelled[Symbol.asyncIterator]();
  await iterator.next();
  token.cancel('enough');
  await expect(iterator.next()).rejects.toMatchObject({ code: 'Cancelled' });
  expect(await exhaust(runtime.loader(DATASET, { batchSize: 3 }))).toBe(objects.length);
  await expectIdle(runtime);
  expect(await runtime.close()).toMatchObject({ stuckWorkers: [], deaths: 0 });
});

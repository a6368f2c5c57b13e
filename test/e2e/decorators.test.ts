/** Decorators in the workers: around schemes that are built in, and around a user's own store. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CancellationToken, ObjectDataset, Runtime } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { exhaust, expectIdle, expectSum, fault, keysInOrder, startRuntime } from './kit.js';

const BUCKET = 'decorated';
const COUNT = 40;

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin({ objects: [{ bucket: BUCKET, prefix: 'logs/', count: COUNT, sizes: [5000] }] });
});
afterAll(() => origin.stop());

test('a limit holds over all workers, whatever else is configured', async () => {
  await origin.reset();
  const runtime = await startRuntime(origin, { decorators: { s3: [{ limit: { concurrency: 5 } }] } });
  await origin.script({ op: 'get', do: { delayMs: 5 } });
  const loader = runtime.loader(ObjectDataset.fromPrefix(`s3://${BUCKET}/logs/`));
  expect((await keysInOrder(loader, () => 5000)).length).toBe(COUNT);
  // Two for each of two workers.
  expect((await origin.stats()).maxInFlight).toBeLessThanOrEqual(4);
  await expectIdle(runtime);
  await runtime.close();
});

test('below a prefix, keys and listings are those of a bucket of its own', async () => {
  await origin.reset();
  const runtime = await startRuntime(origin, {
    decorators: { s3: [{ prefix: 'logs/' }, { latency: { ms: 0, jitterMs: 2, seed: 3 } }] },
  });
  const seen: string[] = [];
  for await (const entry of runtime.list(`s3://${BUCKET}/`)) seen.push(entry.key);
  expect(seen).toEqual(Array.from({ length: COUNT }, (_, i) => String(i).padStart(2, '0')));
  const result = await runtime.get(`s3://${BUCKET}/07`);
  expect([result.uri, result.key]).toEqual([`s3://${BUCKET}/07`, '07']);
  expect(fault('logs/07', result.bytes, 5000)).toBeNull();
  result.release();
  const above = runtime.get(`s3://${BUCKET}/logs/07`);
  await expect(above).rejects.toMatchObject({ code: 'NotFound' });
  await runtime.close();
});

test.each(['drain', 'cancel'] as const)('a %s ends what waits for a throttle at once', async (way) => {
  await origin.reset();
  const runtime = await startRuntime(origin, {
    decorators: { s3: [{ throttle: { requestsPerSecond: 0.002 } }] },
  });
  const token = new CancellationToken();
  const references = Array.from(
    { length: COUNT },
    (_, i) => `s3://${BUCKET}/logs/${String(i).padStart(2, '0')}`,
  );
  const loader = runtime.loader(references, { batchSize: 1, token });
  const run = exhaust(loader).catch((thrown: unknown) => thrown);
  // One call of each worker goes through; all others wait for a quarter of an hour.
  await origin.waitFor({ answered: 2 });
  token[way]('enough');
  const ended = await run;
  if (way === 'drain') expect(ended).toBeTypeOf('number');
  else expect(ended).toMatchObject({ code: 'Cancelled' });
  expectSum(loader.report);
  expect((await origin.requests()).length).toBe(2);
  await expectIdle(runtime);
  await runtime.close();
});

test('a module of one’s own puts them around its store', async () => {
  const module = new URL('./modules/delayed-store.mjs', import.meta.url);
  const runtime = await Runtime.start({
    workers: 2,
    memoryBudget: '16MiB',
    stores: { shelf: { module, config: { count: 20, size: 3000 } } },
  });
  const keys = await keysInOrder(runtime.loader(ObjectDataset.fromPrefix('shelf://a/')), () => 3000);
  expect(keys).toHaveLength(20);
  await runtime.close();
});

test('what was declared is shown', async () => {
  const decorators = { s3: [{ latency: { ms: 1 } }] };
  const runtime = await Runtime.start({ workers: 1, decorators });
  const row = runtime.explain().find(({ option }) => option === 'decorators');
  expect(row).toMatchObject({ value: decorators, origin: 'given' });
  await runtime.close();
});

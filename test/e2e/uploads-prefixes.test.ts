/** Many objects at a time: what one request cannot carry, what a consumer leaves behind, what would never end. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ObjectDataset, type Runtime } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { DEADLY, deaths } from './crash.kit.js';
import { expectIdle, startRuntime } from './kit.js';
import { settled } from './uploads.kit.js';

const FROM = 'prefixes';
const TO = 'elsewhere';
const COUNT = 2500;

let origin: Origin;
let runtime: Runtime;
beforeAll(async () => {
  origin = await startOrigin({
    objects: [
      { bucket: FROM, prefix: 'many/', count: COUNT, sizes: [10] },
      { bucket: FROM, prefix: 'deadly/', count: 1, sizes: [10] },
    ],
    buckets: [TO],
    publicBuckets: [FROM, TO],
    minPartBytes: 1,
  });
  runtime = await startRuntime(origin, { workers: 1, memoryBudget: '16MiB', maxConnections: 8 });
});
afterAll(async () => {
  await runtime.close();
  await origin.stop();
});
beforeEach(() => origin.reset());

test('a key that a request for many deletions cannot carry is deleted all the same, and so are its neighbours', async () => {
  const keys = ['odd/a', 'odd/b%01c', 'odd/d'];
  for (const key of keys) await runtime.put(`s3://${TO}/${decodeURIComponent(key)}`, 'x');
  const rows: string[] = [];
  for await (const { action, error } of runtime.deletePrefix(`s3://${TO}/odd/`)) {
    expect(error).toBeNull();
    rows.push(action);
  }
  expect(rows).toEqual(['deleted', 'deleted', 'deleted']);
  for await (const entry of runtime.list(`s3://${TO}/odd/`)) expect(entry).toBeNull();
});

test('a copy of a prefix to a place in itself is refused, because it would never end', () => {
  for (const to of ['many/', 'many/copies/', 'many/0']) {
    expect(() => runtime.copyPrefix(`s3://${FROM}/many/`, `s3://${FROM}/${to}`)).toThrow(
      expect.objectContaining({ code: 'InvalidArgument' }),
    );
  }
});

test('a consumer that leaves a copy of a prefix leaves nothing going on', async () => {
  let rows = 0;
  for await (const { action } of runtime.copyPrefix(`s3://${FROM}/many/`, `s3://${TO}/left/`)) {
    expect(action).toBe('copied');
    rows += 1;
    if (rows === 5) break;
  }
  await expectIdle(runtime);
  await origin.waitFor({ inFlight: 0 });
  await origin.mark();
  expect((await origin.requests({ op: 'copy' })).length).toBeLessThan(COUNT);
  const { streams } = await runtime.stats();
  expect(streams).toBe(0);
  expect(await origin.requests({ afterMark: true })).toEqual([]);
});

test('a put only if absent whose worker dies behind it tells that it may have made what is there', async () => {
  await origin.script({ op: 'put', nth: 1, do: { stall: 'before-head' } });
  const putting = settled(runtime.put(`s3://${TO}/lock`, 'mine', { ifAbsent: true }));
  await origin.waitFor({ stalled: 1 });
  const plan = deaths(1, new Map([[1, 'throw' as const]]));
  const transform = { url: DEADLY, options: plan };
  const loader = runtime.loader(ObjectDataset.fromPrefix(`s3://${FROM}/deadly/`), {
    batchSize: 1,
    transform,
  });
  for await (const batch of loader) expect(batch.length).toBe(1);
  const { failure } = await putting;
  expect(failure).toMatchObject({ code: 'AlreadyExists' });
  expect((failure as Error).message).toMatch(/an earlier attempt .* had no answer/);
  await origin.release();
});

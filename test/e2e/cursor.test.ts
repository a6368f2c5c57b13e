/** The cursor in the record: what was acknowledged, to the last batch. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CancellationToken, ObjectDataset, type Runtime } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { startRuntime } from './kit.js';

const BUCKET = 'cursor';
const COUNT = 50;
const DATASET = ObjectDataset.fromPrefix(`s3://${BUCKET}/`);

let origin: Origin;
let runtime: Runtime;
beforeAll(async () => {
  origin = await startOrigin({
    objects: [{ bucket: BUCKET, prefix: 'o/', count: COUNT, sizes: [10, 1000] }],
  });
  runtime = await startRuntime(origin);
});
afterAll(async () => {
  await runtime.close();
  await origin.stop();
});

describe.each(['sequence', 'completion'] as const)('in %s order', (order) => {
  test('a complete epoch is acknowledged to its end, the last batch too', async () => {
    const loader = runtime.loader(DATASET, { batchSize: 7, order });
    let items = 0;
    for await (const batch of loader) items += batch.length;
    expect(items).toBe(COUNT);
    expect(loader.report).toMatchObject({
      reason: 'completed',
      cursor: { version: 1, objects: COUNT, items: 0 },
    });
    expect(loader.cursor).toEqual(loader.report?.cursor);
  });

  test('with manual acknowledgement nothing moves by itself, and a late one still counts', async () => {
    const loader = runtime.loader(DATASET, { batchSize: COUNT, order, ack: 'manual' });
    const batches = [];
    for await (const batch of loader) batches.push(batch);
    expect(loader.report?.cursor.objects).toBe(0);
    for (const batch of batches) batch.ack();
    expect(loader.cursor.objects).toBe(COUNT);
  });
});

test('after a drain the cursor stands behind what was delivered', async () => {
  const token = new CancellationToken();
  const loader = runtime.loader(DATASET, { batchSize: 5, token });
  let items = 0;
  for await (const batch of loader) {
    items += batch.length;
    token.drain('the service stops');
  }
  expect(items).toBeLessThan(COUNT);
  expect(loader.report).toMatchObject({ delivered: items, cursor: { objects: items, items: 0 } });
});

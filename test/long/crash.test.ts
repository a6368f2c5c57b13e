/** A hundred deaths at random moments of one run lose nothing, in every order, with one worker and with four. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { BUCKET, deaths, everythingComesOnce, momentsOf, SIZES, WAYS } from '../e2e/crash.kit.js';
import { startRuntime } from '../e2e/kit.js';

const COUNT = 2000;
const DEATHS = 100;

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin({ objects: [{ bucket: BUCKET, prefix: 'many/', count: COUNT, sizes: SIZES }] });
});
afterAll(() => origin.stop());

test.each([
  [1, 1],
  [2, 4],
  [3, 2],
  [4, 4],
])('seed %i: a hundred deaths of %i workers lose none of two thousand objects', async (seed, workers) => {
  const runtime = await startRuntime(origin, { workers, heapLimitMb: 24 });
  try {
    const plan = deaths(COUNT, momentsOf(seed, DEATHS, COUNT, WAYS));
    await everythingComesOnce(runtime, `s3://${BUCKET}/many/`, COUNT, plan);
  } finally {
    expect(await runtime.close()).toMatchObject({ unreleasedBytes: 0, stuckWorkers: [] });
  }
});

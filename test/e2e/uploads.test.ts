/** Uploads in parts that are stopped at any moment: what is visible is whole, and what was begun is ended. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { Runtime } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { startRuntime } from './kit.js';
import { BUCKET, OBJECTS, SEEDS, describeStop, stopOf, stopped } from './uploads.kit.js';

const OPTIONS = { workers: 1, memoryBudget: '64MiB', maxConnections: 8 };

let origin: Origin;
let runtime: Runtime;
beforeAll(async () => {
  origin = await startOrigin({ objects: OBJECTS, publicBuckets: [BUCKET], minPartBytes: 1 });
  runtime = await startRuntime(origin, OPTIONS);
});
afterAll(async () => {
  await runtime.close();
  await origin.stop();
});

describe('an upload that is stopped shows nothing or all of its object, and leaves nothing behind', () => {
  for (let seed = 0; seed < SEEDS; seed += 1) {
    const stop = stopOf(seed);
    test(`seed ${seed}: ${describeStop(stop)}`, async () => {
      const own = stop.way === 'runtime' ? await startRuntime(origin, OPTIONS) : runtime;
      await stopped(own, origin, stop, `object-${seed}`);
    });
  }
});

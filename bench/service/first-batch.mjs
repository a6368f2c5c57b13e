/**
 * Time from the first turn of a loader to its first batch, in a runtime that has just been started (its threads come up
 * meanwhile) and in one that has been used.
 */
import { Runtime } from 'millrace';
import { consume, given, print } from './kit.mjs';
import { datasetOf, runtimeOptions, workOf } from './objects.mjs';

const { load, origin, warmTurns } = given();
const dataset = datasetOf(load, origin);
const { batchSize } = workOf(load);

/** @param {Runtime} runtime */
async function firstBatchMs(runtime) {
  const begun = performance.now();
  let tookMs = 0;
  for await (const batch of runtime.loader(dataset, { batchSize })) {
    tookMs = performance.now() - begun;
    consume(batch);
    break;
  }
  return tookMs;
}

const begun = performance.now();
const runtime = await Runtime.start(runtimeOptions(load, origin));
const startMs = performance.now() - begun;
const coldMs = await firstBatchMs(runtime);
const warm = [];
for (let turn = 0; turn < warmTurns; turn += 1) warm.push(await firstBatchMs(runtime));
await runtime.close();
print({ startMs, coldMs, warmMs: warm });

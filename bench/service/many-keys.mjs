/**
 * What keys cost: an epoch of computed keys, of objects so small that their bytes hardly count, or the beginning of an
 * epoch of far too many to hold.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Runtime } from 'millrace';
import { delays, RESOLUTION_MS } from './figures.mjs';
import { consume, given, peakRssBytes, print } from './kit.mjs';

const OBJECT_BYTES = 64;
/** Generated objects of the memory store are numbered with so many digits at least. */
const DIGITS = 8;

const { keys, shuffle, batches } = given();
const memory = [{ prefix: 'key/', count: keys, size: OBJECT_BYTES, seed: 1 }];
const dataset = {
  length: keys,
  at: (/** @type {number} */ i) => ({
    uri: `memory:///key/${String(i).padStart(DIGITS, '0')}`,
    size: OBJECT_BYTES,
  }),
};
const runtime = await Runtime.start({ workers: 2, memoryBudget: '64MiB', stores: { memory } });
try {
  // Threads are up before the clock is: what a cold runtime adds has its own figure.
  await runtime.head(dataset.at(0).uri);
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  const cpu = process.cpuUsage();
  const begun = performance.now();
  let firstBatchMs = 0;
  let seen = 0;
  let taken = 0;
  for await (const batch of runtime.loader(dataset, { batchSize: 256, shuffle })) {
    if (taken === 0) firstBatchMs = performance.now() - begun;
    consume(batch);
    seen += batch.length;
    taken += 1;
    if (taken === batches) break;
  }
  const wallMicros = (performance.now() - begun) * 1e3;
  const { user, system } = process.cpuUsage(cpu);
  histogram.disable();
  print({
    keys,
    seen,
    firstBatchMs,
    cpuMicrosPerKey: (user + system) / seen,
    wallMicrosPerKey: wallMicros / seen,
    peakRssBytes: peakRssBytes(),
    eventLoopDelay: delays(histogram),
  });
} finally {
  await runtime.close();
}

/** Resident memory under a load at full speed, against what the process had when its runtime was idle. */
import { consumeFor, given, pause, peakRssBytes, print, withRuntime } from './kit.mjs';
import { datasetOf, workOf } from './objects.mjs';
import { parseBytes } from 'millrace';

/** Long enough for threads that have just come up to be at rest. */
const SETTLE_MS = 500;

const { load, origin, ms, memoryBudget } = given();
const dataset = datasetOf(load, origin);
const { batchSize } = workOf(load);

await withRuntime({ load, origin, memoryBudget }, async (runtime) => {
  // Threads are up and the store is open; nothing of the budget has been touched.
  await runtime.head(dataset.at(0).uri);
  await pause(SETTLE_MS);
  const idleBytes = process.memoryUsage.rss();
  await consumeFor(runtime.loader(dataset, { batchSize }), ms);
  const { arena } = await runtime.stats();
  const budgetBytes = parseBytes(memoryBudget);
  const peakBytes = peakRssBytes();
  print({
    budgetBytes,
    idleBytes,
    peakBytes,
    arenaPeakBytes: arena.peakBytes,
    growthOverBudget: (peakBytes - idleBytes) / budgetBytes,
  });
});

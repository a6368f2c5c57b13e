/** Event-loop delay of the service's own thread while a load goes at full speed. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { delays, RESOLUTION_MS } from './figures.mjs';
import { consumeFor, given, print, withRuntime } from './kit.mjs';
import { datasetOf, workOf } from './objects.mjs';

const WARM_UP_MS = 500;

const { load, origin, ms } = given();
const dataset = datasetOf(load, origin);
const { batchSize } = workOf(load);

await withRuntime({ load, origin }, async (runtime) => {
  await consumeFor(runtime.loader(dataset, { batchSize }), WARM_UP_MS);
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  const begun = performance.now();
  const items = await consumeFor(runtime.loader(dataset, { batchSize }), ms);
  histogram.disable();
  const seconds = (performance.now() - begun) / 1e3;
  print({ ...delays(histogram), objectsPerSecond: Math.round(items / seconds) });
});

/** Drains a load at full speed: how long until the record is there, and how many objects are delivered after it. */
import { CancellationToken } from 'millrace';
import { dice, spread } from './figures.mjs';
import { consume, given, pause, print, withRuntime } from './kit.mjs';
import { datasetOf, workOf } from './objects.mjs';

const SHORTEST_MS = 20;
const LONGEST_MS = 120;

const { load, origin, turns, seed } = given();
const dataset = datasetOf(load, origin);
const { batchSize } = workOf(load);
const random = dice(seed);

/** @param {import('millrace').Runtime} runtime @param {number} afterMs */
async function drainOnce(runtime, afterMs) {
  const token = new CancellationToken();
  const loader = runtime.loader(dataset, { batchSize, token });
  let begun = 0;
  let before = 0;
  let delivered = 0;
  /** @type {Promise<void> | null} */
  let drained = null;
  const drainLater = async () => {
    await pause(afterMs);
    before = delivered;
    begun = performance.now();
    token.drain('measured');
  };
  for await (const batch of loader) {
    delivered += batch.length;
    consume(batch);
    // Not before there is a load to drain.
    drained ??= drainLater();
  }
  const tookMs = performance.now() - begun;
  await drained;
  if (loader.report?.reason !== 'measured') throw new Error(`the record says ${loader.report?.reason}`);
  return { tookMs, after: delivered - before, left: loader.report.left };
}

await withRuntime({ load, origin }, async (runtime) => {
  await drainOnce(runtime, 500);
  const taken = [];
  for (let turn = 0; turn < turns; turn += 1) {
    taken.push(await drainOnce(runtime, SHORTEST_MS + random() * (LONGEST_MS - SHORTEST_MS)));
  }
  print({
    recordMs: spread(taken.map(({ tookMs }) => tookMs)),
    deliveredAfter: spread(taken.map(({ after }) => after)),
    left: spread(taken.map(({ left }) => left)),
  });
});

/**
 * Cancels a load at full speed, at moments that chance decides: how long until the iteration has settled, and until
 * nothing is in flight and all memory is back.
 */
import { CancellationToken } from 'millrace';
import { dice, spread } from './figures.mjs';
import { consume, given, pause, print, withRuntime } from './kit.mjs';
import { datasetOf, workOf } from './objects.mjs';

const SHORTEST_MS = 5;
const LONGEST_MS = 60;

const { load, origin, turns, seed } = given();
const dataset = datasetOf(load, origin);
const { batchSize } = workOf(load);
const random = dice(seed);

/** @param {import('millrace').Runtime} runtime */
async function idle(runtime) {
  const { arena, streams, workers } = await runtime.stats();
  const busy = Object.values(workers).some(
    (stats) => stats === null || stats.busy + stats.connectionsActive > 0,
  );
  return streams === 0 && arena.usedBytes === 0 && arena.chargedBytes === 0 && !busy;
}

/** @param {import('millrace').Runtime} runtime @param {number} afterMs */
async function cancelOnce(runtime, afterMs) {
  const token = new CancellationToken();
  /** @type {(value?: unknown) => void} */
  let flowing = () => {};
  const firstBatch = new Promise((resolve) => {
    flowing = resolve;
  });
  const iteration = (async () => {
    for await (const batch of runtime.loader(dataset, { batchSize, token })) {
      flowing();
      consume(batch);
    }
  })();
  const settled = iteration.then(
    () => 'completed',
    (/** @type {{code?: string}} */ error) => error.code ?? 'another error',
  );
  await Promise.race([firstBatch, settled]);
  await pause(afterMs);
  const begun = performance.now();
  token.cancel('measured');
  const ending = await settled;
  const settledMs = performance.now() - begun;
  if (ending !== 'Cancelled') throw new Error(`the iteration ended with ${ending} instead of Cancelled`);
  while (!(await idle(runtime))) await pause(0);
  return { settledMs, idleMs: performance.now() - begun };
}

await withRuntime({ load, origin }, async (runtime) => {
  await cancelOnce(runtime, 500);
  const taken = [];
  for (let turn = 0; turn < turns; turn += 1) {
    taken.push(await cancelOnce(runtime, SHORTEST_MS + random() * (LONGEST_MS - SHORTEST_MS)));
  }
  print({
    settledMs: spread(taken.map(({ settledMs }) => settledMs)),
    idleMs: spread(taken.map(({ idleMs }) => idleMs)),
  });
});

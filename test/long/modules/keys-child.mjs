/**
 * Takes batches of a shuffled dataset of computed keys, and watches its own memory.
 * Arguments: JSON {server, length, batches}. Prints one line of JSON.
 */
import { Runtime } from '../../../dist/index.js';

const { server, length, batches } = JSON.parse(process.argv[2]);
const runtime = await Runtime.start({
  workers: 4,
  memoryBudget: '64MiB',
  stores: {
    s3: {
      endpoint: server.url,
      region: server.region,
      credentials: server.credentials,
      forcePathStyle: true,
    },
  },
});
const width = String(length - 1).length;
const dataset = {
  length,
  at: (i) => ({ uri: `s3://keys/many/${String(i).padStart(width, '0')}`, size: 100 }),
};

async function take() {
  const loader = runtime.loader(dataset, { shuffle: true, seed: 'scale', epoch: 3 });
  const begun = performance.now();
  let firstMs = null;
  const keys = [];
  let taken = 0;
  for await (const batch of loader) {
    firstMs ??= performance.now() - begun;
    keys.push(...batch.items.map((item) => item.key));
    taken += 1;
    if (taken === batches) break;
  }
  return { firstMs, keys, report: loader.report };
}

const first = await take();
const again = await take();
await runtime.close();
console.log(
  JSON.stringify({
    firstMs: first.firstMs,
    // In KiB: the most that this process ever had.
    peakRss: process.resourceUsage().maxRSS * 1024,
    keys: first.keys.length,
    different: new Set(first.keys).size,
    same: first.keys.every((key, i) => key === again.keys[i]),
    halves: first.keys.filter((key) => Number(key.slice(5)) < length / 2).length / first.keys.length,
  }),
);

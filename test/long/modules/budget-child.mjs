/**
 * A service that goes through two loaders in turn, over and over, under a small budget, and watches its own memory.
 * Arguments: JSON {server, budgetBytes, passes, stallMs}. Prints one line of JSON.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ObjectDataset, Runtime } from '../../../dist/index.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { verifyPattern } from '../../../dist/testing/pattern.js';

const { server, budgetBytes, passes, stallMs } = JSON.parse(process.argv[2]);
const rss = () => process.memoryUsage.rss();

const runtime = await Runtime.start({
  workers: 4,
  memoryBudget: budgetBytes,
  maxConnections: 16,
  stores: {
    s3: {
      endpoint: server.url,
      region: server.region,
      credentials: server.credentials,
      forcePathStyle: true,
    },
  },
});

function look(item) {
  const at = verifyPattern(objectIdOf(item.key), 0, item.bytes);
  if (at >= 0 || item.byteLength !== item.size) throw new Error(`${item.key} is wrong at ${at}`);
}

async function get(key) {
  const result = await runtime.get(`s3://budget/${key}`);
  look(result);
  result.release();
}

async function pass(number) {
  const order = number % 2 === 0 ? 'sequence' : 'completion';
  const loaders = ['left/', 'right/'].map((prefix) =>
    runtime.loader(ObjectDataset.fromPrefix(`s3://budget/${prefix}`), { batchSize: 4, order }),
  );
  const open = new Set(loaders.map((loader) => loader[Symbol.asyncIterator]()));
  let items = 0;
  for (let round = 0; open.size > 0; round += 1) {
    for (const iterator of open) {
      const { done, value: batch } = await iterator.next();
      if (done) {
        open.delete(iterator);
        continue;
      }
      for (const item of batch) {
        look(item);
        items += 1;
      }
      batch.release();
    }
    if (round % 2 === 0) await get('single');
    if (round === 2) await sleep(stallMs);
  }
  return items;
}

// Heaps and connections are as large as traffic makes them, and hardly a byte of the budget has been touched: what is
// read here lies in a few pages.
for (let i = 0; i < 3; i += 1) {
  for await (const batch of runtime.loader(ObjectDataset.fromPrefix('s3://budget/tiny/')))
    batch.items.forEach(look);
}
const idle = rss();
let peak = idle;
const sampling = setInterval(() => {
  peak = Math.max(peak, rss());
}, 10);
const peaks = [];
let items = 0;
for (let number = 0; number < passes; number += 1) {
  peak = rss();
  items += await pass(number);
  peaks.push(peak);
}
clearInterval(sampling);
const { arena, streams } = await runtime.stats();
await runtime.close();
console.log(
  JSON.stringify({ idle, peaks, items, streams, usedBytes: arena.usedBytes, arenaPeak: arena.peakBytes }),
);

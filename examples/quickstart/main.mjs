/**
 * The five lines of the README, on files of your own: `node examples/quickstart/main.mjs [URI]`.
 * Without a URI it loads this repository's documentation.
 */
import { ObjectDataset, Runtime } from '../../dist/index.js';

const prefix = process.argv[2] ?? new URL('../../docs/', import.meta.url).href;
const runtime = await Runtime.start({ memoryBudget: '64MiB' });
try {
  const loader = runtime.loader(ObjectDataset.fromPrefix(prefix), { batchSize: 8 });
  for await (const batch of loader) {
    for (const item of batch) console.log(String(item.bytes.length).padStart(9), item.key);
  }
  console.log(loader.report);
} finally {
  await runtime.close();
}

/** A program whose store, the module of its first argument, blocks a thread on the key of its second, for ever. */
import { Runtime } from '../../../dist/index.js';

const [, , module = '', key = ''] = process.argv;
const words = new Int32Array(new SharedArrayBuffer(8));
const runtime = await Runtime.start({
  workers: 1,
  memoryBudget: '16MiB',
  stores: { block: { module, config: { words } } },
});
const getting = runtime.get(`block://b/${key}`).then(
  () => 'came',
  (/** @type {any} */ error) => error.code,
);
await Atomics.waitAsync(words, 0, 0).value;
const { stuckWorkers } = await runtime.close({ deadlineMs: 100 });
console.log(JSON.stringify({ code: await getting, stuckWorkers }));

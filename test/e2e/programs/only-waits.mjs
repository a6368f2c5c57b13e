/** A program that does nothing but wait for one object, while its only worker dies twice in a row. */
import { Runtime } from '../../../dist/index.js';

const runtime = await Runtime.start({
  workers: 1,
  stores: {
    shelf: {
      module: new URL('../modules/dying-store.mjs', import.meta.url),
      config: { words: new Int32Array(new SharedArrayBuffer(4)), deaths: 2 },
    },
  },
});
const result = await runtime.get('shelf://b/k', { size: 4 });
console.log(`bytes ${result.bytes.length}`);
result.release();
const { deaths } = await runtime.close();
console.log(`deaths ${deaths}`);

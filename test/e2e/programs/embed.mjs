/**
 * A program that embeds the runtime and is told to stop: what it does is named by its first argument, where the server
 * is by its second. It prints what happens to it, line by line, and ends by itself or not at all.
 */
import { CancellationToken, ObjectDataset, Runtime } from '../../../dist/index.js';

const [, , scenario = '', given = '{}'] = process.argv;
const { s3, deadlineMs, uri, workers } = JSON.parse(given);

const token = CancellationToken.fromSignals(['SIGTERM', 'SIGINT'], { deadlineMs });
token.onChange((state) => console.log(`token ${state} ${token.reason}`));
const runtime = await Runtime.start({
  workers,
  memoryBudget: '32MiB',
  maxConnections: 4 * workers,
  stores: { s3 },
  token,
});

/** Everything below the prefix, over and over. */
async function full() {
  const loader = runtime.loader(ObjectDataset.fromPrefix(uri), { batchSize: 7 });
  while (token.state === 0) await iterate(loader);
}

/** Takes one batch and never asks for another. */
async function consumer() {
  const loader = runtime.loader(ObjectDataset.fromPrefix(uri), { batchSize: 3, prefetchBatches: 2 });
  const iterator = loader[Symbol.asyncIterator]();
  await iterator.next();
  console.log('batch');
  await stopped();
  await runtime.close();
  console.log(`record ${JSON.stringify(await loader.done)}`);
}

/** References come from a bounded queue that nobody fills: its taker waits, and its filler is told when all is over. */
async function producer() {
  /** @type {(step: IteratorResult<string, undefined>) => void} */
  let wake = () => {};
  let sent = 0;
  const queue = {
    [Symbol.asyncIterator]: () => ({
      next() {
        sent += 1;
        if (sent <= 5) return Promise.resolve({ done: false, value: `${uri}0${sent}` });
        console.log('waiting');
        // Wait ends: in return(), which the loader calls when it wants no more.
        return new Promise((resolve) => {
          wake = resolve;
        });
      },
      return() {
        console.log('producer told');
        wake({ done: true, value: undefined });
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
  await iterate(
    runtime.loader(
      ObjectDataset.fromIterable(() => queue),
      { batchSize: 1 },
    ),
  );
}

/** An endless generator, far ahead of workers that are all held up: every port on the way is full. */
async function flood() {
  function* endless() {
    for (let i = 0; ; i += 1) yield { uri: `${uri}${String(i % 100).padStart(2, '0')}`, size: 1000 };
  }
  await iterate(runtime.loader(ObjectDataset.fromIterable(endless), { batchSize: 4 }));
}

/** One epoch, and a single object beside it. */
async function once() {
  const getting = runtime.get(`${uri}00`).then(
    (result) => result.release(),
    (/** @type {any} */ error) => console.log(`get ${error.code}`),
  );
  await iterate(runtime.loader(ObjectDataset.fromPrefix(uri), { batchSize: 5 }));
  await getting;
}

/** A listing alone. */
async function listing() {
  let seen = 0;
  try {
    for await (const entry of runtime.list(uri)) seen += entry.kind === 'object' ? 1 : 0;
    console.log(`listed ${seen}`);
  } catch (/** @type {any} */ error) {
    console.log(`listing ${error.code} after ${seen}`);
  }
}

async function iterate(/** @type {import('../../../dist/index.js').Loader} */ loader) {
  try {
    for await (const batch of loader) if (batch.length > 0) console.log('batch');
  } catch (/** @type {any} */ error) {
    console.log(`loader ${error.code}`);
  }
  console.log(`record ${JSON.stringify(loader.report)}`);
}

/** Resolves when the token turns. */
function stopped() {
  return new Promise((resolve) => {
    token.onChange(() => resolve(undefined));
  });
}

/** @type {Record<string, () => Promise<void>>} */
const scenarios = { full, consumer, producer, flood, once, listing };
const chosen = scenarios[scenario];
if (chosen === undefined) throw new Error(`no scenario ${scenario}`);
console.log('started');
await chosen();
console.log(`closed ${JSON.stringify(await runtime.close())}`);
token.dispose();

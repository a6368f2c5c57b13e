/** One byte budget over everything: nothing deadlocks, what cannot fit is refused, what consumers hold is named. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { MillraceError, ObjectDataset, type Batch, type Loader, type Runtime } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { zipped } from './budget.kit.js';
import { expectIdle, expectSum, fault, KIB, keysInOrder, MIB, startRuntime } from './kit.js';

const BUCKET = 'budget';
const BUDGET = 8 * MIB;
/** Up to three quarters of the budget. */
const SIZES = [KIB, 6 * MIB, 100 * KIB, 3 * MIB, 4 * KIB + 1, 1 * MIB, 0];
const COUNT = 42;
const HUGE = 2 ** 30;
const TINY = 200 * KIB;
const SINGLE = 2 * MIB + 7;

const namesOf = (prefix: string): string[] =>
  Array.from({ length: COUNT }, (_, i) => `${prefix}/${String(i).padStart(2, '0')}`);
const sizes = new Map<string, number>([
  ...namesOf('left').map((key, i) => [key, SIZES[i % SIZES.length]!] as const),
  ...namesOf('right').map((key, i) => [key, SIZES[i % SIZES.length]!] as const),
  ...namesOf('even').map((key) => [key, 256 * KIB] as const),
  ...namesOf('tiny').map((key) => [key, TINY] as const),
  ['large/0', 6 * MIB],
  ['large/1', 6 * MIB],
]);
const sizeOf = (key: string): number => sizes.get(key) ?? -1;
const uri = (key: string): string => `s3://${BUCKET}/${key}`;

let origin: Origin;
let runtime: Runtime;
beforeAll(async () => {
  origin = await startOrigin({
    objects: [
      { bucket: BUCKET, prefix: 'left/', count: COUNT, sizes: SIZES },
      { bucket: BUCKET, prefix: 'right/', count: COUNT, sizes: SIZES },
      { bucket: BUCKET, prefix: 'even/', count: COUNT, sizes: [256 * KIB] },
      { bucket: BUCKET, prefix: 'tiny/', count: COUNT, sizes: [TINY] },
      { bucket: BUCKET, prefix: 'large/', count: 2, sizes: [6 * MIB] },
      { bucket: BUCKET, key: 'single', size: SINGLE },
      { bucket: BUCKET, key: 'huge/one', size: HUGE },
    ],
  });
  runtime = await startRuntime(origin, { memoryBudget: BUDGET });
});
afterAll(async () => {
  expect(await runtime.close()).toMatchObject({ unreleasedBytes: 0, stuckWorkers: [] });
  await origin.stop();
});
beforeEach(() => origin.reset());

test.each([
  ['sequence', 5],
  ['completion', 3],
  ['sequence', 1],
] as const)(
  'two loaders gone through in turn, a get in the loop body, and a consumer that stalls: %s order, batches of %i',
  async (order, batchSize) => {
    const options = { order, batchSize };
    const keys = await zipped({
      runtime,
      prefixes: [uri('left/'), uri('right/')],
      options: [options, options],
      single: { uri: uri('single'), key: 'single', size: SINGLE },
      sizeOf,
      early: true,
      // Everything that can be prefetched has been when nothing is in flight at the origin.
      stall: (round) => (round % 4 === 1 ? origin.waitFor({ inFlight: 0 }) : Promise.resolve()),
    });
    expect(keys.map((each) => each.toSorted())).toEqual([namesOf('left'), namesOf('right')]);
    const { arena } = await runtime.stats();
    expect(arena.peakBytes).toBeLessThanOrEqual(BUDGET);
  },
);

test.each(['sequence', 'completion'] as const)(
  'a held batch that splits the free memory does not stop the other loader, in %s order',
  async (order) => {
    for (const batchSize of [1, 2, 3, 4]) {
      const keys = await zipped({
        runtime,
        prefixes: [uri('left/'), uri('tiny/')],
        // With 6 MiB for one item, the batch of the other leaves room enough, wherever it lies.
        options: [
          { order, batchSize, batchBytes: '1MiB' },
          { order, batchSize: 3, batchBytes: '1MiB' },
        ],
        single: { uri: uri('tiny/00'), key: 'tiny/00', size: TINY },
        sizeOf,
        early: false,
        stall: () => Promise.resolve(),
      });
      expect(keys.map((each) => each.toSorted())).toEqual([namesOf('left'), namesOf('tiny')]);
    }
    const { arena } = await runtime.stats();
    expect(arena.peakBytes).toBeLessThanOrEqual(BUDGET);
  },
);

test('batches that are ready for one loader make room for another whose consumer waits, and come all the same', async () => {
  const ready = runtime.loader(ObjectDataset.fromPrefix(uri('even/')), {
    batchSize: 2,
    batchBytes: '1MiB',
    prefetchBatches: 16,
  });
  const batches = ready[Symbol.asyncIterator]();
  const first = await batches.next();
  const seen = looked(first.value!);
  first.value!.release();
  // The budget fills with batches that nobody takes.
  await filled(7 * MIB);
  const large = runtime.loader(ObjectDataset.fromPrefix(uri('large/')), { batchSize: 1 });
  expect(await keysInOrder(large, sizeOf)).toEqual(['large/0', 'large/1']);
  for (;;) {
    const { done, value } = await batches.next();
    if (done === true) break;
    seen.push(...looked(value));
  }
  expect(seen).toEqual(namesOf('even'));
  // What was given up was fetched again.
  const fetched = (await origin.requests({ op: 'get' })).filter(({ key }) => key.startsWith('even/'));
  expect(fetched.length).toBeGreaterThan(COUNT);
  expectSum(ready.report);
  expect(ready.report).toMatchObject({ planned: COUNT, delivered: COUNT });
  await expectIdle(runtime);
});

test('an object larger than the budget is refused at once, with the way out, and without a GET', async () => {
  const loader = runtime.loader(ObjectDataset.fromPrefix(uri('huge/')));
  const error = await failureOf(keysInOrder(loader, () => HUGE));
  expect(error).toMatchObject({
    code: 'BudgetTooSmall',
    phase: 'grant',
    uri: uri('huge/one'),
    retryable: false,
  });
  for (const part of [uri('huge/one'), '1 GiB', '8 MiB', 'memoryBudget', 'getRange', 'millrace cat']) {
    expect(error.message).toContain(part);
  }
  expect(loader.report).toMatchObject({ planned: 1, failed: 1 });
  const known = await failureOf(runtime.get(uri('huge/one'), { size: HUGE }));
  expect(known).toMatchObject({ code: 'BudgetTooSmall' });
  expect((await origin.requests({ op: 'get' })).map(({ key }) => key)).toEqual([]);
  // Of one whose size is not known, the first part says it.
  const unknown = await failureOf(runtime.get(uri('huge/one')));
  expect(unknown).toMatchObject({ code: 'BudgetTooSmall', uri: uri('huge/one') });
  const asked = await origin.requests({ op: 'get' });
  expect(asked.map(({ range }) => range)).toEqual([`bytes=0-${BUDGET / 32 - 1}`]);
  await expectIdle(runtime);
});

test('ranges of an object larger than the budget are read', async () => {
  for (const start of [0, 500_000_001, HUGE - 70_000]) {
    const result = await runtime.getRange(uri('huge/one'), { start, length: 70_000 });
    expect(fault('huge/one', result.bytes, 70_000, start)).toBeNull();
    expect(result.size).toBe(HUGE);
    result.release();
  }
});

test('under skip, what cannot fit is left out and the rest is delivered', async () => {
  const uris = namesOf('even').map(uri);
  uris.splice(3, 0, uri('huge/one'));
  const loader = runtime.loader(ObjectDataset.fromUris(uris), { onError: 'skip', batchSize: 4 });
  expect(await keysInOrder(loader, sizeOf)).toEqual(namesOf('even'));
  expect(loader.report).toMatchObject({ delivered: COUNT, failed: 1, failures: [{ uri: uri('huge/one') }] });
  expect(loader.report?.failures[0]?.error).toMatchObject({ code: 'BudgetTooSmall' });
});

test('a consumer that keeps every batch is told what it holds; what it holds stays good; then it can begin again', async () => {
  const impatient = await startRuntime(origin, { memoryBudget: BUDGET, budgetTimeoutMs: 0 });
  const loader = impatient.loader(ObjectDataset.fromPrefix(uri('even/')), { batchSize: 4 });
  const held: Batch[] = [];
  const error = await failureOf(
    (async () => {
      for await (const batch of loader) held.push(batch.retain());
    })(),
  );
  expect(error).toMatchObject({ code: 'BudgetHeldByConsumer', phase: 'grant', retryable: true });
  expect(error.message).toContain('8 MiB of the memory budget of 8 MiB are held by batches and results');
  const keys = held.flatMap(looked);
  // 32 objects of 256 KiB fill it.
  expect(keys).toEqual(namesOf('even').slice(0, 32));
  expect(loader.report).toMatchObject({ reason: 'failed', delivered: 32, failed: 0 });
  expectSum(loader.report);
  // A direct call is told so too.
  await expect(impatient.get(uri('single'))).rejects.toMatchObject({ code: 'BudgetHeldByConsumer' });
  for (const batch of held) batch.release();
  await expectIdle(impatient);
  expect(await keysInOrder(loader, sizeOf)).toEqual(namesOf('even'));
  await impatient.close();
});

test('a consumer that keeps every batch and lets one go while it waits gets the next one', async () => {
  const loader = runtime.loader(ObjectDataset.fromPrefix(uri('even/')), { batchSize: 4 });
  const iterator = loader[Symbol.asyncIterator]();
  const held: Batch[] = [];
  const keys: string[] = [];
  while (held.length < 8) held.push((await iterator.next()).value!.retain());
  for (;;) {
    const next = iterator.next();
    await origin.waitFor({ inFlight: 0 });
    const first = held.shift();
    if (first === undefined) {
      expect((await next).done).toBe(true);
      break;
    }
    keys.push(...looked(first));
    first.release();
    const { done, value } = await next;
    if (done !== true) held.push(value.retain());
  }
  expect(keys).toEqual(namesOf('even'));
  expect(loader.report).toMatchObject({ reason: 'completed', delivered: COUNT });
  await expectIdle(runtime);
});

test('a consumer that lets go in time is not told anything: the loader waits for it', async () => {
  const loader: Loader = runtime.loader(ObjectDataset.fromPrefix(uri('even/')), { batchSize: 4 });
  const held: Batch[] = [];
  const keys: string[] = [];
  for await (const batch of loader) {
    keys.push(...looked(batch));
    held.push(batch.retain());
    if (held.length > 3) held.shift()!.release();
  }
  for (const batch of held) batch.release();
  expect(keys).toEqual(namesOf('even'));
  await expectIdle(runtime);
});

function looked(batch: Batch): string[] {
  return batch.items.map(({ key, bytes }) => {
    expect(fault(key, bytes, sizeOf(key))).toBeNull();
    return key;
  });
}

async function failureOf(call: Promise<unknown>): Promise<MillraceError> {
  const error: unknown = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(MillraceError);
  return error as MillraceError;
}

/** Waits until so many bytes of the arena are in use and nothing is in flight at the origin. */
async function filled(bytes: number): Promise<void> {
  for (;;) {
    await origin.waitFor({ inFlight: 0 });
    if ((await runtime.stats()).arena.usedBytes >= bytes) return;
  }
}

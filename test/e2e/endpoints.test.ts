/** One store over two servers with the same objects: the load is shared, and one of them may go and come again. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { CancellationToken, ObjectDataset, Runtime } from '../../dist/index.js';
import { startOrigin, type Origin, type OriginOptions } from '../../dist/testing/index.js';
import { expectIdle, expectSum, KIB, keysInOrder, s3Options } from './kit.js';

const BUCKET = 'twins';
const COUNT = 300;
const SIZE = 40 * KIB + 7;
const KEYS = Array.from({ length: COUNT }, (_, i) => `all/${String(i).padStart(3, '0')}`);
const PREFIX = `s3://${BUCKET}/all/`;
const TWIN: OriginOptions = { objects: [{ bucket: BUCKET, prefix: 'all/', count: COUNT, sizes: [SIZE] }] };

let a: Origin;
let b: Origin;
let runtime: Runtime;
beforeAll(async () => {
  a = await startOrigin(TWIN);
  b = await startOrigin(TWIN);
  runtime = await Runtime.start({
    workers: 2,
    memoryBudget: '64MiB',
    maxConnections: 16,
    stores: { s3: s3Options(a, { endpoint: undefined, endpoints: [a.url, b.url] }) },
  });
});
afterAll(async () => {
  await runtime.close();
  await a.stop();
  await b.stop();
});
afterEach(async () => {
  await a.reset();
  await b.reset();
  await expectIdle(runtime);
});

interface InFlight {
  inFlight: number;
  outstandingBytes: number;
}

/** What the workers together have in flight at each endpoint. */
async function inFlight(): Promise<Record<string, InFlight>> {
  const { workers } = await runtime.stats();
  const sums: Record<string, InFlight> = {};
  for (const stats of Object.values(workers)) {
    for (const { endpoint, inFlight: count, outstandingBytes } of stats!.endpoints) {
      const sum = (sums[endpoint] ??= { inFlight: 0, outstandingBytes: 0 });
      sum.inFlight += count;
      sum.outstandingBytes += outstandingBytes;
    }
  }
  return sums;
}

const nothing = (): Record<string, InFlight> => ({
  [a.url]: { inFlight: 0, outstandingBytes: 0 },
  [b.url]: { inFlight: 0, outstandingBytes: 0 },
});

async function gets(origin: Origin): Promise<number> {
  return (await origin.requests({ op: 'get' })).length;
}

test('the load is shared by both servers, and every object comes once, in order', async () => {
  const loader = runtime.loader(ObjectDataset.fromPrefix(PREFIX), { batchSize: 16 });
  expect(await keysInOrder(loader, () => SIZE)).toEqual(KEYS);
  expectSum(loader.report);
  const [ofA, ofB] = [await gets(a), await gets(b)];
  expect(ofA + ofB).toBe(COUNT);
  expect(Math.min(ofA, ofB)).toBeGreaterThan(COUNT / 10);
  expect(await inFlight()).toEqual(nothing());
});

test('a server that stops in the middle of a load costs retries and no object, and is used again when it is back', async () => {
  await b.script({ op: 'get', nth: [5, 6, 7, 8], do: { stall: 20 * KIB } });
  const loader = runtime.loader(ObjectDataset.fromPrefix(PREFIX), { batchSize: 16 });
  const load = keysInOrder(loader, () => SIZE);
  await b.waitFor({ stalled: 4 });
  await b.stop();
  expect(await load).toEqual(KEYS);
  expect(loader.report).toMatchObject({ delivered: COUNT, failed: 0, reason: 'completed' });
  expect(loader.report!.retries).toBeGreaterThanOrEqual(4);
  expectSum(loader.report);
  expect(await inFlight()).toEqual(nothing());

  b = await startOrigin({ ...TWIN, port: b.port });
  while ((await gets(b)) < COUNT / 3) {
    const again = runtime.loader(ObjectDataset.fromPrefix(PREFIX), { batchSize: 16 });
    expect(await keysInOrder(again, () => SIZE)).toEqual(KEYS);
  }
});

test('a server that fails everything is passed over, and a load over it does not fail', async () => {
  await a.script({ do: { status: 500 } });
  for (let i = 0; i < 3; i++) {
    const loader = runtime.loader(ObjectDataset.fromPrefix(PREFIX), { batchSize: 16 });
    expect(await keysInOrder(loader, () => SIZE)).toEqual(KEYS);
    expect(loader.report).toMatchObject({ delivered: COUNT, failed: 0 });
  }
  const { workers } = await runtime.stats();
  for (const stats of Object.values(workers)) {
    const ejected = stats!.endpoints.filter((each) => each.ejected).map(({ endpoint }) => endpoint);
    expect(ejected).toEqual([a.url]);
  }
});

test('a cancel leaves nothing outstanding at any endpoint', async () => {
  const stall = { op: 'get', do: { stall: 10 * KIB } } as const;
  await Promise.all([a.script(stall), b.script(stall)]);
  const token = new CancellationToken();
  const loader = runtime.loader(ObjectDataset.fromPrefix(PREFIX), { batchSize: 16, token });
  const ended = keysInOrder(loader, () => SIZE).then(
    () => 'completed',
    (error: { code: string }) => error.code,
  );
  await Promise.race([a.waitFor({ stalled: 4 }), b.waitFor({ stalled: 4 })]);
  const before = Object.values(await inFlight());
  expect(before.reduce((sum, { outstandingBytes }) => sum + outstandingBytes, 0)).toBeGreaterThanOrEqual(
    4 * SIZE,
  );
  token.cancel('the test is over');
  expect(await ended).toBe('Cancelled');
  expect(await inFlight()).toEqual(nothing());
});

test.each([
  ['both of endpoint and endpoints', { endpoint: 'http://127.0.0.1:1', endpoints: ['http://127.0.0.1:2'] }],
  ['an empty list', { endpoints: [] }],
  ['a text', { endpoints: 'http://127.0.0.1:1' }],
  ['one twice', { endpoints: ['http://127.0.0.1:1', 'http://127.0.0.1:1/'] }],
  ['one that is no URL', { endpoints: ['http://127.0.0.1:1', 'nowhere'] }],
  ['one with a password', { endpoints: ['http://me:hush@127.0.0.1:1'] }],
])('%s is refused at the start', async (_name, options) => {
  const start = Runtime.start({ stores: { s3: options } });
  await expect(start).rejects.toMatchObject({
    code: 'InvalidArgument',
    message: expect.stringMatching(/^(?!.*hush).*endpoints/) as string,
  });
});

test('a list of one is that endpoint, with nothing to choose', async () => {
  const one = await Runtime.start({
    workers: 1,
    stores: { s3: s3Options(a, { endpoint: undefined, endpoints: [a.url] }) },
  });
  const result = await one.get(`${PREFIX}000`);
  expect(result.bytes.length).toBe(SIZE);
  result.release();
  const { workers } = await one.stats();
  for (const stats of Object.values(workers)) expect(stats!.endpoints).toEqual([]);
  await one.close();
});

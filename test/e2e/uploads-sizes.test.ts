/** What may be put, from nothing to more than a service takes, and beside whom. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ObjectDataset, type Runtime } from '../../dist/index.js';
import { WRITE_LIMITS } from '../../dist/backends/s3/writes.js';
import { checkRoom, partBytesOf, thresholdOf } from '../../dist/loader/writes/part-plan.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { expectIdle, fault, KIB, MIB, sha256, startRuntime } from './kit.js';
import { BUCKET, get, PART_BYTES, PAYLOAD, settled, uploadsOf } from './uploads.kit.js';

const BUDGET = 16 * MIB;
/** What `put` sends by one request with such a budget. */
const THRESHOLD = thresholdOf(WRITE_LIMITS, BUDGET);

let origin: Origin;
let runtime: Runtime;
beforeAll(async () => {
  origin = await startOrigin({
    objects: [{ bucket: BUCKET, prefix: 'in/', count: 12, sizes: [3 * MIB, 100 * KIB] }],
    publicBuckets: [BUCKET],
    minPartBytes: 1,
  });
  runtime = await startRuntime(origin, { workers: 2, memoryBudget: '16MiB', maxConnections: 8 });
});
afterAll(async () => {
  await runtime.close();
  await origin.stop();
});

const one = (key: string): string => `s3://${BUCKET}/${key}`;

async function partsPut(): Promise<number> {
  return (await origin.requests({ op: 'put-part' })).length;
}

describe('an object is put whole', () => {
  for (const [name, bytes, parts] of [
    ['of no bytes', 0, 0],
    ['of one byte', 1, 0],
    ['of as many bytes as go by one request', THRESHOLD, 0],
    ['of one byte more', THRESHOLD + 1, 9],
    ['of a multiple of the part size', 10 * PART_BYTES, 10],
    ['of a multiple of the part size and a byte', 10 * PART_BYTES + 1, 11],
  ] as const) {
    test(name, async () => {
      await origin.reset();
      const payload = PAYLOAD.subarray(0, bytes);
      const put = await runtime.put(one('sized'), payload, { partBytes: PART_BYTES });
      expect(put).toMatchObject({ uri: one('sized'), size: bytes });
      expect(await get(origin, 'sized')).toEqual({ digest: sha256(payload), version: put.version });
      expect(await partsPut()).toBe(parts);
    });

    test(`${name}, from a stream of odd pieces`, async () => {
      await origin.reset();
      const payload = PAYLOAD.subarray(0, bytes);
      function* pieces(): Generator<Uint8Array> {
        for (let at = 0; at < bytes; at += 333_333) yield payload.subarray(at, Math.min(bytes, at + 333_333));
      }
      const put = await runtime.putStream(one('streamed'), pieces(), { partBytes: PART_BYTES });
      expect(put.size).toBe(bytes);
      expect(await get(origin, 'streamed')).toEqual({ digest: sha256(payload), version: put.version });
      expect(await partsPut()).toBe(bytes > PART_BYTES ? Math.ceil(bytes / PART_BYTES) : 0);
    });
  }

  test('from a piece of shared memory, at any offset', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(12 * MIB), 4099, 9 * MIB + 7);
    shared.set(PAYLOAD.subarray(0, shared.length));
    await runtime.put(one('shared'), shared, { partBytes: PART_BYTES });
    expect((await get(origin, 'shared'))?.digest).toBe(sha256(PAYLOAD.subarray(0, shared.length)));
  });

  test('from the bytes of an item that is held', async () => {
    const result = await runtime.get(one('in/00'));
    const digest = sha256(result.bytes);
    await runtime.put(one('again'), result.bytes);
    result.release();
    expect((await get(origin, 'again'))?.digest).toBe(digest);
  });
});

describe('an object is refused', () => {
  test('when its bytes are taken away before they are sent, and nothing of anybody else is put in their place', async () => {
    const bytes = PAYLOAD.slice(0, 10 * MIB);
    const putting = settled(runtime.put(one('taken'), bytes, { partBytes: PART_BYTES }));
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    expect((await putting).failure).toMatchObject({ code: 'InvalidArgument' });
    expect(await get(origin, 'taken')).toBeNull();
    expect(await uploadsOf(origin)).toEqual([]);
    await expectIdle(runtime);
  });

  test('when it has more bytes than the service takes in all', () => {
    const most = WRITE_LIMITS.maxObjectBytes;
    expect(() => partBytesOf(most + 1, WRITE_LIMITS, undefined, 's3://bucket/key')).toThrow(
      expect.objectContaining({ code: 'InvalidArgument' }),
    );
    expect(() => partBytesOf(most + 1, WRITE_LIMITS, undefined, 's3://bucket/key')).toThrow(/at most/);
    expect(
      partBytesOf(48 * 1024 ** 4, WRITE_LIMITS, undefined, 's3://bucket/key') * 10_000,
    ).toBeGreaterThanOrEqual(48 * 1024 ** 4);
  });

  test('when a stream has more than so many parts hold', () => {
    checkRoom(10_000 * 5 * MIB, 5 * MIB, WRITE_LIMITS, 's3://bucket/key');
    expect(() => checkRoom(10_000 * 5 * MIB + 1, 5 * MIB, WRITE_LIMITS, 's3://bucket/key')).toThrow(
      /larger partBytes/,
    );
  });

  test('when a stream does, before the part that is too many is sent', async () => {
    await origin.reset();
    // One byte in each part, and two too many.
    const result = await settled(
      runtime.putStream(one('many'), [PAYLOAD.subarray(0, 10_002)], { partBytes: 1, maxPartsInFlight: 64 }),
    );
    expect(result.failure).toMatchObject({ code: 'InvalidArgument' });
    expect(await get(origin, 'many')).toBeNull();
    expect(await uploadsOf(origin)).toEqual([]);
    const refused = (await origin.requests({ op: 'put-part' })).filter(({ status }) => status === 400);
    expect(refused).toEqual([]);
  });
});

describe('parts grow with the object', () => {
  test('so that there are never more of them than the service takes', async () => {
    await origin.reset();
    const payload = PAYLOAD.subarray(0, 9 * MIB);
    // Asked for in parts of 64 bytes, it would have 147,456 of them.
    const { version } = await runtime.put(one('grown'), payload, { partBytes: 64, maxPartsInFlight: 64 });
    expect(await partsPut()).toBeLessThanOrEqual(10_000);
    expect(await get(origin, 'grown')).toEqual({ digest: sha256(payload), version });
  });
});

describe('a put inside the loop body of a loader that shares its small budget', () => {
  for (const order of ['sequence', 'completion'] as const) {
    for (const memoryBudget of ['12MiB', '16MiB']) {
      test(`goes on to the end: ${order} order, ${memoryBudget}`, async () => {
        await using small = await startRuntime(origin, { workers: 2, memoryBudget, maxConnections: 4 });
        const loader = small.loader(ObjectDataset.fromPrefix(one('in/')), { batchSize: 1, order });
        let items = 0;
        for await (const batch of loader) {
          for (const item of batch) {
            expect(fault(item.key, item.bytes, item.bytes.length)).toBeNull();
            await small.put(one(`out/${item.key}`), item.bytes);
            await small.put(one('out/large'), PAYLOAD.subarray(0, 9 * MIB), { partBytes: 2 * MIB });
            items += 1;
          }
        }
        expect(items).toBe(12);
        await expectIdle(small);
      });
    }
  }
});

describe('the end of the runtime', () => {
  test('ends a put that waits for the first bytes of a stream that never come', async () => {
    const own = await startRuntime(origin, { workers: 1, memoryBudget: '16MiB' });
    let returned = false;
    const stuck: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        // Wait ends: never.
        next: () => new Promise(() => {}),
        return: () => {
          returned = true;
          return Promise.resolve({ done: true as const, value: undefined });
        },
      }),
    };
    const putting = settled(own.putStream(one('stuck'), stuck, { signal: new AbortController().signal }));
    await own.close();
    expect((await putting).failure).toMatchObject({ code: 'Draining' });
    expect(returned).toBe(true);
  });

  test('lets an upload that it stops be aborted before it is over', async () => {
    const own = await startRuntime(origin, { workers: 1, memoryBudget: '16MiB' });
    await origin.reset();
    await origin.script({ op: 'put-part', nth: 3, do: { stall: 'before-head' } });
    const putting = settled(own.put(one('closed'), PAYLOAD.subarray(0, 9 * MIB), { partBytes: PART_BYTES }));
    await origin.waitFor({ stalled: 1 });
    const record = await own.close({ deadlineMs: 50 });
    expect((await putting).failure).toMatchObject({ code: 'Cancelled' });
    expect(record).toMatchObject({ stuckWorkers: [], unreleasedBytes: 0, leaks: 0 });
    expect(await uploadsOf(origin)).toEqual([]);
    expect(await get(origin, 'closed')).toBeNull();
  });
});

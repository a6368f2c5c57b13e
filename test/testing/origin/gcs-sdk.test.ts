import { IdempotencyStrategy, Storage, type Bucket } from '@google-cloud/storage';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../../dist/testing/pattern.js';
import { ask, crc32cOf } from './gcs.kit.js';

let origin: Origin;
let bucket: Bucket;

beforeAll(async () => {
  origin = await startOrigin({
    dialect: 'gcs',
    objects: [
      { bucket: 'b', key: 'dir/k +é', size: 700_001 },
      { bucket: 'b', prefix: 'n/', count: 1200, sizes: [8] },
    ],
    tokens: [{ token: 'sdk' }],
  });
  const storage = new Storage({
    apiEndpoint: origin.url,
    projectId: 'origin',
    retryOptions: { maxRetryDelay: 1, idempotencyStrategy: IdempotencyStrategy.RetryAlways },
  });
  // With an endpoint of its own the SDK asks nobody for a token: its interceptors are where one goes in.
  storage.interceptors.push({
    request: (options) => {
      options.headers = { ...options.headers, Authorization: 'Bearer sdk' };
      return options as ReturnType<(typeof storage.interceptors)[number]['request']>;
    },
  });
  bucket = storage.bucket('b');
});
afterAll(() => origin.stop());
afterEach(() => origin.reset());

describe("the service's own SDK", () => {
  test('reads an object, and verifies the sum that it is told', async () => {
    const [bytes] = await bucket.file('dir/k +é').download();
    expect([bytes.length, verifyPattern(objectIdOf('dir/k +é'), 0, bytes)]).toEqual([700_001, -1]);
    const [part] = await bucket.file('dir/k +é').download({ start: 5, end: 104 });
    expect([part.length, verifyPattern(objectIdOf('dir/k +é'), 5, part)]).toEqual([100, -1]);
    const [metadata] = await bucket.file('dir/k +é').getMetadata();
    expect(metadata.crc32c).toBe(crc32cOf(patternBytes(objectIdOf('dir/k +é'), 700_001)));
    await origin.script({ do: { lie: 'wrong-bytes' } });
    await expect(bucket.file('dir/k +é').download()).rejects.toMatchObject({
      code: 'CONTENT_DOWNLOAD_MISMATCH',
    });
  });

  test('lists page by page, and by folder', async () => {
    const [files] = await bucket.getFiles({ prefix: 'n/' });
    expect([files.length, files[1199]?.name]).toEqual([1200, 'n/1199']);
    const [, , answer] = await bucket.getFiles({ delimiter: '/', autoPaginate: false });
    expect(answer).toMatchObject({ prefixes: ['dir/', 'n/'] });
  });

  test.each([
    ['at once', false, 5000],
    ['resumably', true, 600_000],
  ])('writes %s, and its sums are verified', async (_, resumable, size) => {
    const body = Buffer.from(patternBytes(size, size));
    const file = bucket.file(`written ${size}`);
    await file.save(body, { resumable, metadata: { contentType: 'x/y' }, validation: 'crc32c' });
    const [bytes] = await file.download();
    expect(bytes.equals(body)).toBe(true);
    await expect(
      file.save(body, { resumable, preconditionOpts: { ifGenerationMatch: 0 }, validation: false }),
    ).rejects.toThrow(/412|pre-conditions/);
  });

  test('writes in chunks, and goes on from what had persisted when an answer was lost', async () => {
    const body = Buffer.from(patternBytes(77, 700_000));
    await origin.script({ op: 'put-part', nth: 2, do: { status: 503, applied: true } });
    await bucket.file('chunked').save(body, {
      resumable: true,
      chunkSize: 262_144,
      validation: 'crc32c',
    });
    expect((await bucket.file('chunked').download())[0].equals(body)).toBe(true);
    expect((await origin.stats()).faults).toBe(1);
  });

  test('copies, composes and deletes', async () => {
    const file = bucket.file('n/0001');
    await file.copy(bucket.file('copied'));
    await bucket.combine(['n/0001', 'n/0002'], 'combined');
    const [combined] = await bucket.file('combined').download();
    expect(verifyPattern(objectIdOf('n/0002'), 0, combined.subarray(8))).toBe(-1);
    await bucket.file('copied').delete();
    await expect(bucket.file('copied').download()).rejects.toMatchObject({ code: 404 });
    expect((await ask(origin, 'GET', '/storage/v1/b/b/o/combined')).status).toBe(401);
  });
});

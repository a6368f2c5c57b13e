import { ListObjectsV2Command, S3Client, type ListObjectsV2CommandInput } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';

/** U+FF5E comes before U+1F600 in UTF-8 and after it in UTF-16. */
const ODD = ['a b+c', 'a&b<c>"d"', 'a\u0001b', 'z/～', 'z/😀', 'z/é', 'Z', '%41'];
let origin: Origin;
let s3: S3Client;

beforeAll(async () => {
  origin = await startOrigin({
    objects: [
      ...ODD.map((key, size) => ({ bucket: 'odd', key, size })),
      { bucket: 'many', prefix: 'x/', count: 1_000_000, sizes: [5] },
      { bucket: 'many', key: 'x/0000005', size: 1 },
      { bucket: 'tree', prefix: 'd/', count: 1000, perFolder: 100, sizes: [1] },
      { bucket: 'tree', key: 'd/file', size: 9 },
      { bucket: 'tree', key: 'e', size: 9 },
    ],
    buckets: ['void'],
  });
  s3 = new S3Client({
    endpoint: origin.url,
    region: origin.region,
    credentials: origin.credentials,
    forcePathStyle: true,
    maxAttempts: 1,
  });
});
afterAll(async () => {
  s3.destroy();
  await origin.stop();
});

const list = (input: ListObjectsV2CommandInput) => s3.send(new ListObjectsV2Command(input));

async function listAll(
  input: ListObjectsV2CommandInput,
): Promise<{ keys: string[]; prefixes: string[]; pages: number }> {
  const all = { keys: [] as string[], prefixes: [] as string[], pages: 0 };
  for (let ContinuationToken: string | undefined; ;) {
    const page = await list({ ...input, ...(ContinuationToken === undefined ? {} : { ContinuationToken }) });
    all.pages += 1;
    for (const { Key } of page.Contents ?? []) all.keys.push(Key ?? '');
    for (const { Prefix } of page.CommonPrefixes ?? []) all.prefixes.push(Prefix ?? '');
    ContinuationToken = page.NextContinuationToken;
    if (page.IsTruncated !== true) return all;
  }
}

describe('listings', () => {
  test('come in the order of UTF-8 bytes, page by page, each key once', async () => {
    const sorted = ODD.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(sorted).not.toEqual(ODD.toSorted());
    for (const MaxKeys of [1, 3, 1000]) {
      expect((await listAll({ Bucket: 'odd', MaxKeys })).keys).toEqual(sorted);
    }
  });

  test('spell keys for URLs where asked, with spaces as plus signs', async () => {
    const page = await list({ Bucket: 'odd', EncodingType: 'url' });
    const keys = (page.Contents ?? []).map(({ Key }) => Key ?? '');
    expect(keys).toContain('a+b%2Bc');
    expect(keys.map((key) => decodeURIComponent(key.replaceAll('+', ' '))).toSorted()).toEqual(
      ODD.toSorted(),
    );
  });

  test('tell size, ETag and time', async () => {
    const [entry] = (await list({ Bucket: 'odd', Prefix: 'z/😀' })).Contents ?? [];
    expect(entry).toMatchObject({
      Size: 4,
      StorageClass: 'STANDARD',
      ETag: expect.stringMatching(/^"[0-9a-f]{32}"$/),
    });
    expect(entry?.LastModified).toBeInstanceOf(Date);
  });

  test('begin anywhere among a million generated keys', async () => {
    const page = await list({ Bucket: 'many', Prefix: 'x/99999' });
    expect(page.Contents?.map(({ Key }) => Key)).toEqual(Array.from({ length: 10 }, (_, i) => `x/99999${i}`));
    const later = await list({ Bucket: 'many', StartAfter: 'x/499999', MaxKeys: 2 });
    expect(later.Contents?.map(({ Key }) => Key)).toEqual(['x/500000', 'x/500001']);
  });

  test('weave explicit keys into generated ones', async () => {
    const page = await list({ Bucket: 'many', MaxKeys: 3 });
    expect(page.Contents?.map(({ Key }) => Key)).toEqual(['x/000000', 'x/0000005', 'x/000001']);
  });

  test('roll up below a delimiter, over pages', async () => {
    const folders = Array.from({ length: 10 }, (_, i) => `d/${i}/`);
    for (const MaxKeys of [1, 4, 1000]) {
      const all = await listAll({ Bucket: 'tree', Prefix: 'd/', Delimiter: '/', MaxKeys });
      expect([all.prefixes, all.keys]).toEqual([folders, ['d/file']]);
    }
    expect(await listAll({ Bucket: 'tree', Delimiter: '/' })).toEqual({
      keys: ['e'],
      prefixes: ['d/'],
      pages: 1,
    });
    expect((await listAll({ Bucket: 'tree', Prefix: 'd/3/', Delimiter: '/' })).keys.length).toBe(100);
  });

  test('say truncated only when something follows', async () => {
    const last = await list({ Bucket: 'tree', Prefix: 'd/0/', MaxKeys: 100 });
    expect([last.KeyCount, last.IsTruncated]).toEqual([100, false]);
    expect((await list({ Bucket: 'void' })).KeyCount).toBe(0);
  });

  test('refuse what is not an argument', async () => {
    await expect(list({ Bucket: 'void', ContinuationToken: '?' })).rejects.toMatchObject({
      name: 'InvalidArgument',
    });
    await expect(list({ Bucket: 'absent' })).rejects.toMatchObject({ name: 'NoSuchBucket' });
  });
});

/** Writes of the S3 dialect, by the official client and by raw requests. */
import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../../dist/testing/pattern.js';
import { headerOf, rawClient } from './raw.kit.js';

let origin: Origin;
let client: S3Client;
const Bucket = 'w';

beforeAll(async () => {
  origin = await startOrigin({
    objects: [{ bucket: Bucket, key: 'there', size: 1000 }],
    publicBuckets: [Bucket],
    forbidden: [/^secret/],
    minPartBytes: 10,
  });
  const { url: endpoint, region, credentials } = origin;
  client = new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1 });
});
afterAll(async () => {
  client.destroy();
  await origin.stop();
});
afterEach(() => origin.reset());

const bytesOf = (key: string, size: number, generation = 0) =>
  Buffer.from(patternBytes(objectIdOf(key, generation), size));
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest();
const get = async (Key: string) => {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
};
const put = (Key: string, Body: Uint8Array | string, more: object = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const named = (name: string) => ({ name });

async function raw(method: string, path: string, body: string, headers: Record<string, string> = {}) {
  const one = rawClient(origin.port);
  const all = { 'Content-Length': String(body.length), Connection: 'close', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  one.send(`${method} /${Bucket}/${path} HTTP/1.1\r\nHost: h\r\n${lines.join('')}\r\n${body}`);
  return one.ended();
}

describe('PutObject', () => {
  test('keeps the bytes, their MD5 as ETag, type, metadata and checksum', async () => {
    const body = bytesOf('new', 70_000);
    const { ETag } = await put('new', body, {
      ContentType: 'text/odd',
      Metadata: { one: 'two' },
      ChecksumAlgorithm: 'CRC64NVME',
    });
    expect(ETag).toBe(`"${md5(body).toString('hex')}"`);
    expect((await get('new')).equals(body)).toBe(true);
    expect(
      await client.send(new HeadObjectCommand({ Bucket, Key: 'new', ChecksumMode: 'ENABLED' })),
    ).toMatchObject({
      ContentType: 'text/odd',
      Metadata: { one: 'two' },
      ChecksumCRC64NVME: expect.stringMatching(/=$/),
    });
  });

  test('takes a payload that is not signed, and one in pieces with its checksum behind it', async () => {
    for (const [name, value] of [
      ['crc32', 'y/Q5Jg=='],
      ['crc32c', '4waSgw=='],
      ['crc64nvme', 'rosUhgp5mIg='],
    ] as const) {
      const trailer = `x-amz-checksum-${name}`;
      const framed = (sum: string) => `4\r\n1234\r\n5\r\n56789\r\n0\r\n${trailer}:${sum}\r\n\r\n`;
      const headers = {
        'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'x-amz-decoded-content-length': '9',
        'x-amz-trailer': trailer,
      };
      expect((await raw('PUT', 'framed', framed(value), headers)).head).toMatch(/^HTTP\/1.1 200 /);
      expect((await get('framed')).toString()).toBe('123456789');
      const wrong = await raw('PUT', 'framed', framed(value.replace(/^./, 'A')), headers);
      expect(wrong.body.toString()).toContain('<Code>BadDigest</Code>');
    }
  });

  test('is refused by a sum that does not hold', async () => {
    const code = async (headers: Record<string, string>) =>
      /<Code>(\w+)<\/Code>/.exec((await raw('PUT', 'sum', 'body', headers)).body.toString())?.[1];
    expect(await code({ 'Content-MD5': md5(Buffer.from('other')).toString('base64') })).toBe('BadDigest');
    expect(await code({ 'Content-MD5': 'short' })).toBe('InvalidDigest');
    expect(await code({ 'x-amz-checksum-sha256': 'AAAA' })).toBe('InvalidRequest');
    expect(await code({ 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-sha1': 'A' })).toBe(
      'InvalidRequest',
    );
    expect(await code({ 'Transfer-Encoding': 'chunked', 'Content-Length': '4' })).toBe('BadRequest');
    await expect(get('sum')).rejects.toMatchObject(named('NoSuchKey'));
  });

  test('keeps to its conditions', async () => {
    await expect(put('there', 'x', { IfNoneMatch: '*' })).rejects.toMatchObject(named('PreconditionFailed'));
    await expect(put('absent', 'x', { IfMatch: '"e"' })).rejects.toMatchObject(named('NoSuchKey'));
    const { ETag: first } = await put('kept', 'one', { IfNoneMatch: '*' });
    await put('kept', 'two', { IfMatch: first });
    await expect(put('kept', 'three', { IfMatch: first })).rejects.toMatchObject(named('PreconditionFailed'));
    expect((await get('kept')).toString()).toBe('two');
  });

  test('gives way to a bump: other bytes, another ETag and no sum of what was; and to a later put', async () => {
    const { ETag } = await put('bumped', 'one', { ChecksumAlgorithm: 'SHA256' });
    await origin.bump(Bucket, 'bumped', 5);
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'bumped', ChecksumMode: 'ENABLED' }));
    expect(head.ETag).not.toBe(ETag);
    expect([head.ContentLength, head.ChecksumSHA256]).toEqual([5, undefined]);
    expect((await get('bumped')).equals(bytesOf('bumped', 5, 2))).toBe(true);
    await put('bumped', 'three bytes');
    expect((await get('bumped')).toString()).toBe('three bytes');
    await origin.bump(Bucket, 'bumped');
    expect((await get('bumped')).length).toBe('three bytes'.length);
  });
});

describe('a multipart upload', () => {
  const begin = async (Key: string, more: object = {}) => {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...more }));
    return { Bucket, Key, UploadId };
  };
  const part = async (upload: Awaited<ReturnType<typeof begin>>, PartNumber: number, Body: Uint8Array) => {
    const { ETag } = await client.send(new UploadPartCommand({ ...upload, PartNumber, Body }));
    return { PartNumber, ETag };
  };
  const complete = (upload: Awaited<ReturnType<typeof begin>>, Parts: object[], more: object = {}) =>
    client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts }, ...more }));

  test('is an object when it is completed, and not before', async () => {
    const body = bytesOf('parts', 40);
    const upload = await begin('parts', { ContentType: 'text/odd' });
    const parts = [
      await part(upload, 7, body.subarray(20)),
      await part(upload, 2, body.subarray(0, 20)),
    ].toReversed();
    await expect(get('parts')).rejects.toMatchObject(named('NoSuchKey'));
    const { Parts } = await client.send(new ListPartsCommand(upload));
    expect(Parts?.map(({ PartNumber, Size }) => [PartNumber, Size])).toEqual([
      [2, 20],
      [7, 20],
    ]);
    const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'pa' }));
    expect(Uploads?.map(({ Key, UploadId }) => [Key, UploadId])).toEqual([['parts', upload.UploadId]]);
    const { ETag } = await complete(upload, parts, { IfNoneMatch: '*' });
    const digests = Buffer.concat([md5(body.subarray(0, 20)), md5(body.subarray(20))]);
    expect(ETag).toBe(`"${md5(digests).toString('hex')}-2"`);
    expect((await get('parts')).equals(body)).toBe(true);
    await expect(complete(upload, parts)).rejects.toMatchObject(named('NoSuchUpload'));
  });

  test('refuses parts that make no object, and stays open', async () => {
    const upload = await begin('wrong');
    const [one, two] = [await part(upload, 1, Buffer.alloc(9)), await part(upload, 2, Buffer.alloc(10))];
    await expect(complete(upload, [two, one])).rejects.toMatchObject(named('InvalidPartOrder'));
    await expect(complete(upload, [{ ...one, ETag: '"no"' }])).rejects.toMatchObject(named('InvalidPart'));
    await expect(complete(upload, [one, two])).rejects.toMatchObject(named('EntityTooSmall'));
    await expect(complete(upload, [])).rejects.toMatchObject(named('MalformedXML'));
    await complete(upload, [two]);
    expect(await get('wrong')).toHaveLength(10);
  });

  test('is checked as a whole where its checksum is of the whole', async () => {
    const upload = await begin('summed', { ChecksumAlgorithm: 'CRC64NVME', ChecksumType: 'FULL_OBJECT' });
    const send = (n: number, text: string) =>
      client.send(
        new UploadPartCommand({ ...upload, PartNumber: n, Body: text, ChecksumAlgorithm: 'CRC64NVME' }),
      );
    const [a, b] = [await send(1, '1234567890'), await send(2, 'x')];
    const parts = [
      { PartNumber: 1, ETag: a.ETag },
      { PartNumber: 2, ETag: b.ETag },
    ];
    const wrong = { ChecksumCRC64NVME: 'AAAAAAAAAAA=' };
    await expect(complete(upload, parts, wrong)).rejects.toMatchObject(named('BadDigest'));
    await expect(complete(upload, parts, { MpuObjectSize: 12 })).rejects.toMatchObject(
      named('InvalidRequest'),
    );
    expect((await complete(upload, parts, { MpuObjectSize: 11 })).ChecksumCRC64NVME).toMatch(/=$/);
  });

  test('is gone when it is aborted', async () => {
    const upload = await begin('aborted');
    await client.send(new AbortMultipartUploadCommand(upload));
    await expect(part(upload, 1, Buffer.alloc(1))).rejects.toMatchObject(named('NoSuchUpload'));
  });

  test('may copy its parts', async () => {
    const body = bytesOf('from', 100);
    await put('from', body);
    const upload = await begin('to');
    const copied = await client.send(
      new UploadPartCopyCommand({
        ...upload,
        PartNumber: 1,
        CopySource: `${Bucket}/from`,
        CopySourceRange: 'bytes=5-24',
      }),
    );
    await complete(upload, [{ PartNumber: 1, ETag: copied.CopyPartResult?.ETag }]);
    expect((await get('to')).equals(body.subarray(5, 25))).toBe(true);
  });

  test('can fail with 200 and an error document, and succeed without an answer', async () => {
    const upload = await begin('torn');
    const parts = [await part(upload, 1, Buffer.alloc(10))];
    await origin.script(
      { op: 'complete-upload', times: 1, do: { status: 200, code: 'InternalError' } },
      { op: 'complete-upload', times: 1, do: { reset: 'before-head' } },
    );
    await expect(complete(upload, parts)).rejects.toMatchObject(named('InternalError'));
    await expect(get('torn')).rejects.toMatchObject(named('NoSuchKey'));
    await expect(complete(upload, parts)).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await get('torn')).toHaveLength(10);
  });
});

describe('copies and deletes', () => {
  test("CopyObject keeps or replaces the metadata, under the source's conditions", async () => {
    const { ETag } = await put('a+b c', 'body', { Metadata: { one: 'two' } });
    const copy = (Key: string, more: object = {}) =>
      client.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/a%2Bb%20c`, ...more }));
    expect((await copy('copied')).CopyObjectResult?.ETag).toBe(ETag);
    expect((await client.send(new HeadObjectCommand({ Bucket, Key: 'copied' }))).Metadata).toEqual({
      one: 'two',
    });
    await copy('copied', { MetadataDirective: 'REPLACE', Metadata: { three: 'four' } });
    expect((await client.send(new HeadObjectCommand({ Bucket, Key: 'copied' }))).Metadata).toEqual({
      three: 'four',
    });
    await expect(copy('x', { CopySourceIfMatch: '"no"' })).rejects.toMatchObject(named('PreconditionFailed'));
    await expect(copy('a+b c')).rejects.toMatchObject(named('InvalidRequest'));
  });

  test('DeleteObjects takes what it may, and says what it did', async () => {
    await put('gone <&> 1', 'x');
    await put('gone 2', 'x');
    const found = await client.send(
      new DeleteObjectsCommand({
        Bucket,
        Delete: { Objects: ['gone <&> 1', 'gone 2', 'secret'].map((Key) => ({ Key })) },
      }),
    );
    expect(found.Deleted?.map(({ Key }) => Key)).toEqual(['gone <&> 1', 'gone 2']);
    expect(found.Errors).toMatchObject([{ Key: 'secret', Code: 'AccessDenied' }]);
    const { KeyCount } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'gone' }));
    expect(KeyCount).toBe(0);
    const bare = await raw('POST', '?delete', '<Delete><Object><Key>a</Key></Object></Delete>');
    expect(bare.body.toString()).toContain('Missing required header for this request: Content-MD5');
  });

  test('DeleteObject keeps to If-Match, and is content with nothing', async () => {
    const { ETag } = await put('one', 'x');
    await put('one', 'y');
    const remove = (more: object = {}) =>
      client.send(new DeleteObjectCommand({ Bucket, Key: 'one', ...more }));
    await expect(remove({ IfMatch: ETag })).rejects.toMatchObject(named('PreconditionFailed'));
    await remove();
    await remove();
    expect(headerOf((await raw('HEAD', 'one', '')).head, 'content-type')).toBe('application/xml');
  });
});

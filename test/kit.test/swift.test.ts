import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadBucketCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../dist/testing/pattern.js';
import { skipUnless } from '../kit/require-server.mjs';
import { startSwift, swiftAvailable, type Swift } from '../kit/swift.mjs';
import { remains, started, type Trace } from './server-traces.js';

const client = (server: Swift, secretAccessKey = server.secretAccessKey): S3Client =>
  new S3Client({
    endpoint: server.url,
    region: server.region,
    credentials: { accessKeyId: server.accessKeyId, secretAccessKey },
    forcePathStyle: true,
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });

describe.skipIf(skipUnless(swiftAvailable()))('Swift', () => {
  let server: Swift;
  let other: Swift;
  let traces: Trace[];
  beforeAll(async () => {
    ({
      server: [server, other],
      traces,
    } = await started(() => Promise.all([startSwift(), startSwift()])));
    await client(server).send(new CreateBucketCommand({ Bucket: 'kit' }));
  });
  afterAll(() => Promise.all([server?.stop(), other?.stop()]));

  test('gives back what was put', async () => {
    const body = patternBytes(objectIdOf('k'), 100_000);
    await client(server).send(new PutObjectCommand({ Bucket: 'kit', Key: 'k', Body: body }));
    const got = await client(server).send(new GetObjectCommand({ Bucket: 'kit', Key: 'k' }));
    const bytes = (await got.Body?.transformToByteArray()) ?? new Uint8Array();
    expect([bytes.length, verifyPattern(objectIdOf('k'), 0, bytes)]).toEqual([100_000, -1]);
  });

  test('puts an object together from its parts', async () => {
    const at = { Bucket: 'kit', Key: 'parts' };
    const { UploadId } = await client(server).send(new CreateMultipartUploadCommand(at));
    const part = { ...at, UploadId, PartNumber: 1, Body: patternBytes(objectIdOf('parts'), 1_000) };
    const { ETag } = await client(server).send(new UploadPartCommand(part));
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    await client(server).send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload }));
    const got = await client(server).send(new GetObjectCommand({ ...at, Range: 'bytes=100-199' }));
    const bytes = (await got.Body?.transformToByteArray()) ?? new Uint8Array();
    expect([bytes.length, verifyPattern(objectIdOf('parts'), 100, bytes)]).toEqual([100, -1]);
  });

  test('refuses a wrong secret', async () => {
    const refused = client(server, 'wrong').send(new GetObjectCommand({ Bucket: 'kit', Key: 'k' }));
    await expect(refused).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' });
  });

  test('does not know what another one has', async () => {
    const asked = client(other).send(new HeadBucketCommand({ Bucket: 'kit' }));
    await expect(asked).rejects.toMatchObject({ $metadata: { httpStatusCode: 404 } });
    await client(server).send(new HeadBucketCommand({ Bucket: 'kit' }));
  });

  test('leaves no process and no directory, and answers no more, after its stop', async () => {
    expect(traces.length).toBe(8);
    await Promise.all([server.stop(), other.stop(), other.stop()]);
    expect(remains(traces)).toEqual([]);
    await expect(fetch(server.url)).rejects.toThrow('fetch failed');
  });
});

import { Agent } from 'node:https';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../dist/testing/pattern.js';
import { radosgwAvailable, startRadosgw, type Radosgw } from '../kit/radosgw.mjs';
import { skipUnless } from '../kit/require-server.mjs';
import { remains, started, type Trace } from './server-traces.js';

describe.skipIf(skipUnless(radosgwAvailable()))('radosgw', () => {
  let server: Radosgw;
  let traces: Trace[];
  beforeAll(async () => {
    ({ server, traces } = await started(startRadosgw));
  });
  afterAll(() => server?.stop());

  const client = (endpoint: string, secretAccessKey = server.secretAccessKey): S3Client =>
    new S3Client({
      endpoint,
      region: server.region,
      credentials: { accessKeyId: server.accessKeyId, secretAccessKey },
      forcePathStyle: true,
      maxAttempts: 1,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      requestHandler: { httpsAgent: new Agent({ ca: server.ca }) },
    });

  test('keeps over HTTP what it gives over HTTPS', async () => {
    const plain = client(server.url);
    const secure = client(server.secureUrl);
    const body = patternBytes(objectIdOf('k'), 100_000);
    await plain.send(new CreateBucketCommand({ Bucket: 'kit' }));
    await plain.send(new PutObjectCommand({ Bucket: 'kit', Key: 'k', Body: body }));
    const got = await secure.send(new GetObjectCommand({ Bucket: 'kit', Key: 'k' }));
    const bytes = (await got.Body?.transformToByteArray()) ?? new Uint8Array();
    expect([bytes.length, verifyPattern(objectIdOf('k'), 0, bytes)]).toEqual([100_000, -1]);
  });

  test('refuses a wrong secret', async () => {
    const refused = client(server.url, 'wrong').send(new GetObjectCommand({ Bucket: 'kit', Key: 'k' }));
    await expect(refused).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' });
  });

  test('leaves no process and no directory, and answers no more, after its stop', async () => {
    expect(traces.length).toBe(3);
    await server.stop();
    expect(remains(traces)).toEqual([]);
    await expect(fetch(server.url)).rejects.toThrow('fetch failed');
  });
});

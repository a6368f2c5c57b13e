/** The s3 store with its real transport: against a server that nobody here wrote, and against the scripted one. */
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { describe } from 'vitest';
import { createStoreData } from '../../dist/backends/s3/data.js';
import { createS3Scheme } from '../../dist/backends/s3/scheme.js';
import { httpStore } from '../../dist/host/http-store.js';
import { DEFAULT_TRANSPORT_LIMITS } from '../../dist/transport/limits.js';
import { createTransport } from '../../dist/transport/transport.js';
import { startOrigin } from '../kit/origin.mjs';
import { radosgwAvailable, startRadosgw } from '../kit/radosgw.mjs';
import { skipUnless } from '../kit/require-server.mjs';
import { startSwift, swiftAvailable } from '../kit/swift.mjs';
import { COLUMNS } from './columns.mjs';
import { type OpenFixture, storeConformance } from './store.conformance.js';

const BUCKET = 'conformance';

interface Server {
  readonly url: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  stop(): Promise<void>;
}

interface Secure {
  readonly secureUrl: string;
  readonly ca: string;
}

/** The store of a bucket as a worker has it: the scheme's snapshot, its data half, and the transport. */
async function openS3(server: Server, secure?: Secure): Promise<OpenFixture> {
  const { url, region, credentials } = server;
  const { accessKeyId, secretAccessKey } = credentials;
  const scheme = createS3Scheme({
    endpoint: secure?.secureUrl ?? url,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    ca: secure?.ca,
  });
  const client = new S3Client({
    endpoint: url,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const control = await scheme.open(scheme.parse(`s3://${BUCKET}/`).store);
  const transport = createTransport(DEFAULT_TRANSPORT_LIMITS, { now: () => performance.now() });
  const store = httpStore(createStoreData(await control.snapshot(0)), transport, () => Date.now());
  return {
    store,
    storeName: `s3://${BUCKET}`,
    put: async (key, bytes) => {
      const Key = Buffer.from(key).toString('utf8');
      await client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: Buffer.from(bytes) }));
    },
    close: async () => {
      client.destroy();
      transport.close();
      control.close();
      await server.stop();
    },
  };
}

storeConformance(COLUMNS.s3, async () => openS3(await startOrigin()));

describe.skipIf(skipUnless(radosgwAvailable()))('with radosgw', () => {
  storeConformance(COLUMNS.radosgw, async () => openS3(await startRadosgw()));
  storeConformance(COLUMNS.radosgwTls, async () => {
    const server = await startRadosgw();
    return openS3(server, server);
  });
});

describe.skipIf(skipUnless(swiftAvailable()))('with Swift', () => {
  storeConformance(COLUMNS.swift, async () => openS3(await startSwift()));
});

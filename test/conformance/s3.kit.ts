/** Opens the s3 store with its real transport over a server. */
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { createStoreData } from '../../dist/backends/s3/data.js';
import { createS3Scheme } from '../../dist/backends/s3/scheme.js';
import { httpStore } from '../../dist/host/http-store.js';
import { DEFAULT_TRANSPORT_LIMITS } from '../../dist/transport/limits.js';
import { createTransport } from '../../dist/transport/transport.js';
import type { OpenFixture } from './store.conformance.js';

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
export async function openS3(server: Server, secure?: Secure): Promise<OpenFixture> {
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

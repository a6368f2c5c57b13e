/**
 * `@aws-sdk/client-s3` twice: as it is documented, and made as cheap as its options allow. Both with connections that are
 * kept, no checksums and no retries.
 */
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { BUCKET } from '../lib/data.mjs';
import { rangeOf, recycledBuffers } from '../lib/lanes.mjs';
import { CREDENTIALS, REGION } from './credentials.mjs';

const onS3 = ({ service }) => service === 's3';

/**
 * A client with so many connections. `tuned`: it resolves its middleware once and not for each command, which is an option
 * and takes a fifth off the CPU of small objects.
 * @param {import('../lib/child.mjs').Job} job @param {number} connections @param {boolean} tuned
 */
export async function createClient({ origin, caFile }, connections, tuned) {
  const { S3Client } = await import('@aws-sdk/client-s3');
  const { NodeHttpHandler } = await import('@smithy/node-http-handler');
  const agent = { keepAlive: true, maxSockets: connections };
  return new S3Client({
    endpoint: origin,
    region: REGION,
    credentials: CREDENTIALS,
    forcePathStyle: true,
    maxAttempts: 1,
    cacheMiddleware: tuned,
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestChecksumCalculation: 'WHEN_REQUIRED',
    requestHandler: new NodeHttpHandler({
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent({ ...agent, ca: readFileSync(caFile) }),
    }),
  });
}

/** Starts the fetch of a piece. */
export async function createSend(client) {
  const { GetObjectCommand } = await import('@aws-sdk/client-s3');
  return (piece) =>
    client.send(new GetObjectCommand({ Bucket: BUCKET, Key: piece.key, Range: rangeOf(piece) }));
}

/** Copies a body into the beginning of `target` and says how long it is. */
export async function copyBody(body, target) {
  let length = 0;
  for await (const chunk of body) {
    target.set(chunk, length);
    length += chunk.length;
  }
  return length;
}

async function openWith(job, pieces, tuned, fetchOne) {
  const client = await createClient(job, job.work.connections, tuned);
  const { default: pLimit } = await import('p-limit');
  const limit = pLimit(job.work.connections);
  const send = await createSend(client);
  const one = async (index, seen) => {
    const start = performance.now();
    await fetchOne(await send(pieces[index % pieces.length]), (bytes) =>
      seen(index, bytes, performance.now() - start),
    );
  };
  return {
    async run(from, count, seen) {
      await Promise.all(Array.from({ length: count }, (_, i) => limit(one, from + i, seen)));
    },
    close: () => client.destroy(),
  };
}

export const awsSdk = {
  name: 'aws-sdk',
  signed: true,
  works: onS3,
  open: (job, pieces) =>
    openWith(job, pieces, false, async ({ Body }, got) => got(await Body.transformToByteArray())),
};

export const awsSdkStream = {
  name: 'aws-sdk-stream',
  signed: true,
  works: onS3,
  open(job, pieces) {
    const { connections, pieceBytes } = job.work;
    const free = recycledBuffers(connections, pieceBytes);
    return openWith(job, pieces, true, async ({ Body }, got) => {
      const buffer = free.pop();
      got(buffer.subarray(0, await copyBody(Body, buffer)));
      free.push(buffer);
    });
  },
};

/**
 * `@google-cloud/storage` three times: as it is documented, as cheap as its calls allow, and its transfer manager. All
 * with an access token that is there already, so that none is asked for.
 *
 * `File.download` compares the CRC-32C of whole objects, and of no ranges; the cheap one compares nothing.
 */
import { join } from 'node:path';
import { BUCKET } from '../lib/data.mjs';
import { copyBody } from './aws-sdk.mjs';
import { inLanes, recycledBuffers } from '../lib/lanes.mjs';
import { ACCESS_TOKEN } from './credentials.mjs';

const onGoogle = ({ service }) => service === 'gs';

async function openBucket({ origin }) {
  const { Storage } = await import('@google-cloud/storage');
  const { OAuth2Client } = await import('google-auth-library');
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: ACCESS_TOKEN, expiry_date: Date.now() + 3_600_000 });
  const storage = new Storage({
    apiEndpoint: origin,
    projectId: 'bench',
    authClient,
    useAuthWithCustomEndpoint: true,
  });
  return storage.bucket(BUCKET);
}

/** The range of a piece as this SDK has it, both ends in it; nothing for a whole object. */
function rangeOf({ offset, length, objectBytes }) {
  return length === objectBytes ? {} : { start: offset, end: offset + length - 1 };
}

/** @param {(file: object, piece: object, got: (bytes: Uint8Array) => void) => Promise<void>} fetchOne */
async function openWith(job, pieces, fetchOne) {
  const bucket = await openBucket(job);
  const { default: pLimit } = await import('p-limit');
  const limit = pLimit(job.work.connections);
  const one = async (index, seen) => {
    const piece = pieces[index % pieces.length];
    const start = performance.now();
    await fetchOne(bucket.file(piece.key), piece, (bytes) => seen(index, bytes, performance.now() - start));
  };
  return {
    async run(from, count, seen) {
      await Promise.all(Array.from({ length: count }, (_, i) => limit(one, from + i, seen)));
    },
    close() {},
  };
}

export const gcsSdk = {
  name: 'gcs-sdk',
  signed: true,
  works: onGoogle,
  open: (job, pieces) =>
    openWith(job, pieces, async (file, piece, got) => {
      const [bytes] = await file.download(rangeOf(piece));
      got(bytes);
    }),
};

export const gcsSdkStream = {
  name: 'gcs-sdk-stream',
  signed: true,
  works: onGoogle,
  open(job, pieces) {
    const { connections, pieceBytes } = job.work;
    const free = recycledBuffers(connections, pieceBytes);
    return openWith(job, pieces, async (file, piece, got) => {
      const body = file.createReadStream({ ...rangeOf(piece), validation: false });
      const buffer = free.pop();
      got(buffer.subarray(0, await copyBody(body, buffer)));
      free.push(buffer);
    });
  },
};

/**
 * `TransferManager.downloadFileInChunks`, one object at a time: it asks for the object's metadata, writes the chunks to a
 * file, reads that again for the CRC-32C, and gives the bytes in a new buffer too. In whole objects alone.
 */
export const gcsSdkChunks = {
  name: 'gcs-sdk-chunks',
  signed: true,
  works: ({ service, pieceBytes, objectBytes }) => service === 'gs' && pieceBytes < objectBytes,
  async open(job, pieces) {
    const { TransferManager } = await import('@google-cloud/storage');
    const { connections, pieceBytes, objectBytes } = job.work;
    const bucket = await openBucket(job);
    const manager = new TransferManager(bucket);
    const step = objectBytes / pieceBytes;
    const destination = join(job.folder, 'chunks');
    return {
      step,
      run: (from, count, seen) =>
        inLanes(1, from / step, count / step, async (object) => {
          const first = object * step;
          const { key } = pieces[first % pieces.length];
          const [bytes] = await manager.downloadFileInChunks(bucket.file(key), {
            destination,
            chunkSizeBytes: pieceBytes,
            concurrencyLimit: connections,
          });
          for (let i = 0; i < step; i++) {
            seen(first + i, bytes.subarray(i * pieceBytes, (i + 1) * pieceBytes));
          }
        }),
      close() {},
    };
  },
};

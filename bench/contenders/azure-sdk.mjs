/**
 * `@azure/storage-blob` twice: as it is documented, and as cheap as its calls allow. Signed with the account's key; one
 * request for each piece, and the length given, so that nothing is asked for first.
 *
 * It asks for ranges by `x-ms-range`, which the origin does not read: works of it are made of whole objects, which come
 * either way.
 */
import { BUCKET } from '../lib/data.mjs';
import { copyBody } from './aws-sdk.mjs';
import { recycledBuffers } from '../lib/lanes.mjs';
import { AZURE } from './credentials.mjs';

const onAzure = ({ service, pieceBytes, objectBytes }) => service === 'az' && pieceBytes === objectBytes;

/** @param {(blob: object, piece: object, got: (bytes: Uint8Array) => void) => Promise<void>} fetchOne */
async function openWith({ work, origin }, pieces, fetchOne) {
  const { BlobServiceClient, StorageSharedKeyCredential } = await import('@azure/storage-blob');
  const { default: pLimit } = await import('p-limit');
  const credential = new StorageSharedKeyCredential(AZURE.account, AZURE.key);
  const service = new BlobServiceClient(`${origin}/${AZURE.account}`, credential);
  const container = service.getContainerClient(BUCKET);
  const limit = pLimit(work.connections);
  const one = async (index, seen) => {
    const piece = pieces[index % pieces.length];
    const start = performance.now();
    await fetchOne(container.getBlockBlobClient(piece.key), piece, (bytes) =>
      seen(index, bytes, performance.now() - start),
    );
  };
  return {
    async run(from, count, seen) {
      await Promise.all(Array.from({ length: count }, (_, i) => limit(one, from + i, seen)));
    },
    close() {},
  };
}

export const azureSdk = {
  name: 'azure-sdk',
  signed: true,
  works: onAzure,
  open: (job, pieces) =>
    // Blocks of the default size, 4 MiB, would be two requests for an object of 8 MiB.
    openWith(job, pieces, async (blob, { length }, got) =>
      got(await blob.downloadToBuffer(0, length, { blockSize: job.work.pieceBytes })),
    ),
};

export const azureSdkStream = {
  name: 'azure-sdk-stream',
  signed: true,
  works: onAzure,
  open(job, pieces) {
    const { connections, pieceBytes } = job.work;
    const free = recycledBuffers(connections, pieceBytes);
    return openWith(job, pieces, async (blob, _piece, got) => {
      const { readableStreamBody } = await blob.download();
      const buffer = free.pop();
      got(buffer.subarray(0, await copyBody(readableStreamBody, buffer)));
      free.push(buffer);
    });
  },
};

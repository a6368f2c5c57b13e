/** Millrace: the loader, in batches, and single reads. */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { BUCKET } from '../lib/data.mjs';
import { inLanes } from '../lib/lanes.mjs';
import { BUDGET_BYTES } from '../lib/works.mjs';
import { ACCESS_TOKEN, AZURE, CREDENTIALS, REGION } from './credentials.mjs';

/** Options of the store that a work asks, by its scheme. */
const STORES = {
  s3: (origin) => ({ endpoint: origin, region: REGION, credentials: CREDENTIALS, forcePathStyle: true }),
  az: (origin) => ({ endpoint: `${origin}/${AZURE.account}`, accountKey: AZURE.key }),
  gs: (origin) => ({
    endpoint: origin,
    credentials: () => Promise.resolve({ accessToken: ACCESS_TOKEN }),
  }),
};

const BUCKET_URIS = {
  s3: `s3://${BUCKET}`,
  az: `az://${AZURE.account}/${BUCKET}`,
  gs: `gs://${BUCKET}`,
};

/** @param {import('../lib/child.mjs').Job} job */
async function startRuntime({ work, origin, caFile }) {
  const { Runtime } = await import('millrace');
  const { service, protocol } = work;
  const ca = protocol === 'https' ? { ca: readFileSync(caFile, 'utf8') } : {};
  return Runtime.start({
    // As many workers as a service gets by default.
    maxConnections: work.connections,
    memoryBudget: BUDGET_BYTES,
    ...(service === null ? {} : { stores: { [service]: { ...STORES[service](origin), ...ca } } }),
  });
}

function uriOf({ work, folder }, key) {
  const { protocol, service } = work;
  if (service !== null) return `${BUCKET_URIS[service]}/${key}`;
  return pathToFileURL(`${folder}/data/${BUCKET}/${key}`).href.replace('file:', `${protocol}:`);
}

/** @param {object} options of the loader beside the size of its batches */
async function openLoader(job, pieces, options) {
  const runtime = await startRuntime(job);
  const references = pieces.map(({ key, offset, length, objectBytes }) => ({
    uri: uriOf(job, key),
    size: objectBytes,
    ...(length === objectBytes ? {} : { range: { start: offset, length } }),
  }));
  const { length: cycle } = references;
  const { batchSize } = job.work;
  return {
    async run(from, count, seen) {
      const dataset = { length: count, at: (i) => references[(from + i) % cycle] };
      let index = from;
      for await (const batch of runtime.loader(dataset, { batchSize, ...options })) {
        for (const item of batch) seen(index++, item.bytes);
      }
    },
    close: () => runtime.close(),
  };
}

export const millrace = {
  name: 'millrace',
  signed: true,
  works: () => true,
  open: (job, pieces) => openLoader(job, pieces, {}),
};

/** Where the origin announces a checksum, which the loader looks at unless it is told not to. */
export const millraceUnverified = {
  name: 'millrace-unverified',
  signed: true,
  works: ({ service, pieceBytes, objectBytes }) => service === 'gs' && pieceBytes === objectBytes,
  open: (job, pieces) => openLoader(job, pieces, { verify: 'never' }),
};

export const millraceGet = {
  name: 'millrace-get',
  signed: true,
  works: () => true,
  async open(job, pieces) {
    const runtime = await startRuntime(job);
    const uris = pieces.map(({ key }) => uriOf(job, key));
    const read = (piece, uri) =>
      piece.length === piece.objectBytes
        ? runtime.get(uri, { size: piece.objectBytes })
        : runtime.getRange(uri, { start: piece.offset, length: piece.length });
    return {
      run: (from, count, seen) =>
        inLanes(job.work.connections, from, count, async (index) => {
          const start = performance.now();
          const result = await read(pieces[index % pieces.length], uris[index % pieces.length]);
          seen(index, result.bytes, performance.now() - start);
          result.release();
        }),
      close: () => runtime.close(),
    };
  },
};

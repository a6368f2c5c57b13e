/** Millrace: the loader, in batches, and single reads. */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { BUCKET } from '../lib/data.mjs';
import { inLanes } from '../lib/lanes.mjs';
import { BUDGET_BYTES } from '../lib/works.mjs';
import { CREDENTIALS, REGION } from './credentials.mjs';

/** @param {import('../lib/child.mjs').Job} job */
async function startRuntime({ work, origin, caFile }) {
  const { Runtime } = await import('millrace');
  const ca = work.protocol === 'https' ? { ca: readFileSync(caFile, 'utf8') } : {};
  const s3 = { endpoint: origin, region: REGION, credentials: CREDENTIALS, forcePathStyle: true, ...ca };
  return Runtime.start({
    // As many workers as a service gets by default.
    maxConnections: work.connections,
    memoryBudget: BUDGET_BYTES,
    ...(work.protocol === 'file' ? {} : { stores: { s3 } }),
  });
}

function uriOf({ work, folder }, key) {
  return work.protocol === 'file'
    ? pathToFileURL(`${folder}/data/${BUCKET}/${key}`).href
    : `s3://${BUCKET}/${key}`;
}

export const millrace = {
  name: 'millrace',
  signed: true,
  works: () => true,
  async open(job, pieces) {
    const runtime = await startRuntime(job);
    const references = pieces.map(({ key, offset, length, objectBytes }) => ({
      uri: uriOf(job, key),
      size: objectBytes,
      ...(length === objectBytes ? {} : { range: { start: offset, length } }),
    }));
    const { length: cycle } = references;
    return {
      async run(from, count, seen) {
        const dataset = { length: count, at: (i) => references[(from + i) % cycle] };
        let index = from;
        for await (const batch of runtime.loader(dataset, { batchSize: job.work.batchSize })) {
          for (const item of batch) seen(index++, item.bytes);
        }
      },
      close: () => runtime.close(),
    };
  },
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

/** Files with what Node.js has: in the thread pool, and blocking. */
import { closeSync, openSync, readSync } from 'node:fs';
import { open, readFile as readWhole } from 'node:fs/promises';
import { BUCKET } from '../lib/data.mjs';
import { BUDGET_BYTES } from '../lib/works.mjs';
import { recycledBuffers } from '../lib/lanes.mjs';

const onDisk = ({ protocol }) => protocol === 'file';
const pathOf = (folder, key) => `${folder}/data/${BUCKET}/${key}`;

/** `readFile` for whole files; pieces of a large one by `FileHandle.read` into recycled buffers, over one handle. */
export const readFile = {
  name: 'readFile',
  signed: false,
  works: onDisk,
  async open({ work, folder }, pieces) {
    const { default: pLimit } = await import('p-limit');
    const { connections, pieceBytes, objectBytes } = work;
    const limit = pLimit(connections);
    const whole = pieceBytes === objectBytes;
    const paths = pieces.map(({ key }) => pathOf(folder, key));
    const handle = whole ? null : await open(paths[0]);
    const free = whole ? [] : recycledBuffers(connections, pieceBytes);
    const fetchOne = async (index, got) => {
      if (handle === null) return got(await readWhole(paths[index]));
      const buffer = free.pop();
      const { offset, length } = pieces[index];
      const { bytesRead } = await handle.read(buffer, 0, length, offset);
      got(buffer.subarray(0, bytesRead));
      free.push(buffer);
    };
    const one = async (index, seen) => {
      const start = performance.now();
      await fetchOne(index % pieces.length, (bytes) => seen(index, bytes, performance.now() - start));
    };
    return {
      async run(from, count, seen) {
        await Promise.all(Array.from({ length: count }, (_, i) => limit(one, from + i, seen)));
      },
      close: () => handle?.close(),
    };
  },
};

/** One after the other on the main thread, which does nothing else meanwhile: what a read costs without any machinery. */
export const preadSync = {
  name: 'pread-sync',
  signed: false,
  works: onDisk,
  open: (job, pieces) => blockingReads(job, pieces, 1),
};

/** The same, into as much memory as the loader's budget: what was read stays there for a while, as in the loader. */
export const preadWindow = {
  name: 'pread-window',
  signed: false,
  works: ({ protocol, pieceBytes }) => protocol === 'file' && pieceBytes >= 2 ** 20,
  open: (job, pieces) => blockingReads(job, pieces, Math.floor(BUDGET_BYTES / job.work.pieceBytes)),
};

function blockingReads({ work, folder }, pieces, count) {
  const buffers = recycledBuffers(count, work.pieceBytes);
  const paths = pieces.map(({ key }) => pathOf(folder, key));
  return {
    run(from, reads, seen) {
      for (let index = from; index < from + reads; index++) {
        const start = performance.now();
        const buffer = buffers[index % count];
        const { offset, length } = pieces[index % pieces.length];
        const file = openSync(paths[index % pieces.length]);
        const bytesRead = readSync(file, buffer, 0, length, offset);
        closeSync(file);
        seen(index, buffer.subarray(0, bytesRead), performance.now() - start);
      }
      return Promise.resolve();
    },
    close() {},
  };
}

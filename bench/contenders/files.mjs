/** Files with what Node.js has: in the thread pool, and blocking. */
import { closeSync, openSync, readSync } from 'node:fs';
import { open, readFile as readWhole } from 'node:fs/promises';
import { BUCKET } from '../lib/data.mjs';
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
  open({ work, folder }, pieces) {
    const [buffer] = recycledBuffers(1, work.pieceBytes);
    const paths = pieces.map(({ key }) => pathOf(folder, key));
    return {
      run(from, count, seen) {
        for (let index = from; index < from + count; index++) {
          const start = performance.now();
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
  },
};

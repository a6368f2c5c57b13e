/** The limit: what a C program with blocking reads into one buffer costs. Built with gcc when the bench starts. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUCKET } from '../../lib/data.mjs';

const SOURCE = fileURLToPath(new URL('limit.c', import.meta.url));

export const limit = {
  name: 'c-limit',
  signed: false,
  works: ({ protocol, service }) => service === 's3' || protocol === 'file',
  unable: ({ protocol }) => (protocol === 'https' ? 'has no TLS library' : null),
  missing(folder) {
    const { error, status, stderr } = spawnSync('gcc', ['-O2', '-Wall', '-o', program(folder), SOURCE], {
      encoding: 'utf8',
    });
    if (error !== undefined) return 'gcc was not found; install it to see this row';
    return status === 0 ? null : `gcc failed: ${stderr.slice(0, 500)}`;
  },
  /** @param {import('../../lib/child.mjs').Job} job */
  command({ work, folder, origin, verifyBytes, verifyObjects, warmSeconds, passSeconds }) {
    const { connections, pieceBytes, batchSize, protocol, set } = work;
    const place = protocol === 'file' ? `${folder}/data/${BUCKET}` : new URL(origin).port;
    const numbers = [
      connections,
      pieceBytes,
      batchSize,
      verifyBytes,
      verifyObjects,
      warmSeconds,
      passSeconds,
    ];
    return [program(folder), protocol, place, `/${BUCKET}`, `${folder}/${set}.list`, ...numbers.map(String)];
  },
};

function program(folder) {
  return join(folder, 'limit');
}

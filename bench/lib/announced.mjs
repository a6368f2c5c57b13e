/**
 * What a service tells of its objects beside their bytes, and nginx cannot work out: the CRC-32C of Google's, as lines
 * for a `map` of nginx.
 */
import { crc32c } from '@node-rs/crc32';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BUCKET } from './data.mjs';
import { DATA_SETS } from './works.mjs';

/** Of keys to checksums and to sizes, in the folder of a run. */
export const CHECKSUM_MAP = 'checksums.map';
export const SIZE_MAP = 'sizes.map';

/** Writes both maps for the objects of these data sets, which are there already. @param {Iterable<string>} names */
export function writeAnnounced(folder, names) {
  const sums = new Map();
  const sizes = new Map();
  for (const name of new Set(names)) {
    const { objects, objectBytes, count } = DATA_SETS[name];
    for (let object = 0; object < count; object++) {
      const key = `${objects}-${object}`;
      sums.set(key, checksum(readFileSync(join(folder, 'data', BUCKET, key))));
      sizes.set(key, objectBytes);
    }
  }
  writeMap(join(folder, CHECKSUM_MAP), sums);
  writeMap(join(folder, SIZE_MAP), sizes);
}

function writeMap(path, entries) {
  writeFileSync(path, [...entries].map(([key, value]) => `"${key}" "${value}";\n`).join(''));
}

/** Four bytes, the highest first, as base64. */
function checksum(bytes) {
  const digest = Buffer.alloc(4);
  digest.writeUInt32BE(crc32c(bytes));
  return digest.toString('base64');
}

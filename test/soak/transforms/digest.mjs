/**
 * What the soak has made of an object, by its number: nothing, two items, its first half, or a value with its digest.
 * `test/soak/works/transforms.mjs` knows the same table.
 */
import { crc32 } from 'node:zlib';

/** @param {Uint8Array} bytes @param {import('millrace').TransformContext} context */
export default function digest(bytes, { key }) {
  const number = Number(key.slice(key.lastIndexOf('/') + 1));
  switch (number % 8) {
    case 0:
      return null;
    case 2:
      return [bytes.subarray(0, bytes.length >>> 1), bytes.subarray(bytes.length >>> 1)];
    case 4:
      return bytes.subarray(0, bytes.length >>> 1);
    case 6:
      return bytes;
    default:
      return { key, length: bytes.length, crc: crc32(bytes) };
  }
}

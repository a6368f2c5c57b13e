/**
 * What tests do with the pattern of src/backends/memory/pattern.ts: bytes to put, a look at every byte that came, and the
 * hash of a whole object.
 */
import { createHash } from 'node:crypto';
import { fillPattern, patternPiece } from '../backends/memory/pattern.js';

const PIECE_BYTES = 65_536;

/**
 * Bytes of which every four tell the object and the offset that they belong to, in memory of their own.
 * @param objectId a 32-bit integer, as of `objectIdOf`
 * @param length in bytes
 * @param offset of the first of them in the object
 */
export function patternBytes(objectId: number, length: number, offset = 0): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  fillPattern(objectId, offset, bytes);
  return bytes;
}

/**
 * Looks at every byte; returns the index in `bytes` of the first wrong one, or -1.
 * @param objectId a 32-bit integer, as of `objectIdOf`
 * @param offset of `bytes[0]` in the object
 * @param bytes over ordinary or shared memory
 */
export function verifyPattern(objectId: number, offset: number, bytes: Uint8Array): number {
  for (let done = 0; done < bytes.length; done += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, bytes.length - done);
    const wanted = patternPiece(objectId, offset + done, length);
    const got = bytes.subarray(done, done + length);
    if (Buffer.compare(wanted, got) === 0) continue;
    for (let i = 0; i < length; i++) if (wanted[i] !== got[i]) return done + i;
  }
  return -1;
}

/** SHA-256 of the whole object, in hex. */
export function patternSha256(objectId: number, size: number): string {
  const hash = createHash('sha256');
  for (let done = 0; done < size; done += PIECE_BYTES) {
    hash.update(patternPiece(objectId, done, Math.min(PIECE_BYTES, size - done)));
  }
  return hash.digest('hex');
}

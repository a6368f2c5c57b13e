/**
 * Compares the bytes of a whole blob with the MD5 that the service gave for them.
 *
 * Invariants:
 * 1. Only what is certain to be a checksum of these bytes is compared: `Content-MD5` in an answer to a range is that of
 *    the range, and the blob's own is then in `x-ms-blob-content-md5`.
 * 2. Nothing that can be compared means nothing is said: the bytes pass. Blobs that were written in blocks have an MD5 only
 *    if their writer gave one.
 *
 * Source of the rules: "Get Blob" in the Blob service REST reference.
 */
import { createHash } from 'node:crypto';
import type { Exchange } from '../../protocol/http.js';

const MD5 = /^[A-Za-z0-9+/]{22}==$/;

/** The name of the checksum that does not match, or null when the bytes pass. */
export function mismatch(bytes: Uint8Array, exchange: Exchange): string | null {
  const given = exchange.header(exchange.status === 200 ? 'content-md5' : 'x-ms-blob-content-md5');
  return given === undefined || !MD5.test(given) || given === md5(bytes) ? null : 'MD5';
}

export function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('base64');
}

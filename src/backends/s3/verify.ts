/**
 * Compares the bytes of a whole object with the checksum that S3 gave for them.
 *
 * Invariants:
 * 1. Only what is certain to be a checksum of these bytes is compared: composite checksums (`-N`) and ETags of
 *    multipart, SSE-KMS, SSE-C and directory-bucket objects are not.
 * 2. Nothing that can be compared means nothing is said: the bytes pass.
 *
 * Only checksums that Node computes natively are looked at; CRC-32C and CRC-64/NVME would cost more than the transfer.
 * Source of the rules: "Checking object integrity" and "Common response headers (ETag)" in the S3 user guide.
 */
import { createHash } from 'node:crypto';
import * as zlib from 'node:zlib';
import type { Exchange } from '../../protocol/http.js';

/** The name of the checksum that does not match, or null when the bytes pass. */
export function mismatch(bytes: Uint8Array, exchange: Exchange, service: string): string | null {
  if (exchange.header('x-amz-checksum-type')?.toUpperCase() !== 'COMPOSITE') {
    // The cheapest first: one match is proof enough.
    const crc32 = plain(exchange.header('x-amz-checksum-crc32'));
    if (crc32 !== null) return crc32 === crc32Base64(bytes) ? null : 'CRC-32';
    const sha1 = plain(exchange.header('x-amz-checksum-sha1'));
    if (sha1 !== null) return sha1 === digest('sha1', bytes, 'base64') ? null : 'SHA-1';
    const sha256 = plain(exchange.header('x-amz-checksum-sha256'));
    if (sha256 !== null) return sha256 === digest('sha256', bytes, 'base64') ? null : 'SHA-256';
  }
  const md5 = md5OfETag(exchange, service);
  return md5 === null || md5 === digest('md5', bytes, 'hex') ? null : 'MD5 (ETag)';
}

function plain(value: string | undefined): string | null {
  return value === undefined || value.includes('-') ? null : value;
}

function md5OfETag(exchange: Exchange, service: string): string | null {
  const encryption = exchange.header('x-amz-server-side-encryption');
  if (encryption !== undefined && encryption !== 'AES256') return null;
  if (exchange.header('x-amz-server-side-encryption-customer-algorithm') !== undefined) return null;
  // Directory buckets give random ETags that look like an MD5.
  if (service === 's3express') return null;
  return /^"?([0-9a-f]{32})"?$/.exec(exchange.header('etag') ?? '')?.[1] ?? null;
}

function digest(algorithm: string, bytes: Uint8Array, encoding: 'hex' | 'base64'): string {
  return createHash(algorithm).update(bytes).digest(encoding);
}

function crc32Base64(bytes: Uint8Array): string {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(zlib.crc32(bytes));
  return out.toString('base64');
}

/**
 * The checksums of a whole object that an answer of S3 announces.
 *
 * Invariant: only what is certain to be a checksum of the object's bytes is given: composite checksums (`-N`) and ETags of
 * multipart, SSE-KMS, SSE-C and directory-bucket objects are not.
 *
 * Source of the rules: "Checking object integrity" and "Common response headers (ETag)" in the S3 user guide.
 */
import type { AnnouncedChecksum, VerifyPolicy } from '../../protocol/checksums/expected.js';
import { md5OfETag, toBase64 } from '../../protocol/checksums/values.js';
import type { Exchange } from '../../protocol/http.js';

const CRC_HEADERS = [
  ['crc64nvme', 'x-amz-checksum-crc64nvme'],
  ['crc32c', 'x-amz-checksum-crc32c'],
  ['crc32', 'x-amz-checksum-crc32'],
] as const;
const HEADERS = [
  ...CRC_HEADERS,
  ['sha1', 'x-amz-checksum-sha1'],
  ['sha256', 'x-amz-checksum-sha256'],
] as const;

/**
 * `service`: that of the credential scope, which tells a directory bucket. For `auto` the CRCs alone: it looks at no
 * other digest, and an ETag costs a microsecond to tell from an MD5.
 */
export function announced(exchange: Exchange, service: string, policy: VerifyPolicy): AnnouncedChecksum[] {
  const found: AnnouncedChecksum[] = [];
  for (const [algorithm, name] of policy === 'auto' ? CRC_HEADERS : HEADERS) {
    const value = exchange.header(name);
    // The digest with a number behind it is one of digests, also where the type is not told.
    if (value !== undefined && !value.includes('-')) found.push({ algorithm, value });
  }
  // Most objects that have a checksum have the whole object's.
  if (found.length > 0 && exchange.header('x-amz-checksum-type')?.toUpperCase() === 'COMPOSITE')
    found.length = 0;
  if (policy === 'auto') return found;
  const md5 = md5In(exchange, service);
  if (md5 !== null) found.push({ algorithm: 'md5', value: toBase64(md5) });
  return found;
}

/** The ETag, where it is an MD5. */
export function md5In(exchange: Exchange, service: string): Uint8Array | null {
  const encryption = exchange.header('x-amz-server-side-encryption');
  if (encryption !== undefined && encryption !== 'AES256') return null;
  if (exchange.header('x-amz-server-side-encryption-customer-algorithm') !== undefined) return null;
  // Directory buckets give random ETags that look like an MD5.
  if (service === 's3express') return null;
  return md5OfETag(exchange.header('etag') ?? '');
}

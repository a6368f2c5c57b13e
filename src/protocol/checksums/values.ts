/**
 * Checksums as services write them, and back.
 *
 * | where | written as |
 * |---|---|
 * | S3 `x-amz-checksum-*`, Cloud Storage `x-goog-hash` and `crc32c` | base64 of the digest; CRCs highest byte first |
 * | `Content-MD5` | base64 of the digest |
 * | an ETag that is an MD5 | hexadecimal, lower case, in quotes |
 * | Azure `x-ms-content-crc64` | base64 of the CRC-64/NVME, **lowest** byte first |
 *
 * Azure's order is what its clients write (`BitConverter.GetBytes` in `StorageCrc64HashAlgorithm` of the .NET client; "All integer
 * data types are encoded as little-endian" in the service's "Structured body format"), and what the service answered in the recorded
 * tests of its JavaScript client: `YeJLfssylmU=` for `Hello World`, whose CRC-64/NVME is 659632cb7e4be261.
 *
 * Digests are bytes, CRCs highest byte first: one form for all algorithms, which compares, encodes and crosses threads.
 *
 * Invariants:
 * 1. Reading is strict: what is not exactly the text of a digest of this algorithm is null, never a guess. A composite checksum
 *    (`...-3`) is therefore null too, and so is the ETag of an object in parts.
 * 2. Reading what was written gives the same bytes.
 */
import { type ChecksumAlgorithm, type CrcAlgorithm, algorithms } from './algorithms.js';
import type { CrcValue } from './crc.js';

/** A CRC as digest: highest byte first. */
export function crcToDigest(algorithm: CrcAlgorithm, crc: CrcValue): Uint8Array {
  const digest = Buffer.alloc(algorithms[algorithm].digestBytes);
  if (algorithm === 'crc64nvme') digest.writeBigUInt64BE(crc as bigint);
  else digest.writeUInt32BE(crc as number);
  return digest;
}

/** The inverse of `crcToDigest`; the digest has the algorithm's length. */
export function digestToCrc<A extends CrcAlgorithm>(algorithm: A, digest: Uint8Array): CrcValue<A>;
export function digestToCrc(algorithm: CrcAlgorithm, digest: Uint8Array): CrcValue {
  const bytes = Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength);
  return algorithm === 'crc64nvme' ? bytes.readBigUInt64BE() : bytes.readUInt32BE();
}

export function toBase64(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('base64');
}

/** The digest in `text`, or null when that is no base64 of one of this algorithm. */
export function fromBase64(algorithm: ChecksumAlgorithm, text: string): Uint8Array | null {
  return exact(algorithm, text, 'base64');
}

export function toHex(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('hex');
}

/** The digest in `text`, or null when that is no lower-case hexadecimal of one of this algorithm. */
export function fromHex(algorithm: ChecksumAlgorithm, text: string): Uint8Array | null {
  return exact(algorithm, text, 'hex');
}

/**
 * The MD5 that an ETag is, or null: it says nothing of whether the service means one, which depends on how the object was written
 * and encrypted. With or without quotes.
 */
export function md5OfETag(eTag: string): Uint8Array | null {
  return fromHex('md5', /^"(.*)"$/.exec(eTag)?.[1] ?? eTag);
}

/** A CRC-64/NVME as Azure writes it. */
export function toAzureCrc64(digest: Uint8Array): string {
  return toBase64(digest.toReversed());
}

/** The inverse of `toAzureCrc64`; null when `text` is not one. */
export function fromAzureCrc64(text: string): Uint8Array | null {
  return fromBase64('crc64nvme', text)?.toReversed() ?? null;
}

function exact(algorithm: ChecksumAlgorithm, text: string, encoding: 'base64' | 'hex'): Uint8Array | null {
  // Buffer reads what it can and drops the rest: only a text that comes back unchanged was read whole.
  const digest = Buffer.from(text, encoding);
  const whole = digest.length === algorithms[algorithm].digestBytes && digest.toString(encoding) === text;
  return whole ? Uint8Array.from(digest) : null;
}

/**
 * Checksums of objects that were written in parts, as S3 makes them: the checksum of the parts' checksums, and `-` and how many.
 *
 * They say nothing about the bytes without the lengths of the parts: a reader that fetches other ranges than the writer wrote cannot
 * compare them. CRC-64/NVME has none; CRC-32 and CRC-32C have both kinds, and the service says which ("Checking object integrity",
 * table "full object and composite checksum types"). An ETag of an object in parts is made like the composite MD5, in hexadecimal.
 */
import { ErrorCode, MillraceError } from '../errors.js';
import { type ChecksumAlgorithm, algorithms } from './algorithms.js';
import { digestOf } from './digest.js';
import { toBase64, toHex } from './values.js';

/** Parts of one upload: the limit of the service. */
const MAX_PARTS = 10_000;

/**
 * The composite checksum of parts, such as `nG7pIA==-2`.
 * @param digests those of the parts, in order
 * @throws MillraceError `InvalidArgument` for a digest of another length, no parts or more than 10,000, and for `crc64nvme`
 */
export function compositeOf(algorithm: ChecksumAlgorithm, digests: readonly Uint8Array[]): string {
  if (algorithm === 'crc64nvme') {
    const message = 'crc64nvme has no composite checksum; combine the parts with combineCrc';
    throw new MillraceError(ErrorCode.InvalidArgument, message);
  }
  return `${toBase64(digestOfDigests(algorithm, digests))}-${digests.length}`;
}

/**
 * The ETag of an object in parts, without quotes, such as `9b2cf535f27731c974343645a3985328-2`.
 * @param digests the MD5s of the parts, in order
 * @throws MillraceError `InvalidArgument` as `compositeOf`
 */
export function multipartETag(digests: readonly Uint8Array[]): string {
  return `${toHex(digestOfDigests('md5', digests))}-${digests.length}`;
}

function digestOfDigests(algorithm: ChecksumAlgorithm, digests: readonly Uint8Array[]): Uint8Array {
  if (digests.length === 0 || digests.length > MAX_PARTS) {
    const message = `found ${digests.length} checksums of parts; expected from 1 to ${MAX_PARTS}`;
    throw new MillraceError(ErrorCode.InvalidArgument, message);
  }
  const { digestBytes } = algorithms[algorithm];
  const wrong = digests.find(({ length }) => length !== digestBytes);
  if (wrong !== undefined) {
    const message = `found a part's checksum of ${wrong.length} bytes; those of ${algorithm} have ${digestBytes}`;
    throw new MillraceError(ErrorCode.InvalidArgument, message);
  }
  return digestOf(algorithm, Buffer.concat(digests));
}

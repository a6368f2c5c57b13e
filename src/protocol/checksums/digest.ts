/**
 * Digests by any of the algorithms, at once or as the bytes come.
 *
 * MD5, SHA-1 and SHA-256 are those of `node:crypto` (OpenSSL); it takes views of shared memory. The CRCs are those of `crc.ts`.
 */
import { type Hash, createHash } from 'node:crypto';
import { type ChecksumAlgorithm, type CrcAlgorithm, isCrc } from './algorithms.js';
import { type CrcValue, crcOf } from './crc.js';
import { crcToDigest } from './values.js';

/** A checksum under way. */
export interface RunningChecksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Takes the next bytes, which may be overwritten afterwards. */
  update(bytes: Uint8Array): void;
  /** The digest of all bytes so far, CRCs highest byte first. More may follow. */
  digest(): Uint8Array;
}

/** Begins a checksum of no bytes yet. */
export function startChecksum(algorithm: ChecksumAlgorithm): RunningChecksum {
  return isCrc(algorithm) ? runningCrc(algorithm) : runningHash(algorithm);
}

/** The digest of these bytes, CRCs highest byte first. */
export function digestOf(algorithm: ChecksumAlgorithm, bytes: Uint8Array): Uint8Array {
  if (isCrc(algorithm)) return crcToDigest(algorithm, crcOf(algorithm, bytes));
  return createHash(algorithm).update(bytes).digest();
}

/** Whether these bytes have this digest. */
export function hasDigest(algorithm: ChecksumAlgorithm, bytes: Uint8Array, digest: Uint8Array): boolean {
  return Buffer.compare(digestOf(algorithm, bytes), digest) === 0;
}

function runningCrc(algorithm: CrcAlgorithm): RunningChecksum {
  let crc: CrcValue = algorithm === 'crc64nvme' ? 0n : 0;
  return {
    algorithm,
    update(bytes) {
      crc = crcOf<CrcAlgorithm>(algorithm, bytes, crc);
    },
    digest: () => crcToDigest(algorithm, crc),
  };
}

function runningHash(algorithm: ChecksumAlgorithm): RunningChecksum {
  const hash: Hash = createHash(algorithm);
  return {
    algorithm,
    update(bytes) {
      hash.update(bytes);
    },
    // A finished hash takes no more bytes, so a copy is finished.
    digest: () => hash.copy().digest(),
  };
}

/**
 * The checksums that object stores announce and accept, in one table.
 *
 * The CRCs are CRC-32 (ISO-HDLC, as in zlib and PNG), CRC-32C (ISCSI, Castagnoli) and CRC-64/NVME, with the parameters of the
 * catalogue of parametrised CRC algorithms (reveng.sourceforge.io/crc-catalogue): all reflected, with a register that begins
 * with ones and is inverted at the end. S3 takes all six names ("Checking object integrity"), Cloud Storage has CRC-32C and MD5.
 *
 * Azure's own CRC-64 (`x-ms-content-crc64`) *is* CRC-64/NVME: the vectors of Microsoft's clients for .NET and Java agree with it,
 * and so does what the service answered in their recorded tests. It is only written the other way round: see `values.ts`.
 */

/** A checksum's name: that of the S3 API in lower case. */
export type ChecksumAlgorithm = 'crc32' | 'crc32c' | 'crc64nvme' | 'md5' | 'sha1' | 'sha256';

/** Those that combine: from the checksums of two pieces and a length comes that of both together. */
export type CrcAlgorithm = 'crc32' | 'crc32c' | 'crc64nvme';

export interface AlgorithmFacts {
  readonly digestBytes: number;
  /** Whether checksums of parts give the one of the whole (`combineCrc`). */
  readonly combines: boolean;
  /**
   * Nanoseconds per byte with the fastest code that there may be, which is seconds per GB. Measured on one core of an AMD EPYC
   * with Node.js 20, 128 KiB and 8 MiB at a time in shared memory; the ratios are what counts.
   */
  readonly costNsPerByte: number;
}

export const algorithms: Readonly<Record<ChecksumAlgorithm, AlgorithmFacts>> = {
  crc64nvme: { digestBytes: 8, combines: true, costNsPerByte: 0.12 },
  crc32: { digestBytes: 4, combines: true, costNsPerByte: 0.16 },
  crc32c: { digestBytes: 4, combines: true, costNsPerByte: 0.13 },
  sha1: { digestBytes: 20, combines: false, costNsPerByte: 0.51 },
  sha256: { digestBytes: 32, combines: false, costNsPerByte: 0.54 },
  md5: { digestBytes: 16, combines: false, costNsPerByte: 1.3 },
};

export function isAlgorithm(name: string): name is ChecksumAlgorithm {
  return Object.hasOwn(algorithms, name);
}

export function isCrc(algorithm: ChecksumAlgorithm): algorithm is CrcAlgorithm {
  return algorithms[algorithm].combines;
}

/**
 * The polynomials, reflected: the highest bit of a word is the coefficient of x^0, and that of x^32 or x^64 is left out. The
 * 64-bit one is split, because numbers hold 53 bits and BigInts are a hundred times too slow.
 */
export const POLYNOMIALS = {
  crc32: 0xedb8_8320 | 0,
  crc32c: 0x82f6_3b78 | 0,
  crc64nvme: { high: 0x9a6c_9329 | 0, low: 0xac4b_c9b5 | 0 },
} as const;

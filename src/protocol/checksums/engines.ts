/**
 * Each way there is to compute CRC-32C and CRC-64/NVME; `crc.ts` takes the first that runs here.
 *
 * Every engine takes and gives finished checksums, as zlib's `crc32` does: 0 for no bytes, and what it gave for the bytes before to
 * go on with. All give the same answer; null stands for a way that does not exist on this machine.
 */
import { createRequire } from 'node:module';
import { POLYNOMIALS } from './algorithms.js';
import { createFolding, type Folding } from './folding.js';
import { createSlicing32, createSlicing64, type Feed32, type Feed64 } from './slicing.js';

/** The CRC of bytes that come after those with the CRC `before`, as an unsigned number. */
export type Crc32 = (bytes: Uint8Array, before?: number) => number;
export type Crc64 = (bytes: Uint8Array, before?: bigint) => bigint;

/**
 * Where the multiples of the polynomials have their terms, in bytes before the byte that receives. Fewer terms make a fold faster,
 * and a shorter reach leaves less to the tables. The least delay is not to be short either: a load from what was stored a moment ago,
 * across two stores, has to wait for both (26 bytes: 1.6 instead of 8 GB/s; 65 bytes: 7 instead of 11 GB/s).
 */
export const DELAYS = {
  crc32c: [154, 177, 183, 258, 290],
  crc64nvme: [946, 1033, 2170, 2991, 3416, 3743, 3997],
} as const;

/** Below so many times the reach, the residue is so much of the message that the tables alone are as fast. */
const WORTH_FOLDING = 3;

/**
 * The optional package, or null where it is not installed for this platform.
 */
export function nativeCrc32c(): Crc32 | null {
  try {
    const loaded = createRequire(import.meta.url)('@node-rs/crc32') as { crc32c: Crc32 };
    return loaded.crc32c;
  } catch {
    return null;
  }
}

export function foldingCrc32c(): Crc32 | null {
  const folding = createFolding(DELAYS.crc32c);
  if (folding === null) return null;
  const slice = createSlicing32(POLYNOMIALS.crc32c);
  const foldFrom = WORTH_FOLDING * folding.minBytes;
  return finished32((register, bytes) =>
    bytes.length < foldFrom ? slice(register, bytes) : slice(0, folding.fold(0, register, bytes)),
  );
}

export function slicingCrc32c(): Crc32 {
  return finished32(createSlicing32(POLYNOMIALS.crc32c));
}

export function foldingCrc64Nvme(): Crc64 | null {
  const folding = createFolding(DELAYS.crc64nvme);
  return folding === null ? null : finished64(folded64(folding, createSlicing64(POLYNOMIALS.crc64nvme)));
}

export function slicingCrc64Nvme(): Crc64 {
  return finished64(createSlicing64(POLYNOMIALS.crc64nvme));
}

function folded64(folding: Folding, slice: Feed64): Feed64 {
  const foldFrom = WORTH_FOLDING * folding.minBytes;
  return (register, bytes) => {
    if (bytes.length < foldFrom) return slice(register, bytes);
    const residue = folding.fold(register.high, register.low, bytes);
    register.high = 0;
    register.low = 0;
    slice(register, residue);
  };
}

function finished32(feed: Feed32): Crc32 {
  return (bytes, before = 0) => ~feed(~before, bytes) >>> 0;
}

function finished64(feed: Feed64): Crc64 {
  const register = { high: 0, low: 0 };
  return (bytes, before = 0n) => {
    register.high = ~Number(before >> 32n);
    register.low = ~Number(before & 0xffff_ffffn);
    feed(register, bytes);
    return (BigInt(~register.high >>> 0) << 32n) | BigInt(~register.low >>> 0);
  };
}

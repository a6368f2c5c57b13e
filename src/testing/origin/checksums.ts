/**
 * The sums that services know, as base64. From their definitions, so that they share
 * nothing with what they check.
 *
 * CRC-64 is the one of NVM Express (polynomial 0xAD93D23594C93659, reflected, all ones before and after): S3 writes its
 * eight bytes from the highest, Azure from the lowest. CRC-32C is Castagnoli's (0x1EDC6F41).
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

const CRC32C_REFLECTED = 0x82f63b78;
const CRC64_REFLECTED = 0x9a6c9329ac4bc9b5n;

/** Eight tables, so that eight bytes are taken per turn: objects of many megabytes are summed while a client waits. */
const [t0, t1, t2, t3, t4, t5, t6, t7] = makeCrc32cTables();

type Tables = readonly [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

function makeCrc32cTables(): Tables {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256));
  for (let byte = 0; byte < 256; byte += 1) {
    let rest = byte;
    for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? (rest >>> 1) ^ CRC32C_REFLECTED : rest >>> 1;
    tables[0]![byte] = rest;
  }
  for (let byte = 0; byte < 256; byte += 1) {
    for (let t = 1; t < 8; t += 1) {
      const before = tables[t - 1]![byte]!;
      tables[t]![byte] = (before >>> 8) ^ tables[0]![before & 0xff]!;
    }
  }
  return tables as unknown as Tables;
}

const crc64Table = Array.from({ length: 256 }, (_, byte) => {
  let rest = BigInt(byte);
  for (let bit = 0; bit < 8; bit += 1) rest = rest & 1n ? (rest >> 1n) ^ CRC64_REFLECTED : rest >> 1n;
  return rest;
});
const crc64High = Int32Array.from(crc64Table, (entry) => Number(BigInt.asIntN(32, entry >> 32n)));
const crc64Low = Int32Array.from(crc64Table, (entry) => Number(BigInt.asIntN(32, entry)));

/** Unsigned. @param before the sum of what comes before these bytes */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let rest = ~before;
  let at = 0;
  for (const last = bytes.length - 7; at < last; at += 8) {
    rest ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    rest =
      t7[rest & 0xff]! ^
      t6[(rest >>> 8) & 0xff]! ^
      t5[(rest >>> 16) & 0xff]! ^
      t4[rest >>> 24]! ^
      t3[bytes[at + 4]!]! ^
      t2[bytes[at + 5]!]! ^
      t1[bytes[at + 6]!]! ^
      t0[bytes[at + 7]!]!;
  }
  for (; at < bytes.length; at += 1) rest = (rest >>> 8) ^ t0[(rest ^ bytes[at]!) & 0xff]!;
  return ~rest >>> 0;
}

export function crc64(bytes: Uint8Array): bigint {
  let high = -1;
  let low = -1;
  for (let i = 0; i < bytes.length; i += 1) {
    const at = (low ^ bytes[i]!) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ crc64Low[at]!;
    high = (high >>> 8) ^ crc64High[at]!;
  }
  return (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0);
}

/** Big-endian. */
export const base64Of32 = (value: number): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
};
const base64Of64 = (value: bigint, order: 'BE' | 'LE'): string => {
  const bytes = Buffer.alloc(8);
  if (order === 'BE') bytes.writeBigUInt64BE(value);
  else bytes.writeBigUInt64LE(value);
  return bytes.toString('base64');
};
const hashed =
  (name: string) =>
  (bytes: Uint8Array): string =>
    createHash(name).update(bytes).digest('base64');

/** By the names of S3's headers, as base64. */
export const SUMS = {
  crc32: (bytes: Uint8Array): string => base64Of32(crc32(bytes)),
  crc32c: (bytes: Uint8Array): string => base64Of32(crc32c(bytes)),
  crc64nvme: (bytes: Uint8Array): string => base64Of64(crc64(bytes), 'BE'),
  sha1: hashed('sha1'),
  sha256: hashed('sha256'),
} as const satisfies Record<string, (bytes: Uint8Array) => string>;

export type SumName = keyof typeof SUMS;
export const isSumName = (name: string): name is SumName => Object.hasOwn(SUMS, name);

/** As base64. */
export const md5 = hashed('md5');

/** As `x-ms-content-crc64` has it. */
export const azureCrc64 = (bytes: Uint8Array): string => base64Of64(crc64(bytes), 'LE');

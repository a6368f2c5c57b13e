/**
 * The sums that services know, over whole buffers, as base64. Bit by bit from their definitions, so that they share
 * nothing with what they check.
 *
 * CRC-64 is the one of NVM Express (polynomial 0xAD93D23594C93659, reflected, all ones before and after): S3 writes its
 * eight bytes from the highest, Azure from the lowest. CRC-32C is Castagnoli's (0x1EDC6F41).
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

const CRC32C_REFLECTED = 0x82f63b78;
const CRC64_REFLECTED = 0x9a6c9329ac4bc9b5n;

const crc32cTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? (rest >>> 1) ^ CRC32C_REFLECTED : rest >>> 1;
  return rest;
});

const crc64Table = Array.from({ length: 256 }, (_, byte) => {
  let rest = BigInt(byte);
  for (let bit = 0; bit < 8; bit += 1) rest = rest & 1n ? (rest >> 1n) ^ CRC64_REFLECTED : rest >> 1n;
  return rest;
});
const crc64High = Int32Array.from(crc64Table, (entry) => Number(BigInt.asIntN(32, entry >> 32n)));
const crc64Low = Int32Array.from(crc64Table, (entry) => Number(BigInt.asIntN(32, entry)));

/** @param {Uint8Array} bytes @returns {number} unsigned */
export function crc32c(bytes) {
  let rest = 0xffffffff;
  for (let i = 0; i < bytes.length; i += 1) rest = crc32cTable[(rest ^ bytes[i]) & 0xff] ^ (rest >>> 8);
  return ~rest >>> 0;
}

/** @param {Uint8Array} bytes @returns {bigint} */
export function crc64(bytes) {
  let high = -1;
  let low = -1;
  for (let i = 0; i < bytes.length; i += 1) {
    const at = (low ^ bytes[i]) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ crc64Low[at];
    high = (high >>> 8) ^ crc64High[at];
  }
  return (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0);
}

const base64Of32 = (/** @type {number} */ value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
};
const base64Of64 = (/** @type {bigint} */ value, /** @type {'BE' | 'LE'} */ order) => {
  const bytes = Buffer.alloc(8);
  if (order === 'BE') bytes.writeBigUInt64BE(value);
  else bytes.writeBigUInt64LE(value);
  return bytes.toString('base64');
};
const hashed = (/** @type {string} */ name) => (/** @type {Uint8Array} */ bytes) =>
  createHash(name).update(bytes).digest('base64');

/** By the names of S3's headers. @type {Record<string, (bytes: Uint8Array) => string>} */
export const SUMS = {
  crc32: (bytes) => base64Of32(crc32(bytes)),
  crc32c: (bytes) => base64Of32(crc32c(bytes)),
  crc64nvme: (bytes) => base64Of64(crc64(bytes), 'BE'),
  sha1: hashed('sha1'),
  sha256: hashed('sha256'),
};

/** @param {Uint8Array} bytes @returns {string} */
export const md5 = hashed('md5');

/** As `x-ms-content-crc64` has it. @param {Uint8Array} bytes @returns {string} */
export const azureCrc64 = (bytes) => base64Of64(crc64(bytes), 'LE');

/**
 * Checksums of bodies that are sent, and of whole blobs that came.
 *
 * Invariants:
 * 1. Only what is certain to be a checksum of these bytes is compared: `Content-MD5` in an answer to a range is that of
 *    the range, and the blob's own is then in `x-ms-blob-content-md5`.
 * 2. Nothing that can be compared means nothing is said: the bytes pass. Blobs that were written in blocks have an MD5 only
 *    if their writer gave one.
 *
 * Source of the rules: "Get Blob", "Put Blob" and "Put Block" in the Blob service REST reference.
 */
import { createHash } from 'node:crypto';
import { digestOf, hasDigest } from '../../protocol/checksums/digest.js';
import { fromAzureCrc64, toAzureCrc64 } from '../../protocol/checksums/values.js';
import type { Exchange } from '../../protocol/http.js';

/** What a service compares bodies by. CRC-64 costs a tenth of MD5; older versions of the service and its emulator lack it. */
export type BodyChecksum = 'md5' | 'crc64';

/** A checksum as the header that carries it, in requests and in answers alike. */
export interface BodySum {
  readonly header: 'content-md5' | 'x-ms-content-crc64';
  readonly value: string;
}

const CRC64_SINCE = '2019-02-02';
const EMULATOR_ACCOUNT = 'devstoreaccount1';

export function bodyChecksumOf(account: string, apiVersion: string): BodyChecksum {
  return apiVersion < CRC64_SINCE || account === EMULATOR_ACCOUNT ? 'md5' : 'crc64';
}

export function sumOf(kind: BodyChecksum, body: Uint8Array): BodySum {
  return kind === 'md5'
    ? { header: 'content-md5', value: md5(body) }
    : { header: 'x-ms-content-crc64', value: toAzureCrc64(digestOf('crc64nvme', body)) };
}

const MD5 = /^[A-Za-z0-9+/]{22}==$/;

/** The name of the checksum that does not match, or null when the bytes pass. */
export function mismatch(bytes: Uint8Array, exchange: Exchange): string | null {
  // The cheapest first: one match is proof enough.
  const crc64 = fromAzureCrc64(exchange.header('x-ms-content-crc64') ?? '');
  if (crc64 !== null) return hasDigest('crc64nvme', bytes, crc64) ? null : 'CRC-64';
  const given = exchange.header(exchange.status === 200 ? 'content-md5' : 'x-ms-blob-content-md5');
  return given === undefined || !MD5.test(given) || given === md5(bytes) ? null : 'MD5';
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('base64');
}

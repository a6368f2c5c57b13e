/**
 * Checksums of bodies that are sent, and of whole blobs that answers announce.
 *
 * Invariant: only what is certain to be a checksum of the whole blob is announced: `Content-MD5` and CRC-64 in an answer to
 * a range are those of the range, and the blob's own MD5 is then in `x-ms-blob-content-md5`. Blobs that were written in
 * blocks have an MD5 only if their writer gave one.
 *
 * Source of the rules: "Get Blob", "Put Blob" and "Put Block" in the Blob service REST reference.
 */
import { digestOf } from '../../protocol/checksums/digest.js';
import type { AnnouncedChecksum, VerifyPolicy } from '../../protocol/checksums/expected.js';
import { fromAzureCrc64, toAzureCrc64, toBase64 } from '../../protocol/checksums/values.js';
import type { Exchange } from '../../protocol/http.js';
import type { ReadRequest } from '../../protocol/store.js';

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
    ? { header: 'content-md5', value: toBase64(digestOf('md5', body)) }
    : { header: 'x-ms-content-crc64', value: toAzureCrc64(digestOf('crc64nvme', body)) };
}

/** The longest range that the service computes a checksum of ("Get Blob", `x-ms-range-get-content-crc64`). */
const MAX_SUMMED_RANGE_BYTES = 4 * 1024 * 1024;
const NO_HEADERS: readonly string[] = [];
const RANGE_CRC64: readonly string[] = ['x-ms-range-get-content-crc64', 'true'];
const RANGE_MD5: readonly string[] = ['x-ms-range-get-content-md5', 'true'];

/** The header that asks for the checksum of a range, or none where there is none to be had, or none worth its cost. */
export function rangeSumHeader(
  kind: BodyChecksum,
  { whole, length, verify }: ReadRequest,
): readonly string[] {
  if (whole || verify === 'never' || length > MAX_SUMMED_RANGE_BYTES) return NO_HEADERS;
  if (kind === 'crc64') return RANGE_CRC64;
  return verify === 'always' ? RANGE_MD5 : NO_HEADERS;
}

/** Checksums of the range that an answer brought. */
export function announcedOfRange(exchange: Exchange): AnnouncedChecksum[] {
  if (exchange.status !== 206) return [];
  const crc64 = fromAzureCrc64(exchange.header('x-ms-content-crc64') ?? '');
  if (crc64 !== null) return [{ algorithm: 'crc64nvme', value: toBase64(crc64) }];
  const md5 = exchange.header('content-md5');
  return md5 === undefined ? [] : [{ algorithm: 'md5', value: md5 }];
}

/** Checksums of the whole blob that an answer announces; for `auto`, which looks at no MD5, without that. */
export function announced(exchange: Exchange, policy: VerifyPolicy): AnnouncedChecksum[] {
  const found: AnnouncedChecksum[] = [];
  const isWhole = exchange.status === 200;
  const crc64 = isWhole ? fromAzureCrc64(exchange.header('x-ms-content-crc64') ?? '') : null;
  if (crc64 !== null) found.push({ algorithm: 'crc64nvme', value: toBase64(crc64) });
  if (policy === 'auto') return found;
  const value = exchange.header(isWhole ? 'content-md5' : 'x-ms-blob-content-md5');
  if (value !== undefined) found.push({ algorithm: 'md5', value });
  return found;
}

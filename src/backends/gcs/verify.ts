/**
 * Checksums of whole objects as Cloud Storage tells them.
 *
 * Invariant: what is told is of the bytes as they are stored, so it is compared with nothing else.
 *
 * Source: "Data validation and change detection with checksums": every object has a CRC-32C; those that were composed or
 * put in parts have no MD5.
 */
import { digestOf, hasDigest } from '../../protocol/checksums/digest.js';
import { fromBase64, toBase64 } from '../../protocol/checksums/values.js';
import type { Exchange } from '../../protocol/http.js';

/** The checksum of a body as the service writes it. */
export function crc32cText(body: Uint8Array): string {
  return toBase64(digestOf('crc32c', body));
}

/** One sum of an `x-goog-hash` header, which may have come several times: `crc32c=...,md5=...`. */
export function hashIn(header: string | undefined, name: 'crc32c' | 'md5'): string | null {
  if (header === undefined) return null;
  const begin = `${name}=`;
  for (const each of header.split(',')) {
    const one = each.trim();
    if (one.startsWith(begin)) return one.slice(begin.length);
  }
  return null;
}

/** The name of the checksum that does not match, or null when the bytes pass. */
export function mismatch(bytes: Uint8Array, exchange: Exchange): string | null {
  const header = exchange.header('x-goog-hash');
  // CRC-32C costs a tenth of MD5.
  for (const [name, label] of SUMS) {
    const text = hashIn(header, name);
    const digest = text === null ? null : fromBase64(name, text);
    if (digest !== null) return hasDigest(name, bytes, digest) ? null : label;
  }
  return null;
}

const SUMS = [
  ['crc32c', 'CRC-32C'],
  ['md5', 'MD5'],
] as const;

/**
 * Checksums of whole objects as Cloud Storage tells them.
 *
 * Invariant: what is told is of the bytes as they are stored, so it is compared with nothing else.
 *
 * Source: "Data validation and change detection with checksums": every object has a CRC-32C; those that were composed or
 * put in parts have no MD5.
 */
import { digestOf } from '../../protocol/checksums/digest.js';
import type { AnnouncedChecksum, VerifyPolicy } from '../../protocol/checksums/expected.js';
import { toBase64 } from '../../protocol/checksums/values.js';
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

/** The checksums that an answer with bytes, or headers of an object, announces; for `auto` without MD5, at which it never looks. */
export function announced(exchange: Exchange, policy: VerifyPolicy = 'always'): AnnouncedChecksum[] {
  const header = exchange.header('x-goog-hash');
  return checksumsOf(hashIn(header, 'crc32c'), policy === 'auto' ? null : hashIn(header, 'md5'));
}

/** Of texts as the service writes them; anything else is as if it was not there. */
export function checksumsOf(crc32c: unknown, md5: unknown): AnnouncedChecksum[] {
  const found: AnnouncedChecksum[] = [];
  if (typeof crc32c === 'string') found.push({ algorithm: 'crc32c', value: crc32c });
  if (typeof md5 === 'string') found.push({ algorithm: 'md5', value: md5 });
  return found;
}

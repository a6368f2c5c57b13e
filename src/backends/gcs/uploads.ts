/**
 * What names an upload between its requests, and what is kept of its parts. Pure.
 *
 * There are two kinds. Parts of the XML API go in parallel and in any order, but such an upload takes no condition
 * ("Preconditions are not supported" in "XML API multipart uploads"). A resumable session of the JSON API takes one, and its
 * bytes in order only.
 *
 * Invariant: whoever has the name of a session may write to it. It is kept like a credential: in no error, in no log.
 */
import { combineCrc } from '../../protocol/checksums/combine.js';
import { crcToDigest, digestToCrc, fromBase64, toBase64 } from '../../protocol/checksums/values.js';
import type { WriteCondition } from '../../protocol/writes.js';

export type Upload =
  | { readonly kind: 'parts'; readonly id: string }
  | {
      readonly kind: 'session';
      /** Path and query of the session. */
      readonly target: string;
      /** What its end is refused for, when the condition does not hold. */
      readonly ifAbsent: boolean;
    };

export function partsName(id: string): string {
  return `parts ${id}`;
}

/** The name of the session with this URI, or null where that is none. */
export function sessionName(location: string | undefined, { ifAbsent }: WriteCondition): string | null {
  if (location === undefined || !URL.canParse(location)) return null;
  // The host is ours: a session is where its store is, also behind a proxy or a private endpoint.
  const { pathname, search, searchParams } = new URL(location);
  return searchParams.has('upload_id') ? `${ifAbsent ? 'created' : 'replaced'} ${pathname}${search}` : null;
}

export function readUpload(name: string): Upload | null {
  const space = name.indexOf(' ');
  const [kind, rest] = [name.slice(0, space), name.slice(space + 1)];
  if (space < 0 || rest === '') return null;
  if (kind === 'parts') return { kind, id: rest };
  const known = kind === 'created' || kind === 'replaced';
  return known && rest.startsWith('/')
    ? { kind: 'session', target: rest, ifAbsent: kind === 'created' }
    : null;
}

/** What is kept of a part until its upload is completed; `tag` is empty in a session. */
export function partReceipt(tag: string, crc: string, length: number): string {
  return `${crc} ${length} ${tag}`;
}

export function tagOf(receipt: string): string {
  return receipt.split(' ').slice(2).join(' ');
}

/** The CRC-32C of the whole object, from those of its parts; null where a receipt is none. */
export function wholeCrc(receipts: readonly string[]): string | null {
  let crc = 0;
  for (const receipt of receipts) {
    const [sum = '', length = ''] = receipt.split(' ');
    const digest = fromBase64('crc32c', sum);
    if (digest === null || !/^\d{1,15}$/.test(length)) return null;
    crc = combineCrc('crc32c', crc, digestToCrc('crc32c', digest), Number(length));
  }
  return toBase64(crcToDigest('crc32c', crc));
}

/**
 * ListObjectsV2: its query, and its answer as a packed page.
 *
 * Invariants:
 * 1. A page is whole or refused: XML that is cut, malformed or lacks a field that the page needs is a
 *    `ProtocolViolation`, never a page with fewer keys.
 * 2. Keys go from the page's percent-encoding straight to bytes; no string is made of them. `encoding-type=url` is
 *    always asked for, because XML 1.0 cannot carry every character that a key may have.
 * 3. `+` is a space and `%2B` a plus, as S3 encodes them; servers that write `%20` for a space (radosgw) are read by
 *    the same rule. A server that ignored `encoding-type` (no `EncodingType` in the answer) is read literally.
 *
 * Source of the format: ListObjectsV2 in the Amazon S3 API reference.
 */
import { ErrorCode, MillraceError, type ErrorContext } from '../../protocol/errors.js';
import type { KeyPage, ListRequest } from '../../protocol/store.js';
import { encodeQuery, encodeQueryBytes } from '../http/encoding.js';
import { XmlError, XmlScanner } from '../http/xml.js';

/** S3 gives no more on one page. */
const MAX_KEYS = 1000;
/**
 * 1,000 keys of 1,024 bytes, each byte as `%XX`, with about 700 bytes of tags, owner and checksums around each, are
 * 3.8 MB; twice that leaves room for servers that are wordier.
 */
export const MAX_PAGE_BYTES = 8 * 1024 * 1024;

/** The canonical query: sorted, encoded. */
export function listQuery(request: ListRequest): string {
  const { continuation, delimiter, limit, prefix } = request;
  const maxKeys = Math.max(1, Math.min(MAX_KEYS, Math.floor(limit)));
  let query = continuation === null ? '' : `continuation-token=${encodeQuery(continuation)}&`;
  if (delimiter !== null) query += `delimiter=${encodeQuery(delimiter)}&`;
  query += `encoding-type=url&list-type=2&max-keys=${maxKeys}`;
  return prefix.length === 0 ? query : `${query}&prefix=${encodeQueryBytes(prefix)}`;
}

/** Where a page's fields lie in its text, before anything is decoded. */
interface RawPage {
  /** `[start, end)` of key and version for each row. */
  readonly keySpans: number[];
  readonly versionSpans: number[];
  readonly sizes: number[];
  readonly modified: number[];
  readonly prefixSpans: number[];
  urlEncoded: boolean;
  truncated: boolean | null;
  next: string | null;
}

/** Parses a page. Throws `ProtocolViolation` with `context`. */
export function parsePage(body: Uint8Array, context: ErrorContext): KeyPage {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  try {
    return pack(bytes, scan(bytes.toString('latin1')));
  } catch (thrown) {
    if (!(thrown instanceof XmlError)) throw thrown;
    throw new MillraceError(
      ErrorCode.ProtocolViolation,
      `The listing page is not a complete ListBucketResult document: ${thrown.message}`,
      { phase: 'list', retryable: true, ...context },
    );
  }
}

function scan(text: string): RawPage {
  const xml = new XmlScanner(text);
  const page: RawPage = {
    keySpans: [],
    versionSpans: [],
    sizes: [],
    modified: [],
    prefixSpans: [],
    urlEncoded: false,
    truncated: null,
    next: null,
  };
  const root = xml.root();
  if (root !== 'ListBucketResult') xml.fail(`<${root}> in the place of <ListBucketResult>`);
  for (;;) {
    const name = xml.child(root);
    if (name === null) break;
    if (name === 'Contents') readContents(xml, page);
    else if (name === 'CommonPrefixes') readPrefixes(xml, page);
    else if (name === 'IsTruncated') page.truncated = truth(xml, leafText(xml, name));
    else if (name === 'NextContinuationToken') page.next = unescape(leafText(xml, name), xml);
    else if (name === 'EncodingType') page.urlEncoded = leafText(xml, name) === 'url';
    else xml.skip(name);
  }
  xml.finish();
  if (page.truncated === null) xml.fail('no <IsTruncated>');
  if (page.truncated && (page.next === null || page.next === '')) {
    xml.fail('a truncated page without <NextContinuationToken>');
  }
  return page;
}

function readContents(xml: XmlScanner, page: RawPage): void {
  const row = page.sizes.length;
  let seen = 0;
  page.versionSpans.push(0, 0);
  page.modified.push(Number.NaN);
  for (;;) {
    const name = xml.child('Contents');
    if (name === null) break;
    if (name === 'Key') {
      xml.leaf(name);
      page.keySpans.push(xml.start, xml.end);
      seen |= 1;
    } else if (name === 'Size') {
      page.sizes.push(size(xml, leafText(xml, name)));
      seen |= 2;
    } else if (name === 'ETag') {
      xml.leaf(name);
      // A weak tag is no version: the span stays empty.
      if (xml.text.startsWith('W/', xml.start)) continue;
      page.versionSpans[2 * row] = xml.start;
      page.versionSpans[2 * row + 1] = xml.end;
    } else if (name === 'LastModified') {
      page.modified[row] = Date.parse(leafText(xml, name));
    } else {
      xml.skip(name);
    }
  }
  const whole = seen === 3 && page.sizes.length === row + 1 && page.keySpans.length === 2 * row + 2;
  if (!whole) xml.fail('<Contents> without exactly one <Key> and one <Size>');
}

function readPrefixes(xml: XmlScanner, page: RawPage): void {
  const before = page.prefixSpans.length;
  for (;;) {
    const name = xml.child('CommonPrefixes');
    if (name === null) break;
    if (name === 'Prefix') {
      xml.leaf(name);
      page.prefixSpans.push(xml.start, xml.end);
    } else {
      xml.skip(name);
    }
  }
  if (page.prefixSpans.length === before) xml.fail('<CommonPrefixes> without <Prefix>');
}

function leafText(xml: XmlScanner, name: string): string {
  xml.leaf(name);
  return xml.text.slice(xml.start, xml.end);
}

function truth(xml: XmlScanner, text: string): boolean {
  if (text !== 'true' && text !== 'false') xml.fail('<IsTruncated> is neither true nor false');
  return text === 'true';
}

function size(xml: XmlScanner, text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) xml.fail('<Size> is not a number of bytes');
  return value;
}

/** A token's text: latin1 positions back to characters, entities replaced. */
function unescape(text: string, xml: XmlScanner): string {
  const raw = Buffer.from(text, 'latin1');
  const out = new Uint8Array(raw.length);
  const length = decode(raw, 0, raw.length, false, out, 0);
  if (length < 0) xml.fail('an entity that is not XML');
  return Buffer.from(out.buffer, 0, length).toString('utf8');
}

function pack(bytes: Buffer, raw: RawPage): KeyPage {
  const count = raw.sizes.length;
  const keys = packSpans(bytes, raw.keySpans, raw.urlEncoded);
  const versions = packSpans(bytes, raw.versionSpans, false);
  return {
    count,
    keys: keys.bytes,
    keyEnds: keys.ends,
    sizes: Float64Array.from(raw.sizes),
    versions: versions.bytes,
    versionEnds: versions.ends,
    modified: Float64Array.from(raw.modified),
    prefixes: prefixTexts(bytes, raw),
    next: raw.truncated === true ? raw.next : null,
  };
}

function packSpans(
  bytes: Buffer,
  spans: readonly number[],
  url: boolean,
): { bytes: Uint8Array; ends: Uint32Array } {
  let bound = 0;
  for (let i = 0; i < spans.length; i += 2) bound += spans[i + 1]! - spans[i]!;
  const out = new Uint8Array(bound);
  const ends = new Uint32Array(spans.length / 2);
  let at = 0;
  for (let i = 0; i < spans.length; i += 2) {
    at = decode(bytes, spans[i]!, spans[i + 1]!, url, out, at);
    if (at < 0) throw new XmlError(`an escape that is neither XML nor percent-encoding in row ${i / 2}`);
    ends[i / 2] = at;
  }
  // A page is sent between threads: no slack goes with it.
  return { bytes: at === bound ? out : out.slice(0, at), ends };
}

function prefixTexts(bytes: Buffer, raw: RawPage): string[] {
  const { bytes: packed, ends } = packSpans(bytes, raw.prefixSpans, raw.urlEncoded);
  const view = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
  return Array.from(ends, (end, i) => view.toString('utf8', i === 0 ? 0 : ends[i - 1], end));
}

const PERCENT = 0x25;
const AMPERSAND = 0x26;
const PLUS = 0x2b;
const HEX = Int8Array.from({ length: 256 }, (_, code) => {
  const digit = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(digit) ? -1 : digit;
});

/**
 * Decodes `[from, to)` into `out` at `at`: entities always, percent-encoding when `url`. Gives the new end, or -1 for
 * an escape that is not one. The result is never longer than the source.
 */
function decode(
  src: Uint8Array,
  from: number,
  to: number,
  url: boolean,
  out: Uint8Array,
  at: number,
): number {
  let end = at;
  for (let i = from; i < to; i++) {
    let byte = src[i]!;
    if (byte === AMPERSAND) {
      const entity = readEntity(src, i, to);
      if (entity === null) return -1;
      i += entity.length - 1;
      if (entity.code > 0x7f) {
        end += Buffer.from(String.fromCodePoint(entity.code), 'utf8').copy(out, end);
        continue;
      }
      byte = entity.code;
    }
    if (url && byte === PLUS) byte = 0x20;
    else if (url && byte === PERCENT) {
      const high = i + 2 < to ? HEX[src[i + 1]!]! : -1;
      const low = i + 2 < to ? HEX[src[i + 2]!]! : -1;
      if (high < 0 || low < 0) return -1;
      byte = high * 16 + low;
      i += 2;
    }
    out[end++] = byte;
  }
  return end;
}

const NAMED: ReadonlyMap<string, number> = new Map([
  ['amp', 0x26],
  ['lt', 0x3c],
  ['gt', 0x3e],
  ['quot', 0x22],
  ['apos', 0x27],
]);
/** `&#1114111;` is the longest one that is not padded. */
const MAX_ENTITY_BYTES = 10;

const QUOTE = { code: 0x22, length: 6 };

function readEntity(src: Uint8Array, from: number, to: number): { code: number; length: number } | null {
  // Every ETag has two of these: the common case must not make strings.
  const quote =
    from + 6 <= to &&
    src[from + 1] === 0x71 &&
    src[from + 2] === 0x75 &&
    src[from + 3] === 0x6f &&
    src[from + 4] === 0x74 &&
    src[from + 5] === 0x3b;
  if (quote) return QUOTE;
  const limit = Math.min(to, from + MAX_ENTITY_BYTES);
  let end = from + 1;
  while (end < limit && src[end] !== 0x3b) end++;
  if (end === limit) return null;
  const name = Buffer.from(src.subarray(from + 1, end)).toString('latin1');
  const digits = /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(name);
  const code =
    digits === null
      ? NAMED.get(name)
      : Number.parseInt(digits[1] ?? digits[2]!, digits[1] === undefined ? 10 : 16);
  const valid = code !== undefined && code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  return valid ? { code, length: end - from + 1 } : null;
}

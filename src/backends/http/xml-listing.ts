/**
 * ListObjectsV2, of S3 and of the XML API of Cloud Storage: its query, and its answer as a packed page.
 *
 * Invariants:
 * 1. A page is whole or refused: XML that is cut, malformed or lacks a field that the page needs is a
 *    `ProtocolViolation`, never a page with fewer keys.
 * 2. Keys go from the page's percent-encoding straight to bytes; no string is made of them. `encoding-type=url` is
 *    always asked for, because XML 1.0 cannot carry every character that a key may have.
 * 3. `+` is a space and `%2B` a plus, as S3 encodes them; servers that write `%20` for a space (radosgw) are read by
 *    the same rule. A server that ignored `encoding-type` (no `EncodingType` in the answer) is read literally.
 *
 * Source of the format: ListObjectsV2 in the Amazon S3 API reference; "List objects" in the XML API reference of Cloud Storage.
 */
import { ErrorCode, MillraceError, type ErrorContext } from '../../protocol/errors.js';
import type { KeyPage, ListRequest } from '../../protocol/store.js';
import { encodeQuery, encodeQueryBytes } from './encoding.js';
import { Escapes, leafBytes, leafText, packSpans, prefixTexts, unescape } from './spans.js';
import { XmlError, XmlScanner } from './xml.js';

/** Neither service gives more on one page. */
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

/** Parses a page; `versionTag` names what the service has for a version. Throws `ProtocolViolation` with `context`. */
export function parsePage(
  body: Uint8Array,
  versionTag: 'ETag' | 'Generation',
  context: ErrorContext,
): KeyPage {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  try {
    return pack(bytes, scan(bytes.toString('latin1'), versionTag));
  } catch (thrown) {
    if (!(thrown instanceof XmlError)) throw thrown;
    throw new MillraceError(
      ErrorCode.ProtocolViolation,
      `The listing page is not a complete ListBucketResult document: ${thrown.message}`,
      { phase: 'list', retryable: true, ...context },
    );
  }
}

function scan(text: string, versionTag: string): RawPage {
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
    if (name === 'Contents') readContents(xml, page, versionTag);
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

function readContents(xml: XmlScanner, page: RawPage, versionTag: string): void {
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
      page.sizes.push(leafBytes(xml, name));
      seen |= 2;
    } else if (name === versionTag) {
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

function truth(xml: XmlScanner, text: string): boolean {
  if (text !== 'true' && text !== 'false') xml.fail('<IsTruncated> is neither true nor false');
  return text === 'true';
}

function pack(bytes: Buffer, raw: RawPage): KeyPage {
  const count = raw.sizes.length;
  const escapes = raw.urlEncoded ? Escapes.Form : Escapes.None;
  const keys = packSpans(bytes, raw.keySpans, escapes);
  const versions = packSpans(bytes, raw.versionSpans, Escapes.None);
  return {
    count,
    keys: keys.bytes,
    keyEnds: keys.ends,
    sizes: Float64Array.from(raw.sizes),
    versions: versions.bytes,
    versionEnds: versions.ends,
    modified: Float64Array.from(raw.modified),
    prefixes: prefixTexts(bytes, raw.prefixSpans, escapes),
    next: raw.truncated === true ? raw.next : null,
  };
}

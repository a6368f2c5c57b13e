/**
 * List Blobs: its query, and its answer as a packed page, or as the blobs of which only blocks exist.
 *
 * Invariants:
 * 1. A page is whole or refused: XML that is cut, malformed or lacks a field that the page needs is a
 *    `ProtocolViolation`, never a page with fewer keys.
 * 2. Keys go from the page straight to bytes; no string is made of them. A name that XML cannot carry is percent-encoded
 *    and says so (`Encoded="true"`).
 * 3. The directories of a hierarchical namespace are no objects: their rows are left out.
 * 4. ETags are quoted, as they are in headers, so that a version is one text wherever it comes from.
 *
 * Source of the format: "List Blobs" in the Blob service REST reference.
 */
import { ErrorCode, MillraceError, type ErrorContext } from '../../protocol/errors.js';
import type { KeyPage, ListRequest } from '../../protocol/store.js';
import type { UnfinishedUpload } from '../../protocol/writes.js';
import { encodeQuery } from '../http/encoding.js';
import {
  Escapes,
  leafBytes,
  leafText,
  packSpans,
  prefixTexts,
  unescape,
  type Packed,
} from '../http/spans.js';
import { keyText } from '../http/keys.js';
import { XmlError, XmlScanner } from '../http/xml.js';
import { ANY_UPLOAD } from './blocks.js';

/** The service gives no more on one page. */
const MAX_RESULTS = 5000;
/**
 * 5,000 names of 1,024 characters, of up to three bytes each, with about 1,500 bytes of properties around each, are 23 MB;
 * names that are percent-encoded are rare.
 */
export const MAX_PAGE_BYTES = 32 * 1024 * 1024;

/** A query as it is sent, and as it is signed. */
export interface Query {
  /** Percent-encoded, without its question mark. */
  readonly sent: string;
  readonly signed: string;
}

/** Parameters sorted by name, as a signature wants them. */
export function queryOf(parameters: readonly (readonly [name: string, value: string])[]): Query {
  const sent = parameters.map(([name, value]) => `${name}=${encodeQuery(value)}`).join('&');
  const signed = parameters.map(([name, value]) => `\n${name}:${value}`).join('');
  return { sent, signed };
}

export function listQuery(request: ListRequest): Query {
  const { continuation, delimiter, limit, prefix } = request;
  return listingQuery(
    prefix,
    continuation,
    delimiter,
    Math.max(1, Math.min(MAX_RESULTS, Math.floor(limit))),
    null,
  );
}

/** The query for blobs that have blocks and no content yet, among all the others: the service has no other way. */
export function uploadsQuery(prefix: Uint8Array, continuation: string | null): Query {
  return listingQuery(prefix, continuation, null, MAX_RESULTS, 'uncommittedblobs');
}

function listingQuery(
  prefix: Uint8Array,
  marker: string | null,
  delimiter: string | null,
  maxResults: number,
  include: string | null,
): Query {
  const parameters: [string, string][] = [['comp', 'list']];
  if (delimiter !== null) parameters.push(['delimiter', delimiter]);
  if (include !== null) parameters.push(['include', include]);
  if (marker !== null) parameters.push(['marker', marker]);
  parameters.push(['maxresults', String(maxResults)]);
  if (prefix.length > 0) parameters.push(['prefix', keyText(prefix)]);
  parameters.push(['restype', 'container']);
  return queryOf(parameters);
}

/** Where a page's fields lie in its text, before anything is decoded. */
interface RawPage {
  /** `[start, end)` of name and ETag for each row. */
  readonly nameSpans: number[];
  readonly nameEscapes: Escapes[];
  readonly tagSpans: number[];
  readonly sizes: number[];
  readonly modified: number[];
  readonly created: number[];
  readonly prefixSpans: number[];
  readonly prefixEscapes: Escapes[];
  next: string | null;
}

/** @throws MillraceError ProtocolViolation with `context` */
export function parsePage(body: Uint8Array, context: ErrorContext): KeyPage {
  return parse(body, context, (bytes, raw) => {
    const keys = packSpans(bytes, raw.nameSpans, raw.nameEscapes);
    const versions = quotedTags(packSpans(bytes, raw.tagSpans, Escapes.None));
    return {
      count: raw.sizes.length,
      keys: keys.bytes,
      keyEnds: keys.ends,
      sizes: Float64Array.from(raw.sizes),
      versions: versions.bytes,
      versionEnds: versions.ends,
      modified: Float64Array.from(raw.modified),
      prefixes: prefixTexts(bytes, raw.prefixSpans, raw.prefixEscapes),
      next: raw.next,
    };
  });
}

/** Rows without an ETag are blobs of which only blocks exist ("Uncommitted Blobs in the Response"). Throws as `parsePage`. */
export function parseUploads(
  body: Uint8Array,
  context: ErrorContext,
): { uploads: UnfinishedUpload[]; next: string | null } {
  return parse(body, context, (bytes, raw) => {
    const uploads: UnfinishedUpload[] = [];
    const { bytes: keys, ends } = packSpans(bytes, raw.nameSpans, raw.nameEscapes);
    for (const [row, end] of ends.entries()) {
      if (raw.tagSpans[2 * row] !== raw.tagSpans[2 * row + 1]) continue;
      const created = raw.created[row]!;
      uploads.push({
        key: keys.slice(row === 0 ? 0 : ends[row - 1], end),
        upload: ANY_UPLOAD,
        startedMs: Number.isNaN(created) ? null : created,
      });
    }
    return { uploads, next: raw.next };
  });
}

function parse<T>(body: Uint8Array, context: ErrorContext, pack: (bytes: Buffer, raw: RawPage) => T): T {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  try {
    return pack(bytes, scan(bytes.toString('latin1')));
  } catch (thrown) {
    if (!(thrown instanceof XmlError)) throw thrown;
    throw new MillraceError(
      ErrorCode.ProtocolViolation,
      `The listing page is not a complete EnumerationResults document: ${thrown.message}`,
      { phase: 'list', retryable: true, ...context },
    );
  }
}

function scan(text: string): RawPage {
  const xml = new XmlScanner(text);
  const page: RawPage = {
    nameSpans: [],
    nameEscapes: [],
    tagSpans: [],
    sizes: [],
    modified: [],
    created: [],
    prefixSpans: [],
    prefixEscapes: [],
    next: null,
  };
  const root = xml.root();
  if (root !== 'EnumerationResults') xml.fail(`<${root}> in the place of <EnumerationResults>`);
  let hasBlobs = false;
  let hasNext = false;
  for (;;) {
    const name = xml.child(root);
    if (name === null) break;
    if (name === 'Blobs') {
      hasBlobs = true;
      readBlobs(xml, page);
    } else if (name === 'NextMarker') {
      hasNext = true;
      page.next = unescape(leafText(xml, name), xml) || null;
    } else xml.skip(name);
  }
  xml.finish();
  if (!hasBlobs || !hasNext) xml.fail('no <Blobs> or no <NextMarker>');
  return page;
}

function readBlobs(xml: XmlScanner, page: RawPage): void {
  // `<Blobs/>`: of an empty element there is no end tag to come.
  if (xml.isEmpty) return xml.skip('Blobs');
  for (;;) {
    const name = xml.child('Blobs');
    if (name === null) return;
    if (name === 'Blob') readBlob(xml, page);
    else if (name === 'BlobPrefix') readPrefix(xml, page);
    else xml.skip(name);
  }
}

/** What the properties of one blob tell. */
interface Properties {
  size: number;
  tagStart: number;
  tagEnd: number;
  modified: number;
  created: number;
  isDirectory: boolean;
}

function readBlob(xml: XmlScanner, page: RawPage): void {
  const properties: Properties = {
    size: -1,
    tagStart: 0,
    tagEnd: 0,
    modified: Number.NaN,
    created: Number.NaN,
    isDirectory: false,
  };
  let names = 0;
  let start = 0;
  let end = 0;
  let escapes: Escapes = Escapes.None;
  for (;;) {
    const name = xml.child('Blob');
    if (name === null) break;
    if (name === 'Name') {
      escapes = escapesHere(xml);
      xml.leaf(name);
      [start, end] = [xml.start, xml.end];
      names += 1;
    } else if (name === 'Properties') readProperties(xml, properties);
    else xml.skip(name);
  }
  if (names !== 1) xml.fail('<Blob> without exactly one <Name>');
  if (properties.isDirectory) return;
  if (properties.size < 0) xml.fail('<Blob> without <Content-Length>');
  page.nameSpans.push(start, end);
  page.nameEscapes.push(escapes);
  page.tagSpans.push(properties.tagStart, properties.tagEnd);
  page.sizes.push(properties.size);
  page.modified.push(properties.modified);
  page.created.push(properties.created);
}

function readProperties(xml: XmlScanner, into: Properties): void {
  if (xml.isEmpty) return xml.skip('Properties');
  for (;;) {
    const name = xml.child('Properties');
    if (name === null) return;
    if (name === 'Content-Length') into.size = leafBytes(xml, name);
    else if (name === 'Etag') {
      xml.leaf(name);
      into.tagStart = xml.start;
      into.tagEnd = xml.end;
    } else if (name === 'Last-Modified') into.modified = Date.parse(leafText(xml, name));
    else if (name === 'Creation-Time') into.created = Date.parse(leafText(xml, name));
    else if (name === 'ResourceType') into.isDirectory = leafText(xml, name) === 'directory';
    else xml.skip(name);
  }
}

function readPrefix(xml: XmlScanner, page: RawPage): void {
  const before = page.prefixSpans.length;
  for (;;) {
    const name = xml.child('BlobPrefix');
    if (name === null) break;
    if (name === 'Name') {
      page.prefixEscapes.push(escapesHere(xml));
      xml.leaf(name);
      page.prefixSpans.push(xml.start, xml.end);
    } else xml.skip(name);
  }
  if (page.prefixSpans.length !== before + 2) xml.fail('<BlobPrefix> without exactly one <Name>');
}

const ENCODED = ' Encoded="true">';

/** How the name is escaped whose start tag was just read. */
function escapesHere(xml: XmlScanner): Escapes {
  return xml.text.startsWith(ENCODED, xml.pos - ENCODED.length) ? Escapes.Percent : Escapes.None;
}

const QUOTE = 0x22;

function quotedTags({ bytes, ends }: Packed): Packed {
  const out = new Uint8Array(bytes.length + 2 * ends.length);
  const outEnds = new Uint32Array(ends.length);
  let at = 0;
  let start = 0;
  for (const [row, end] of ends.entries()) {
    const isBare = end > start && bytes[start] !== QUOTE;
    if (isBare) out[at++] = QUOTE;
    out.set(bytes.subarray(start, end), at);
    at += end - start;
    if (isBare) out[at++] = QUOTE;
    outEnds[row] = at;
    start = end;
  }
  return { bytes: out.slice(0, at), ends: outEnds };
}

/**
 * The XML documents that answer writes, in the form that S3 and the XML API of Cloud Storage share.
 *
 * Invariant: a document is read whole or not at all: one that is cut, or another one than was expected, is null or false.
 */
import type { UnfinishedUpload, UploadsRequest, WriteResult } from '../../protocol/writes.js';
import { encodeQuery, encodeQueryBytes } from './encoding.js';
import { XmlError, XmlScanner } from './xml.js';

export type UploadsPage = Pick<WriteResult, 'uploads' | 'next'>;

/** Text of a leaf right below the root, or null where the document is another one. */
export function textIn(body: Uint8Array | null, root: string, leaf: string): string | null {
  let found: string | null = null;
  const read = readDocument(body, root, (xml, name) => {
    if (name !== leaf) return false;
    found = leafText(xml, name);
    return true;
  });
  return read ? found : null;
}

/** A page of uploads that have not ended, or null where it is none. */
export function readUploads(body: Uint8Array | null): UploadsPage | null {
  const found: UnfinishedUpload[] = [];
  let urlEncoded = false;
  let truncated = false;
  let nextKey = '';
  let nextUpload = '';
  const raw: { key: string; upload: string; startedMs: number }[] = [];
  const read = readDocument(body, 'ListMultipartUploadsResult', (xml, name) => {
    if (name === 'Upload') {
      const { Key = '', UploadId = '', Initiated = '' } = leaves(xml, name);
      raw.push({ key: Key, upload: UploadId, startedMs: Date.parse(Initiated) });
    } else if (name === 'EncodingType') urlEncoded = leafText(xml, name) === 'url';
    else if (name === 'IsTruncated') truncated = leafText(xml, name) === 'true';
    else if (name === 'NextKeyMarker') nextKey = leafText(xml, name);
    else if (name === 'NextUploadIdMarker') nextUpload = leafText(xml, name);
    else return false;
    return true;
  });
  // A page that says that there is more and not where would begin the listing again.
  if (!read || (truncated && nextKey === '')) return null;
  const plain = (text: string): Uint8Array<ArrayBuffer> =>
    urlEncoded ? percentDecoded(text) : new Uint8Array(Buffer.from(text, 'utf8'));
  for (const { key, upload, startedMs } of raw) {
    const started = Number.isNaN(startedMs) ? null : startedMs;
    found.push({ key: plain(key), upload, startedMs: started });
  }
  const next = truncated ? uploadsContinuation(plain(nextKey), nextUpload) : null;
  return { uploads: found, next };
}

/** Bytes of a key that was encoded as in a query; what is no escape stands for itself. */
function percentDecoded(text: string): Uint8Array<ArrayBuffer> {
  const latin = Buffer.from(text.replaceAll('+', ' '), 'utf8').toString('latin1');
  const plain = latin.replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return new Uint8Array(Buffer.from(plain, 'latin1'));
}

/** Reads a document, child by child of its root; `take` consumes a child or says that it is not wanted. */
export function readDocument(
  body: Uint8Array | null,
  root: string,
  take: (xml: XmlScanner, name: string) => boolean,
): boolean {
  if (body === null) return false;
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  // `complete` keeps its connection alive with white space before the document.
  const xml = new XmlScanner(text.trimStart());
  try {
    if (xml.root() !== root) return false;
    // A root without children, such as that of deletions which all went well, may close itself.
    if (xml.isEmpty) xml.skip(root);
    else takeChildren(xml, root, take);
    xml.finish();
    return true;
  } catch (thrown) {
    if (thrown instanceof XmlError) return false;
    throw thrown;
  }
}

function takeChildren(xml: XmlScanner, root: string, take: (xml: XmlScanner, name: string) => boolean): void {
  for (let name = xml.child(root); name !== null; name = xml.child(root)) {
    if (!take(xml, name)) xml.skip(name);
  }
}

const LEAVES = new Set(['Key', 'Code', 'UploadId', 'Initiated']);

/** Texts of the leaves of an element, of those names that are wanted of any. */
export function leaves(xml: XmlScanner, parent: string): Partial<Record<string, string>> {
  const found: Partial<Record<string, string>> = {};
  for (let name = xml.child(parent); name !== null; name = xml.child(parent)) {
    if (LEAVES.has(name)) found[name] = leafText(xml, name);
    else xml.skip(name);
  }
  return found;
}

function leafText(xml: XmlScanner, name: string): string {
  xml.leaf(name);
  return unescapeXml(xml.text.slice(xml.start, xml.end));
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  return text.replaceAll(
    /&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|(amp|lt|gt|quot|apos));/g,
    (_, hex, dec, name) => {
      if (name !== undefined) return ENTITIES[name as string]!;
      const code = hex === undefined ? Number(dec) : Number.parseInt(hex as string, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
    },
  );
}

/** Text as it stands in an element. */
export function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"\r\n\t]/g, (char) => ESCAPED[char] ?? `&#${char.charCodeAt(0)};`);
}

const ESCAPED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Where a page of uploads ended. */
function uploadsContinuation(key: Uint8Array, upload: string): string {
  return JSON.stringify([Buffer.from(key).toString('latin1'), upload]);
}

/** The canonical query of `uploads`. */
export function uploadsQuery({ prefix, continuation }: UploadsRequest): string {
  const [key, upload] = continuation === null ? [] : (JSON.parse(continuation) as [string, string]);
  let query = 'encoding-type=url';
  if (key !== undefined) query += `&key-marker=${encodeQueryBytes(Buffer.from(key, 'latin1'))}`;
  query += '&max-uploads=1000';
  if (prefix.length > 0) query += `&prefix=${encodeQueryBytes(prefix)}`;
  if (upload !== undefined) query += `&upload-id-marker=${encodeQuery(upload)}`;
  return `${query}&uploads=`;
}

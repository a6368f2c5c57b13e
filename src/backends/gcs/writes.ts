/**
 * The requests that write to Cloud Storage. Pure.
 *
 * Invariants:
 * 1. Every body has its CRC-32C with it, but for the pieces of a resumable session, whose sum is compared at the end.
 * 2. With an HMAC key every request is one of the XML API.
 *
 * Sources: "Objects: insert", "Objects: rewrite", "Objects: delete" and "Perform resumable uploads" of the JSON API; "PUT
 * Object", "XML API multipart uploads" and "PUT Object - Copy" of the XML API.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { Answer } from '../../protocol/store.js';
import {
  unsupportedWrite,
  written,
  type BeginRequest,
  type CompleteRequest,
  type CopyRequest,
  type DeleteRequest,
  type PartRequest,
  type PutRequest,
  type WriteCondition,
  type WriteLimits,
  type WriteRequest,
  type WriteResult,
} from '../../protocol/writes.js';
import { encodeKey, encodeQuery, encodeSegment } from '../http/encoding.js';
import type { WriteParts } from '../http/sigv4-write.js';
import { escapeXml, uploadsQuery } from '../http/xml-documents.js';
import { jsonPath, xmlPath, type Current } from './requests.js';
import { readUpload, tagOf, type Upload } from './uploads.js';
import { bucketOf } from './uri.js';
import { crc32cText } from './verify.js';

const MIB = 1024 * 1024;

/** "Quotas & limits" (objects, XML API multipart uploads) in the Cloud Storage documentation. */
export const WRITE_LIMITS: WriteLimits = {
  // One request may have the whole 5 TiB; from here on parts bring more than the two requests more cost.
  multipartThreshold: 16 * MIB,
  // As ranges are read: a lost connection costs little. At least 5 MiB in the XML API.
  partBytes: 8 * MIB,
  // What a resumable session takes of a piece that is not the last.
  partAlignment: 256 * 1024,
  maxPartBytes: 5 * 1024 * MIB,
  maxParts: 10_000,
  maxObjectBytes: 5 * 1024 ** 4,
  deletesPerRequest: 1,
};

type Header = readonly [name: string, value: string];
type Parts = WriteParts | Answer<WriteResult>;

/** What is sent for a write, or the answer where nothing is. Throws `InvalidArgument` for what the service has no words for. */
export function writeParts(current: Current, request: WriteRequest, uri: string): Parts {
  const { config } = current;
  switch (request.kind) {
    case 'put':
      return put(current, request, uri);
    case 'begin':
      return begin(current, request, uri);
    case 'part':
      return part(current, request, uploadOf(request.upload, uri));
    case 'complete':
      return complete(current, request, uploadOf(request.upload, uri), uri);
    case 'abort': {
      const upload = uploadOf(request.upload, uri);
      return upload.kind === 'session'
        ? { ...session(upload.target), method: 'DELETE' }
        : xml(current, request.key, 'DELETE', `uploadId=${encodeQuery(upload.id)}`);
    }
    case 'copy':
      return copy(current, request, uri);
    case 'delete':
      return remove(current, request, uri);
    case 'uploads':
      // An emulator has no uploads in parts, so none that has not ended.
      return config.emulated
        ? written()
        : { method: 'GET', path: current.xml, query: uploadsQuery(request), headers: [], body: null };
  }
}

/** @throws MillraceError InvalidArgument unless it is a generation */
export function checkGeneration(version: string, uriOf: () => string): string {
  if (/^\d{1,19}$/.test(version)) return version;
  throw invalid(uriOf(), `the version must be a generation, a number such as "1763712000000000"`);
}

function invalid(uri: string, what: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, `${uri}: ${what}`, { phase: 'write', uri });
}

function uploadOf(name: string, uri: string): Upload {
  const upload = readUpload(name);
  if (upload !== null) return upload;
  throw invalid(uri, 'the upload is not one that this store has begun; expected what "begin" answered');
}

function isXml({ config }: Current): boolean {
  return config.auth.kind === 'hmac';
}

/** The generation that the object must have: 0 for none; null for no condition. */
function wanted({ ifAbsent, ifVersion }: WriteCondition, uri: string): string | null {
  if (ifAbsent) return '0';
  return ifVersion === null ? null : checkGeneration(ifVersion, () => uri);
}

function matchQuery(generation: string | null): string {
  return generation === null ? '' : `&ifGenerationMatch=${generation}`;
}

function matchHeader(generation: string | null): Header[] {
  return generation === null ? [] : [['x-goog-if-generation-match', generation]];
}

function typeHeader(name: string, contentType: string | null): Header[] {
  return contentType === null ? [] : [[name, contentType]];
}

function xml(
  current: Current,
  key: Uint8Array,
  method: WriteParts['method'],
  query = '',
  headers: readonly Header[] = [],
  body: Uint8Array | null = null,
): WriteParts {
  return { method, path: xmlPath(current, key), query, headers, body };
}

function put(current: Current, request: PutRequest, uri: string): WriteParts {
  const { key, body, contentType } = request;
  const generation = wanted(request, uri);
  const headers: Header[] = [
    ...typeHeader('content-type', contentType),
    ['x-goog-hash', `crc32c=${crc32cText(body)}`],
  ];
  if (isXml(current)) return xml(current, key, 'PUT', '', [...headers, ...matchHeader(generation)], body);
  const query = `uploadType=media&name=${encodeSegment(key)}&fields=generation,crc32c${matchQuery(generation)}`;
  return { method: 'POST', path: current.uploads, query, headers, body };
}

function begin(current: Current, request: BeginRequest, uri: string): Parts {
  const { key, size, contentType } = request;
  if (current.config.emulated) {
    return unsupportedWrite(
      `${uri}: an emulator takes no object in parts; put it by one request, with a memoryBudget of eight times its size`,
    );
  }
  const generation = wanted(request, uri);
  if (generation === null) {
    return xml(current, key, 'POST', 'uploads=', typeHeader('content-type', contentType));
  }
  if (isXml(current)) {
    return unsupportedWrite(
      `${uri}: an upload in parts by HMAC key takes no condition (ifAbsent, ifVersion); leave it out, or use a token`,
    );
  }
  const query = `uploadType=resumable&name=${encodeSegment(key)}${matchQuery(generation)}`;
  const headers = typeHeader('x-upload-content-type', contentType);
  if (size >= 0) headers.push(['x-upload-content-length', String(size)]);
  return { method: 'POST', path: current.uploads, query, headers, body: null };
}

/** A request to a session: its name is the whole target. */
function session(target: string, range?: string, body: Uint8Array | null = null): WriteParts {
  const headers: Header[] = range === undefined ? [] : [['content-range', `bytes ${range}`]];
  return { method: 'PUT', path: target, query: '', headers, body };
}

function part(current: Current, request: PartRequest, upload: Upload): WriteParts {
  const { key, body, index, start, last } = request;
  if (upload.kind === 'parts') {
    const query = `partNumber=${index + 1}&uploadId=${encodeQuery(upload.id)}`;
    return xml(current, key, 'PUT', query, [['x-goog-hash', `crc32c=${crc32cText(body)}`]], body);
  }
  const end = start + body.length;
  if (body.length === 0) return session(upload.target, `*/${start}`);
  return session(upload.target, `${start}-${end - 1}/${last ? end : '*'}`, body);
}

function complete(current: Current, request: CompleteRequest, upload: Upload, uri: string): Parts {
  if (upload.kind === 'session') return session(upload.target, `*/${request.size}`);
  if (wanted(request, uri) !== null) {
    return unsupportedWrite(`${uri}: the upload was begun without the condition that its end has`);
  }
  let body = '<CompleteMultipartUpload>';
  for (const [at, receipt] of request.parts.entries()) {
    body += `<Part><PartNumber>${at + 1}</PartNumber><ETag>${escapeXml(tagOf(receipt))}</ETag></Part>`;
  }
  const bytes = Buffer.from(`${body}</CompleteMultipartUpload>`, 'utf8');
  const headers: Header[] = [['content-type', 'application/xml']];
  return xml(current, request.key, 'POST', `uploadId=${encodeQuery(upload.id)}`, headers, bytes);
}

/** The source is named by its generation, so that a condition that does not hold is one on the target. */
function copy(current: Current, request: CopyRequest, uri: string): WriteParts {
  const { key, sourceKey, sourceStore, sourceVersion } = request;
  const bucket = bucketOf(sourceStore);
  const generation = wanted(request, uri);
  const source = sourceVersion === null ? null : checkGeneration(sourceVersion, () => uri);
  if (isXml(current)) {
    const headers: Header[] = [
      ['x-goog-copy-source', `/${bucket}/${encodeKey(sourceKey)}`],
      ...matchHeader(generation),
    ];
    if (source !== null) headers.push(['x-goog-copy-source-generation', source]);
    return xml(current, key, 'PUT', '', headers);
  }
  const { config } = current;
  const from = `${config.pathPrefix}/storage/v1/b/${bucket}/o/${encodeSegment(sourceKey)}`;
  const path = `${from}/rewriteTo/b/${config.bucket}/o/${encodeSegment(key)}`;
  const pinned = source === null ? '' : `&sourceGeneration=${source}`;
  const query = `fields=done,resource(generation)${matchQuery(generation)}${pinned}`;
  return { method: 'POST', path, query, headers: [], body: null };
}

function remove(current: Current, { keys, ifVersion }: DeleteRequest, uri: string): WriteParts {
  const [key] = keys;
  if (key === undefined || keys.length > 1) {
    throw invalid(uri, `one request deletes one object, not ${keys.length}`);
  }
  const generation = ifVersion === null ? null : checkGeneration(ifVersion, () => uri);
  if (isXml(current)) return xml(current, key, 'DELETE', '', matchHeader(generation));
  const query = generation === null ? '' : `ifGenerationMatch=${generation}`;
  return { method: 'DELETE', path: jsonPath(current, key), query, headers: [], body: null };
}

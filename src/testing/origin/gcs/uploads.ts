// @ts-nocheck
/**
 * Uploads of the JSON API in one request: the media alone, or metadata and media in a multipart/related body.
 *
 * Source: "Upload an object" of the JSON API reference ("Objects: insert"); RFC 2387 for multipart/related.
 */
import { conditionsOf, statedSums } from './conditions.js';
import { fail } from './failures.js';
import { jsonAnswer, objectResource } from './resource.js';
import { putObject } from './store.js';
import type { Request } from '../request.js';
import type { Service } from './store.js';
import type { Response } from '../response.js';
import type { Failure } from '../failure.js';

const KEPT = [
  'contentType',
  'contentEncoding',
  'cacheControl',
  'contentDisposition',
  'contentLanguage',
  'metadata',
];
const CRLF = '\r\n';

/** Returns null when it cannot be taken apart */
export function parseRelated(
  contentType: string | undefined,
  body: Buffer,
): Array<{ headers: Map<string, string>; body: Buffer }> | null {
  const boundary = /^multipart\/related\s*;.*\bboundary=(?:"([^"]+)"|'([^']+)'|([^;\s]+))/i.exec(
    contentType ?? '',
  );
  if (boundary === null) return null;
  const mark = `--${boundary[1] ?? boundary[2] ?? boundary[3]}`;
  const parts = [];
  for (let at = body.indexOf(mark); at >= 0;) {
    at += mark.length;
    if (body.latin1Slice(at, at + 2) === '--') return parts;
    const headEnd = body.indexOf(CRLF + CRLF, at);
    const next = headEnd < 0 ? -1 : body.indexOf(CRLF + mark, headEnd + 2);
    if (next < 0) return null;
    const lines = body
      .latin1Slice(at, headEnd)
      .split(CRLF)
      .filter((line) => line.includes(':'));
    const headers = new Map(
      lines.map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    );
    parts.push({ headers, body: body.subarray(Math.min(headEnd + 4, next), next) });
    at = next + CRLF.length;
  }
  return null;
}

export function parseMetadata(bytes: Buffer): Record<string, any> | null {
  if (bytes.length === 0) return {};
  try {
    const value = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null ? value : null;
  } catch {
    return null;
  }
}

/** What is stored beside the bytes, of all that the metadata may say. */
export function attributesOf(
  metadata: Record<string, any>,
  { params }: Request,
  contentType: string | undefined,
) {
  const attributes = Object.fromEntries(
    KEPT.filter((name) => name in metadata).map((name) => [name, metadata[name]]),
  );
  if (attributes.contentType === undefined && contentType !== undefined) attributes.contentType = contentType;
  const encoding = params.get('contentEncoding');
  return encoding === undefined ? attributes : { ...attributes, contentEncoding: encoding };
}

/** Sums that metadata and headers state. */
export function sumsIn(metadata, headers) {
  const stated = statedSums(headers);
  if (typeof metadata.crc32c === 'string') stated.crc32c = metadata.crc32c;
  if (typeof metadata.md5Hash === 'string') stated.md5 = metadata.md5Hash;
  return stated;
}

/** The name that an upload has in its metadata, for who wants to know before it is served. */
export function nameInBody(request: Request) {
  const { headers, params, body } = request;
  const type = params.get('uploadType');
  if (type === 'media') return '';
  const bytes = type === 'resumable' ? body : parseRelated(headers.get('content-type'), body)?.[0]?.body;
  const name = bytes === undefined ? undefined : parseMetadata(bytes)?.name;
  return typeof name === 'string' ? name : '';
}

export function uploadOnce(request: Request, service: Service, base: string): Response | Failure {
  const { headers, params, bucket, key } = request;
  let metadata = {};
  let { body } = request;
  let contentType = headers.get('content-type');
  if (params.get('uploadType') === 'multipart') {
    const parts = parseRelated(contentType, body);
    if (parts?.length !== 2) return fail('invalid', 'Malformed multipart body.');
    const parsed = parseMetadata(parts[0].body);
    if (parsed === null) return fail('invalid', 'Parse Error');
    metadata = parsed;
    body = parts[1].body;
    contentType = parts[1].headers.get('content-type');
  }
  if (key === '') return fail('required', 'Required parameter: name');
  const written = putObject(service, {
    bucket,
    key,
    body,
    attributes: attributesOf(metadata, request, contentType),
    conditions: conditionsOf(request),
    stated: sumsIn(metadata, headers),
  });
  return 'message' in written ? written : jsonAnswer(request, objectResource(service, base, bucket, written));
}

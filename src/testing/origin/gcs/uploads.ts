/**
 * Uploads of the JSON API in one request: the media alone, or metadata and media in a multipart/related body.
 *
 * Source: "Upload an object" of the JSON API reference ("Objects: insert"); RFC 2387 for multipart/related.
 */
import { type Failure, isFailure } from '../failure.js';
import type { Request } from '../request.js';
import type { Response } from '../response.js';
import { type StatedSums, conditionsOf, statedSums } from './conditions.js';
import { type JsonRecord, isRecord, parseRecord, textOf } from './documents.js';
import { fail } from './failures.js';
import type { GcsAttributes } from './objects.js';
import { jsonAnswer, objectResource } from './resource.js';
import type { RoutedRequest } from './route.js';
import { type Service, putObject } from './store.js';

/** One part of a multipart body. */
interface Part {
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

const KEPT = [
  'contentType',
  'contentEncoding',
  'cacheControl',
  'contentDisposition',
  'contentLanguage',
] as const;
const CRLF = '\r\n';

/** Null when it cannot be taken apart. */
function parseRelated(contentType: string | undefined, body: Buffer): Part[] | null {
  const boundary = /^multipart\/related\s*;.*\bboundary=(?:"([^"]+)"|'([^']+)'|([^;\s]+))/i.exec(
    contentType ?? '',
  );
  if (boundary === null) return null;
  const mark = `--${boundary[1] ?? boundary[2] ?? boundary[3]}`;
  const parts: Part[] = [];
  for (let at = body.indexOf(mark); at >= 0;) {
    at += mark.length;
    if (body.toString('latin1', at, at + 2) === '--') return parts;
    const headEnd = body.indexOf(CRLF + CRLF, at);
    const next = headEnd < 0 ? -1 : body.indexOf(CRLF + mark, headEnd + 2);
    if (next < 0) return null;
    const lines = body
      .toString('latin1', at, headEnd)
      .split(CRLF)
      .filter((line) => line.includes(':'));
    const headers = new Map(
      lines.map((line): [string, string] => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    );
    parts.push({ headers, body: body.subarray(Math.min(headEnd + 4, next), next) });
    at = next + CRLF.length;
  }
  return null;
}

/** None at all is metadata without a field; null when it cannot be read. */
export function parseMetadata(bytes: Buffer): JsonRecord | null {
  return bytes.length === 0 ? {} : parseRecord(bytes.toString('utf8'));
}

/** What is stored beside the bytes, of all that the metadata may say. */
export function attributesOf(
  metadata: JsonRecord,
  { params }: Request,
  contentType: string | undefined,
): GcsAttributes {
  const attributes: GcsAttributes = {};
  for (const name of KEPT) {
    const value = metadata[name];
    if (typeof value === 'string') attributes[name] = value;
  }
  if (isRecord(metadata.metadata)) attributes.metadata = textsOf(metadata.metadata);
  if (attributes.contentType === undefined && contentType !== undefined) attributes.contentType = contentType;
  const encoding = params.get('contentEncoding');
  return encoding === undefined ? attributes : { ...attributes, contentEncoding: encoding };
}

const textsOf = (record: JsonRecord): Record<string, string> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, textOf(value)]));

/** Sums that metadata and headers state. */
export function sumsIn(metadata: JsonRecord, headers: ReadonlyMap<string, string>): StatedSums {
  const stated = statedSums(headers);
  if (typeof metadata.crc32c === 'string') stated.crc32c = metadata.crc32c;
  if (typeof metadata.md5Hash === 'string') stated.md5 = metadata.md5Hash;
  return stated;
}

/** The name that an upload has in its metadata, for who wants to know before it is served. */
export function nameInBody(request: Request): string {
  const { headers, params, body } = request;
  const type = params.get('uploadType');
  if (type === 'media') return '';
  const bytes = type === 'resumable' ? body : parseRelated(headers.get('content-type'), body)?.[0]?.body;
  const name = bytes === undefined ? undefined : parseMetadata(bytes)?.name;
  return typeof name === 'string' ? name : '';
}

export function uploadOnce(request: RoutedRequest, service: Service, base: string): Response | Failure {
  const { headers, params, bucket, key } = request;
  let metadata: JsonRecord = {};
  let { body } = request;
  let contentType = headers.get('content-type');
  if (params.get('uploadType') === 'multipart') {
    const [about, media, ...more] = parseRelated(contentType, body) ?? [];
    if (about === undefined || media === undefined || more.length > 0) {
      return fail('invalid', 'Malformed multipart body.');
    }
    const parsed = parseMetadata(about.body);
    if (parsed === null) return fail('invalid', 'Parse Error');
    metadata = parsed;
    body = media.body;
    contentType = media.headers.get('content-type');
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
  return isFailure(written) ? written : jsonAnswer(request, objectResource(service, base, bucket, written));
}

/**
 * The bytes of an object on their way to a reader, by either API: range, headers, decompressive transcoding.
 *
 * What it keeps true:
 * 1. X-Goog-Hash and the stored length are of the object as stored, in a 206 and when it is decompressed too.
 * 2. An object stored as gzip is decompressed for who does not accept gzip, whole whatever the range, and without a
 *    length; unless its Cache-Control says no-transform.
 *
 * Sources: "Transcoding of gzip-compressed files"; "HTTP headers ... for XML API"; "Objects: get" of the JSON API.
 */
import { gunzipSync } from 'node:zlib';
import { type Stored, modifiedMs } from '../catalogue.js';
import type { Failure } from '../failure.js';
import { bend, parseRange } from '../ranges.js';
import type { Request } from '../request.js';
import { NO_BODY, type Response, answer, bytesSource, objectBytes, objectSource } from '../response.js';
import type { Lie } from '../rules.js';
import { checkConditions, conditionsOf } from './conditions.js';
import { fail } from './failures.js';
import {
  type GcsAttributes,
  generationOf,
  hasMd5,
  hashHeader,
  opaqueEtag,
  quotedEtag,
  sumsOf,
} from './objects.js';
import type { Route, RoutedRequest } from './route.js';
import { type Service, absent, findVersion } from './store.js';

export function versionHeaders(object: Stored, generation: string, api: Route['api']): string[] {
  const headers = ['X-Goog-Generation', generation, 'X-Goog-Metageneration', '1'];
  if (api === 'json') headers.push('X-Goog-Hash', hashHeader(object), 'ETag', opaqueEtag(generation));
  else {
    // The XML API sends one header for each sum.
    headers.push('x-goog-hash', `crc32c=${sumsOf(object).crc32c}`);
    if (hasMd5(object)) headers.push('x-goog-hash', `md5=${sumsOf(object).md5}`);
    headers.push('ETag', quotedEtag(object, generation));
  }
  headers.push('X-Goog-Stored-Content-Encoding', object.attributes.contentEncoding ?? 'identity');
  headers.push('X-Goog-Stored-Content-Length', String(object.size));
  return headers;
}

function objectHeaders(object: Stored, generation: string, api: Route['api']): string[] {
  const { contentType, cacheControl, componentCount, metadata }: GcsAttributes = object.attributes;
  const headers = versionHeaders(object, generation, api);
  headers.push('Content-Type', contentType ?? 'application/octet-stream', 'X-Goog-Storage-Class', 'STANDARD');
  headers.push('Last-Modified', new Date(modifiedMs(object.generation)).toUTCString());
  if (cacheControl !== undefined) headers.push('Cache-Control', cacheControl);
  if (componentCount !== undefined) headers.push('X-Goog-Component-Count', String(componentCount));
  if (api === 'xml') headers.push('Accept-Ranges', 'bytes');
  for (const [name, value] of Object.entries(metadata ?? {})) headers.push(`X-Goog-Meta-${name}`, value);
  return headers;
}

function isTranscoded({ attributes }: Stored, { headers }: Request): boolean {
  if (attributes.contentEncoding !== 'gzip' || /no-transform/.test(attributes.cacheControl ?? ''))
    return false;
  const accepted = (headers.get('accept-encoding') ?? '').split(',').map((one) => one.trim());
  return !accepted.some((one) => /^(gzip|\*)(?!.*;q=0(\.0*)?$)/.test(one));
}

/** Null where it is no gzip, whatever its Content-Encoding says: then it is served as it is. */
function gunzipped(object: Stored): Buffer | null {
  try {
    return gunzipSync(objectBytes(object));
  } catch {
    return null;
  }
}

export function readMedia(
  request: RoutedRequest,
  service: Service,
  lie: Lie | undefined,
): Response | Failure {
  const mixed = lie === 'mixed-version';
  const generation = request.params.get('generation');
  const object = mixed
    ? (service.buckets.get(request.bucket)?.find(request.key, 1) ?? null)
    : findVersion(service, request.bucket, request.key, generation);
  if (object === null) return absent(request.bucket, request.key);
  const { api } = request.route;
  const held = mixed ? null : checkConditions(conditionsOf(request), object, service.generationOffset, true);
  const own = generationOf(object, service.generationOffset);
  if (held === 'unchanged') return answer(304, versionHeaders(object, own, api));
  if (held !== null) return held;
  const headers = objectHeaders(object, own, api);
  const plain = isTranscoded(object, request) ? gunzipped(object) : null;
  if (plain !== null) {
    headers.push('Warning', '214 UploadServer gunzipped', 'Vary', 'Accept-Encoding');
    return { status: 200, headers, body: bytesSource(plain), chunked: true, code: null };
  }
  if (object.attributes.contentEncoding !== undefined) {
    headers.push('Content-Encoding', object.attributes.contentEncoding);
  }
  return ranged(request, object, headers, lie);
}

function ranged(
  request: Request,
  object: Stored,
  headers: string[],
  lie: Lie | undefined,
): Response | Failure {
  const asked = lie === 'ignore-range' ? null : parseRange(request.headers.get('range'), object.size);
  if (asked === 'unsatisfiable') {
    return fail('badRange', undefined, ['Content-Range', `bytes */${object.size}`]);
  }
  const range = bend(asked, object.size, lie);
  if (range === null)
    return answer(200, headers, object.size === 0 ? NO_BODY : objectSource(object, 0, object.size));
  const { start, length } = range;
  headers.push('Content-Range', `bytes ${start}-${start + length - 1}/${object.size}`);
  return answer(206, headers, objectSource(object, start, length));
}

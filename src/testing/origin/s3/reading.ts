/**
 * GetObject and HeadObject. Source: their pages in the Amazon S3 API reference.
 */
import { crc32 } from 'node:zlib';
import { modifiedMs, type Bucket, type Stored } from '../catalogue.js';
import { base64Of32 } from '../checksums.js';
import { failure, type Failure } from '../failure.js';
import { bend, parseRange } from '../ranges.js';
import type { Request } from '../request.js';
import { answer, objectSource, type Response } from '../response.js';
import type { Lie } from '../rules.js';
import type { S3Attributes } from './attributes.js';
import { brokenCondition, noSuchKey, preconditionFailed } from './conditions.js';
import { sumHeaders } from './attributes.js';
import { isAnonymous, OVERRIDES } from './operations.js';

const MAX_CACHED_CHECKSUMS = 10_000;
const PIECE_BYTES = 1_048_576;

export function readObject(request: Request, bucket: Bucket, lie: Lie | undefined): Response | Failure {
  const object = bucket.find(request.key, lie === 'mixed-version' ? 1 : 0);
  if (object === null) {
    return noSuchKey(request.key);
  }
  if ([...request.params.keys()].some((name) => OVERRIDES.has(name)) && isAnonymous(request)) {
    const message = 'Request specific response headers cannot be used for anonymous GET requests.';
    return failure(400, 'InvalidRequest', message);
  }
  const broken = brokenCondition(request.headers, object);
  if (broken === 'If-Match' && lie !== 'mixed-version') return preconditionFailed(broken);
  if (broken === 'If-None-Match') return answer(304, ['ETag', object.etag]);
  const asked = lie === 'ignore-range' ? null : parseRange(request.headers.get('range'), object.size);
  if (asked === 'unsatisfiable') return invalidRange(request, object.size);
  const range = bend(asked, object.size, lie);
  const headers = objectHeaders(request, object, range === null);
  if (range === null) return answer(200, headers, objectSource(object, 0, object.size));
  const { start, length } = range;
  headers.push('Content-Range', `bytes ${start}-${start + length - 1}/${object.size}`);
  return answer(206, headers, objectSource(object, start, length));
}

function objectHeaders(request: Request, object: Stored, whole: boolean): string[] {
  const attributes: S3Attributes = object.attributes;
  const modified = new Date(modifiedMs(object.generation)).toUTCString();
  const headers = ['Last-Modified', modified, 'ETag', object.etag, 'Accept-Ranges', 'bytes'];
  const own = new Map([['Content-Type', attributes.contentType ?? 'binary/octet-stream']]);
  for (const [parameter, name] of OVERRIDES) {
    const value = request.params.get(parameter);
    if (value !== undefined) own.set(name, value);
  }
  headers.push(...[...own].flat());
  for (const [name, value] of Object.entries(attributes.metadata ?? {})) headers.push(name, value);
  if (whole && request.headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED') {
    const sum = attributes.sum ?? { name: 'crc32', value: checksum(object) };
    headers.push(...sumHeaders(sum, attributes.sumType));
  }
  return headers;
}

/** CRC-32 of patterns, by object id and size. */
const checksums = new Map<string, string>();

function checksum(object: Stored): string {
  if (object.body !== null) return base64Of32(crc32(object.body));
  const name = `${object.objectId}/${object.size}`;
  const known = checksums.get(name);
  if (known !== undefined) return known;
  const source = objectSource(object, 0, object.size);
  const piece = new Uint8Array(Math.min(PIECE_BYTES, object.size));
  let crc = 0;
  for (let at = 0; at < object.size; at += piece.length) {
    const bytes = piece.subarray(0, object.size - at);
    source.fill(bytes, at);
    crc = crc32(bytes, crc);
  }
  const text = base64Of32(crc);
  if (checksums.size >= MAX_CACHED_CHECKSUMS) checksums.clear();
  checksums.set(name, text);
  return text;
}

function invalidRange(request: Request, size: number): Failure {
  const extra = { RangeRequested: request.headers.get('range') ?? '', ActualObjectSize: String(size) };
  const headers = ['Content-Range', `bytes */${size}`];
  return failure(416, 'InvalidRange', 'The requested range is not satisfiable', extra, headers);
}

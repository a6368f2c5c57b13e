/**
 * GetObject and HeadObject. Source: their pages in the Amazon S3 API reference.
 */
import { crc32 } from 'node:zlib';
import { patternCrc32 } from '../../pattern.js';
import { modifiedMs } from '../catalogue.js';
import { failure } from '../failure.js';
import { bend, parseRange } from '../ranges.js';
import { answer, objectSource } from '../response.js';
import { brokenCondition, noSuchKey, preconditionFailed } from './conditions.js';
import { sumHeaders } from './writing.js';
import type { Request } from '../request.js';
import type { Bucket } from '../catalogue.js';
import type { Found } from './writing.js';

const MAX_CACHED_CHECKSUMS = 10_000;

export function readObject(request: Request, bucket: Bucket, lie: string | undefined): Found {
  const object = bucket.find(request.key, lie === 'mixed-version' ? 1 : 0);
  if (object === null) {
    return noSuchKey(request.key);
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

function objectHeaders(request, object, whole) {
  const { attributes } = object;
  const modified = new Date(modifiedMs(object.generation)).toUTCString();
  const headers = ['Last-Modified', modified, 'ETag', object.etag, 'Accept-Ranges', 'bytes'];
  headers.push('Content-Type', attributes.contentType ?? 'binary/octet-stream');
  for (const [name, value] of Object.entries(attributes.metadata ?? {})) headers.push(name, String(value));
  if (whole && request.headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED') {
    const sum = attributes.sum ?? { name: 'crc32', value: checksum(object) };
    headers.push(...sumHeaders(sum, attributes.sumType));
  }
  return headers;
}

const checksums: Map<string, string> = new Map();

function checksum(object) {
  const name = `${object.objectId}/${object.size}`;
  let text = object.body === null ? checksums.get(name) : undefined;
  if (text === undefined) {
    const crc = object.body === null ? patternCrc32(object.objectId, object.size) : crc32(object.body);
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(crc);
    text = bytes.toString('base64');
    if (checksums.size >= MAX_CACHED_CHECKSUMS) checksums.clear();
    if (object.body === null) checksums.set(name, text);
  }
  return text;
}

function invalidRange(request, size) {
  const extra = { RangeRequested: request.headers.get('range'), ActualObjectSize: String(size) };
  const headers = ['Content-Range', `bytes */${size}`];
  return failure(416, 'InvalidRange', 'The requested range is not satisfiable', extra, headers);
}

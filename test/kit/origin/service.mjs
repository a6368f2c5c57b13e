/**
 * What S3 answers to a request, as a value: status, headers and a source of body bytes. No socket, no clock, no fault.
 *
 * A few lies need the service itself to misbehave (another range, another version); they come in as `lie`.
 */
import { crc32 } from 'node:zlib';
import { fillPattern, patternCrc32 } from '../pattern.mjs';
import { Bucket, modifiedMs } from './catalogue.mjs';
import { errorDocument, failure } from './failure.mjs';
import { listObjectsV2 } from './listing.mjs';
import { decodeAwsChunked } from './request.mjs';
import { authenticate } from './sigv4.mjs';

/**
 * @typedef {{length: number, fill(target: Uint8Array, position: number): void}} Source
 * Bytes on demand: `fill` writes those from `position` on into all of `target`.
 * @typedef {{status: number, headers: string[], body: Source, chunked: boolean, code: string | null}} Response
 * `headers` are names and values in turn, without the framing; `code` is that of an S3 error.
 * @typedef {{
 *   buckets: Map<string, Bucket>, credentials: Map<string, any>, region: string, publicBuckets: Set<string>,
 *   forbidden: RegExp[], clockOffsetMs: number,
 * }} ServiceState
 */

const MAX_CACHED_CHECKSUMS = 10_000;
/** @type {Source} */
export const NO_BODY = { length: 0, fill() {} };

/** @param {Uint8Array} bytes @returns {Source} */
export function bytesSource(bytes) {
  return {
    length: bytes.length,
    fill: (target, position) => target.set(bytes.subarray(position, position + target.length)),
  };
}

/** @param {import('./catalogue.mjs').Stored} object @param {number} start @param {number} length @returns {Source} */
export function objectSource(object, start, length) {
  if (object.body !== null) return bytesSource(object.body.subarray(start, start + length));
  return { length, fill: (target, position) => fillPattern(object.objectId, start + position, target) };
}

let requestsAnswered = 0;

/** @param {number} nowMs @returns {{requestId: string, hostId: string}} as S3 shapes them */
export function newIds(nowMs) {
  requestsAnswered += 1;
  const unique = Math.floor(nowMs / 1000) * 1_048_576 + (requestsAnswered % 1_048_576);
  const requestId = unique.toString(16).toUpperCase().padStart(16, '0').slice(-16);
  return { requestId, hostId: Buffer.from(`origin-${requestId}-host-identifier`).toString('base64') };
}

/** @param {import('./failure.mjs').Failure} failed @param {{requestId: string, hostId: string}} ids @param {boolean} withBody @returns {Response} */
export function failureResponse(failed, ids, withBody) {
  return {
    status: failed.status,
    headers: ['Content-Type', 'application/xml', ...(failed.headers ?? [])],
    body: withBody ? bytesSource(errorDocument(failed, ids.requestId, ids.hostId)) : NO_BODY,
    chunked: true,
    code: failed.code,
  };
}

const answer = (status, headers, body) => ({ status, headers, body, chunked: false, code: null });
const xml = (bytes) => ({
  status: 200,
  headers: ['Content-Type', 'application/xml'],
  body: bytesSource(bytes),
  chunked: true,
  code: null,
});

/**
 * @param {import('./request.mjs').Request} request
 * @param {ServiceState} state
 * @param {number} nowMs the service's clock
 * @param {string | undefined} lie
 * @returns {Response | import('./failure.mjs').Failure} a failure has a `message`
 */
export function serve(request, state, nowMs, lie) {
  const who = authenticate(request, state, nowMs);
  if ('status' in who) return who;
  if (request.bucket === '') return notImplemented();
  const bucket = state.buckets.get(request.bucket);
  if (who.accessKeyId === null && !state.publicBuckets.has(request.bucket)) return denied();
  if (request.key === '' && request.method === 'PUT') return createBucket(request, state);
  if (bucket === undefined) {
    return failure(404, 'NoSuchBucket', 'The specified bucket does not exist', {
      BucketName: request.bucket,
    });
  }
  if (request.key === '') return serveBucket(request, bucket, state);
  if (state.forbidden.some((pattern) => pattern.test(request.key))) return denied();
  if (request.method === 'PUT') return putObject(request, bucket);
  if (request.method === 'DELETE') {
    bucket.remove(request.key);
    return answer(204, [], NO_BODY);
  }
  return request.method === 'GET' || request.method === 'HEAD'
    ? readObject(request, bucket, lie)
    : notImplemented();
}

const denied = () => failure(403, 'AccessDenied', 'Access Denied');
const notImplemented = () =>
  failure(
    501,
    'NotImplemented',
    'A header or query you provided implies functionality that is not implemented.',
  );

function createBucket(request, state) {
  if (!state.buckets.has(request.bucket)) state.buckets.set(request.bucket, new Bucket(request.bucket));
  return answer(200, ['Location', `/${request.bucket}`], NO_BODY);
}

function serveBucket(request, bucket, state) {
  if (request.method === 'HEAD') return answer(200, ['x-amz-bucket-region', state.region], NO_BODY);
  if (request.method !== 'GET') return notImplemented();
  if (request.params.has('location')) {
    const region = state.region === 'us-east-1' ? '' : state.region;
    return xml(
      Buffer.from(
        `<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint>${region}</LocationConstraint>`,
      ),
    );
  }
  if (request.params.get('list-type') !== '2') return notImplemented();
  if (state.forbidden.some((pattern) => pattern.test(request.params.get('prefix') ?? ''))) return denied();
  const page = listObjectsV2(bucket, request.params);
  return 'status' in page ? page : xml(page);
}

function putObject(request, bucket) {
  const framed = (request.headers.get('x-amz-content-sha256') ?? '').startsWith('STREAMING-');
  const body = framed ? decodeAwsChunked(request.body) : request.body;
  if (body === null) return failure(400, 'IncompleteBody', 'The request body terminated unexpectedly');
  if ((request.headers.get('if-none-match') ?? '') === '*' && bucket.find(request.key) !== null) {
    return preconditionFailed('If-None-Match');
  }
  bucket.put(request.key, body);
  return answer(200, ['ETag', bucket.find(request.key)?.etag ?? ''], NO_BODY);
}

const preconditionFailed = (condition) =>
  failure(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
    Condition: condition,
  });

const matches = (/** @type {string} */ list, /** @type {string} */ etag) =>
  list.split(',').some((one) => one.trim() === '*' || one.trim().replaceAll('"', '') === etag.slice(1, -1));

function readObject(request, bucket, lie) {
  const object = bucket.find(request.key, lie === 'mixed-version' ? 1 : 0);
  if (object === null) {
    return failure(404, 'NoSuchKey', 'The specified key does not exist.', { Key: request.key });
  }
  const ifMatch = request.headers.get('if-match');
  if (ifMatch !== undefined && lie !== 'mixed-version' && !matches(ifMatch, object.etag)) {
    return preconditionFailed('If-Match');
  }
  const ifNoneMatch = request.headers.get('if-none-match');
  if (ifNoneMatch !== undefined && matches(ifNoneMatch, object.etag)) {
    return answer(304, ['ETag', object.etag], NO_BODY);
  }
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
  const modified = new Date(modifiedMs(object.generation)).toUTCString();
  const headers = ['Last-Modified', modified, 'ETag', object.etag, 'Accept-Ranges', 'bytes'];
  headers.push('Content-Type', 'binary/octet-stream');
  if (whole && request.headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED') {
    headers.push('x-amz-checksum-crc32', checksum(object), 'x-amz-checksum-type', 'FULL_OBJECT');
  }
  return headers;
}

/** @type {Map<string, string>} */
const checksums = new Map();

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

/** One range of RFC 9110; what is not understood is ignored, as the RFC says. */
function parseRange(text, size) {
  const m = /^bytes=(\d*)-(\d*)$/.exec(text ?? '');
  if (m === null || (m[1] === '' && m[2] === '')) return null;
  if (m[1] === '') {
    const length = Math.min(Number(m[2]), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, length };
  }
  const start = Number(m[1]);
  const end = m[2] === '' ? size - 1 : Math.min(Number(m[2]), size - 1);
  if (m[2] !== '' && Number(m[2]) < start) return null;
  return start >= size ? 'unsatisfiable' : { start, length: end - start + 1 };
}

function invalidRange(request, size) {
  const extra = { RangeRequested: request.headers.get('range'), ActualObjectSize: String(size) };
  const headers = ['Content-Range', `bytes */${size}`];
  return failure(416, 'InvalidRange', 'The requested range is not satisfiable', extra, headers);
}

/** Another range than asked, in answer to a ranged or unranged request, for the lies that need one. */
function bend(range, size, lie) {
  const asked = range ?? { start: 0, length: size };
  if (lie === 'short-range') return { start: asked.start, length: Math.max(1, asked.length >>> 1) };
  if (lie !== 'wrong-range') return range;
  if (asked.start > 0) return { start: asked.start - 1, length: asked.length };
  if (asked.length < size) return { start: 1, length: asked.length };
  return { start: 1, length: asked.length - 1 };
}

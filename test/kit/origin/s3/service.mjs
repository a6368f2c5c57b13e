/**
 * What S3 answers to a request, as a value. No socket, no clock, no fault.
 *
 * A few lies need the service itself to misbehave (another range, another version); they come in as `lie`.
 */
import { crc32 } from 'node:zlib';
import { patternCrc32 } from '../../pattern.mjs';
import { Bucket, modifiedMs } from '../catalogue.mjs';
import { failure } from '../failure.mjs';
import { bend, parseRange } from '../ranges.mjs';
import { answer, objectSource, xmlAnswer } from '../response.mjs';
import { listObjectsV2 } from './listing.mjs';
import { decodeAwsChunked } from './payload.mjs';
import { authenticate } from './sigv4.mjs';

/**
 * @typedef {import('../dialect.mjs').Common & {credentials: Map<string, any>, region: string}} ServiceState
 */

const MAX_CACHED_CHECKSUMS = 10_000;

/**
 * @param {import('../request.mjs').Request} request
 * @param {ServiceState} state
 * @param {number} nowMs the service's clock
 * @param {string | undefined} lie
 * @returns {import('../response.mjs').Response | import('../failure.mjs').Failure} a failure has a `message`
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
    return answer(204, []);
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
  return answer(200, ['Location', `/${request.bucket}`]);
}

function serveBucket(request, bucket, state) {
  if (request.method === 'HEAD') return answer(200, ['x-amz-bucket-region', state.region]);
  if (request.method !== 'GET') return notImplemented();
  if (request.params.has('location')) {
    const region = state.region === 'us-east-1' ? '' : state.region;
    return xmlAnswer(
      Buffer.from(
        `<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint>${region}</LocationConstraint>`,
      ),
    );
  }
  if (request.params.get('list-type') !== '2') return notImplemented();
  if (state.forbidden.some((pattern) => pattern.test(request.params.get('prefix') ?? ''))) return denied();
  const page = listObjectsV2(bucket, request.params);
  return 'status' in page ? page : xmlAnswer(page);
}

function putObject(request, bucket) {
  const framed = (request.headers.get('x-amz-content-sha256') ?? '').startsWith('STREAMING-');
  const body = framed ? decodeAwsChunked(request.body) : request.body;
  if (body === null) return failure(400, 'IncompleteBody', 'The request body terminated unexpectedly');
  if ((request.headers.get('if-none-match') ?? '') === '*' && bucket.find(request.key) !== null) {
    return preconditionFailed('If-None-Match');
  }
  bucket.put(request.key, body);
  return answer(200, ['ETag', bucket.find(request.key)?.etag ?? '']);
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
    return answer(304, ['ETag', object.etag]);
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

function invalidRange(request, size) {
  const extra = { RangeRequested: request.headers.get('range'), ActualObjectSize: String(size) };
  const headers = ['Content-Range', `bytes */${size}`];
  return failure(416, 'InvalidRange', 'The requested range is not satisfiable', extra, headers);
}

/**
 * The JSON API, from a request that may be served to its answer.
 *
 * Source: the JSON API reference of Cloud Storage. What of it tests do not need, metadata updates and access control
 * above all, answers 501.
 */
import { Bucket } from '../catalogue.mjs';
import { answer } from '../response.mjs';
import { checkConditions, conditionsOf } from './conditions.mjs';
import { fail } from './failures.mjs';
import { listJson } from './listing.mjs';
import { readMedia } from './media.mjs';
import { jsonAnswer, objectResource } from './resource.mjs';
import { serveSession, startSession } from './resumable.mjs';
import { composeObject, copyObject, rewriteObject } from './rewrite.mjs';
import { absent, findVersion, removeObject } from './store.mjs';
import { parseMetadata, uploadOnce } from './uploads.mjs';

/**
 * @typedef {import('../request.mjs').Request} Request
 * @typedef {import('./store.mjs').Service} Service
 */

/** @param {Request} request @param {Service} service @param {string} base */
function readMetadata(request, service, base) {
  const { bucket, key, params } = request;
  const object = findVersion(service, bucket, key, params.get('generation'));
  if (object === null) return absent(bucket, key);
  const held = checkConditions(conditionsOf(request), object, service.generationOffset, true);
  if (held === 'unchanged') return answer(304, []);
  return held ?? jsonAnswer(request, objectResource(service, base, bucket, object));
}

function serveObject(request, service, base, bent) {
  const { method, bucket, key, params, route } = request;
  if (method === 'GET')
    return route.media ? readMedia(request, service, bent.lie) : readMetadata(request, service, base);
  if (method !== 'DELETE') return fail('notImplemented');
  return (
    removeObject(service, bucket, key, params.get('generation'), conditionsOf(request)) ?? answer(204, [])
  );
}

const bucketResource = (/** @type {string} */ base, /** @type {string} */ name) => ({
  kind: 'storage#bucket',
  id: name,
  selfLink: `${base}/storage/v1/b/${name}`,
  name,
  location: 'US',
  storageClass: 'STANDARD',
});

function createBucket(request, service, base) {
  const name = parseMetadata(request.body)?.name;
  if (typeof name !== 'string') return fail('required', 'Required parameter: name');
  if (service.buckets.has(name)) return fail('conflict');
  service.buckets.set(name, new Bucket(name));
  return jsonAnswer(request, bucketResource(base, name));
}

function serveUpload(request, service, base) {
  const type = request.params.get('uploadType');
  if (request.method !== 'POST') return fail('notImplemented');
  if (type === 'resumable') return startSession(request, service, base);
  if (type === 'media' || type === 'multipart') return uploadOnce(request, service, base);
  return fail('invalid', `Invalid uploadType: ${type ?? ''}`);
}

/**
 * @param {Request} request @param {Service} service @param {string} base of URLs @param {{lie?: string, by?: number}} bent
 * @returns {import('../response.mjs').Response | import('../failure.mjs').Failure}
 */
export function serveJson(request, service, base, bent) {
  const { route, method } = request;
  if (route.what === 'unknown') return fail('notFound', 'Not Found');
  if (route.what === 'buckets')
    return method === 'POST' ? createBucket(request, service, base) : fail('notImplemented');
  const bucket = service.buckets.get(request.bucket);
  if (bucket === undefined) return fail('noBucket');
  if (route.what === 'bucket') {
    return method === 'GET'
      ? jsonAnswer(request, bucketResource(base, request.bucket))
      : fail('notImplemented');
  }
  if (route.what === 'objects') {
    return method === 'GET' ? listJson(request, service, bucket, base, bent.lie) : fail('notImplemented');
  }
  if (route.what === 'object') return serveObject(request, service, base, bent);
  if (route.what === 'upload') return serveUpload(request, service, base);
  if (route.what === 'session') return serveSession(request, service, base, bent);
  if (method !== 'POST') return fail('notFound', 'Not Found');
  if (route.what === 'copyTo') return copyObject(request, service, base);
  if (route.what === 'rewriteTo') return rewriteObject(request, service, base, bent);
  return composeObject(request, service, base);
}

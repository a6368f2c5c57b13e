/**
 * The JSON API, from a request that may be served to its answer.
 *
 * Source: the JSON API reference of Cloud Storage. What of it tests do not need, metadata updates and access control
 * above all, answers 501.
 */
import { Bucket } from '../catalogue.js';
import type { Bent } from '../dialect.js';
import type { Failure } from '../failure.js';
import type { Request } from '../request.js';
import { type Response, answer } from '../response.js';
import { checkConditions, conditionsOf } from './conditions.js';
import { fail } from './failures.js';
import { listJson } from './listing.js';
import { readMedia } from './media.js';
import { jsonAnswer, objectResource } from './resource.js';
import { serveSession, startSession } from './resumable.js';
import { composeObject, copyObject, rewriteObject } from './rewrite.js';
import type { RoutedRequest } from './route.js';
import { type Service, absent, findVersion, removeObject } from './store.js';
import { parseMetadata, uploadOnce } from './uploads.js';

function readMetadata(request: RoutedRequest, service: Service, base: string): Response | Failure {
  const { bucket, key, params } = request;
  const object = findVersion(service, bucket, key, params.get('generation'));
  if (object === null) return absent(bucket, key);
  const held = checkConditions(conditionsOf(request), object, service.generationOffset, true);
  if (held === 'unchanged') return answer(304, []);
  return held ?? jsonAnswer(request, objectResource(service, base, bucket, object));
}

function serveObject(request: RoutedRequest, service: Service, base: string, bent: Bent): Response | Failure {
  const { method, bucket, key, params, route } = request;
  if (method === 'GET')
    return route.media === true
      ? readMedia(request, service, bent.lie)
      : readMetadata(request, service, base);
  if (method !== 'DELETE') return fail('notImplemented');
  return (
    removeObject(service, bucket, key, params.get('generation'), conditionsOf(request)) ?? answer(204, [])
  );
}

const bucketResource = (base: string, name: string) => ({
  kind: 'storage#bucket',
  id: name,
  selfLink: `${base}/storage/v1/b/${name}`,
  name,
  location: 'US',
  storageClass: 'STANDARD',
});

function createBucket(request: Request, service: Service, base: string): Response | Failure {
  const name = parseMetadata(request.body)?.name;
  if (typeof name !== 'string') return fail('required', 'Required parameter: name');
  if (service.buckets.has(name)) return fail('conflict');
  service.buckets.set(name, new Bucket(name));
  return jsonAnswer(request, bucketResource(base, name));
}

function serveUpload(request: RoutedRequest, service: Service, base: string): Response | Failure {
  const type = request.params.get('uploadType');
  if (request.method !== 'POST') return fail('notImplemented');
  if (type === 'resumable') return startSession(request, service, base);
  if (type === 'media' || type === 'multipart') return uploadOnce(request, service, base);
  return fail('invalid', `Invalid uploadType: ${type ?? ''}`);
}

/** @param base of URLs */
export function serveJson(
  request: RoutedRequest,
  service: Service,
  base: string,
  bent: Bent,
): Response | Failure {
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
  const { source } = route;
  if (source === undefined) return composeObject(request, service, base);
  return route.what === 'copyTo'
    ? copyObject(request, source, service, base)
    : rewriteObject(request, source, service, base, bent);
}

/**
 * The XML API, from a request that may be served to its answer.
 *
 * Source: the XML API reference of Cloud Storage.
 */
import { Bucket } from '../catalogue.js';
import type { Bent } from '../dialect.js';
import { type Failure, isFailure } from '../failure.js';
import { type Response, answer } from '../response.js';
import type { Lie } from '../rules.js';
import { unframed } from '../s3/payload.js';
import { conditionsOf, statedSums } from './conditions.js';
import { fail } from './failures.js';
import { listXml } from './listing.js';
import { readMedia, versionHeaders } from './media.js';
import { type GcsAttributes, generationOf } from './objects.js';
import { isServed, type RoutedRequest } from './route.js';
import { type Service, putObject, removeObject } from './store.js';
import { listUploads, serveUpload } from './xml-uploads.js';

const HEADERS = [
  ['content-type', 'contentType'],
  ['content-encoding', 'contentEncoding'],
  ['cache-control', 'cacheControl'],
  ['content-disposition', 'contentDisposition'],
  ['content-language', 'contentLanguage'],
] as const;
const METADATA = 'x-goog-meta-';

/** What is stored beside the bytes. */
function attributesIn(headers: ReadonlyMap<string, string>): GcsAttributes {
  const attributes: GcsAttributes = {};
  for (const [name, field] of HEADERS) {
    const value = headers.get(name);
    // The framing of a signed stream is no encoding of the object.
    if (value !== undefined && value !== 'aws-chunked') attributes[field] = value;
  }
  const metadata = [...headers].filter(([name]) => name.startsWith(METADATA));
  if (metadata.length === 0) return attributes;
  const entries = metadata.map(([name, value]): [string, string] => [name.slice(METADATA.length), value]);
  return { ...attributes, metadata: Object.fromEntries(entries) };
}

function serveBucket(request: RoutedRequest, service: Service, lie: Lie | undefined): Response | Failure {
  const { method, params, bucket: name } = request;
  if (method === 'PUT') {
    if (service.buckets.has(name)) return fail('conflict');
    service.buckets.set(name, new Bucket(name));
    return answer(200, []);
  }
  const bucket = service.buckets.get(name);
  if (bucket === undefined) return fail('noBucket');
  if (method === 'HEAD') return answer(200, []);
  if (method !== 'GET') return fail('notImplemented');
  if (params.has('uploads')) return listUploads(request, service);
  return params.get('list-type') === '2' ? listXml(request, service, bucket, lie) : fail('notImplemented');
}

function putWhole(request: RoutedRequest, service: Service): Response | Failure {
  const { bucket, key, headers } = request;
  if (headers.has('x-goog-copy-source') || headers.has('x-amz-copy-source')) return fail('notImplemented');
  const body = unframed(request)?.bytes;
  if (body === undefined) return fail('brokenFraming');
  const written = putObject(service, {
    bucket,
    key,
    body,
    attributes: attributesIn(headers),
    conditions: conditionsOf(request),
    stated: statedSums(headers),
  });
  if (isFailure(written)) return written;
  return answer(200, versionHeaders(written, generationOf(written, service.generationOffset), 'xml'));
}

export function serveXml(request: RoutedRequest, service: Service, { lie }: Bent): Response | Failure {
  const { route, method, params, bucket, key } = request;
  if (route.what === 'service' || !isServed(request)) return fail('notImplemented');
  if (route.what === 'bucket') return serveBucket(request, service, lie);
  if (!service.buckets.has(bucket)) return fail('noBucket');
  if (params.has('uploads') || params.has('uploadId')) {
    return serveUpload(request, service, attributesIn(request.headers));
  }
  if (method === 'GET' || method === 'HEAD') return readMedia(request, service, lie);
  if (method === 'PUT') return putWhole(request, service);
  if (method !== 'DELETE') return fail('notImplemented');
  return (
    removeObject(service, bucket, key, params.get('generation'), conditionsOf(request)) ?? answer(204, [])
  );
}

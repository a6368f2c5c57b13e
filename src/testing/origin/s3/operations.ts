/**
 * What a request to S3 is for, by its method and its query.
 *
 * What it keeps true: a query that asks for more than is served makes it a request that is not served. A sub-resource
 * (`?tagging`, `?acl`) is never taken for the object or the bucket that it belongs to, and a version or a part of an object
 * never for the whole present one.
 */
import type { Operation } from '../records.js';
import type { Request } from '../request.js';

/** Those that the log has no name for are of buckets. */
export type Action = Operation | 'create-bucket' | 'head-bucket' | 'bucket-location';

/** Headers of an answer by the query parameters that put others in their place. Source: "GetObject". */
export const OVERRIDES: ReadonlyMap<string, string> = new Map([
  ['response-content-type', 'Content-Type'],
  ['response-content-language', 'Content-Language'],
  ['response-expires', 'Expires'],
  ['response-cache-control', 'Cache-Control'],
  ['response-content-disposition', 'Content-Disposition'],
  ['response-content-encoding', 'Content-Encoding'],
]);

/** What listings and uploads may have in their query; the XML API of Cloud Storage has them from S3. */
export const SHARED_QUERIES = {
  list: [
    'list-type',
    'prefix',
    'delimiter',
    'max-keys',
    'continuation-token',
    'start-after',
    'encoding-type',
  ],
  'create-upload': ['uploads'],
  'put-part': ['uploadId', 'partNumber'],
  'complete-upload': ['uploadId'],
  'abort-upload': ['uploadId'],
  'list-parts': ['uploadId', 'max-parts', 'part-number-marker'],
  'list-uploads': ['uploads', 'prefix', 'key-marker', 'upload-id-marker', 'max-uploads', 'encoding-type'],
} as const;

/** What each may have in its query; those that are not here may have nothing. */
const QUERIES: Partial<Record<Action, readonly string[]>> = {
  ...SHARED_QUERIES,
  get: [...OVERRIDES.keys()],
  head: [...OVERRIDES.keys()],
  'delete-many': ['delete'],
  'bucket-location': ['location'],
};

/** Of presigned URLs, of SDKs (`x-id`), and what the service itself lets pass for the sake of access logs. */
const OF_ANY = /^x-/i;

const OF_UPLOADS: ReadonlyMap<string, Operation> = new Map([
  ['PUT', 'put-part'],
  ['POST', 'complete-upload'],
  ['DELETE', 'abort-upload'],
  ['GET', 'list-parts'],
]);
const OF_OBJECTS: ReadonlyMap<string, Operation> = new Map([
  ['GET', 'get'],
  ['HEAD', 'head'],
  ['DELETE', 'delete'],
]);
const OF_BUCKETS: ReadonlyMap<string, Action> = new Map([
  ['PUT', 'create-bucket'],
  ['HEAD', 'head-bucket'],
]);

function namedAction({ method, params, headers, key }: Request): Action {
  if (key === '') {
    if (method === 'POST' && params.has('delete')) return 'delete-many';
    if (method !== 'GET') return OF_BUCKETS.get(method) ?? 'other';
    if (params.has('list-type')) return 'list';
    if (params.has('uploads')) return 'list-uploads';
    return params.has('location') ? 'bucket-location' : 'other';
  }
  if (params.has('uploads')) return method === 'POST' ? 'create-upload' : 'other';
  if (params.has('uploadId')) return OF_UPLOADS.get(method) ?? 'other';
  if (method === 'PUT') return headers.has('x-amz-copy-source') ? 'copy' : 'put';
  return OF_OBJECTS.get(method) ?? 'other';
}

/** Whether a query asks for nothing but what is served, and what may stand in any: a sub-resource is refused by that. */
export function hasOnlyQueries(
  { params }: Request,
  served: readonly string[] | undefined,
  ofAny: RegExp,
): boolean {
  return [...params.keys()].every((name) => served?.includes(name) === true || ofAny.test(name));
}

export function actionOf(request: Request): Action {
  const action = namedAction(request);
  return hasOnlyQueries(request, QUERIES[action], OF_ANY) ? action : 'other';
}

export function operationOf(request: Request): Operation {
  const action = actionOf(request);
  return action === 'create-bucket' || action === 'head-bucket' || action === 'bucket-location'
    ? 'other'
    : action;
}

export const isAnonymous = ({ headers, params }: Request): boolean =>
  !headers.has('authorization') && !params.has('X-Amz-Signature');

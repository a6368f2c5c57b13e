/**
 * What S3 answers to a request, as a value. No socket, no clock, no fault.
 *
 * A few lies need the service itself to misbehave (another range, another version); they come in as `lie`.
 */
import { Bucket } from '../catalogue.js';
import type { Common } from '../dialect.js';
import { failure, isFailure, type Failure } from '../failure.js';
import type { OriginCredentials } from '../options.js';
import type { Operation } from '../records.js';
import type { Request } from '../request.js';
import { answer, xmlAnswer, type Response } from '../response.js';
import type { Lie } from '../rules.js';
import { listObjectsV2 } from './listing.js';
import {
  abortUpload,
  completeUpload,
  createUpload,
  listParts,
  listUploads,
  putPart,
  type Upload,
} from './multipart.js';
import { readObject } from './reading.js';
import { authenticate } from './sigv4.js';
import { copyObject, deleteObject, deleteObjects, putObject } from './writing.js';

/** What the service keeps, beside the catalogue. */
export interface ServiceState extends Common {
  /** By access key. */
  credentials: Map<string, OriginCredentials>;
  region: string;
  minPartBytes: number;
  uploadsBegun: number;
  /** Those in progress, by id. */
  readonly uploads: Map<string, Upload>;
}

type Found = Response | Failure;
type Write = (request: Request, bucket: Bucket, state: ServiceState, nowMs: number) => Found;

const WRITES: Partial<Record<Operation, Write>> = {
  put: putObject,
  copy: copyObject,
  delete: deleteObject,
  'delete-many': deleteObjects,
  'create-upload': createUpload,
  'put-part': putPart,
  'complete-upload': completeUpload,
  'abort-upload': abortUpload,
  'list-uploads': listUploads,
  'list-parts': listParts,
};

export function operationOf({ method, params, headers, key }: Request): Operation {
  if (key === '') {
    if (method === 'POST' && params.has('delete')) return 'delete-many';
    if (method !== 'GET') return 'other';
    return params.has('list-type') ? 'list' : params.has('uploads') ? 'list-uploads' : 'other';
  }
  if (params.has('uploads')) return method === 'POST' ? 'create-upload' : 'other';
  if (params.has('uploadId')) return OF_UPLOADS.get(method) ?? 'other';
  if (method === 'PUT') return headers.has('x-amz-copy-source') ? 'copy' : 'put';
  return OF_OBJECTS.get(method) ?? 'other';
}

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

/** @param nowMs the service's clock */
export function serve(request: Request, state: ServiceState, nowMs: number, lie: Lie | undefined): Found {
  const who = authenticate(request, state, nowMs);
  if (isFailure(who)) return who;
  if (request.bucket === '') return notImplemented();
  const bucket = state.buckets.get(request.bucket);
  if (who.accessKeyId === null && !state.publicBuckets.has(request.bucket)) return denied();
  if (request.key === '' && request.method === 'PUT') return createBucket(request, state);
  if (bucket === undefined) {
    return failure(404, 'NoSuchBucket', 'The specified bucket does not exist', {
      BucketName: request.bucket,
    });
  }
  const operation = operationOf(request);
  const write = WRITES[operation];
  if (request.key === '' && write === undefined) return serveBucket(request, bucket, state, lie);
  if (request.key !== '' && state.forbidden.some((pattern) => pattern.test(request.key))) return denied();
  if (write !== undefined) return write(request, bucket, state, nowMs);
  return operation === 'get' || operation === 'head' ? readObject(request, bucket, lie) : notImplemented();
}

const denied = (): Failure => failure(403, 'AccessDenied', 'Access Denied');
const notImplemented = (): Failure =>
  failure(
    501,
    'NotImplemented',
    'A header or query you provided implies functionality that is not implemented.',
  );

function createBucket(request: Request, state: ServiceState): Found {
  if (!state.buckets.has(request.bucket)) state.buckets.set(request.bucket, new Bucket(request.bucket));
  return answer(200, ['Location', `/${request.bucket}`]);
}

function serveBucket(request: Request, bucket: Bucket, state: ServiceState, lie: Lie | undefined): Found {
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
  const page = listObjectsV2(bucket, request.params, lie);
  return isFailure(page) ? page : xmlAnswer(page);
}

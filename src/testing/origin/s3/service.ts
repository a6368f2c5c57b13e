/**
 * What S3 answers to a request, as a value. No socket, no clock, no fault.
 *
 * A few lies need the service itself to misbehave (another range, another version); they come in as `lie`.
 */
import { Bucket } from '../catalogue.js';
import type { Common } from '../dialect.js';
import { failure, isFailure, type Failure } from '../failure.js';
import type { OriginCredentials } from '../options.js';
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
import { actionOf, type Action } from './operations.js';
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

const WRITES: Partial<Record<Action, Write>> = {
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

/** @param nowMs the service's clock */
export function serve(request: Request, state: ServiceState, nowMs: number, lie: Lie | undefined): Found {
  const who = authenticate(request, state, nowMs);
  if (isFailure(who)) return who;
  if (request.bucket === '') return notImplemented();
  const bucket = state.buckets.get(request.bucket);
  if (who.accessKeyId === null && !state.publicBuckets.has(request.bucket)) return denied();
  const action = actionOf(request);
  if (action === 'create-bucket') return createBucket(request, state);
  if (bucket === undefined) {
    return failure(404, 'NoSuchBucket', 'The specified bucket does not exist', {
      BucketName: request.bucket,
    });
  }
  if (action === 'other') return notImplemented();
  const name = action === 'list' ? (request.params.get('prefix') ?? '') : request.key;
  if ((name !== '' || action === 'list') && state.forbidden.some((pattern) => pattern.test(name)))
    return denied();
  const write = WRITES[action];
  if (write !== undefined) return write(request, bucket, state, nowMs);
  if (action === 'get' || action === 'head') return readObject(request, bucket, lie);
  if (action === 'head-bucket') return answer(200, ['x-amz-bucket-region', state.region]);
  return action === 'list' ? list(request, bucket, lie) : location(state);
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

function location({ region }: ServiceState): Found {
  const named = region === 'us-east-1' ? '' : region;
  return xmlAnswer(
    Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint>${named}</LocationConstraint>`),
  );
}

function list({ params }: Request, bucket: Bucket, lie: Lie | undefined): Found {
  if (params.get('list-type') !== '2') return notImplemented();
  const page = listObjectsV2(bucket, params, lie);
  return isFailure(page) ? page : xmlAnswer(page);
}

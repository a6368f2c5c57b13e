/**
 * PutObject, CopyObject, DeleteObject and DeleteObjects. Source: their pages in the Amazon S3 API reference.
 */
import { createHash } from 'node:crypto';
import { modifiedMs, type Bucket, type Stored } from '../catalogue.js';
import { escapeXml, unescapeXml } from '../encoding.js';
import { failure, isFailure, type Failure } from '../failure.js';
import type { Request } from '../request.js';
import { answer, objectBytes, xmlAnswer, type Response } from '../response.js';
import { attributesOf, sumHeaders, type S3Attributes } from './attributes.js';
import { brokenCondition, noSuchKey, preconditionFailed, refusalOfWrite } from './conditions.js';
import { payloadOf } from './payload.js';
import type { ServiceState as State } from './service.js';

type Found = Response | Failure;

const MAX_DELETED_KEYS = 1000;
export const XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n';
export const XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';

export const md5Hex = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

export function putObject(request: Request, bucket: Bucket): Found {
  const payload = payloadOf(request);
  if (isFailure(payload)) return payload;
  const refused = refusalOfWrite(request, bucket.find(request.key));
  if (refused !== null) return refused;
  const { bytes, sum } = payload;
  const etag = `"${md5Hex(bytes)}"`;
  const attributes: S3Attributes = { ...attributesOf(request.headers), etag, sum };
  bucket.put(request.key, bytes, attributes);
  return answer(200, ['ETag', etag, ...sumHeaders(sum)]);
}

/** `bucket/key` of a copy's source, '' where it cannot be decoded. */
function copyName(headers: ReadonlyMap<string, string>): string {
  const named = headers.get('x-amz-copy-source') ?? '';
  try {
    return decodeURIComponent(named.split('?', 1)[0]!).replace(/^\//, '');
  } catch {
    return '';
  }
}

/** The object that `x-amz-copy-source` names, if its conditions hold. */
export function findCopySource({ headers }: Request, state: State): Stored | Failure {
  const decoded = copyName(headers);
  const slash = decoded.indexOf('/');
  if (slash <= 0) {
    return failure(
      400,
      'InvalidArgument',
      'Copy Source must mention the source bucket and key: sourcebucket/sourcekey',
      {
        ArgumentName: 'x-amz-copy-source',
        ArgumentValue: headers.get('x-amz-copy-source') ?? '',
      },
    );
  }
  // A version of it, which is not served: the present one must not be copied in its place.
  if (headers.get('x-amz-copy-source')?.includes('?') === true) {
    return failure(
      501,
      'NotImplemented',
      'A header you provided implies functionality that is not implemented',
      { Header: 'x-amz-copy-source' },
    );
  }
  const bucket = state.buckets.get(decoded.slice(0, slash));
  const key = decoded.slice(slash + 1);
  if (bucket === undefined) {
    return failure(404, 'NoSuchBucket', 'The specified bucket does not exist', {
      BucketName: decoded.slice(0, slash),
    });
  }
  if (state.forbidden.some((pattern) => pattern.test(key)))
    return failure(403, 'AccessDenied', 'Access Denied');
  const object = bucket.find(key);
  if (object === null) return noSuchKey(key);
  const broken = brokenCondition(headers, object, 'x-amz-copy-source-');
  return broken === null ? object : preconditionFailed(`x-amz-copy-source-${broken}`);
}

export function copyObject(request: Request, bucket: Bucket, state: State): Found {
  const source = findCopySource(request, state);
  if (isFailure(source)) return source;
  const replace = request.headers.get('x-amz-metadata-directive') === 'REPLACE';
  if (!replace && copyName(request.headers) === `${request.bucket}/${request.key}`) {
    const message =
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.";
    return failure(400, 'InvalidRequest', message);
  }
  const refused = refusalOfWrite(request, bucket.find(request.key));
  if (refused !== null) return refused;
  const bytes = objectBytes(source);
  const kept: S3Attributes = source.attributes;
  const etag = `"${md5Hex(bytes)}"`;
  const { contentType, metadata } = replace ? attributesOf(request.headers) : kept;
  const attributes: S3Attributes = { contentType, metadata, etag, sum: kept.sum ?? null };
  bucket.put(request.key, bytes, attributes);
  return copyResult('CopyObjectResult', etag, bucket.find(request.key)?.generation ?? 0);
}

/** @param more elements behind the ETag */
export function copyResult(name: string, etag: string, generation: number, more = ''): Response {
  const modified = new Date(modifiedMs(generation)).toISOString();
  const body = `<LastModified>${modified}</LastModified><ETag>${escapeXml(etag)}</ETag>${more}`;
  return xmlAnswer(Buffer.from(`${XML_HEAD}<${name} ${XMLNS}>${body}</${name}>`));
}

export function deleteObject(request: Request, bucket: Bucket): Found {
  const object = bucket.find(request.key);
  const ifMatch = request.headers.has('if-match');
  if (object === null) return ifMatch ? noSuchKey(request.key) : answer(204, []);
  const broken = ifMatch ? brokenCondition(request.headers, object) : null;
  if (broken !== null) return preconditionFailed(broken);
  bucket.remove(request.key);
  return answer(204, []);
}

export function deleteObjects(request: Request, bucket: Bucket, state: State): Found {
  const payload = payloadOf(request);
  if (isFailure(payload)) return payload;
  if (payload.sum === null && !request.headers.has('content-md5')) {
    return failure(400, 'InvalidRequest', 'Missing required header for this request: Content-MD5');
  }
  const text = payload.bytes.toString('utf8');
  const keys = [...text.matchAll(/<Object>[^]*?<Key>([^<]*)<\/Key>[^]*?<\/Object>/g)].map(([, key]) =>
    unescapeXml(key!),
  );
  if (keys.length === 0 || keys.length > MAX_DELETED_KEYS) return malformedXml();
  const quiet = /<Quiet>\s*true\s*<\/Quiet>/.test(text);
  const rows = keys.map((key) => {
    const name = `<Key>${escapeXml(key)}</Key>`;
    if (state.forbidden.some((pattern) => pattern.test(key))) {
      return `<Error>${name}<Code>AccessDenied</Code><Message>Access Denied</Message></Error>`;
    }
    bucket.remove(key);
    return quiet ? '' : `<Deleted>${name}</Deleted>`;
  });
  return xmlAnswer(Buffer.from(`${XML_HEAD}<DeleteResult ${XMLNS}>${rows.join('')}</DeleteResult>`));
}

export const malformedXml = (): Failure =>
  failure(
    400,
    'MalformedXML',
    'The XML you provided was not well-formed or did not validate against our published schema',
  );

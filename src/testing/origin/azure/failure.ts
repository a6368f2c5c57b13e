/**
 * How Azure Storage spells an error: status, code and message of those that the dialect answers with, and the document.
 *
 * Source: "Status and error codes" and "Blob Storage error codes" of Microsoft's REST reference.
 */
import type { Exchange } from '../dialect.js';
import { escapeXml } from '../encoding.js';
import { failure, type Failure } from '../failure.js';
import { NO_BODY, bytesSource, type Response } from '../response.js';

const KNOWN = {
  AuthenticationFailed: [
    403,
    'Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.',
  ],
  AuthorizationFailure: [403, 'This request is not authorized to perform this operation.'],
  AuthorizationPermissionMismatch: [
    403,
    'This request is not authorized to perform this operation using this permission.',
  ],
  AuthorizationProtocolMismatch: [
    403,
    'This request is not authorized to perform this operation using this protocol.',
  ],
  AuthorizationResourceTypeMismatch: [
    403,
    'This request is not authorized to perform this operation using this resource type.',
  ],
  AuthorizationServiceMismatch: [
    403,
    'This request is not authorized to perform this operation using this service.',
  ],
  BlobAlreadyExists: [409, 'The specified blob already exists.'],
  BlobNotFound: [404, 'The specified blob does not exist.'],
  BlockListTooLong: [400, 'The block list may not contain more than 50,000 blocks.'],
  CannotVerifyCopySource: [404, 'The specified resource does not exist.'],
  ConditionNotMet: [412, 'The condition specified using HTTP conditional header(s) is not met.'],
  ContainerAlreadyExists: [409, 'The specified container already exists.'],
  ContainerNotFound: [404, 'The specified container does not exist.'],
  Crc64Mismatch: [
    400,
    'The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.',
  ],
  InvalidAuthenticationInfo: [
    401,
    'Server failed to authenticate the request. Please refer to the information in the www-authenticate header.',
  ],
  InvalidBlobOrBlock: [400, 'The specified blob or block content is invalid.'],
  InvalidBlockList: [400, 'The specified block list is invalid.'],
  InvalidHeaderValue: [400, 'The value for one of the HTTP headers is not in the correct format.'],
  InvalidInput: [400, 'One of the request inputs is not valid.'],
  InvalidMd5: [
    400,
    'The MD5 value specified in the request is invalid. MD5 value must be 128 bits and base64-encoded.',
  ],
  InvalidQueryParameterValue: [
    400,
    'Value for one of the query parameters specified in the request URI is invalid.',
  ],
  InvalidRange: [416, 'The range specified is invalid for the current size of the resource.'],
  InvalidUri: [400, 'The requested URI does not represent any resource on the server.'],
  InvalidXmlDocument: [400, 'XML specified is not syntactically valid.'],
  Md5Mismatch: [
    400,
    'The MD5 value specified in the request did not match with the MD5 value calculated by the server.',
  ],
  MissingContentLengthHeader: [411, 'Content-Length HTTP header was not specified.'],
  MissingRequiredHeader: [400, 'An HTTP header that is mandatory for this request is not specified.'],
  NoAuthenticationInformation: [
    401,
    'Server failed to authenticate the request. Please refer to the information in the www-authenticate header.',
  ],
  OutOfRangeInput: [400, 'One of the request inputs is out of range.'],
  OutOfRangeQueryParameterValue: [
    400,
    'One of the query parameters specified in the request URI is outside the permissible range.',
  ],
  PublicAccessNotPermitted: [409, 'Public access is not permitted on this storage account.'],
  ResourceNotFound: [404, 'The specified resource does not exist.'],
  SourceConditionNotMet: [412, 'The source condition specified using HTTP conditional header(s) is not met.'],
  SnapshotsPresent: [409, 'This operation is not permitted because the blob has snapshots.'],
  UnsupportedHttpVerb: [405, "The resource doesn't support specified Http Verb."],
} satisfies Record<string, readonly [status: number, message: string]>;

export function azureFailure(
  code: keyof typeof KNOWN,
  extra?: Readonly<Record<string, string>>,
  headers?: readonly string[],
): Failure {
  const [status, message] = KNOWN[code];
  return failure(status, code, message, extra, headers);
}

/** A header or a query parameter that the service would not take. */
export const invalidHeader = (name: string, value: string): Failure =>
  azureFailure('InvalidHeaderValue', { HeaderName: name, HeaderValue: value });
export const invalidQuery = (name: string, value: string): Failure =>
  azureFailure('InvalidQueryParameterValue', { QueryParameterName: name, QueryParameterValue: value });

/** The message goes on with request id and time, as the service has it. */
function errorDocument(failed: Failure, requestId: string, nowMs: number): Buffer {
  const message = `${failed.message}\nRequestId:${requestId}\nTime:${new Date(nowMs).toISOString()}`;
  const extra = Object.entries(failed.extra)
    .map(([name, text]) => `<${name}>${escapeXml(text)}</${name}>`)
    .join('');
  const body = `<Code>${failed.code}</Code><Message>${escapeXml(message)}</Message>${extra}`;
  return Buffer.from(`\uFEFF<?xml version="1.0" encoding="utf-8"?><Error>${body}</Error>`);
}

export function failureResponse(
  failed: Failure,
  { requestId, nowMs }: Exchange,
  withBody: boolean,
): Response {
  const headers = ['x-ms-error-code', failed.code, ...failed.headers];
  const isUnchanged = failed.status === 304;
  const none = isUnchanged || !withBody;
  return {
    status: failed.status,
    headers: none ? headers : ['Content-Type', 'application/xml', ...headers],
    body: none ? NO_BODY : bytesSource(errorDocument(failed, requestId, nowMs)),
    // The service names this coding in answers to HEAD, where nothing comes in it.
    chunked: none && !isUnchanged,
    code: failed.code,
  };
}

/** Of statuses that a script names without one. */
export const CODES = new Map([
  [400, 'InvalidInput'],
  [401, 'InvalidAuthenticationInfo'],
  [403, 'AuthenticationFailed'],
  [404, 'BlobNotFound'],
  [409, 'BlobAlreadyExists'],
  [412, 'ConditionNotMet'],
  [416, 'InvalidRange'],
  [429, 'TooManyRequests'],
  [500, 'InternalError'],
  [503, 'ServerBusy'],
  [504, 'OperationTimedOut'],
]);

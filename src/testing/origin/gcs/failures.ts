/**
 * What can go wrong, once for both APIs: the reason that the JSON API gives and the code that the XML API gives, and
 * how each of them spells an error.
 *
 * A download by the JSON API is answered by the media server, which tells an error in one line of text and not in JSON.
 *
 * Sources: "HTTP status and error codes for JSON" and "... for XML" of the Cloud Storage reference.
 */
import { escapeXml } from '../encoding.js';
import { type Failure, failure } from '../failure.js';
import { NO_BODY, type Response, bytesSource } from '../response.js';

interface Kind {
  readonly status: number;
  readonly reason: string;
  readonly code: string;
  readonly message: string;
}

const kind = (status: number, reason: string, code: string, message: string): Kind => ({
  status,
  reason,
  code,
  message,
});

const KINDS = {
  invalid: kind(400, 'invalid', 'InvalidArgument', 'Invalid argument.'),
  brokenFraming: kind(400, 'invalid', 'IncompleteBody', 'The framing of the body is broken, or not whole.'),
  required: kind(400, 'required', 'InvalidArgument', 'Required parameter is missing.'),
  badDigest: kind(400, 'invalid', 'BadDigest', 'The hash provided did not match what we received.'),
  userProjectMissing: kind(
    400,
    'required',
    'UserProjectMissing',
    'Bucket is a requester pays bucket but no user project provided.',
  ),
  badToken: kind(401, 'authError', 'AuthenticationRequired', 'Invalid Credentials'),
  anonymous: kind(401, 'required', 'AccessDenied', 'Access denied.'),
  forbidden: kind(403, 'forbidden', 'AccessDenied', 'Access denied.'),
  notFound: kind(404, 'notFound', 'NoSuchKey', 'The specified key does not exist.'),
  noBucket: kind(404, 'notFound', 'NoSuchBucket', 'The specified bucket does not exist.'),
  noUpload: kind(404, 'notFound', 'NoSuchUpload', 'The requested upload was not found.'),
  invalidPart: kind(
    400,
    'invalid',
    'InvalidPart',
    'One or more of the specified parts could not be found, or their ETag did not match.',
  ),
  partOrder: kind(400, 'invalid', 'InvalidPartOrder', 'The list of parts was not in ascending order.'),
  partTooSmall: kind(
    400,
    'invalid',
    'EntityTooSmall',
    'Your proposed upload is smaller than the minimum object size.',
  ),
  malformedXml: kind(
    400,
    'invalid',
    'MalformedCompleteMultipartUploadRequest',
    'The XML you provided was not well-formed.',
  ),
  conflict: kind(
    409,
    'conflict',
    'BucketAlreadyOwnedByYou',
    'Your previous request to create the bucket succeeded.',
  ),
  conditionNotMet: kind(
    412,
    'conditionNotMet',
    'PreconditionFailed',
    'At least one of the pre-conditions you specified did not hold.',
  ),
  badRange: kind(416, 'requestedRangeNotSatisfiable', 'InvalidRange', 'Request range not satisfiable'),
  tooMany: kind(429, 'rateLimitExceeded', 'SlowDown', 'The rate of requests is too high.'),
  cancelled: kind(499, 'clientClosedRequest', 'ClientClosedRequest', 'The upload was cancelled.'),
  internal: kind(500, 'backendError', 'InternalError', 'We encountered an internal error. Please try again.'),
  notImplemented: kind(501, 'notImplemented', 'NotImplemented', 'This operation is not implemented here.'),
  badGateway: kind(502, 'backendError', 'BadGateway', 'Bad gateway.'),
  unavailable: kind(503, 'backendError', 'ServiceUnavailable', 'Service Unavailable. Please try again.'),
  gatewayTimeout: kind(504, 'backendError', 'GatewayTimeout', 'Gateway timeout.'),
};

type KindName = keyof typeof KINDS;

const KINDS_BY_NAME = new Map<string, Kind>(Object.entries(KINDS));

/** The kind that stands for all those with its status. */
const KIND_OF_STATUS = new Map<number, KindName>([
  [400, 'invalid'],
  [401, 'badToken'],
  [403, 'forbidden'],
  [404, 'notFound'],
  [503, 'unavailable'],
]);

/** What a status means that a script names without more. */
export function kindOfStatus(status: number): string | undefined {
  return KIND_OF_STATUS.get(status) ?? Object.entries(KINDS).find(([, one]) => one.status === status)?.[0];
}

/**
 * A failure with the name of its kind as its code.
 * @param message what to say in particular
 */
export function fail(name: KindName, message?: string, headers?: string[]): Failure {
  const { status, message: general } = KINDS[name];
  return failure(status, name, message ?? general, undefined, headers);
}

function jsonDocument(failed: Failure, reason: string): Buffer {
  const one = { message: failed.message, domain: 'global', reason };
  if (failed.status === 401) Object.assign(one, { locationType: 'header', location: 'Authorization' });
  if (failed.status === 412) Object.assign(one, { locationType: 'header', location: 'If-Match' });
  const document = { error: { code: failed.status, message: failed.message, errors: [one] } };
  return Buffer.from(JSON.stringify(document, null, 2));
}

function xmlDocument(failed: Failure, code: string): Buffer {
  const general = KINDS_BY_NAME.get(failed.code)?.message ?? failed.message;
  const details = general === failed.message ? '' : `<Details>${escapeXml(failed.message)}</Details>`;
  return Buffer.from(
    `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${escapeXml(code)}</Code>` +
      `<Message>${escapeXml(general)}</Message>${details}</Error>`,
  );
}

/** Which document tells an error, or a line of text. */
export type FailureForm = 'json' | 'media' | 'xml' | 'text';

/** @param failed its code is the name of a kind, or one that a script made up */
export function failureResponse(failed: Failure, form: FailureForm, withBody: boolean): Response {
  const known = KINDS_BY_NAME.get(failed.code);
  const code = (form === 'xml' ? known?.code : known?.reason) ?? failed.code;
  const [type, document]: [string, Buffer] =
    form === 'xml'
      ? ['application/xml; charset=UTF-8', xmlDocument(failed, code)]
      : form === 'json'
        ? ['application/json; charset=UTF-8', jsonDocument(failed, code)]
        : [`text/${form === 'media' ? 'html' : 'plain'}; charset=UTF-8`, Buffer.from(failed.message)];
  return {
    status: form === 'xml' && failed.code === 'anonymous' ? 403 : failed.status,
    headers: ['Content-Type', type, ...(failed.headers ?? [])],
    body: withBody ? bytesSource(document) : NO_BODY,
    chunked: false,
    code,
  };
}

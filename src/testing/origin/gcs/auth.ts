/**
 * Who sent a request, and whether they may: bearer tokens in both APIs, HMAC signatures in the XML API, and nobody, who
 * may read public buckets and nothing else.
 *
 * Sources: "Cloud Storage authentication", "Signatures" and "Requester Pays" of the Cloud Storage documentation.
 */
import { type Failure, failure, isFailure } from '../failure.js';
import type { Operation } from '../records.js';
import type { Request } from '../request.js';
import { AWS4, GOOG4, type Scheme, authenticate } from '../s3/sigv4.js';
import { fail } from './failures.js';
import { type RoutedRequest, operationOf } from './route.js';
import type { Service } from './store.js';

const REALM = 'Bearer realm="https://accounts.google.com/"';
const READS: ReadonlySet<Operation> = new Set(['get', 'head', 'list']);
const PERMISSIONS: Partial<Record<Operation, string>> = {
  list: 'storage.objects.list',
  delete: 'storage.objects.delete',
  get: 'storage.objects.get',
  head: 'storage.objects.get',
};

/** What Google calls what S3 calls otherwise. */
const CODES = new Map([
  ['InvalidAccessKeyId', 'InvalidSecurity'],
  ['AuthorizationHeaderMalformed', 'InvalidArgument'],
  ['AuthorizationQueryParametersError', 'InvalidArgument'],
  ['InvalidRequest', 'InvalidArgument'],
  ['XAmzContentSHA256Mismatch', 'ContentSHA256Mismatch'],
]);

const isSigned = ({ headers, params }: Request, scheme: Scheme): boolean =>
  headers.get('authorization')?.startsWith(`${scheme.algorithm} `) === true ||
  params.has(`${scheme.query}Signature`);

export const isAnonymous = (request: Request): boolean =>
  !request.headers.has('authorization') && !isSigned(request, AWS4) && !isSigned(request, GOOG4);

function denied(request: RoutedRequest, who: string): string {
  const access = PERMISSIONS[operationOf(request)] ?? 'storage.objects.create';
  return (
    `${who} does not have ${access} access to the Google Cloud Storage object. ` +
    `Permission '${access}' denied on resource (or it may not exist).`
  );
}

function checkSigned(request: Request, service: Service, nowMs: number, scheme: Scheme): Failure | null {
  const who = authenticate(request, { credentials: service.credentials }, nowMs, scheme);
  if (!isFailure(who)) return null;
  const { status, code, message, extra } = who;
  return failure(status, CODES.get(code) ?? code, message, extra);
}

/** Null when they may. */
export function authorize(request: RoutedRequest, service: Service, nowMs: number): Failure | null {
  const { route, headers } = request;
  const authorization = headers.get('authorization');
  const bearer = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1];
  if (bearer !== undefined) {
    if (service.tokens.isGood(bearer, nowMs)) return forbiddenKey(request, service);
    return fail('badToken', undefined, ['WWW-Authenticate', `${REALM}, error="invalid_token"`]);
  }
  if (route.api === 'xml') {
    const scheme = [AWS4, GOOG4].find((one) => isSigned(request, one));
    if (scheme !== undefined)
      return checkSigned(request, service, nowMs, scheme) ?? forbiddenKey(request, service);
  }
  if (authorization !== undefined) {
    return fail('badToken', undefined, ['WWW-Authenticate', `${REALM}, error="invalid_token"`]);
  }
  if (route.what === 'session') return null;
  if (service.publicBuckets.has(request.bucket) && READS.has(operationOf(request))) {
    return forbiddenKey(request, service);
  }
  const asks = route.api === 'json' ? ['WWW-Authenticate', REALM] : [];
  return fail('anonymous', denied(request, 'Anonymous caller'), asks);
}

function forbiddenKey(request: RoutedRequest, service: Service): Failure | null {
  const name = request.key === '' ? (request.params.get('prefix') ?? '') : request.key;
  return service.forbidden.some((pattern) => pattern.test(name))
    ? fail('forbidden', denied(request, 'default@origin.iam.gserviceaccount.com'))
    : null;
}

/** A bucket whose readers pay is for who names a project to be billed. */
export function checkPayer({ bucket, headers, params }: Request, service: Service): Failure | null {
  if (!service.requesterPays.has(bucket)) return null;
  return (params.get('userProject') ?? headers.get('x-goog-user-project') ?? '') === ''
    ? fail('userProjectMissing')
    : null;
}

/**
 * What an answer of Cloud Storage that is not a success means: one row per reason of the JSON API or code of the XML API, then
 * one per status.
 *
 * Invariants:
 * 1. The service's own word decides before the status; downloads of the JSON API and answers to HEAD have none, and are
 *    judged by their status.
 * 2. What may be tried again is what "Retry strategy" names: 408, 429, 5xx, and limits of rates under any status.
 * 3. Every verdict names what was refused and what to do; none repeats a header, a token or a signature.
 *
 * Sources: "HTTP status and error codes for JSON", "... for XML" and "Retry strategy" in the Cloud Storage documentation.
 */
import { ErrorCode, type ErrorContext } from '../../protocol/errors.js';
import type { Exchange } from '../../protocol/http.js';
import { Outcome } from '../../protocol/store.js';
import { refusalContext, type Verdict, verdictOf, type Ruling } from '../http/answers.js';
import { isRepeatable } from '../http/secrets.js';
import type { GcsAuth } from './config.js';
import type { ServiceError } from './error-body.js';

/** What is known about the request that was refused. */
export interface Asked {
  /** `gs://bucket/key`, or the prefix of a listing. */
  readonly uri: string;
  readonly bucket: string;
  readonly auth: GcsAuth;
  /** Generation that was asked for, or null. */
  readonly version: string | null;
  readonly context: ErrorContext;
}

type Rule = (asked: Asked, service: ServiceError, status: number) => Ruling;

const refuse = (code: ErrorCode, message: string): Ruling => ({ outcome: Outcome.Refused, code, message });

function said({ auth }: Asked, { message }: ServiceError): string {
  const secrets =
    auth.kind === 'bearer' ? [auth.token] : auth.kind === 'hmac' ? [auth.accessId, auth.secret] : [];
  return isRepeatable(message, secrets) ? ` (${message})` : '';
}

const denied: Rule = (asked, service) =>
  refuse(
    ErrorCode.AccessDenied,
    asked.auth.kind === 'none'
      ? `${asked.uri}: access denied to an anonymous request; leave out \`anonymous\` to ask with credentials${said(asked, service)}`
      : `${asked.uri}: access denied; the credentials are valid but may not do this (storage.objects.get, .list, .create or ` +
          `.delete of the bucket's IAM policy decide)${said(asked, service)}`,
  );

const staleToken: Rule = (asked, service, status) =>
  asked.auth.kind === 'none'
    ? denied(asked, service, status)
    : {
        outcome: asked.auth.kind === 'bearer' ? Outcome.StaleCredentials : Outcome.Refused,
        code: ErrorCode.Unauthenticated,
        message: `${asked.uri}: the service does not accept the credentials; renew them (gcloud auth application-default login)`,
      };

const needsPayer: Rule = (asked) =>
  refuse(
    ErrorCode.AccessDenied,
    `${asked.uri}: the requester pays for bucket "${asked.bucket}"; set the gs option userProject to the project to bill`,
  );

const payerDenied: Rule = (asked) =>
  refuse(
    ErrorCode.AccessDenied,
    `${asked.uri}: the credentials may not bill the project of the gs option userProject (serviceusage.services.use)`,
  );

const noBucket: Rule = (asked) =>
  refuse(ErrorCode.NotFound, `${asked.uri}: there is no bucket "${asked.bucket}"`);

const versionChanged: Rule = (asked) => ({
  outcome: Outcome.VersionChanged,
  code: ErrorCode.VersionChanged,
  message:
    asked.version === null
      ? `${asked.uri}: the object was replaced meanwhile`
      : `${asked.uri}: there is no generation ${asked.version} of the object any more: it was replaced or deleted`,
});

const noObject: Rule = (asked, service, status) => {
  if (/bucket does not exist/i.test(service.message ?? '')) return noBucket(asked, service, status);
  if (asked.version !== null) return versionChanged(asked, service, status);
  // An answer to HEAD has no body to say which.
  const bare = service.message === null ? ` (or no bucket "${asked.bucket}")` : '';
  return refuse(ErrorCode.NotFound, `${asked.uri}: there is no such object${bare}`);
};

const throttled: Rule = (asked) => ({
  outcome: Outcome.Throttled,
  code: ErrorCode.Throttled,
  message: `${asked.uri}: the service asks to slow down`,
});

const failing: Rule = (asked, service, status) => ({
  outcome: Outcome.Transient,
  code: ErrorCode.ServiceUnavailable,
  message: `${asked.uri}: the service failed with ${status}${service.code === null ? '' : ` ${service.code}`}`,
});

const notImplemented: Rule = (asked) =>
  refuse(ErrorCode.Unsupported, `${asked.uri}: the service does not implement this request`);

const corrupted: Rule = (asked) => ({
  outcome: Outcome.Transient,
  code: ErrorCode.ChecksumMismatch,
  message: `${asked.uri}: the service received other bytes than were sent`,
});

const badArgument: Rule = (asked, service, status) => {
  if (/requester pays/i.test(service.message ?? '')) return needsPayer(asked, service, status);
  if (/match calculated/i.test(service.message ?? '')) return corrupted(asked, service, status);
  const code = service.code === null ? '' : ` ${service.code}`;
  return refuse(
    ErrorCode.InvalidArgument,
    `${asked.uri}: the service refused the request with ${status}${code}${said(asked, service)}`,
  );
};

const unauthenticated =
  (what: string): Rule =>
  (asked) =>
    refuse(ErrorCode.Unauthenticated, `${asked.uri}: ${what}`);

const unknownKey = unauthenticated('the access id of the HMAC key is not known to the service');

const BY_CODE: ReadonlyMap<string, Rule> = new Map<string, Rule>(
  Object.entries<Rule>({
    NoSuchBucket: noBucket,
    NoSuchKey: noObject,
    UserProjectMissing: needsPayer,
    userProjectMissing: needsPayer,
    UserProjectAccessDenied: payerDenied,
    userProjectAccessDenied: payerDenied,
    SignatureDoesNotMatch: unauthenticated(
      'the signature does not match: the secret of the HMAC key is wrong (or a proxy changed the request)',
    ),
    InvalidSecurity: unknownKey,
    InvalidAccessKeyId: unknownKey,
    ExpiredToken: staleToken,
    rateLimitExceeded: throttled,
    userRateLimitExceeded: throttled,
    SlowDown: throttled,
    TooManyRequests: throttled,
    BadDigest: corrupted,
    NotImplemented: notImplemented,
  }),
);

function byStatus(status: number): Rule {
  if (status === 400) return badArgument;
  if (status === 401) return staleToken;
  if (status === 403) return denied;
  if (status === 404) return noObject;
  if (status === 412) return versionChanged;
  if (status === 429 || status === 503) return throttled;
  if (status === 501) return notImplemented;
  if (status >= 500 || status === 408) return failing;
  if (status >= 400) return badArgument;
  return (asked) =>
    refuse(ErrorCode.ProtocolViolation, `${asked.uri}: unexpected status ${status} from the service`);
}

/** Judges an answer whose status is no success, and which is neither a skewed clock nor a 416. */
export function classify(asked: Asked, exchange: Exchange, service: ServiceError, nowMs: number): Verdict {
  const { status } = exchange;
  const rule = (service.code === null ? undefined : BY_CODE.get(service.code)) ?? byStatus(status);
  const context = answerContext(asked.context, exchange, service);
  return verdictOf(rule(asked, service, status), exchange, context, nowMs);
}

export function answerContext(
  context: ErrorContext,
  exchange: Exchange,
  service?: ServiceError,
): ErrorContext {
  const requestId = exchange.header('x-guploader-uploadid') ?? null;
  return refusalContext(context, exchange, requestId, service?.code ?? null);
}

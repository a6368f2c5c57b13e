/**
 * What an answer of S3 that is not a success means: one row per service code, then one per status.
 *
 * Invariants:
 * 1. The service's own code decides before the status; a HEAD answer has no body and so no code, and is classified
 *    by its status (and the region header) alone, which its message says.
 * 2. Every verdict names what was refused and what to do; none repeats a header, a signature or a credential.
 */
import { ErrorCode, type ErrorContext } from '../../protocol/errors.js';
import type { Exchange } from '../../protocol/http.js';
import { Outcome } from '../../protocol/store.js';
import type { S3Credentials } from './config.js';
import { regionName, type ServiceError } from './error-body.js';
import { isRepeatable } from '../http/secrets.js';
import { refusalContext, type Verdict, verdictOf, type Ruling } from '../http/answers.js';

/** What is known about the request that was refused. */
export interface Asked {
  /** `s3://bucket/key`, or the prefix of a listing. */
  readonly uri: string;
  readonly bucket: string;
  /** Region of the credential scope that was used. */
  readonly region: string;
  readonly head: boolean;
  /** What it was signed with, or null: for what its answer may mean, and what it must not repeat. */
  readonly credentials: S3Credentials | null;
  /** Whether the source of the credentials may give others. */
  readonly renewable: boolean;
  /** Whether the snapshot's credentials are past their own expiry. */
  readonly expired: boolean;
  readonly context: ErrorContext;
}

type Rule = (asked: Asked, service: ServiceError, exchange: Exchange) => Ruling;

const refuse = (code: ErrorCode, message: string): Ruling => ({ outcome: Outcome.Refused, code, message });

const accessDenied: Rule = (asked) =>
  refuse(
    ErrorCode.AccessDenied,
    asked.credentials === null
      ? `${asked.uri}: access denied to an anonymous request; leave out \`anonymous\` to sign with credentials`
      : `${asked.uri}: access denied; the credentials are valid but may not do this (s3:GetObject, s3:ListBucket, ` +
          `kms:Decrypt and the bucket policy decide)`,
  );

const expiredToken: Rule = (asked) => ({
  outcome: Outcome.StaleCredentials,
  code: ErrorCode.Unauthenticated,
  message: `${asked.uri}: the credentials have expired; renew them (for SSO: aws sso login)`,
});

const wrongRegion: Rule = (asked, service, exchange) => {
  const right = regionName(exchange.header('x-amz-bucket-region')) ?? service.region;
  return refuse(
    ErrorCode.WrongRegion,
    `Bucket "${asked.bucket}" is not in region "${asked.region}", which was used, but in ` +
      (right === null ? 'another one that the service did not name' : `"${right}"`) +
      `; set the s3 option region${right === null ? '' : ` to "${right}"`} (or AWS_REGION)`,
  );
};

/** While the name of a new bucket is not yet known everywhere, S3 sends its requests on; the same request works later. */
const tooNew: Rule = (asked, service, exchange) => {
  const right = regionName(exchange.header('x-amz-bucket-region')) ?? service.region;
  if (right !== null && right !== asked.region) return wrongRegion(asked, service, exchange);
  return {
    outcome: Outcome.Transient,
    code: ErrorCode.ServiceUnavailable,
    message:
      `${asked.uri}: the service sends requests for bucket "${asked.bucket}" elsewhere for now, as it does for hours after ` +
      `a bucket was made; redirects are not followed: try later, or set the s3 option endpoint to that of its region`,
  };
};

const noSuchKey: Rule = (asked) => refuse(ErrorCode.NotFound, `${asked.uri}: there is no such object`);
const noSuchBucket: Rule = (asked) =>
  refuse(ErrorCode.NotFound, `${asked.uri}: there is no bucket "${asked.bucket}" at this endpoint`);

const throttled: Rule = (asked) => ({
  outcome: Outcome.Throttled,
  code: ErrorCode.Throttled,
  message: `${asked.uri}: the service asks to slow down`,
});

const failing: Rule = (asked, service, exchange) => ({
  outcome: Outcome.Transient,
  code: ErrorCode.ServiceUnavailable,
  message: `${asked.uri}: the service failed with ${exchange.status}${service.code === null ? '' : ` ${service.code}`}`,
});

const badArgument: Rule = (asked, service, exchange) => {
  const code = service.code === null ? '' : ` ${service.code}`;
  const said = isRepeatable(service.message, secretsOf(asked)) ? `: ${service.message}` : '';
  return refuse(
    ErrorCode.InvalidArgument,
    `${asked.uri}: the service refused the request with ${exchange.status}${code}${said}`,
  );
};

function secretsOf({ credentials }: Asked): readonly (string | undefined)[] {
  return [credentials?.accessKeyId, credentials?.secretAccessKey, credentials?.sessionToken];
}

const versionChanged: Rule = (asked) => ({
  outcome: Outcome.VersionChanged,
  code: ErrorCode.VersionChanged,
  message: `${asked.uri}: the object was replaced while it was read`,
});

const notImplemented: Rule = (asked) =>
  refuse(ErrorCode.Unsupported, `${asked.uri}: the service does not implement this request`);

const unauthenticated =
  (what: string): Rule =>
  (asked) =>
    refuse(ErrorCode.Unauthenticated, `${asked.uri}: ${what}`);

/** What may have been rotated since it was asked for, before any end that it told. */
const unknownKey =
  (what: string): Rule =>
  ({ uri, renewable }) => ({
    outcome: renewable ? Outcome.StaleCredentials : Outcome.Refused,
    code: ErrorCode.Unauthenticated,
    message: `${uri}: ${what}`,
  });

/** The header is malformed either because it names another region or because the access key id cannot be one. */
const malformedHeader: Rule = (asked, service, exchange) => {
  const right = regionName(exchange.header('x-amz-bucket-region')) ?? service.region;
  return right !== null && right !== asked.region
    ? wrongRegion(asked, service, exchange)
    : refuse(ErrorCode.Unauthenticated, `${asked.uri}: the access key id is malformed`);
};

const BY_CODE: ReadonlyMap<string, Rule> = new Map<string, Rule>(
  Object.entries<Rule>({
    NoSuchKey: noSuchKey,
    NoSuchVersion: noSuchKey,
    NoSuchBucket: noSuchBucket,
    AccessDenied: accessDenied,
    AllAccessDisabled: accessDenied,
    AccountProblem: accessDenied,
    SignatureDoesNotMatch: unauthenticated(
      'the signature does not match: the secret access key is wrong for its access key id (or a proxy changed the request)',
    ),
    InvalidAccessKeyId: unknownKey('the access key id is not known to the service'),
    InvalidToken: unknownKey('the session token is malformed or does not belong to the access key id'),
    InvalidSecurity: unauthenticated('the credentials are not valid'),
    ExpiredToken: expiredToken,
    ExpiredTokenException: expiredToken,
    TokenRefreshRequired: expiredToken,
    PermanentRedirect: wrongRegion,
    TemporaryRedirect: tooNew,
    AuthorizationHeaderMalformed: malformedHeader,
    IllegalLocationConstraintException: wrongRegion,
    IllegalLocationConstraint: wrongRegion,
    PreconditionFailed: versionChanged,
    SlowDown: throttled,
    Throttling: throttled,
    ThrottlingException: throttled,
    TooManyRequests: throttled,
    RequestLimitExceeded: throttled,
    BandwidthLimitExceeded: throttled,
    ServiceUnavailable: throttled,
    InternalError: failing,
    RequestTimeout: failing,
    OperationAborted: failing,
    InvalidObjectState: (asked) =>
      refuse(
        ErrorCode.Unsupported,
        `${asked.uri}: the object is in an archive storage class; restore it (RestoreObject) before reading it`,
      ),
    NotImplemented: notImplemented,
  }),
);

/** Without a service code: what the status alone tells. */
function byStatus(asked: Asked, service: ServiceError, exchange: Exchange): Ruling {
  const { status } = exchange;
  const bare = asked.head ? ' (an answer to HEAD has no body to say more)' : '';
  if (status === 404) {
    if (!asked.head) return noSuchKey(asked, service, exchange);
    return refuse(ErrorCode.NotFound, `${asked.uri}: there is no such object or bucket${bare}`);
  }
  if (status === 401) return unknownKey('the credentials were not accepted')(asked, service, exchange);
  if (status === 403) {
    if (asked.expired) return expiredToken(asked, service, exchange);
    const denied = accessDenied(asked, service, exchange);
    if (!asked.head) return denied;
    return refuse(
      denied.code,
      `${denied.message}${bare}: a wrong secret key and a missing object without s3:ListBucket look the same`,
    );
  }
  if (status === 307) return tooNew(asked, service, exchange);
  if (status === 412) return versionChanged(asked, service, exchange);
  if (status === 429 || status === 503) return throttled(asked, service, exchange);
  if (status === 501) return notImplemented(asked, service, exchange);
  if (status >= 500 || status === 408) return failing(asked, service, exchange);
  if (status >= 400) {
    // S3 answers HEAD with a bare 400 when a session token has expired.
    if (asked.head && status === 400 && asked.credentials?.sessionToken !== undefined)
      return expiredToken(asked, service, exchange);
    return badArgument(asked, service, exchange);
  }
  return refuse(ErrorCode.ProtocolViolation, `${asked.uri}: unexpected status ${status} from the service`);
}

/** Judges an answer whose status is neither 200 nor 206, and which is neither a skewed clock nor a 416. */
export function classify(asked: Asked, exchange: Exchange, service: ServiceError, nowMs: number): Verdict {
  const rule = service.code === null ? undefined : BY_CODE.get(service.code);
  const ruling =
    rule !== undefined
      ? rule(asked, service, exchange)
      : redirects(asked, exchange)
        ? wrongRegion(asked, service, exchange)
        : byStatus(asked, service, exchange);
  return verdictOf(ruling, exchange, answerContext(asked.context, exchange, service), nowMs);
}

/** A redirect, or a bare refusal that carries the name of another region than the one used. */
function redirects(asked: Asked, exchange: Exchange): boolean {
  const { status } = exchange;
  if (status === 301 || status === 308) return true;
  const region = regionName(exchange.header('x-amz-bucket-region'));
  return status === 400 && region !== null && region !== asked.region;
}

export function answerContext(
  context: ErrorContext,
  exchange: Exchange,
  service?: ServiceError,
): ErrorContext {
  const requestId = exchange.header('x-amz-request-id') ?? service?.requestId ?? null;
  return refusalContext(context, exchange, requestId, service?.code ?? null);
}

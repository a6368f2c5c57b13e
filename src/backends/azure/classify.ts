/**
 * What an answer of the Blob service that is not a success means: one row per service code, then one per status.
 *
 * Invariants:
 * 1. The service's own code decides before the status.
 * 2. Every verdict names what was refused and what to do; none repeats a header, a signature or a credential.
 *
 * Source of the codes: "Common REST API error codes" and "Blob service error codes" in the Azure Storage REST reference.
 */
import { ErrorCode, type ErrorContext } from '../../protocol/errors.js';
import type { Exchange } from '../../protocol/http.js';
import { Outcome } from '../../protocol/store.js';
import { refusalContext, type Verdict, verdictOf, type Ruling } from '../http/answers.js';
import { isRepeatable } from '../http/secrets.js';
import type { AzureAuth } from './config.js';
import type { ServiceError } from './error-body.js';

/** What is known about the request that was refused. */
export interface Asked {
  /** `az://account/container/key`, or the prefix of a listing. */
  readonly uri: string;
  readonly account: string;
  readonly container: string;
  /** For what its answer may mean, and what it must not repeat. */
  readonly auth: AzureAuth;
  /** Whether the snapshot's credentials are past their own expiry. */
  readonly expired: boolean;
  readonly verb: 'read' | 'write' | 'copy' | 'list';
  /** Whether it was to be done only where there is no blob yet. */
  readonly creates: boolean;
  readonly context: ErrorContext;
}

type Rule = (asked: Asked, service: ServiceError, exchange: Exchange) => Ruling;

const refuse = (code: ErrorCode, message: string): Ruling => ({ outcome: Outcome.Refused, code, message });

const refused =
  (code: ErrorCode, what: string): Rule =>
  ({ uri }) =>
    refuse(code, `${uri}: ${what}`);

const noSuchBlob = refused(ErrorCode.NotFound, 'there is no such blob');
const noSuchContainer: Rule = ({ uri, container, account }) =>
  refuse(ErrorCode.NotFound, `${uri}: there is no container "${container}" in account "${account}"`);

const denied: Rule = ({ uri, auth }, service) => {
  const code = service.code === null ? '' : ` (${service.code})`;
  if (auth.kind === 'anonymous') {
    return refuse(
      ErrorCode.AccessDenied,
      `${uri}: access denied to an anonymous request${code}; leave out \`anonymous\` to use credentials`,
    );
  }
  const why =
    auth.kind === 'token'
      ? 'the identity needs a role such as Storage Blob Data Reader or Contributor on the account or container'
      : auth.kind === 'sas'
        ? 'the shared access signature does not grant this: look at its permissions (sp), resource (sr, srt) and addresses (sip)'
        : 'the account refuses the key: look at its network rules, and whether it allows Shared Key';
  return refuse(ErrorCode.AccessDenied, `${uri}: access denied${code}; ${why}`);
};

/** Expired, wrong, or made for another request: the service has one code for all of it. */
const notAuthenticated: Rule = ({ uri, auth, expired, account }) => {
  if (auth.kind === 'key') {
    return refuse(
      ErrorCode.Unauthenticated,
      `${uri}: the signature does not match: the key is not one of account "${account}" (or a proxy changed the request)`,
    );
  }
  if (auth.kind === 'anonymous') {
    return refuse(
      ErrorCode.Unauthenticated,
      `${uri}: the service wants credentials; leave out \`anonymous\``,
    );
  }
  const what =
    auth.kind === 'sas'
      ? expired
        ? 'the shared access signature has expired; give a new one as the az option sasToken'
        : 'the shared access signature is not accepted: it is for another account or resource, not valid yet, or was changed'
      : 'the access token is not accepted: it has expired or is for another tenant or audience; renew it (az login)';
  // A signature that was given once and is wrong stays wrong. Others may have been replaced meanwhile: the end of a signature may
  // stand in a stored policy, and its key may have been rotated before it.
  const isRenewable = auth.kind === 'token' || (auth.kind === 'sas' && auth.renewable);
  const outcome = expired || isRenewable ? Outcome.StaleCredentials : Outcome.Refused;
  return { outcome, code: ErrorCode.Unauthenticated, message: `${uri}: ${what}` };
};

const conditionNotMet: Rule = ({ uri, verb, creates }) => {
  if (creates)
    return refuse(ErrorCode.AlreadyExists, `${uri}: there is a blob already, and it was to be created only`);
  const what =
    verb === 'read'
      ? 'the blob was replaced while it was read'
      : 'the blob is not the version that was expected';
  return { outcome: Outcome.VersionChanged, code: ErrorCode.VersionChanged, message: `${uri}: ${what}` };
};

const sourceChanged: Rule = ({ uri }) => ({
  outcome: Outcome.VersionChanged,
  code: ErrorCode.VersionChanged,
  message: `${uri}: the source of the copy is not the version that was expected`,
});

const throttled: Rule = ({ uri }) => ({
  outcome: Outcome.Throttled,
  code: ErrorCode.Throttled,
  message: `${uri}: the service asks to slow down`,
});

const failing: Rule = ({ uri }, service, { status }) => ({
  outcome: Outcome.Transient,
  code: ErrorCode.ServiceUnavailable,
  message: `${uri}: the service failed with ${status}${service.code === null ? '' : ` ${service.code}`}`,
});

const damaged: Rule = ({ uri }) => ({
  outcome: Outcome.Transient,
  code: ErrorCode.ChecksumMismatch,
  message: `${uri}: the bytes that the service received do not have the checksum that they were sent with`,
});

const badArgument: Rule = ({ uri, auth }, service, { status }) => {
  const said = isRepeatable(service.message, secretsOf(auth)) ? `: ${service.message}` : '';
  const code = service.code === null ? '' : ` ${service.code}`;
  return refuse(
    ErrorCode.InvalidArgument,
    `${uri}: the service refused the request with ${status}${code}${said}`,
  );
};

function secretsOf(auth: AzureAuth): readonly (string | undefined)[] {
  if (auth.kind === 'key') return [auth.key];
  if (auth.kind === 'token') return [auth.token];
  return auth.kind === 'sas' ? [new URLSearchParams(auth.token).get('sig') ?? undefined] : [];
}

const archived = refused(
  ErrorCode.Unsupported,
  'the blob is in the archive tier; rehydrate it (Set Blob Tier) before reading it',
);
const leased = refused(
  ErrorCode.AccessDenied,
  'there is a lease on the blob or container, and nobody but its holder may change it; break the lease, or wait for its end',
);
const immutable = refused(ErrorCode.AccessDenied, 'a retention policy or legal hold keeps the blob as it is');
const noUpload = refused(
  ErrorCode.NotFound,
  'there is no such upload: its blocks were dropped a week after the last one came, or when the blob was written by somebody else; begin anew',
);
const otherType = refused(
  ErrorCode.Unsupported,
  'there is an append or page blob under that name, which is no target for blocks; delete it first, or choose another name',
);

/** The service could not read the source as it was asked to. */
const badSource: Rule = (asked, service, exchange) => {
  const { uri } = asked;
  const status = service.sourceStatus === 0 ? exchange.status : service.sourceStatus;
  if (status === 404) return refuse(ErrorCode.NotFound, `${uri}: there is no such source to copy`);
  if (status === 412) return sourceChanged(asked, service, exchange);
  // 403 among them: network rules keep the service from its own accounts. Whoever reads it himself learns whether he may.
  return refuse(
    ErrorCode.Unsupported,
    `${uri}: the service cannot read the source of the copy by itself (${status})`,
  );
};

const tooLarge: Rule = (asked, service, exchange) =>
  asked.verb === 'copy'
    ? refuse(
        ErrorCode.Unsupported,
        `${asked.uri}: the source is larger than the 5,000 MiB that one copy may have`,
      )
    : badArgument(asked, service, exchange);

const notImplemented = refused(ErrorCode.Unsupported, 'the service does not implement this request');

const BY_CODE: ReadonlyMap<string, Rule> = new Map<string, Rule>(
  Object.entries<Rule>({
    BlobNotFound: noSuchBlob,
    ResourceNotFound: noSuchBlob,
    ContainerNotFound: noSuchContainer,
    ContainerBeingDeleted: noSuchContainer,
    ContainerDisabled: noSuchContainer,
    AuthenticationFailed: notAuthenticated,
    InvalidAuthenticationInfo: notAuthenticated,
    NoAuthenticationInformation: notAuthenticated,
    AccountIsDisabled: denied,
    AuthorizationFailure: denied,
    AuthorizationPermissionMismatch: denied,
    AuthorizationProtocolMismatch: denied,
    AuthorizationResourceTypeMismatch: denied,
    AuthorizationServiceMismatch: denied,
    AuthorizationSourceIPMismatch: denied,
    InsufficientAccountPermissions: denied,
    KeyBasedAuthenticationNotPermitted: denied,
    PublicAccessNotPermitted: denied,
    UnauthorizedBlobOverwrite: denied,
    ConditionNotMet: conditionNotMet,
    TargetConditionNotMet: conditionNotMet,
    SourceConditionNotMet: sourceChanged,
    BlobAlreadyExists: conditionNotMet,
    ServerBusy: throttled,
    TooManyRequests: throttled,
    InternalError: failing,
    OperationTimedOut: failing,
    AccountBeingCreated: failing,
    PendingCopyOperation: failing,
    BlobArchived: archived,
    BlobBeingRehydrated: archived,
    LeaseIdMissing: leased,
    LeaseIdMismatchWithBlobOperation: leased,
    BlobImmutableDueToPolicy: immutable,
    SnapshotsPresent: refused(
      ErrorCode.Unsupported,
      'the blob has snapshots, which would have to be deleted with it; delete them first',
    ),
    InvalidBlobType: otherType,
    InvalidBlockList: noUpload,
    InvalidBlobOrBlock: noUpload,
    Md5Mismatch: damaged,
    Crc64Mismatch: damaged,
    CannotVerifyCopySource: badSource,
    CopySourceNotFound: badSource,
    RequestBodyTooLarge: tooLarge,
    APINotImplemented: notImplemented,
    NotImplemented: notImplemented,
  }),
);

/** Without a service code: what the status alone tells. */
function byStatus({ status }: Exchange): Rule {
  if (status === 404) return noSuchBlob;
  if (status === 401) return notAuthenticated;
  if (status === 403) return denied;
  if (status === 412) return conditionNotMet;
  if (status === 413) return tooLarge;
  if (status === 429 || status === 503) return throttled;
  if (status === 501) return notImplemented;
  if (status >= 500 || status === 408) return failing;
  if (status >= 400) return badArgument;
  return (asked) =>
    refuse(ErrorCode.ProtocolViolation, `${asked.uri}: unexpected status ${status} from the service`);
}

/** Judges an answer that is no success, and neither a skewed clock nor a 416. */
export function classify(asked: Asked, exchange: Exchange, service: ServiceError, nowMs: number): Verdict {
  const rule = (service.code === null ? undefined : BY_CODE.get(service.code)) ?? byStatus(exchange);
  const ruling = rule(asked, service, exchange);
  return verdictOf(ruling, exchange, answerContext(asked.context, exchange, service), nowMs);
}

export function answerContext(
  context: ErrorContext,
  exchange: Exchange,
  service?: ServiceError,
): ErrorContext {
  const code = service === undefined ? codeOf(exchange) : service.code;
  return refusalContext(context, exchange, exchange.header('x-ms-request-id') ?? null, code);
}

function codeOf(exchange: Exchange): string | null {
  return exchange.header('x-ms-error-code') ?? null;
}

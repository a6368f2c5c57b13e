/**
 * Who sent a request, and whether that one may: by Shared Key, by a shared access signature, by a bearer token, or as
 * anyone to a public container.
 *
 * Sources: "Authorize requests to Azure Storage", "Authorize with Microsoft Entra ID" and "Configure anonymous read
 * access" of Microsoft's documentation.
 */
import type { Failure } from '../failure.js';
import type { OriginToken } from '../options.js';
import type { Request } from '../request.js';
import { azureFailure } from './failure.js';
import { refusalOfSas } from './sas.js';
import type { Action } from './service.js';
import { refusalOfSharedKey } from './shared-key.js';

/** From here on, a request without credentials is told how to get some. */
const CHALLENGED_SINCE = '2019-12-12';
const TOKENS_SINCE = '2017-11-09';
const CHALLENGE =
  'Bearer authorization_uri=https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/oauth2/authorize resource_id=https://storage.azure.com';
const ANYONE_MAY = new Set<Action>(['get', 'head', 'list', 'container-properties']);

/** Letters of a signed permission, any of which is enough. */
const PERMISSIONS: Readonly<Partial<Record<Action, string>>> = {
  get: 'r',
  head: 'r',
  list: 'l',
  'list-parts': 'r',
  delete: 'dx',
  'delete-container': 'd',
  put: 'cw',
  copy: 'cw',
  snapshot: 'cw',
  'put-part': 'cw',
  'complete-upload': 'cw',
  'create-container': 'cw',
  'container-properties': 'r',
};

export interface Policy {
  /** Keys (base64) by name. */
  accounts: ReadonlyMap<string, string>;
  tokens: Map<string, OriginToken>;
  publicBuckets: ReadonlySet<string>;
  publicAccess: boolean;
  /** Over TLS. */
  readonly secure: boolean;
}

function refusalOfToken(
  request: Request,
  token: string,
  tokens: ReadonlyMap<string, OriginToken>,
  nowMs: number,
): Failure | null {
  const refused = (detail: string): Failure =>
    azureFailure('InvalidAuthenticationInfo', { AuthenticationErrorDetail: detail }, [
      'WWW-Authenticate',
      CHALLENGE,
    ]);
  if ((request.headers.get('x-ms-version') ?? '') < TOKENS_SINCE)
    return refused('Bearer scheme is not supported in this version.');
  const known = tokens.get(token);
  if (known === undefined)
    return refused('IDX12741: the token is not well formed, or nobody here issued it.');
  const over = known.expired === true || (known.expiresAtMs ?? Infinity) <= nowMs;
  return over ? refused('Lifetime validation failed. The token is expired.') : null;
}

function refusalOfAnyone(request: Request, action: Action, policy: Policy): Failure | null {
  if (!policy.publicAccess) return azureFailure('PublicAccessNotPermitted');
  if (policy.publicBuckets.has(request.bucket) && ANYONE_MAY.has(action)) return null;
  if ((request.headers.get('x-ms-version') ?? '') >= CHALLENGED_SINCE) {
    return azureFailure('NoAuthenticationInformation', undefined, ['WWW-Authenticate', CHALLENGE]);
  }
  return azureFailure('ResourceNotFound');
}

/** `account` is that of the path, `action` as service.ts names it. */
export function refusal(
  request: Request,
  { account, action }: { account: string; action: Action },
  policy: Policy,
  nowMs: number,
): Failure | null {
  const key = policy.accounts.get(account);
  if (key === undefined) return azureFailure('ResourceNotFound');
  const [, scheme, given = ''] = /^(\S+) +(.*)$/.exec(request.headers.get('authorization') ?? '') ?? [];
  if (scheme === 'SharedKey') {
    const detail = refusalOfSharedKey(request, given, policy.accounts, account, nowMs);
    return detail === null
      ? null
      : azureFailure('AuthenticationFailed', { AuthenticationErrorDetail: detail });
  }
  if (scheme === 'Bearer') return refusalOfToken(request, given, policy.tokens, nowMs);
  if (request.headers.has('authorization')) {
    const detail = 'The scheme of the Authorization header is not known here.';
    return azureFailure('InvalidAuthenticationInfo', { AuthenticationErrorDetail: detail });
  }
  if (!request.params.has('sig')) return refusalOfAnyone(request, action, policy);
  const resourceType = request.bucket === '' ? 'service' : request.key === '' ? 'container' : 'object';
  const permissions = PERMISSIONS[action] ?? 'a';
  return refusalOfSas(request, { account, key, resourceType, permissions, secure: policy.secure, nowMs });
}

/**
 * The service's side of shared access signatures: what a token in the query allows, or why it is refused.
 *
 * Sources: "Create a service SAS" and "Create an account SAS" of Microsoft's REST reference, versions from 2018-11-09
 * on (2020-12-06 added the encryption scope). Signed by the account's key; delegation keys and stored policies are not
 * known here.
 */
import type { Failure } from '../failure.js';
import type { Request } from '../request.js';
import { azureFailure } from './failure.js';
import { sign } from './shared-key.js';

const SCOPED_SINCE = '2020-12-06';
const OLDEST = '2018-11-09';

/** The parameters of a token by name, '' where there is none. */
type Params = (name: string) => string;

const denied = (detail: string): Failure =>
  azureFailure('AuthenticationFailed', { AuthenticationErrorDetail: detail });

function serviceString(p: Params, account: string, resource: string, version: string): string {
  const fields = [p('sp'), p('st'), p('se'), `/blob/${account}/${resource}`, p('si'), p('sip'), p('spr')];
  fields.push(version, p('sr'), p('sr') === 'bs' ? p('snapshot') : p('sr') === 'bv' ? p('versionid') : '');
  if (version >= SCOPED_SINCE) fields.push(p('ses'));
  fields.push(p('rscc'), p('rscd'), p('rsce'), p('rscl'), p('rsct'));
  return fields.join('\n');
}

function accountString(p: Params, account: string, version: string): string {
  const fields = [account, p('sp'), p('ss'), p('srt'), p('st'), p('se'), p('sip'), p('spr'), version];
  if (version >= SCOPED_SINCE) fields.push(p('ses'));
  return `${fields.join('\n')}\n`;
}

/** A date, a minute, a second or finer, all in UTC. */
const timeOf = (text: string): number =>
  /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,7})?)?Z)?$/.test(text) ? Date.parse(text) : NaN;
const shown = (ms: number): string => new Date(ms).toUTCString();

function checkWindow(p: Params, nowMs: number): Failure | null {
  const endMs = timeOf(p('se'));
  const startMs = p('st') === '' ? nowMs : timeOf(p('st'));
  if (Number.isNaN(endMs) || Number.isNaN(startMs))
    return denied('The signed start or expiry is not a time.');
  if (nowMs >= startMs && nowMs < endMs) return null;
  const window = `Start [${p('st') === '' ? '' : shown(startMs)}] - Expiry [${shown(endMs)}]`;
  return denied(`Signature not valid in the specified time frame: ${window} - Current [${shown(nowMs)}]`);
}

interface Wanted {
  readonly account: string;
  readonly key: string;
  readonly resourceType: 'service' | 'container' | 'object';
  /** Any one of these letters is enough. */
  readonly permissions: string;
  /** It came over TLS. */
  readonly secure: boolean;
  readonly nowMs: number;
}

export function refusalOfSas(
  request: Request,
  { account, key, resourceType, permissions, secure, nowMs }: Wanted,
): Failure | null {
  const p: Params = (name) => request.params.get(name) ?? '';
  const version = p('sv');
  if (version < OLDEST) return denied(`sv is ${version}; this service knows ${OLDEST} and later.`);
  const ofAccount = request.params.has('ss');
  const resource = p('sr') === 'c' ? request.bucket : `${request.bucket}/${request.key}`;
  const text = ofAccount ? accountString(p, account, version) : serviceString(p, account, resource, version);
  if (sign(key, text) !== p('sig')) {
    return denied(`Signature did not match. String to sign used was ${text}`);
  }
  const late = checkWindow(p, nowMs);
  if (late !== null) return late;
  if (p('spr') === 'https' && !secure) return azureFailure('AuthorizationProtocolMismatch');
  if (ofAccount) {
    if (!p('ss').includes('b')) return azureFailure('AuthorizationServiceMismatch');
    if (!p('srt').includes(resourceType.charAt(0))) return azureFailure('AuthorizationResourceTypeMismatch');
  } else if (resourceType === 'service' || (resourceType === 'container' && p('sr') !== 'c')) {
    return azureFailure('AuthorizationResourceTypeMismatch');
  }
  const allowed = permissions.split('').some((letter) => p('sp').includes(letter));
  return allowed ? null : azureFailure('AuthorizationPermissionMismatch');
}

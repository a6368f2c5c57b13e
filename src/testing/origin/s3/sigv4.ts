/**
 * The service's side of Signature Version 4, written from its specification and from the raw request, so that it
 * shares nothing with the signers that it checks.
 *
 * Sources: "Authenticating Requests (AWS Signature Version 4)" of the Amazon S3 API reference, for the header and the
 * query form; "Signatures" and "HMAC keys" of the Cloud Storage documentation for the same scheme in Google's words.
 * Error codes and texts are those that S3 answers with.
 */
import { createHash, createHmac, type BinaryLike } from 'node:crypto';
import { encodePath, encodeStrict } from '../encoding.js';
import { failure, isFailure, type Failure } from '../failure.js';
import type { OriginCredentials } from '../options.js';
import type { Request } from '../request.js';

/** One service's words for the same scheme. */
export interface Scheme {
  readonly algorithm: string;
  readonly secretPrefix: string;
  readonly service: string;
  readonly terminal: string;
  /** What the names of its headers begin with, in lower case. */
  readonly header: string;
  /** What the names of its query parameters begin with. */
  readonly query: string;
}

export const AWS4: Scheme = Object.freeze({
  algorithm: 'AWS4-HMAC-SHA256',
  secretPrefix: 'AWS4',
  service: 's3',
  terminal: 'aws4_request',
  header: 'x-amz-',
  query: 'X-Amz-',
});
export const GOOG4: Scheme = Object.freeze({
  algorithm: 'GOOG4-HMAC-SHA256',
  secretPrefix: 'GOOG4',
  service: 'storage',
  terminal: 'goog4_request',
  header: 'x-goog-',
  query: 'X-Goog-',
});
const MAX_SKEW_MS = 15 * 60_000;
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const MAX_CACHED_KEYS = 64;

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: BinaryLike, text: string): Buffer => createHmac('sha256', key).update(text).digest();

const signingKeys = new Map<string, Buffer>();

function signingKey(
  { secretPrefix, service, terminal }: Scheme,
  secret: string,
  date: string,
  region: string,
): Buffer {
  const name = `${secretPrefix}/${date}/${region}/${secret}`;
  let key = signingKeys.get(name);
  if (key === undefined) {
    if (signingKeys.size >= MAX_CACHED_KEYS) signingKeys.clear();
    key = hmac(hmac(hmac(hmac(secretPrefix + secret, date), region), service), terminal);
    signingKeys.set(name, key);
  }
  return key;
}

/** `20261121T041500Z` as milliseconds, or NaN. */
function parseAmzDate(text: string): number {
  const m = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  return m === null ? NaN : Date.parse(`${m[1]}-${m[2]}-${m[3]}T${m[4]}:${m[5]}:${m[6]}Z`);
}

const malformed = (message: string, extra?: Record<string, string>, headers?: readonly string[]): Failure =>
  failure(
    400,
    'AuthorizationHeaderMalformed',
    `The authorization header is malformed; ${message}`,
    extra,
    headers,
  );

/** What a request says that was signed, and how. What it does not say is ''. */
interface Claim {
  readonly presigned: boolean;
  readonly credential: string;
  /** Names, joined by semicolons. */
  readonly signedHeaders: string;
  /** Hex. */
  readonly signature: string;
  readonly amzDate: string;
  /** Of the session. */
  readonly token: string;
  /** The hash of the body, or a word in its place. */
  readonly payload: string;
  readonly expiresSeconds: number;
}

/** Where a credential is good for: the parts of `Credential`. */
interface Scope {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly terminal: string;
  /** How many parts there were. */
  readonly parts: number;
}

function scopeOf(credential: string): Scope {
  const all = credential.split('/');
  const [accessKeyId = '', date = '', region = '', service = '', terminal = ''] = all;
  return { accessKeyId, date, region, service, terminal, parts: all.length };
}

/** From the Authorization header. */
function claimFromHeader(
  request: Request,
  authorization: string,
  { algorithm, header }: Scheme,
): Claim | Failure {
  if (!authorization.startsWith(`${algorithm} `)) {
    const message = `The authorization mechanism you have provided is not supported. Please use ${algorithm}.`;
    return failure(400, 'InvalidRequest', message);
  }
  const fields = new Map<string, string>();
  for (const part of authorization.slice(algorithm.length + 1).split(',')) {
    const eq = part.indexOf('=');
    fields.set(part.slice(0, eq).trim(), part.slice(eq + 1).trim());
  }
  const payload = request.headers.get(`${header}content-sha256`);
  if (payload === undefined) {
    return failure(
      400,
      'InvalidRequest',
      `Missing required header for this request: ${header}content-sha256`,
    );
  }
  return {
    presigned: false,
    credential: fields.get('Credential') ?? '',
    signedHeaders: fields.get('SignedHeaders') ?? '',
    signature: fields.get('Signature') ?? '',
    amzDate: request.headers.get(`${header}date`) ?? '',
    token: request.headers.get(`${header}security-token`) ?? '',
    payload,
    expiresSeconds: Infinity,
  };
}

/** The same, from the query of a presigned URL. */
function claimFromQuery(request: Request, { algorithm, header, query }: Scheme): Claim | Failure {
  const given = (name: string): string => request.params.get(query + name) ?? '';
  if (given('Algorithm') !== algorithm) {
    const message = `${query}Algorithm only supports "${algorithm}"`;
    return failure(400, 'AuthorizationQueryParametersError', message);
  }
  const expiresSeconds = given('Expires') === '' ? NaN : Number(given('Expires'));
  if (!(expiresSeconds >= 0 && expiresSeconds <= 604_800)) {
    const message = `${query}Expires must be a number of seconds that is less than a week`;
    return failure(400, 'AuthorizationQueryParametersError', message);
  }
  return {
    presigned: true,
    credential: given('Credential'),
    signedHeaders: given('SignedHeaders'),
    signature: given('Signature'),
    amzDate: given('Date'),
    token: given('Security-Token'),
    payload: request.headers.get(`${header}content-sha256`) ?? 'UNSIGNED-PAYLOAD',
    expiresSeconds,
  };
}

function canonicalQuery(query: Request['query'], presigned: boolean, scheme: Scheme): string {
  const pairs = presigned ? query.filter(([name]) => name !== `${scheme.query}Signature`) : query;
  const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return pairs
    .map(([name, value]) => [encodeStrict(name), encodeStrict(value)] as const)
    .sort((a, b) => order(a[0], b[0]) || order(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

function canonicalRequest(request: Request, claim: Claim, scheme: Scheme): string {
  const names = claim.signedHeaders.split(';');
  const lines = names.map(
    (name) => `${name}:${(request.headers.get(name) ?? '').trim().replace(/ +/g, ' ')}\n`,
  );
  return [
    request.method,
    encodePath(request.path),
    canonicalQuery(request.query, claim.presigned, scheme),
    lines.join(''),
    claim.signedHeaders,
    claim.payload,
  ].join('\n');
}

/** `host` and every header of the service's own that was sent has to be signed. */
function unsignedHeaders(request: Request, claim: Claim, scheme: Scheme): string[] {
  const signed = new Set(claim.signedHeaders.split(';'));
  const missing: string[] = [];
  if (!signed.has('host')) missing.push('host');
  for (const name of request.headers.keys()) {
    if (name.startsWith(scheme.header) && !signed.has(name)) missing.push(name);
  }
  return missing;
}

/** Time window: 15 minutes for a signed header, the stated life for a presigned URL. */
function checkTime(claim: Claim, nowMs: number): Failure | null {
  const signedAtMs = parseAmzDate(claim.amzDate);
  if (Number.isNaN(signedAtMs)) {
    return failure(403, 'AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header');
  }
  if (claim.presigned && nowMs > signedAtMs + claim.expiresSeconds * 1000) {
    return failure(403, 'AccessDenied', 'Request has expired', { ServerTime: new Date(nowMs).toISOString() });
  }
  const skewMs = claim.presigned ? signedAtMs - nowMs : Math.abs(signedAtMs - nowMs);
  if (skewMs <= MAX_SKEW_MS) return null;
  const message = 'The difference between the request time and the current time is too large.';
  return failure(403, 'RequestTimeTooSkewed', message, {
    RequestTime: claim.amzDate,
    ServerTime: new Date(nowMs).toISOString(),
    MaxAllowedSkewMilliseconds: String(MAX_SKEW_MS),
  });
}

function checkScope(
  claim: Claim,
  { date, region: scopeRegion, service, terminal, parts }: Scope,
  region: string | undefined,
  scheme: Scheme,
): Failure | null {
  if (parts !== 5 || terminal !== scheme.terminal) {
    return malformed(
      `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/${scheme.terminal}".`,
    );
  }
  if (service !== scheme.service) {
    return malformed(`incorrect service "${service}". This endpoint belongs to "${scheme.service}".`);
  }
  if (region !== undefined && scopeRegion !== region) {
    const message = `the region '${scopeRegion}' is wrong; expecting '${region}'`;
    return malformed(message, { Region: region }, ['x-amz-bucket-region', region]);
  }
  if (!claim.amzDate.startsWith(date)) {
    return malformed(`Invalid credential date "${date}". This date is not the same as X-Amz-Date.`);
  }
  return null;
}

function checkToken(claim: Claim, known: OriginCredentials): Failure | null {
  if (claim.token !== (known.sessionToken ?? '')) {
    return failure(400, 'InvalidToken', 'The provided token is malformed or otherwise invalid.');
  }
  return known.expired === true ? failure(400, 'ExpiredToken', 'The provided token has expired.') : null;
}

function checkPayload(request: Request, claim: Claim): Failure | null {
  if (claim.payload === 'UNSIGNED-PAYLOAD' || claim.payload.startsWith('STREAMING-')) return null;
  const actual = request.body.length === 0 ? EMPTY_SHA256 : sha256(request.body);
  if (actual === claim.payload) return null;
  const message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
  return failure(400, 'XAmzContentSHA256Mismatch', message, {
    ClientComputedContentSHA256: claim.payload,
    S3ComputedContentSHA256: actual,
  });
}

function checkSignature(
  request: Request,
  claim: Claim,
  known: OriginCredentials,
  { date, region, service, terminal }: Scope,
  scheme: Scheme,
): Failure | null {
  const canonical = canonicalRequest(request, claim, scheme);
  const toSign = [
    scheme.algorithm,
    claim.amzDate,
    [date, region, service, terminal].join('/'),
    sha256(canonical),
  ].join('\n');
  const key = signingKey(scheme, known.secretAccessKey, date, region);
  if (hmac(key, toSign).toString('hex') === claim.signature) return null;
  const message =
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.';
  return failure(403, 'SignatureDoesNotMatch', message, {
    AWSAccessKeyId: known.accessKeyId,
    StringToSign: toSign,
    SignatureProvided: claim.signature,
    CanonicalRequest: canonical,
  });
}

/** Who may sign, and for which region; without one any will do. */
export interface SigningPolicy {
  readonly credentials: ReadonlyMap<string, OriginCredentials>;
  readonly region?: string | undefined;
}

/**
 * Says who sent a request (null for an anonymous one), or why it is refused.
 * @param nowMs the service's clock
 */
export function authenticate(
  request: Request,
  policy: SigningPolicy,
  nowMs: number,
  scheme: Scheme = AWS4,
): { accessKeyId: string | null } | Failure {
  const authorization = request.headers.get('authorization');
  const signedByQuery = request.params.has(`${scheme.query}Signature`);
  if (authorization === undefined && !signedByQuery) return { accessKeyId: null };
  const claim =
    authorization === undefined
      ? claimFromQuery(request, scheme)
      : claimFromHeader(request, authorization, scheme);
  if (isFailure(claim)) return claim;
  if (claim.credential === '' || claim.signedHeaders === '' || claim.signature === '') {
    return malformed('Credential, SignedHeaders and Signature are all required.');
  }
  const scope = scopeOf(claim.credential);
  const { accessKeyId } = scope;
  const known = policy.credentials.get(accessKeyId);
  if (known === undefined) {
    const message = 'The AWS Access Key Id you provided does not exist in our records.';
    return failure(403, 'InvalidAccessKeyId', message, { AWSAccessKeyId: accessKeyId });
  }
  const missing = unsignedHeaders(request, claim, scheme);
  if (missing.length > 0) {
    const message = 'There were headers present in the request which were not signed';
    return failure(403, 'AccessDenied', message, { HeadersNotSigned: missing.join(', ') });
  }
  return (
    checkTime(claim, nowMs) ??
    checkScope(claim, scope, policy.region, scheme) ??
    checkToken(claim, known) ??
    checkSignature(request, claim, known, scope, scheme) ??
    checkPayload(request, claim) ?? { accessKeyId }
  );
}

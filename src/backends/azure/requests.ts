/**
 * Requests of the Blob service, authorized for the moment.
 *
 * Invariants:
 * 1. Each request is signed afresh, with the newest snapshot and the clock offset learnt so far.
 * 2. A key that the service would take for another one's is refused before it is sent.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { HeaderBlock } from '../../protocol/headers.js';
import type { PreparedRequest } from '../../protocol/http.js';
import type { StoreSnapshot } from '../../protocol/store.js';
import { encodeKey } from '../http/encoding.js';
import { keyText } from '../http/keys.js';
import type { AzureDataConfig } from './config.js';
import type { Query } from './listing.js';
import { createSigner, type SignedParts, type Signer } from './shared-key.js';

/** What a snapshot gives, with everything that stays the same per request worked out. */
export interface Current {
  readonly version: number;
  readonly expiresAtMs: number | null;
  readonly config: AzureDataConfig;
  readonly signer: Signer | null;
  /** The shared access signature, or empty. */
  readonly sas: string;
  /** What all requests have in common. */
  readonly constant: HeaderBlock;
  readonly containerPath: string;
}

export function adopt(snapshot: StoreSnapshot): Current {
  const config = snapshot.config as AzureDataConfig;
  const { account, auth, apiVersion, hostHeader, basePath, container } = config;
  const constant = ['User-Agent', 'millrace', 'Host', hostHeader, 'x-ms-version', apiVersion];
  if (auth.kind === 'token') constant.push('Authorization', `Bearer ${auth.token}`);
  return {
    version: snapshot.version,
    expiresAtMs: snapshot.expiresAtMs,
    config,
    signer: auth.kind === 'key' ? createSigner(account, auth.key, apiVersion) : null,
    sas: auth.kind === 'sas' ? auth.token : '',
    constant: new HeaderBlock(constant),
    containerPath: `${basePath}/${container}`,
  };
}

const NO_HEADERS: readonly string[] = [];

/** A request's parts before they are filled in. */
export const BARE: SignedParts = {
  method: 'GET',
  path: '',
  query: '',
  bodyBytes: 0,
  contentMd5: null,
  ifMatch: null,
  ifNoneMatch: null,
  range: null,
  before: NO_HEADERS,
  between: NO_HEADERS,
};

/** The parts as a request; `query` is what is sent for what `parts.query` signs. `nowMs` is the service's time. */
export function authorized(
  { config, signer, constant, sas }: Current,
  parts: SignedParts,
  query: string,
  body: Uint8Array | null,
  range: PreparedRequest['range'],
  nowMs: number,
): PreparedRequest {
  const headers: string[] = [];
  if (signer !== null) {
    const authorization = signer.sign(parts, nowMs);
    headers.push('x-ms-date', signer.date, 'Authorization', authorization);
  }
  const { contentMd5, ifMatch, ifNoneMatch, before, between } = parts;
  if (ifMatch !== null) headers.push('If-Match', ifMatch);
  if (parts.range !== null) headers.push('Range', parts.range);
  if (ifNoneMatch !== null) headers.push('If-None-Match', ifNoneMatch);
  if (contentMd5 !== null) headers.push('Content-MD5', contentMd5);
  if (before.length > 0) headers.push(...before);
  if (between.length > 0) headers.push(...between);
  const whole = query === '' ? sas : sas === '' ? query : `${query}&${sas}`;
  return {
    origin: config.origin,
    method: parts.method,
    target: whole === '' ? parts.path : `${parts.path}?${whole}`,
    constant,
    headers,
    body,
    range,
    encoded: config.allowContentEncoding,
  };
}

/** A listing of the container. */
export function listing(current: Current, query: Query, nowMs: number): PreparedRequest {
  const parts = { ...BARE, path: current.containerPath, query: query.signed };
  return authorized(current, parts, query.sent, null, null, nowMs);
}

/** Segments that end in a dot, `.` and `..` among them, and escaped backslashes. */
const ALIASED = /\.(?:\/|$)|%5C/;

/**
 * The path of a blob. The service takes `.` and `..` segments out of a path, cuts dots off the end of a segment and turns a
 * backslash into a slash, however they are encoded: the request would be answered, about another blob.
 * @throws MillraceError InvalidArgument for such a key and for an empty one
 */
export function blobPath({ config, containerPath }: Current, key: Uint8Array): string {
  const encoded = encodeKey(key);
  if (encoded !== '' && !ALIASED.test(encoded)) return `${containerPath}/${encoded}`;
  const uri = uriOf(config, key);
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    encoded === ''
      ? `${uri} names a container, not a blob; expected a key behind it, such as ${uri}2026/11/part-0.json`
      : `${uri}: the key has a backslash or a segment that ends in a dot, which Azure takes out of names: the request would ` +
          `be about another blob; choose another name`,
    { phase: 'prepare', uri },
  );
}

export function uriOf(config: AzureDataConfig, key: Uint8Array): string {
  return `${config.store}/${keyText(key)}`;
}

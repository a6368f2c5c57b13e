/**
 * The options of the s3 scheme, and their checks: an option that is not known or cannot work is refused before
 * anything is loaded or sent.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { suggestion } from '../../protocol/nearest.js';
import { shownValue } from '../../protocol/shown-value.js';
import type { S3Credentials } from './config.js';

/** Credentials that a provider function gives, with when they end. */
export interface S3ExpiringCredentials extends S3Credentials {
  /** When they stop being accepted; absent for never. */
  readonly expiration?: Date | undefined;
}

export interface S3Options {
  /**
   * Region of the buckets.
   * @default AWS_REGION, then the profile's, then what the bucket itself says; `us-east-1` where a custom endpoint is
   * set, because most other servers ignore the region but still need one to sign with.
   */
  readonly region?: string | undefined;
  /**
   * Base URL of the service, for servers other than AWS: `http://127.0.0.1:9000`.
   * @default AWS_ENDPOINT_URL_S3, then AWS_ENDPOINT_URL, then the profile's `endpoint_url`, then AWS's own rules.
   */
  readonly endpoint?: string | undefined;
  /**
   * Base URLs of several servers of one service, such as the gateways of a cluster: each request goes to the one with the least
   * in flight, and away from one that fails. All must serve the same objects with the same ETags, to the same credentials.
   * Not to be used with `endpoint`.
   * @default none
   */
  readonly endpoints?: readonly string[] | undefined;
  /**
   * `http://host/bucket/key` rather than `http://bucket.host/key`.
   * @default true where the endpoint is an IP address or localhost, for which a bucket's host name would not resolve;
   * elsewhere what the SDK's rules say.
   */
  readonly forcePathStyle?: boolean | undefined;
  /**
   * Profile of the shared AWS configuration files, for credentials, region and endpoint.
   * @default AWS_PROFILE, then `default`.
   */
  readonly profile?: string | undefined;
  /**
   * Send unsigned requests, for public buckets; no credentials are looked for.
   * @default false
   */
  readonly anonymous?: boolean | undefined;
  /**
   * Credentials to sign with, or a function that resolves them; it is asked again before `expiration`, and when the
   * service says that they have expired or that it does not know them. Not to be used with `anonymous`.
   * @default the SDK's whole chain: environment, profile, SSO, web identity, process, container, instance metadata.
   */
  readonly credentials?: S3Credentials | (() => Promise<S3ExpiringCredentials>) | undefined;
  /**
   * PEM bundle to trust instead of Node's own list, for servers with a private certificate authority.
   * @default Node's list
   */
  readonly ca?: string | undefined;
  /**
   * Account id that must own the buckets; the service refuses the request otherwise.
   * @default none
   */
  readonly expectedBucketOwner?: string | undefined;
  /**
   * Accept the charges of a requester-pays bucket.
   * @default false
   */
  readonly requesterPays?: boolean | undefined;
  /**
   * Read objects that were stored with a `Content-Encoding` (gzip, br): what arrives are the bytes as they are stored.
   * Otherwise such an answer is refused, because it cannot be told from that of a proxy that encodes on the way.
   * @default false
   */
  readonly allowContentEncoding?: boolean | undefined;
}

export const KINDS: Readonly<Record<keyof S3Options, string>> = {
  region: 'string',
  endpoint: 'string',
  endpoints: 'endpoints',
  forcePathStyle: 'boolean',
  profile: 'string',
  anonymous: 'boolean',
  credentials: 'credentials',
  ca: 'string',
  expectedBucketOwner: 'string',
  requesterPays: 'boolean',
  allowContentEncoding: 'boolean',
};

function invalid(message: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'configure' });
}

/** Throws `InvalidArgument` for the first option that cannot work. Prints no credentials. */
export function checkOptions(options: S3Options): void {
  const names = Object.keys(KINDS);
  for (const name of Object.keys(options)) {
    if (!names.includes(name))
      throw invalid(`The s3 scheme has no option "${name}"; ${suggestion(name, names)}`);
  }
  // Inherited ones too: they are read.
  for (const name of names as (keyof S3Options)[]) {
    const kind = KINDS[name];
    const value: unknown = options[name];
    if (value === undefined) continue;
    if (kind === 'credentials') checkCredentials(value);
    else if (kind === 'endpoints') checkEndpoints(value);
    else if (typeof value !== kind) {
      throw invalid(`The s3 option "${name}" must be a ${kind}; given: a ${typeof value}`);
    }
  }
  if (options.anonymous === true && options.credentials !== undefined) {
    throw invalid('The s3 options "anonymous" and "credentials" exclude each other; leave one out');
  }
  if (options.region !== undefined && !/^[a-z0-9-]{1,32}$/.test(options.region)) {
    throw invalid(
      `The s3 option "region" must be a region's name, such as "eu-west-1"; given: ${shownValue(options.region)}`,
    );
  }
  if (options.endpoint !== undefined) checkEndpoint(options.endpoint, 's3 option "endpoint"');
  if (options.endpoint !== undefined && options.endpoints !== undefined) {
    throw invalid('The s3 options "endpoint" and "endpoints" exclude each other; leave one out');
  }
  if (options.ca !== undefined && !options.ca.includes('-----BEGIN CERTIFICATE-----')) {
    throw invalid(
      'The s3 option "ca" must be the text of a PEM bundle ("-----BEGIN CERTIFICATE-----..."), not a path',
    );
  }
  const owner = options.expectedBucketOwner;
  if (owner !== undefined && !/^\d{12}$/.test(owner)) {
    throw invalid(
      `The s3 option "expectedBucketOwner" must be an account id of 12 digits; given: ${shownValue(owner)}`,
    );
  }
}

function checkEndpoints(value: unknown): void {
  if (!Array.isArray(value) || value.length === 0) {
    throw invalid(
      'The s3 option "endpoints" must be a list of one or more URLs, such as ["http://a:9000", "http://b:9000"]',
    );
  }
  const seen = new Set<string>();
  for (const [i, text] of (value as (string | URL)[]).entries()) {
    const { href } = checkEndpoint(text instanceof URL ? text.href : text, `s3 option "endpoints[${i}]"`);
    if (seen.has(href)) throw invalid(`The s3 option "endpoints" names ${href} twice; leave one out`);
    seen.add(href);
  }
}

function checkCredentials(value: unknown): void {
  if (typeof value === 'function') return;
  if (asCredentials(value) !== null) return;
  throw invalid(
    'The s3 option "credentials" must be {accessKeyId, secretAccessKey, sessionToken?}, all text, or an async function of them',
  );
}

/** A visible-ASCII text: what can stand in a header. */
function isKeyText(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value);
}

/** Copies the fields of credentials out of any object, or null when they are not credentials. */
export function asCredentials(value: unknown): S3ExpiringCredentials | null {
  if (typeof value !== 'object' || value === null) return null;
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = value as Record<string, unknown>;
  if (!isKeyText(accessKeyId) || !isKeyText(secretAccessKey)) return null;
  if (sessionToken !== undefined && sessionToken !== '' && !isKeyText(sessionToken)) return null;
  const ends = expiration instanceof Date && !Number.isNaN(expiration.getTime()) ? expiration : undefined;
  if (expiration !== undefined && ends === undefined) return null;
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined || sessionToken === '' ? {} : { sessionToken }),
    ...(ends === undefined ? {} : { expiration: ends }),
  };
}

/** Throws `InvalidArgument` unless the text is a plain http or https URL. */
export function checkEndpoint(text: string, origin: string): URL {
  const expected =
    'expected a URL without credentials, query or fragment, such as "https://s3.example.com:9000"';
  let url: URL;
  try {
    // The conversion of what is no text could throw anything.
    url = new URL(typeof text === 'string' ? text : '');
  } catch {
    throw invalid(`The ${origin} is not a URL; ${expected}`);
  }
  const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  // The URL itself is not repeated: it may hold a password.
  if (!plain || !/^https?:$/.test(url.protocol)) throw invalid(`The ${origin} cannot be used; ${expected}`);
  return url;
}

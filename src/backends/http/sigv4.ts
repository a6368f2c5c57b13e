/**
 * Signature Version 4, of AWS and in Google's words, for requests without a body, with the signature in the `Authorization`
 * header.
 *
 * Invariants:
 * 1. The signed headers are exactly those that are sent.
 * 2. The signing key is derived once per day and region, the time stamp once per second: what is left per request is
 *    one SHA-256 and one HMAC.
 * 3. The payload hash is that of the empty body: no request of the data half has one, and unlike `UNSIGNED-PAYLOAD`
 *    it is accepted over plain HTTP as well.
 *
 * Source of the rules: "Create a signed AWS API request" in the AWS IAM user guide; S3 does not normalise the path. "Signatures"
 * in the Cloud Storage documentation for Google's.
 */
import { createHmac, hash } from 'node:crypto';
import { hmacUnder } from './hmac.js';

/** What differs between the services that sign this way. */
export interface SignatureScheme {
  readonly algorithm: string;
  readonly keyPrefix: string;
  readonly terminal: string;
  /** What the names of its own headers begin with. */
  readonly header: string;
}

export const AWS4: SignatureScheme = {
  algorithm: 'AWS4-HMAC-SHA256',
  keyPrefix: 'AWS4',
  terminal: 'aws4_request',
  header: 'x-amz-',
};
export const GOOG4: SignatureScheme = {
  algorithm: 'GOOG4-HMAC-SHA256',
  keyPrefix: 'GOOG4',
  terminal: 'goog4_request',
  header: 'x-goog-',
};

/** What signs. Never part of a message, an error or a log. */
export interface SigningKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** SHA-256 of nothing. */
export const EMPTY_BODY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** The parts of a request that differ from one to the next. */
export interface SignedParts {
  readonly method: 'GET' | 'HEAD';
  /** Percent-encoded path. */
  readonly path: string;
  /** Canonical query (sorted, encoded) or empty. */
  readonly query: string;
  readonly ifMatch: string | null;
  /** Value of the Range header, or null. */
  readonly range: string | null;
  /** Whether to ask for the stored checksum. */
  readonly checksum: boolean;
}

/** What stays the same for all requests of one snapshot. */
export interface SignerConfig {
  readonly scheme: SignatureScheme;
  readonly host: string;
  readonly region: string;
  readonly service: string;
  readonly credentials: SigningKey;
  /** Headers that every request has and that follow the date's in the alphabet, in its order. */
  readonly tail: readonly (readonly [name: string, value: string])[];
}

export interface Signer {
  /** Headers that every request has, names and values in turn. */
  readonly constant: readonly string[];
  /** The other headers of the request, names and values in turn. */
  sign(parts: SignedParts, nowMs: number): string[];
}

const IF_MATCH = 1;
const RANGE = 2;
const CHECKSUM = 4;

/** `20130524T000000Z`. */
export function amzDate(nowMs: number): string {
  const iso = new Date(nowMs).toISOString();
  return `${iso.slice(0, 4)}${iso.slice(5, 7)}${iso.slice(8, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`;
}

function hmac(key: string | Buffer, value: string): Buffer {
  return createHmac('sha256', key).update(value).digest();
}

export function deriveSigningKey(
  { keyPrefix, terminal }: SignatureScheme,
  secret: string,
  date: string,
  region: string,
  service: string,
): Buffer {
  return hmac(hmac(hmac(hmac(`${keyPrefix}${secret}`, date), region), service), terminal);
}

function signedNames(variant: number, { scheme, tail }: SignerConfig): string {
  const names = ['host'];
  if (variant & IF_MATCH) names.push('if-match');
  if (variant & RANGE) names.push('range');
  if (variant & CHECKSUM) names.push('x-amz-checksum-mode');
  names.push(`${scheme.header}content-sha256`, `${scheme.header}date`, ...tail.map(([name]) => name));
  return names.join(';');
}

export function createSigner(config: SignerConfig): Signer {
  const { scheme, host, region, service, credentials, tail } = config;
  const { algorithm, header } = scheme;
  const dateHeader = `${header}date`;
  const tailText = tail.map(([name, value]) => `${name}:${value.trim()}\n`).join('');
  const hostText = `host:${host}\n`;
  const variants = Array.from({ length: 8 }, (_, variant) => signedNames(variant, config));
  let second = Number.NaN;
  let date = '';
  let day = '';
  let dateText = '';
  let stringToSignHead = '';
  let authorizationHead = '';
  let hmacHex: (text: string) => string = String;

  function advance(nowMs: number): void {
    second = Math.floor(nowMs / 1000);
    date = amzDate(nowMs);
    const today = date.slice(0, 8);
    const scope = `${today}/${region}/${service}/${scheme.terminal}`;
    dateText = `${header}content-sha256:${EMPTY_BODY_SHA256}\n${header}date:${date}\n${tailText}\n`;
    stringToSignHead = `${algorithm}\n${date}\n${scope}\n`;
    if (today === day) return;
    day = today;
    const key = deriveSigningKey(scheme, credentials.secretAccessKey, day, region, service);
    hmacHex = hmacUnder(key, 'hex');
    authorizationHead = `${algorithm} Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=`;
  }

  function sign(parts: SignedParts, nowMs: number): string[] {
    if (Math.floor(nowMs / 1000) !== second) advance(nowMs);
    const { ifMatch, range, checksum } = parts;
    let variant = 0;
    let varying = '';
    if (ifMatch !== null) {
      variant |= IF_MATCH;
      varying += `if-match:${ifMatch}\n`;
    }
    if (range !== null) {
      variant |= RANGE;
      varying += `range:${range}\n`;
    }
    if (checksum) {
      variant |= CHECKSUM;
      varying += 'x-amz-checksum-mode:ENABLED\n';
    }
    const names = variants[variant]!;
    const text = `${parts.method}\n${parts.path}\n${parts.query}\n${hostText}${varying}${dateText}${names}\n${EMPTY_BODY_SHA256}`;
    const signature = hmacHex(stringToSignHead + hash('sha256', text, 'hex'));
    const authorization = `${authorizationHead}${names}, Signature=${signature}`;
    const headers = [dateHeader, date, 'Authorization', authorization];
    if (ifMatch !== null) headers.push('If-Match', ifMatch);
    if (range !== null) headers.push('Range', range);
    if (checksum) headers.push('x-amz-checksum-mode', 'ENABLED');
    return headers;
  }

  const constant = ['Host', host, `${header}content-sha256`, EMPTY_BODY_SHA256, ...tail.flat()];
  return { constant, sign };
}

/**
 * Signature Version 4 for requests that write: any headers, a body.
 *
 * Invariants:
 * 1. Every header that is given is signed, and so is the checksum of the body among them.
 * 2. Over plain HTTP the body itself is signed (its SHA-256); over TLS, where nobody can change it on its way, the
 *    signature says `UNSIGNED-PAYLOAD`, as the AWS SDKs do: a SHA-256 costs more than sending.
 *
 * Source of the rules: "Create a signed AWS API request" in the AWS IAM user guide, and "Authenticating requests:
 * authorization header" in the Amazon S3 API reference.
 */
import { createHmac, hash } from 'node:crypto';
import {
  amzDate,
  deriveSigningKey,
  EMPTY_BODY_SHA256,
  type SignatureScheme,
  type SigningKey,
} from './sigv4.js';

export interface WriteParts {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Percent-encoded path. */
  readonly path: string;
  /** Canonical query (sorted, encoded) or empty. */
  readonly query: string;
  /** Names in lower case, in any order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array | null;
}

export interface WriteSigning {
  readonly scheme: SignatureScheme;
  readonly region: string;
  readonly service: string;
  readonly credentials: SigningKey;
  /** Whether the request goes over TLS. */
  readonly secure: boolean;
}

/** All headers of the request, with those that the signature adds, names and values in turn. */
export function signedHeaders(signing: WriteSigning, parts: WriteParts, nowMs: number): string[] {
  const { scheme, region, service, credentials, secure } = signing;
  const { algorithm, header, terminal } = scheme;
  const all: [string, string][] = parts.headers.map(([name, value]) => [name, value]);
  const date = amzDate(nowMs);
  const payload = payloadHash(parts.body, secure);
  all.push([`${header}content-sha256`, payload], [`${header}date`, date]);
  all.sort(([a], [b]) => (a < b ? -1 : 1));
  const signed = all.map(([name]) => name).join(';');
  const lines = all.map(([name, value]) => `${name}:${value.trim().replaceAll(/ +/g, ' ')}\n`).join('');
  const canonical = `${parts.method}\n${parts.path}\n${parts.query}\n${lines}\n${signed}\n${payload}`;
  const day = date.slice(0, 8);
  const scope = `${day}/${region}/${service}/${terminal}`;
  const toSign = `${algorithm}\n${date}\n${scope}\n${hash('sha256', canonical, 'hex')}`;
  const key = deriveSigningKey(scheme, credentials.secretAccessKey, day, region, service);
  const signature = createHmac('sha256', key).update(toSign).digest('hex');
  const authorization = `${algorithm} Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
  return [...all.flat(), 'authorization', authorization];
}

function payloadHash(body: Uint8Array | null, secure: boolean): string {
  if (body === null || body.length === 0) return EMPTY_BODY_SHA256;
  return secure ? 'UNSIGNED-PAYLOAD' : hash('sha256', body, 'hex');
}

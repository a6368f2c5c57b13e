/**
 * AWS Signature Version 4 for requests that write: any headers, a body.
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
import type { S3DataConfig } from './config.js';
import { amzDate, deriveSigningKey, EMPTY_BODY_SHA256 } from './sigv4.js';

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

/** All headers of the request, names and values in turn; without credentials the bare ones. */
export function writeHeaders(config: S3DataConfig, parts: WriteParts, nowMs: number): string[] {
  const { credentials, hostHeader, expectedBucketOwner, requesterPays } = config;
  const all: [string, string][] = parts.headers.map(([name, value]) => [name, value]);
  all.push(['host', hostHeader]);
  if (expectedBucketOwner !== null) all.push(['x-amz-expected-bucket-owner', expectedBucketOwner]);
  if (requesterPays) all.push(['x-amz-request-payer', 'requester']);
  if (credentials === null) return [...all.flat(), 'user-agent', 'millrace'];
  const date = amzDate(nowMs);
  const payload = payloadHash(parts.body, config.origin.secure);
  all.push(['x-amz-content-sha256', payload], ['x-amz-date', date]);
  if (credentials.sessionToken !== undefined) all.push(['x-amz-security-token', credentials.sessionToken]);
  all.sort(([a], [b]) => (a < b ? -1 : 1));
  const signed = all.map(([name]) => name).join(';');
  const lines = all.map(([name, value]) => `${name}:${value.trim().replaceAll(/ +/g, ' ')}\n`).join('');
  const canonical = `${parts.method}\n${parts.path}\n${parts.query}\n${lines}\n${signed}\n${payload}`;
  const day = date.slice(0, 8);
  const scope = `${day}/${config.region}/${config.service}/aws4_request`;
  const toSign = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${hash('sha256', canonical, 'hex')}`;
  const key = deriveSigningKey(credentials.secretAccessKey, day, config.region, config.service);
  const signature = createHmac('sha256', key).update(toSign).digest('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`;
  return [...all.flat(), 'authorization', authorization, 'user-agent', 'millrace'];
}

function payloadHash(body: Uint8Array | null, secure: boolean): string {
  if (body === null || body.length === 0) return EMPTY_BODY_SHA256;
  return secure ? 'UNSIGNED-PAYLOAD' : hash('sha256', body, 'hex');
}

/** Snapshots and answers for tests of the s3 data half. */
import { createStoreData } from '../../../dist/backends/s3/data.js';
import type { S3DataConfig } from '../../../dist/backends/s3/config.js';
import type { Exchange, PreparedRequest, StoreData } from '../../../dist/protocol/http.js';
import type { ReadRequest, StoreSnapshot } from '../../../dist/protocol/store.js';

export const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
export const TOKEN = 'session/token+with=signs/' + 'T'.repeat(64);
/** 2026-11-21T04:36:34Z. */
export const NOW = Date.UTC(2026, 10, 21, 4, 36, 34);

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

export function config(changes: Partial<S3DataConfig> = {}): S3DataConfig {
  return {
    bucket: 'logs',
    origin: { id: 'https://x:443', secure: true, host: 'x', port: 443, ca: null, serverName: null },
    pathPrefix: '',
    hostHeader: 'logs.s3.eu-west-1.amazonaws.com',
    region: 'eu-west-1',
    service: 's3',
    credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: SECRET },
    renewable: false,
    expectedBucketOwner: null,
    requesterPays: false,
    allowContentEncoding: false,
    ...changes,
  };
}

export function snapshot(
  changes: Partial<S3DataConfig> = {},
  version = 1,
  expiresAtMs: number | null = null,
): StoreSnapshot {
  return { version, expiresAtMs, config: config(changes) };
}

export function data(changes: Partial<S3DataConfig> = {}): StoreData {
  return createStoreData(snapshot(changes));
}

export function request(changes: Partial<ReadRequest> = {}): ReadRequest {
  return {
    key: utf8('a/key'),
    start: 0,
    length: 100,
    whole: false,
    version: null,
    verify: 'never',
    ...changes,
  };
}

export function exchange(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  changes: Partial<Exchange> = {},
): Exchange {
  return {
    outcome: 'complete',
    status,
    header: (name) => headers[name],
    landed: 0,
    contentLength: headers['content-length'] === undefined ? -1 : Number(headers['content-length']),
    body: null,
    error: null,
    ...changes,
  };
}

/** An S3 error document. */
export function refusal(
  status: number,
  code: string,
  fields: Readonly<Record<string, string>> = {},
  headers: Readonly<Record<string, string>> = {},
): Exchange {
  const inner = Object.entries({ Code: code, Message: 'said the service', RequestId: 'REQ1', ...fields })
    .map(([name, value]) => `<${name}>${value}</${name}>`)
    .join('');
  const body = utf8(`<?xml version="1.0" encoding="UTF-8"?>\n<Error>${inner}</Error>`);
  return exchange(status, { 'x-amz-request-id': 'REQ0', ...headers }, { body });
}

/** Headers of a prepared request as an object, by lower-case name. */
export function headersOf(prepared: PreparedRequest): Record<string, string> {
  const headers: Record<string, string> = {};
  const list = [...(prepared.constant?.headers ?? []), ...prepared.headers];
  for (let i = 0; i < list.length; i += 2) headers[list[i]!.toLowerCase()] = list[i + 1]!;
  return headers;
}

/** A deterministic stream of numbers in [0, 1). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

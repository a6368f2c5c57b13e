/** Snapshots and answers for tests of the az data half. */
import type { AzureAuth, AzureDataConfig } from '../../../dist/backends/azure/config.js';
import { createStoreData } from '../../../dist/backends/azure/data.js';
import type { Exchange, PreparedRequest, StoreData } from '../../../dist/protocol/http.js';
import type { ReadRequest } from '../../../dist/protocol/store.js';
import type { WriteRequest } from '../../../dist/protocol/writes.js';

export const KEY = Buffer.from('an account key of a test, which is good for nothing: 64 bytes...').toString(
  'base64',
);
export const SIGNATURE = 'c2lnbmF0dXJlIG9mIGEgdGVzdCwgMzIgYnl0ZXM=';
export const SAS = `sv=2023-11-03&sr=c&sp=rl&se=2026-11-22T00%3A00%3A00Z&sig=${encodeURIComponent(SIGNATURE)}`;
export const TOKEN = `eyJ0eXAiOiJKV1QifQ.${'T'.repeat(80)}.signature`;
/** 2026-11-21T04:36:34Z. */
export const NOW = Date.UTC(2026, 10, 21, 4, 36, 34);

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

export function config(changes: Partial<AzureDataConfig> = {}): AzureDataConfig {
  return {
    store: 'az://myaccount/logs',
    account: 'myaccount',
    container: 'logs',
    origin: { id: 'https://x:443', secure: true, host: 'x', port: 443, ca: null, serverName: null },
    basePath: '',
    hostHeader: 'myaccount.blob.core.windows.net',
    apiVersion: '2023-11-03',
    bodyChecksum: 'crc64',
    auth: { kind: 'key', key: KEY },
    allowContentEncoding: false,
    ...changes,
  };
}

export const AUTHS: Record<AzureAuth['kind'], AzureAuth> = {
  key: { kind: 'key', key: KEY },
  sas: { kind: 'sas', token: SAS, renewable: false },
  token: { kind: 'token', token: TOKEN },
  anonymous: { kind: 'anonymous' },
};

export function data(changes: Partial<AzureDataConfig> = {}, expiresAtMs: number | null = null): StoreData {
  return createStoreData({ version: 1, expiresAtMs, config: config(changes) });
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

export const NO_CONDITION = { ifAbsent: false, ifVersion: null, contentType: null };
export const put = (changes: object = {}): WriteRequest => ({
  kind: 'put',
  key: utf8('a/key'),
  body: utf8('body'),
  ...NO_CONDITION,
  ...changes,
});

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

/** A refusal as the service writes it, with what it tells of a signature that it does not accept. */
export function refusal(
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): Exchange {
  const body = utf8(
    `\uFEFF<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>Said the service.\nRequestId:R1\nTime:T</Message>` +
      `<AuthenticationErrorDetail>The MAC signature '${SIGNATURE}' is not the same, string to sign: ${KEY}</AuthenticationErrorDetail></Error>`,
  );
  return exchange(status, { 'x-ms-error-code': code, 'x-ms-request-id': 'R0', ...headers }, { body });
}

/** Headers of a prepared request as an object, by lower-case name. */
export function headersOf(made: PreparedRequest): Record<string, string> {
  const headers: Record<string, string> = {};
  const list = [...(made.constant?.headers ?? []), ...made.headers];
  for (let i = 0; i < list.length; i += 2) headers[list[i]!.toLowerCase()] = list[i + 1]!;
  return headers;
}

export function prepared(store: StoreData, write: WriteRequest): PreparedRequest {
  const answer = store.prepareWrite(write, NOW);
  if ('outcome' in answer) throw new Error('no request was made');
  return answer;
}

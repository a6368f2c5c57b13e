/** Snapshots and answers for tests of the gs data half. */
import type { GcsAuth, GcsDataConfig } from '../../../dist/backends/gcs/config.js';
import { createStoreData } from '../../../dist/backends/gcs/data.js';
import type { Exchange, PreparedRequest, StoreData } from '../../../dist/protocol/http.js';
import type { Answer, ReadRequest, StoreSnapshot } from '../../../dist/protocol/store.js';
import type { WriteRequest, WriteResult } from '../../../dist/protocol/writes.js';

export const TOKEN = `ya29.${'t'.repeat(120)}`;
export const SECRET = 'bGoa+V7g/yqDXvKRqq+JTFn4uQZbPiQJo4pf9RzJ';
export const HMAC: GcsAuth = { kind: 'hmac', accessId: 'GOOG1EXAMPLEACCESSID', secret: SECRET };
export const BEARER: GcsAuth = { kind: 'bearer', token: TOKEN };
/** 2026-11-21T04:36:34Z. */
export const NOW = Date.UTC(2026, 10, 21, 4, 36, 34);

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

export function config(changes: Partial<GcsDataConfig> = {}): GcsDataConfig {
  return {
    bucket: 'logs',
    origin: { id: 'https://x:443', secure: true, host: 'x', port: 443, ca: null, serverName: null },
    pathPrefix: '',
    hostHeader: 'storage.googleapis.com',
    auth: BEARER,
    userProject: null,
    allowContentEncoding: false,
    emulated: false,
    ...changes,
  };
}

export function snapshot(changes: Partial<GcsDataConfig> = {}, version = 1): StoreSnapshot {
  return { version, expiresAtMs: null, config: config(changes) };
}

export function data(changes: Partial<GcsDataConfig> = {}): StoreData {
  return createStoreData(snapshot(changes));
}

export function read(changes: Partial<ReadRequest> = {}): ReadRequest {
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
  body: string | null = null,
  changes: Partial<Exchange> = {},
): Exchange {
  const length = headers['content-length'];
  return {
    outcome: 'complete',
    status,
    header: (name) => headers[name],
    landed: 0,
    contentLength: length === undefined ? -1 : Number(length),
    body: body === null ? null : utf8(body),
    error: null,
    ...changes,
  };
}

export function jsonRefusal(status: number, reason: string, message = 'said the service'): Exchange {
  const error = { code: status, message, errors: [{ message, domain: 'global', reason }] };
  return exchange(status, { 'x-guploader-uploadid': 'REQ0' }, JSON.stringify({ error }));
}

export function xmlRefusal(status: number, code: string, headers: Record<string, string> = {}): Exchange {
  const document = `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${code}</Code><Message>m</Message></Error>`;
  return exchange(status, { 'x-guploader-uploadid': 'REQ0', ...headers }, document);
}

/** Headers of a prepared request as an object, by lower-case name. */
export function headersOf(prepared: PreparedRequest): Record<string, string> {
  const headers: Record<string, string> = {};
  const list = [...(prepared.constant?.headers ?? []), ...prepared.headers];
  for (let i = 0; i < list.length; i += 2) headers[list[i]!.toLowerCase()] = list[i + 1]!;
  return headers;
}

/** The request that a write makes; fails for a write that is answered without one. */
export function writeOf(store: StoreData, request: WriteRequest): PreparedRequest {
  const prepared = store.prepareWrite(request, NOW);
  if ('outcome' in prepared) throw new Error(`answered at once: ${prepared.error?.message}`);
  return prepared;
}

export function answered(store: StoreData, request: WriteRequest, answer: Exchange): Answer<WriteResult> {
  return store.writeAnswer(request, answer, NOW);
}

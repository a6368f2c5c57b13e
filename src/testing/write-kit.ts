/** What the claims of writing are made with: requests, and what has to be there afterwards. */
import assert from 'node:assert/strict';
import { NEVER } from '../protocol/stop.js';
import type { Answer, Store } from '../protocol/store.js';
import type {
  AbortRequest,
  CompleteRequest,
  CopyRequest,
  DeleteRequest,
  PutRequest,
  UnfinishedUpload,
  WriteCondition,
  WriteRequest,
  WriteResult,
} from '../protocol/writes.js';
import { like, present, same } from './assertions.js';
import { keysOf, list, read, whole } from './kit.js';
import type { StoreFixture } from './traits.js';

const ALWAYS: WriteCondition = { ifAbsent: false, ifVersion: null };

export function put(key: Uint8Array, body: Uint8Array, condition: Partial<WriteCondition> = {}): PutRequest {
  return { kind: 'put', key, body, contentType: null, ...ALWAYS, ...condition };
}

export function complete(key: Uint8Array, upload: string, parts: string[], size: number): CompleteRequest {
  return { kind: 'complete', key, upload, parts, size, contentType: null, ...ALWAYS };
}

export function abort(key: Uint8Array, upload: string): AbortRequest {
  return { kind: 'abort', key, upload };
}

export function copy(
  { storeName }: StoreFixture,
  sourceKey: Uint8Array,
  key: Uint8Array,
  terms: Partial<CopyRequest> = {},
): CopyRequest {
  if (storeName === undefined) throw new Error('the fixture does not say what its store is called');
  return { kind: 'copy', key, sourceStore: storeName, sourceKey, sourceVersion: null, ...ALWAYS, ...terms };
}

export function del(keys: readonly Uint8Array[]): DeleteRequest {
  return { kind: 'delete', keys, ifVersion: null };
}

/** What it has to say, once it succeeded. */
export async function succeed(store: Store, request: WriteRequest): Promise<WriteResult> {
  const answer = await store.write(request, NEVER);
  like(answer, { outcome: 'complete', error: null, value: { failures: [] } });
  return present(answer.value, 'result');
}

/** Outcome and code. */
export function outcomeOf({ outcome, error }: Answer<WriteResult>): [string, string | undefined] {
  return [outcome, error?.code];
}

/** The new upload's name. */
export async function begin(store: Store, key: Uint8Array, size: number): Promise<string> {
  const { upload } = await succeed(store, { kind: 'begin', key, size, contentType: null, ...ALWAYS });
  return present(upload, 'name of the upload');
}

/** Sends the part of `bytes` with that index; its receipt. */
export async function part(
  store: Store,
  key: Uint8Array,
  upload: string,
  index: number,
  partBytes: number,
  bytes: Uint8Array,
): Promise<string> {
  const start = index * partBytes;
  const body = bytes.subarray(start, start + partBytes);
  const last = start + body.length === bytes.length;
  const sent = await succeed(store, { kind: 'part', key, upload, index, start, body, last });
  assert.equal(typeof sent.part, 'string');
  return sent.part!;
}

/** Deletes any number of keys, as many at a time as the service takes. */
export async function deleteAll(store: Store, keys: readonly Uint8Array[], most: number): Promise<void> {
  for (let at = 0; at < keys.length; at += most) await succeed(store, del(keys.slice(at, at + most)));
}

export async function uploadsBelow(store: Store, prefix: Uint8Array): Promise<UnfinishedUpload[]> {
  const found: UnfinishedUpload[] = [];
  let continuation: string | null = null;
  do {
    const { uploads, next }: WriteResult = await succeed(store, { kind: 'uploads', prefix, continuation });
    found.push(...uploads);
    continuation = next;
  } while (continuation !== null);
  return found;
}

export async function holds(
  { store }: StoreFixture,
  key: Uint8Array,
  bytes: Uint8Array,
): Promise<string | null> {
  const { answer, target } = await read(store, whole(key, bytes.length));
  like(answer, { outcome: 'complete', landed: bytes.length, size: bytes.length });
  same(target, bytes);
  return answer.version;
}

export async function isMissing({ store }: StoreFixture, key: Uint8Array): Promise<void> {
  const head = await store.head(key, NEVER);
  assert.equal(head.error?.code, 'NotFound');
  assert.deepEqual(keysOf(await list(store, { prefix: key })), []);
}

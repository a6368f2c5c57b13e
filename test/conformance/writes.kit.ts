/** What the claims of writing are made with: what a service gets wrong, requests, and what has to be there afterwards. */
import { expect, it } from 'vitest';
import { patternBytes } from '../../dist/backends/memory/pattern.js';
import { NEVER } from '../../dist/protocol/stop.js';
import type { Answer, Store } from '../../dist/protocol/store.js';
import type {
  AbortRequest,
  CompleteRequest,
  CopyRequest,
  DeleteRequest,
  PutRequest,
  UnfinishedUpload,
  WriteCondition,
  WriteLimits,
  WriteRequest,
  WriteResult,
} from '../../dist/protocol/writes.js';
import { hashOf, keysOf, list, read, sameBytes, whole, type StoreFixture, type Use } from './store.kit.js';

/** What a service gets wrong. */
export const WriteException = {
  /** `ifVersion` of a put is refused though it holds. */
  PutIfVersion: 'put-if-version',
  /** Conditions of a completion are ignored. */
  CompleteConditions: 'complete-conditions',
  /** The version of a copy's source is ignored. */
  CopySourceVersion: 'copy-source-version',
  /** Conditions of a copy are ignored. */
  CopyConditions: 'copy-conditions',
  /** `ifVersion` of a delete is ignored. */
  DeleteIfVersion: 'delete-if-version',
  /** The completion of an upload that was aborted is answered as if the service had failed (500 InternalError). */
  CompleteAborted: 'complete-aborted',
  /** It does not copy by itself, and says so with `Unsupported`. */
  CopyUnsupported: 'copy-unsupported',
  /** It fails to copy in a way of its own. */
  CopyBroken: 'copy-broken',
  /** What was sent of an upload that is aborted stays with the service: listed, and able to be completed. */
  AbortKeeps: 'abort-keeps',
  /** Uploads that were begun are not listed, or hide that the object is not there. */
  UploadsUnlisted: 'uploads-unlisted',
  /** Uploads are listed by the keys alone that they are for, and without parts not at all. */
  UploadsByKey: 'uploads-by-key',
  /** Objects have no content type. */
  ContentType: 'content-type',
  /** Parts have to come in order, each once. */
  PartsInOrder: 'parts-in-order',
} as const;
export type WriteException = (typeof WriteException)[keyof typeof WriteException];

export interface WriteTraits {
  readonly limits: WriteLimits;
  readonly exceptions?: readonly WriteException[];
}

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
  expect(answer).toMatchObject({ outcome: 'complete', error: null, value: { failures: [] } });
  return answer.value!;
}

/** Outcome and code. */
export function outcomeOf({ outcome, error }: Answer<WriteResult>): [string, string | undefined] {
  return [outcome, error?.code];
}

/** The new upload's name. */
export async function begin(store: Store, key: Uint8Array, size: number): Promise<string> {
  const { upload } = await succeed(store, { kind: 'begin', key, size, contentType: null, ...ALWAYS });
  expect(upload).toBeTruthy();
  return upload!;
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
  expect(typeof sent.part).toBe('string');
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

/** The store's `it` for what this service may get wrong. */
export function unless(traits: WriteTraits, exception: WriteException): typeof it.skip {
  return traits.exceptions?.includes(exception) === true ? it.skip : it;
}

export async function holds(use: Use, key: Uint8Array, bytes: Uint8Array): Promise<string | null> {
  const { answer, target } = await read(use().store, whole(key, bytes.length));
  expect(answer).toMatchObject({ outcome: 'complete', landed: bytes.length, size: bytes.length });
  expect(sameBytes(target, bytes)).toBe(true);
  return answer.version;
}

export async function isMissing(use: Use, key: Uint8Array): Promise<void> {
  const head = await use().store.head(key, NEVER);
  expect(head.error?.code).toBe('NotFound');
  expect(keysOf(await list(use().store, { prefix: key }))).toEqual([]);
}

export function bytesFor(name: string, size: number, generation = 1): Uint8Array {
  return patternBytes(size, generation, hashOf(name));
}

/** What the claims of the conformance suite are written with: objects, guarded targets, requests, pages as text. */
import { expect } from 'vitest';
import { patternBytes } from '../../dist/backends/memory/pattern.js';
import { NEVER } from '../../dist/protocol/stop.js';
import type { KeyPage, ListRequest, ReadAnswer, ReadRequest, Store } from '../../dist/protocol/store.js';
import { readOnce } from '../kit/attempts.js';

export interface StoreFixture {
  readonly store: Store;
  /** Its canonical name, such as `s3://bucket`, for stores that write. */
  readonly storeName?: string;
  /** Creates or replaces an object. */
  put(key: Uint8Array, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export type Use = () => StoreFixture;

export const MIB = 1024 * 1024;
/** What targets are filled with, and the guard bytes on both sides of them. */
export const SENTINEL = 0xa5;
const GUARD_BYTES = 64;

export async function putNew(
  fixture: StoreFixture,
  name: string,
  size: number,
): Promise<{ key: Uint8Array; bytes: Uint8Array }> {
  const key = keyOf(name);
  const bytes = patternBytes(size, 1, hashOf(name));
  await fixture.put(key, bytes);
  return { key, bytes };
}

export async function read(
  store: Store,
  request: ReadRequest,
  stop = NEVER,
  targetBytes = request.length,
): Promise<{ answer: ReadAnswer; target: Uint8Array }> {
  const { target, guardsAreIntact } = guarded(targetBytes);
  const answer = await readOnce(store, request, target, stop);
  expect(guardsAreIntact()).toBe(true);
  return { answer, target };
}

/** A target full of sentinels in shared memory, with guard bytes on both sides. */
export function guarded(length: number): { target: Uint8Array; guardsAreIntact: () => boolean } {
  const all = new Uint8Array(new SharedArrayBuffer(length + 2 * GUARD_BYTES)).fill(SENTINEL);
  const target = all.subarray(GUARD_BYTES, GUARD_BYTES + length);
  const guardsAreIntact = (): boolean =>
    firstOther(all.subarray(0, GUARD_BYTES), SENTINEL) === -1 &&
    firstOther(all.subarray(GUARD_BYTES + length), SENTINEL) === -1;
  return { target, guardsAreIntact };
}

export function whole(key: Uint8Array, length: number): ReadRequest {
  return { key, start: 0, length, whole: true, version: null, verify: 'always' };
}

export function range(key: Uint8Array, start: number, length: number): ReadRequest {
  return { key, start, length, whole: false, version: null, verify: 'never' };
}

export function listRequest(request: Partial<ListRequest>): ListRequest {
  return { prefix: new Uint8Array(0), delimiter: null, continuation: null, limit: 1000, ...request };
}

export async function list(store: Store, request: Partial<ListRequest>): Promise<KeyPage> {
  const answer = await store.list(listRequest(request), NEVER);
  expect(answer).toMatchObject({ outcome: 'complete', error: null });
  if (answer.value === null) throw new Error('no page');
  return answer.value;
}

export async function listAll(store: Store, request: Partial<ListRequest>): Promise<KeyPage[]> {
  const pages: KeyPage[] = [];
  let continuation: string | null = null;
  do {
    const page: KeyPage = await list(store, { ...request, continuation });
    pages.push(page);
    continuation = page.next;
    if (pages.length > 100) throw new Error('the listing does not end');
  } while (continuation !== null);
  return pages;
}

export function keysOf(page: KeyPage): string[] {
  expect(page.keyEnds).toHaveLength(page.count);
  return texts(page.keys, page.keyEnds);
}

export function versionsOf(page: KeyPage): string[] {
  expect(page.versionEnds).toHaveLength(page.count);
  return texts(page.versions, page.versionEnds);
}

function texts(bytes: Uint8Array, ends: Uint32Array): string[] {
  return Array.from(ends, (end, i) => Buffer.from(bytes.subarray(ends[i - 1] ?? 0, end)).toString('utf8'));
}

export function keyOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'utf8'));
}

/** A number for each name, so that no two objects have the same bytes. */
export function hashOf(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i += 1) hash = (Math.imul(hash, 31) + name.charCodeAt(i)) | 0;
  return hash >>> 0;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

export function firstOther(bytes: Uint8Array, byte: number): number {
  return bytes.findIndex((each) => each !== byte);
}

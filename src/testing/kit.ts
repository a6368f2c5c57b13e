/** What claims are made with: objects, guarded targets, requests, pages as text. */
import assert from 'node:assert/strict';
import { objectIdOf } from '../backends/memory/pattern.js';
import { NEVER, type StopSignal } from '../protocol/stop.js';
import type { KeyPage, ListRequest, ReadAnswer, ReadRequest, Store } from '../protocol/store.js';
import { like, SENTINEL, untouched } from './assertions.js';
import { patternBytes } from './pattern.js';
import type { StoreFixture } from './traits.js';

export const MIB = 1024 * 1024;
const GUARD_BYTES = 64;
/** More pages than any listing of the suite has. */
const MAX_PAGES = 100;

export interface PutObject {
  readonly key: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Puts an object whose every byte tells its name and its place. */
export async function putNew(fixture: StoreFixture, name: string, size: number): Promise<PutObject> {
  const key = keyOf(name);
  const bytes = bytesFor(name, size);
  await fixture.put(key, bytes);
  return { key, bytes };
}

/** One attempt at a read; looks at the guard bytes on both sides of its target. */
export async function read(
  store: Store,
  request: ReadRequest,
  stop: StopSignal = NEVER,
  targetBytes: number = request.length,
): Promise<{ answer: ReadAnswer; target: Uint8Array }> {
  const { target, lookAtGuards } = guarded(targetBytes);
  const answer = await readOnce(store, request, target, stop);
  lookAtGuards();
  return { answer, target };
}

/** One attempt at a read as a promise; a second answer is thrown into whoever gives it. */
export function readOnce(
  store: Store,
  request: ReadRequest,
  target: Uint8Array,
  stop: StopSignal,
): Promise<ReadAnswer> {
  let answered = false;
  return new Promise((resolve) => {
    store.read(request, target, stop, (answer) => {
      // The process ends with it: by now nobody may be waiting whom it could be told.
      if (answered) throw new Error('answered a second time');
      answered = true;
      resolve(answer);
    });
  });
}

/** A target full of sentinels in shared memory, with guard bytes on both sides. */
export function guarded(length: number): { target: Uint8Array; lookAtGuards: () => void } {
  const all = new Uint8Array(new SharedArrayBuffer(length + 2 * GUARD_BYTES)).fill(SENTINEL);
  const target = all.subarray(GUARD_BYTES, GUARD_BYTES + length);
  const lookAtGuards = (): void => {
    untouched(all.subarray(0, GUARD_BYTES));
    untouched(all.subarray(GUARD_BYTES + length));
  };
  return { target, lookAtGuards };
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
  like(answer, { outcome: 'complete', error: null });
  assert.ok(answer.value !== null, 'found no page');
  return answer.value;
}

export async function listAll(store: Store, request: Partial<ListRequest>): Promise<KeyPage[]> {
  const pages: KeyPage[] = [];
  let continuation: string | null = null;
  do {
    const page: KeyPage = await list(store, { ...request, continuation });
    pages.push(page);
    continuation = page.next;
    assert.ok(pages.length <= MAX_PAGES, 'the listing does not end');
  } while (continuation !== null);
  return pages;
}

export function keysOf(page: KeyPage): string[] {
  assert.equal(page.keyEnds.length, page.count);
  return texts(page.keys, page.keyEnds);
}

export function versionsOf(page: KeyPage): string[] {
  assert.equal(page.versionEnds.length, page.count);
  return texts(page.versions, page.versionEnds);
}

function texts(bytes: Uint8Array, ends: Uint32Array): string[] {
  return Array.from(ends, (end, i) => Buffer.from(bytes.subarray(ends[i - 1] ?? 0, end)).toString('utf8'));
}

export function keyOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'utf8'));
}

/** Bytes that tell name, place and generation. */
export function bytesFor(name: string, size: number, generation = 1): Uint8Array {
  return patternBytes(objectIdOf(name, generation), size);
}

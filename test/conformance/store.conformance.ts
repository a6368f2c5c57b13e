/**
 * What every `Store` does, whatever is behind it. A backend calls `storeConformance` from a test file of its own; what
 * only it can do (links, signatures, throttling) it tests beside that.
 *
 * Every payload tells its object and its place in each byte, every target lies between guard bytes in shared memory.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { patternBytes } from '../../dist/backends/memory/pattern.js';
import { NEVER, StopState } from '../../dist/protocol/stop.js';
import type { KeyPage, ListRequest, ReadAnswer, ReadRequest, Store } from '../../dist/protocol/store.js';
import { manualSignal, turn } from './signals.js';

export interface StoreFixture {
  readonly store: Store;
  /** Creates or replaces an object. */
  put(key: Uint8Array, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface StoreTraits {
  open(): Promise<StoreFixture>;
  /** Keys that this store allows beyond the usual ones, such as one with a leading slash. */
  readonly extraKeys?: readonly (string | Uint8Array)[];
}

const GUARD_BYTES = 64;
const SENTINEL = 0xa5;
const MIB = 1024 * 1024;

const ODD_KEYS: readonly string[] = [
  'with space',
  ' leading and trailing ',
  'plus+sign',
  '100%',
  'looks%20encoded',
  '%',
  'ampersand&equals=semi;colon:',
  'question?hash#at@',
  'quote"apostrophe\'backtick`',
  'back\\slash',
  'star*(paren)[bracket]{brace}!$,^|<>',
  'ünïcödé',
  'composed-\u00e9',
  'composed-e\u0301',
  '日本語/深い/名前',
  'emoji-😀',
  'tilde~dash-under_dot.',
  '...',
  'UPPER',
  'upper',
  `long-${'x'.repeat(200)}/${'y'.repeat(200)}/${'z'.repeat(200)}`,
];

export function storeConformance(name: string, traits: StoreTraits): void {
  describe(`${name} as a store`, () => {
    let fixture: StoreFixture | undefined;
    const use = (): StoreFixture => {
      if (fixture === undefined) throw new Error('the store did not open');
      return fixture;
    };
    beforeAll(async () => {
      fixture = await traits.open();
    });
    afterAll(async () => {
      fixture?.store.close();
      await fixture?.close();
    });
    describe('read', () => readsWhole(use));
    describe('read of a range', () => readsRanges(use));
    describe('version', () => looksAtVersions(use));
    describe('cancel', () => cancels(use));
    describe('list', () => lists(use));
    describe('delimiter', () => rollsUp(use));
    describe('odd keys', () => takesOddKeys(use, [...ODD_KEYS, ...(traits.extraKeys ?? [])]));
  });
}

type Use = () => StoreFixture;

function readsWhole(use: Use): void {
  it.each([0, 1, 4095, 4096, 4097, 65_535, MIB - 1, MIB, MIB + 1, 3 * MIB + 17])(
    'lands an object of %i bytes, exactly and nowhere else',
    async (size) => {
      const { key, bytes } = await putNew(use(), `whole/${size}`, size);
      const { answer, target } = await read(use().store, whole(key, size));
      expect(answer).toMatchObject({ outcome: 'complete', landed: size, size, error: null });
      expect(sameBytes(target, bytes)).toBe(true);
    },
  );

  it('leaves the rest of a longer target alone', async () => {
    const { key, bytes } = await putNew(use(), 'whole/short', 100);
    const { answer, target } = await read(use().store, whole(key, 100), NEVER, 1000);
    expect(answer.landed).toBe(100);
    expect(sameBytes(target.subarray(0, 100), bytes)).toBe(true);
    expect(target.subarray(100).every((byte) => byte === SENTINEL)).toBe(true);
  });

  it.each([-1, 1, 5000])(
    'refuses to call an object whole that has %i bytes more than believed',
    async (more) => {
      const { key } = await putNew(use(), `whole/other${more}`, 9000);
      const { answer, target } = await read(use().store, whole(key, 9000 - more), NEVER, 10_000);
      expect(answer).toMatchObject({ outcome: 'size-changed', landed: 0, size: 9000 });
      expect(answer.error?.code).toBeDefined();
      expect(target).toHaveLength(10_000);
    },
  );

  it('says that a key does not exist', async () => {
    const { answer } = await read(use().store, whole(keyOf('whole/missing'), 10));
    expect(answer).toMatchObject({ outcome: 'refused', landed: 0 });
    expect(answer.error?.code).toBe('NotFound');
    expect(answer.error?.uri).toContain('whole/missing');
    const head = await use().store.head(keyOf('whole/missing'), NEVER);
    expect(head).toMatchObject({ outcome: 'refused', value: null });
    expect(head.error?.code).toBe('NotFound');
  });

  it('tells size and version by head', async () => {
    const { key } = await putNew(use(), 'whole/facts', 1234);
    const head = await use().store.head(key, NEVER);
    expect(head).toMatchObject({ outcome: 'complete', error: null });
    expect(head.value?.size).toBe(1234);
    const { answer } = await read(use().store, whole(key, 1234));
    expect(answer.version).toBe(head.value?.version);
  });

  it('keeps sixteen reads at once apart', async () => {
    const objects = await Promise.all(
      Array.from({ length: 16 }, (_, i) => putNew(use(), `whole/at-once/${i}`, 200_000 + i * 1013)),
    );
    const answers = await Promise.all(
      objects.map(({ key, bytes }) => read(use().store, whole(key, bytes.length))),
    );
    for (const [i, { answer, target }] of answers.entries()) {
      expect(answer.outcome).toBe('complete');
      expect(sameBytes(target, objects[i]?.bytes ?? new Uint8Array(0))).toBe(true);
    }
  });
}

function readsRanges(use: Use): void {
  const size = 2 * MIB + 13;
  it.each([
    ['the first byte', 0, 1],
    ['the last byte', size - 1, 1],
    ['two bytes over a page boundary', 4095, 2],
    ['two bytes over a MiB boundary', MIB - 1, 2],
    ['a middle part', 12_345, MIB + 7],
    ['everything', 0, size],
  ])('lands %s', async (_, start, length) => {
    const { key, bytes } = await putNew(use(), 'range/object', size);
    const { answer, target } = await read(use().store, range(key, start, length));
    expect(answer).toMatchObject({ outcome: 'complete', landed: length, size, error: null });
    expect(sameBytes(target, bytes.subarray(start, start + length))).toBe(true);
  });

  it.each([
    ['one byte past the end', size - 10, 11],
    ['far past the end', size - 1, MIB],
    ['past the end from the start', 0, size + 1],
  ])('lands what there is of a range that reaches %s', async (_, start, length) => {
    const { key, bytes } = await putNew(use(), 'range/object', size);
    const { answer, target } = await read(use().store, range(key, start, length));
    expect(answer).toMatchObject({ outcome: 'complete', landed: size - start, size });
    expect(sameBytes(target.subarray(0, size - start), bytes.subarray(start))).toBe(true);
    expect(target.subarray(size - start).every((byte) => byte === SENTINEL)).toBe(true);
  });

  it.each([100, 101, 1_000_000])('rejects a range of a 100-byte object that begins at %i', async (start) => {
    const { key } = await putNew(use(), 'range/small', 100);
    const { answer, target } = await read(use().store, range(key, start, 10));
    expect(answer).toMatchObject({ outcome: 'refused', landed: 0 });
    expect(answer.error?.code).toBe('RangeRejected');
    expect(answer.error?.range).toEqual([start, start + 9]);
    expect(target.every((byte) => byte === SENTINEL)).toBe(true);
  });

  it('lands nothing of an empty object, and that is a success', async () => {
    const { key } = await putNew(use(), 'range/empty', 0);
    const { answer } = await read(use().store, range(key, 0, MIB));
    expect(answer).toMatchObject({ outcome: 'complete', landed: 0, size: 0, error: null });
  });
}

function looksAtVersions(use: Use): void {
  it('accepts the version that head, a read and a listing gave', async () => {
    const { key } = await putNew(use(), 'version/kept', 5000);
    const head = await use().store.head(key, NEVER);
    const page = await list(use().store, { prefix: key });
    const first = await read(use().store, whole(key, 5000));
    for (const version of [head.value?.version, versionsOf(page)[0], first.answer.version]) {
      expect(version).toBeTruthy();
      const { answer } = await read(use().store, { ...range(key, 100, 50), version: version ?? null });
      expect(answer).toMatchObject({ outcome: 'complete', landed: 50, version });
    }
  });

  it.each([true, false])('says so when the object was replaced (whole: %s)', async (isWhole) => {
    const { key } = await putNew(use(), `version/replaced-${isWhole}`, 5000);
    const head = await use().store.head(key, NEVER);
    await use().put(key, patternBytes(6000, 99, 1));
    const request = isWhole ? whole(key, 6000) : range(key, 0, 1000);
    const { answer, target } = await read(use().store, { ...request, version: head.value?.version ?? null });
    expect(answer).toMatchObject({ outcome: 'version-changed', landed: 0 });
    expect(answer.error?.code).toBe('VersionChanged');
    expect(target.every((byte) => byte === SENTINEL)).toBe(true);
    const fresh = await use().store.head(key, NEVER);
    expect(fresh.value?.version).not.toBe(head.value?.version);
  });
}

function cancels(use: Use): void {
  const size = 32 * MIB;

  it('does not begin under a cancelled token', async () => {
    const { key } = await putNew(use(), 'cancel/before', 5000);
    const stop = manualSignal();
    stop.set(StopState.Cancelled);
    const { answer, target } = await read(use().store, whole(key, 5000), stop);
    expect(answer).toMatchObject({ outcome: 'cancelled', landed: 0, error: null });
    expect(target.every((byte) => byte === SENTINEL)).toBe(true);
    expect((await use().store.head(key, stop)).outcome).toBe('cancelled');
    expect((await use().store.list(listRequest({ prefix: key }), stop)).outcome).toBe('cancelled');
    expect(stop.linked).toBe(0);
  });

  it('stops in the middle, says what has landed, and writes nothing afterwards', async () => {
    const { key, bytes } = await putNew(use(), 'cancel/middle', size);
    const next = await putNew(use(), 'cancel/next', 3 * MIB);
    const { target } = guarded(size);
    // A store that polls has landed something by its eighth look; one that is called back, by the turn that saw it.
    const hasBegun = (): boolean => target[0] !== SENTINEL || target[1] !== SENTINEL;
    const stop = manualSignal((signal) => {
      if (signal.looks >= 8 && hasBegun()) signal.set(StopState.Cancelled);
    });
    const reading = use().store.read(whole(key, size), target, stop);
    let isOver = false;
    const over = reading.then(() => (isOver = true));
    while (!isOver && !hasBegun()) await turn();
    stop.set(StopState.Cancelled);
    const answer = await reading;
    await over;
    expect(answer).toMatchObject({ outcome: 'cancelled', error: null });
    expect(answer.landed).toBeLessThan(size);
    expect(sameBytes(target.subarray(0, answer.landed), bytes.subarray(0, answer.landed))).toBe(true);
    expect(stop.linked).toBe(0);
    target.fill(SENTINEL);
    const after = await read(use().store, whole(next.key, 3 * MIB));
    expect(after.answer.outcome).toBe('complete');
    expect(sameBytes(after.target, next.bytes)).toBe(true);
    expect(firstOther(target, SENTINEL)).toBe(-1);
  });

  it('leaves nothing linked to the token after a read that went well', async () => {
    const { key } = await putNew(use(), 'cancel/not', 5000);
    const stop = manualSignal();
    expect((await read(use().store, whole(key, 5000), stop)).answer.outcome).toBe('complete');
    expect(stop.linked).toBe(0);
  });
}

function lists(use: Use): void {
  // The directory `a/` sorts between `a.b` and `a0`, although it is one entry called `a`.
  const names = [
    'a.b',
    'a/b',
    'a/b.c',
    'a/b0/c',
    'a/c',
    'a0',
    'aa',
    'b',
    'c/d/e/f',
    'c/d/e0',
    'z',
    '~',
    'é',
    '\u{1f600}',
    '\uffee',
  ];
  const inOrder = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

  beforeAll(async () => {
    for (const [i, each] of names.entries()) await putNew(use(), `list/${each}`, i);
    await putNew(use(), 'list.beside', 1);
    await putNew(use(), 'list0', 1);
  });

  it.each([1, 2, 3, 7, 1000])(
    'gives every key once, in the order of its bytes, in pages of %i',
    async (limit) => {
      const pages = await listAll(use().store, { prefix: keyOf('list/'), limit });
      for (const page of pages) expect(page.count).toBeLessThanOrEqual(limit);
      expect(pages.flatMap(keysOf)).toEqual(inOrder.map((each) => `list/${each}`));
      const sizes = pages.flatMap((page) => [...page.sizes]);
      expect(sizes).toEqual(inOrder.map((each) => names.indexOf(each)));
      expect(pages.flatMap(versionsOf).every((version) => version !== '')).toBe(true);
      expect(pages.at(-1)?.next).toBeNull();
    },
  );

  it('takes a prefix that ends in the middle of a name', async () => {
    const page = await list(use().store, { prefix: keyOf('list/a') });
    expect(keysOf(page)).toEqual(
      ['a.b', 'a/b', 'a/b.c', 'a/b0/c', 'a/c', 'a0', 'aa'].map((each) => `list/${each}`),
    );
    const deep = await list(use().store, { prefix: keyOf('list/a/b') });
    expect(keysOf(deep)).toEqual(['a/b', 'a/b.c', 'a/b0/c'].map((each) => `list/${each}`));
  });

  it('takes a whole key as prefix', async () => {
    expect(keysOf(await list(use().store, { prefix: keyOf('list/a0') }))).toEqual(['list/a0']);
  });

  it('gives an empty page for a prefix that no key has', async () => {
    const page = await list(use().store, { prefix: keyOf('list/nothing-begins-so') });
    expect(page).toMatchObject({ count: 0, next: null, prefixes: [] });
    expect(page.keys).toHaveLength(0);
  });

  it('goes on from a page that was asked for twice', async () => {
    const first = await list(use().store, { prefix: keyOf('list/'), limit: 4 });
    const request = { prefix: keyOf('list/'), limit: 4, continuation: first.next };
    const second = keysOf(await list(use().store, request));
    expect(keysOf(await list(use().store, request))).toEqual(second);
    expect(second).toEqual(inOrder.slice(4, 8).map((each) => `list/${each}`));
  });
}

function rollsUp(use: Use): void {
  const keys = ['x.y', 'x/1', 'x/2/3', 'x0', 'y/1', 'y/2', 'é/1'];

  beforeAll(async () => {
    for (const key of keys) await putNew(use(), `level/${key}`, 3);
  });

  it.each([1, 2, 1000])(
    'gives one level, with the deeper ones as prefixes, in pages of %i',
    async (limit) => {
      const pages = await listAll(use().store, { prefix: keyOf('level/'), delimiter: '/', limit });
      expect(pages.flatMap(keysOf)).toEqual(['level/x.y', 'level/x0']);
      expect(pages.flatMap((page) => page.prefixes)).toEqual(['level/x/', 'level/y/', 'level/é/']);
      for (const page of pages) expect(page.count + page.prefixes.length).toBeLessThanOrEqual(limit);
    },
  );

  it('rolls up what begins like the prefix', async () => {
    const page = await list(use().store, { prefix: keyOf('level/x'), delimiter: '/' });
    expect(keysOf(page)).toEqual(['level/x.y', 'level/x0']);
    expect(page.prefixes).toEqual(['level/x/']);
    const inner = await list(use().store, { prefix: keyOf('level/x/'), delimiter: '/' });
    expect(keysOf(inner)).toEqual(['level/x/1']);
    expect(inner.prefixes).toEqual(['level/x/2/']);
  });
}

function takesOddKeys(use: Use, odd: readonly (string | Uint8Array)[]): void {
  it.each(odd.map((each) => [JSON.stringify(typeof each === 'string' ? each : [...each]), each] as const))(
    'puts, heads, reads and lists %s',
    async (_, each) => {
      const bytesOfKey = typeof each === 'string' ? Buffer.from(each) : each;
      const isRooted = bytesOfKey[0] === 0x2f;
      const key = new Uint8Array(isRooted ? bytesOfKey : Buffer.concat([Buffer.from('odd/'), bytesOfKey]));
      const bytes = patternBytes(777, 5, hashOf(Buffer.from(key).toString('latin1')));
      await use().put(key, bytes);
      expect((await use().store.head(key, NEVER)).value?.size).toBe(777);
      const { answer, target } = await read(use().store, whole(key, 777));
      expect(answer.outcome).toBe('complete');
      expect(sameBytes(target, bytes)).toBe(true);
      const page = await list(use().store, { prefix: key });
      expect(page.count).toBeGreaterThanOrEqual(1);
      expect(Buffer.compare(page.keys.subarray(0, page.keyEnds[0]), key)).toBe(0);
    },
  );
}

async function putNew(
  fixture: StoreFixture,
  name: string,
  size: number,
): Promise<{ key: Uint8Array; bytes: Uint8Array }> {
  const key = keyOf(name);
  const bytes = patternBytes(size, 1, hashOf(name));
  await fixture.put(key, bytes);
  return { key, bytes };
}

async function read(
  store: Store,
  request: ReadRequest,
  stop = NEVER,
  targetBytes = request.length,
): Promise<{ answer: ReadAnswer; target: Uint8Array }> {
  const { target, guardsAreIntact } = guarded(targetBytes);
  const answer = await store.read(request, target, stop);
  expect(guardsAreIntact()).toBe(true);
  return { answer, target };
}

/** A target full of sentinels in shared memory, with guard bytes on both sides. */
function guarded(length: number): { target: Uint8Array; guardsAreIntact: () => boolean } {
  const all = new Uint8Array(new SharedArrayBuffer(length + 2 * GUARD_BYTES)).fill(SENTINEL);
  const target = all.subarray(GUARD_BYTES, GUARD_BYTES + length);
  const guardsAreIntact = (): boolean =>
    firstOther(all.subarray(0, GUARD_BYTES), SENTINEL) === -1 &&
    firstOther(all.subarray(GUARD_BYTES + length), SENTINEL) === -1;
  return { target, guardsAreIntact };
}

function whole(key: Uint8Array, length: number): ReadRequest {
  return { key, start: 0, length, whole: true, version: null, verify: true };
}

function range(key: Uint8Array, start: number, length: number): ReadRequest {
  return { key, start, length, whole: false, version: null, verify: false };
}

function listRequest(request: Partial<ListRequest>): ListRequest {
  return { prefix: new Uint8Array(0), delimiter: null, continuation: null, limit: 1000, ...request };
}

async function list(store: Store, request: Partial<ListRequest>): Promise<KeyPage> {
  const answer = await store.list(listRequest(request), NEVER);
  expect(answer).toMatchObject({ outcome: 'complete', error: null });
  if (answer.value === null) throw new Error('no page');
  return answer.value;
}

async function listAll(store: Store, request: Partial<ListRequest>): Promise<KeyPage[]> {
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

function keysOf(page: KeyPage): string[] {
  expect(page.keyEnds).toHaveLength(page.count);
  return texts(page.keys, page.keyEnds);
}

function versionsOf(page: KeyPage): string[] {
  expect(page.versionEnds).toHaveLength(page.count);
  return texts(page.versions, page.versionEnds);
}

function texts(bytes: Uint8Array, ends: Uint32Array): string[] {
  return Array.from(ends, (end, i) => Buffer.from(bytes.subarray(ends[i - 1] ?? 0, end)).toString('utf8'));
}

function keyOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'utf8'));
}

/** A number for each name, so that no two objects have the same bytes. */
function hashOf(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i += 1) hash = (Math.imul(hash, 31) + name.charCodeAt(i)) | 0;
  return hash >>> 0;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function firstOther(bytes: Uint8Array, byte: number): number {
  return bytes.findIndex((each) => each !== byte);
}

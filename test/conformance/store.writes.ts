/**
 * Conformance: what every store that can be written does. Objects are read back through the same store.
 *
 * A service that cannot do one of these says so with `Unsupported`; a server that gets one wrong is named as a trait of its
 * fixture, and the claim stands for the others.
 */
import { expect, it } from 'vitest';
import { patternBytes } from '../../dist/backends/memory/pattern.js';
import { NEVER, StopState } from '../../dist/protocol/stop.js';
import type { Answer, Store } from '../../dist/protocol/store.js';
import type { WriteRequest, WriteResult } from '../../dist/protocol/writes.js';
import { manualSignal } from './signals.js';
import { hashOf, keyOf, list, MIB, read, sameBytes, type Use, whole } from './store.kit.js';

export interface WriteTraits {
  /** Canonical name of the store, for copies inside of it. */
  readonly name: string;
  /** Bytes of a part that is not the last. @default 5 MiB, which is S3's least */
  readonly partBytes?: number;
  /** Whether the server copies, says with `Unsupported` that it does not, or fails in its own way. @default 'yes' */
  readonly copies?: 'yes' | 'unsupported' | 'broken';
  /** Whether uploads in parts take a condition; a store whose do not says so with `Unsupported`. @default true */
  readonly conditionalUploads?: boolean;
  /** Whether the server lists an upload of which there is a part. @default true */
  readonly listsUploads?: boolean;
  /** Whether an upload that was aborted is listed no more. @default true */
  readonly forgetsAborted?: boolean;
}

const NO_CONDITION = { ifAbsent: false, ifVersion: null, contentType: null };

async function write(store: Store, request: WriteRequest, stop = NEVER): Promise<Answer<WriteResult>> {
  return await store.write(request, stop);
}

async function mustWrite(store: Store, request: WriteRequest): Promise<WriteResult> {
  const answer = await write(store, request);
  expect(answer).toMatchObject({ outcome: 'complete', error: null });
  if (answer.value === null) throw new Error('no result');
  return answer.value;
}

const putOf = (key: Uint8Array, body: Uint8Array): WriteRequest & { kind: 'put' } => ({
  kind: 'put',
  key,
  body,
  ...NO_CONDITION,
});

/** Bytes in shared memory, where those of a runtime are. */
function payload(name: string, size: number, generation = 1): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(size));
  bytes.set(patternBytes(size, generation, hashOf(name)));
  return bytes;
}

async function expectObject(store: Store, key: Uint8Array, bytes: Uint8Array): Promise<string | null> {
  const { answer, target } = await read(store, whole(key, bytes.length));
  expect(answer).toMatchObject({ outcome: 'complete', landed: bytes.length, error: null });
  expect(sameBytes(target, bytes)).toBe(true);
  return answer.version;
}

async function expectNone(store: Store, key: Uint8Array): Promise<void> {
  expect((await store.head(key, NEVER)).error?.code).toBe('NotFound');
}

export function puts(use: Use): void {
  it.each([0, 1, 4097, MIB + 1])('puts an object of %i bytes, and tells its version', async (size) => {
    const { store } = use();
    const name = `put/${size}`;
    const bytes = payload(name, size);
    const { version } = await mustWrite(store, putOf(keyOf(name), bytes));
    expect(await expectObject(store, keyOf(name), bytes)).toBe(version);
  });

  it('replaces an object, which then has another version', async () => {
    const { store } = use();
    const key = keyOf('put/replaced');
    const first = await mustWrite(store, putOf(key, payload('put/replaced', 300)));
    const bytes = payload('put/replaced', 200, 2);
    const second = await mustWrite(store, putOf(key, bytes));
    expect(second.version).not.toBe(first.version);
    await expectObject(store, key, bytes);
  });

  it('keeps the type of the content', async () => {
    const { store } = use();
    const key = keyOf('put/typed');
    await mustWrite(store, { ...putOf(key, payload('put/typed', 10)), contentType: 'text/x-claim' });
    expect((await store.head(key, NEVER)).value?.contentType).toBe('text/x-claim');
  });

  it('creates an object only where there is none', async () => {
    const { store } = use();
    const key = keyOf('put/created');
    const bytes = payload('put/created', 100);
    await mustWrite(store, { ...putOf(key, bytes), ifAbsent: true });
    const again = await write(store, { ...putOf(key, payload('put/created', 50, 2)), ifAbsent: true });
    expect(again).toMatchObject({ outcome: 'refused', value: null });
    expect(again.error?.code).toBe('AlreadyExists');
    await expectObject(store, key, bytes);
  });

  it('replaces an object only in the version that was named', async () => {
    const { store } = use();
    const key = keyOf('put/pinned');
    const first = await mustWrite(store, putOf(key, payload('put/pinned', 100)));
    const bytes = payload('put/pinned', 90, 2);
    await mustWrite(store, { ...putOf(key, bytes), ifVersion: first.version });
    const late = await write(store, {
      ...putOf(key, payload('put/pinned', 80, 3)),
      ifVersion: first.version,
    });
    expect(late).toMatchObject({ outcome: 'version-changed', value: null });
    expect(late.error?.code).toBe('VersionChanged');
    await expectObject(store, key, bytes);
  });

  it('writes nothing under a cancelled token', async () => {
    const { store } = use();
    const stop = manualSignal();
    stop.set(StopState.Cancelled);
    const answer = await write(store, putOf(keyOf('put/cancelled'), payload('put/cancelled', 10)), stop);
    expect(answer.outcome).toBe('cancelled');
    expect(stop.linked).toBe(0);
    await expectNone(store, keyOf('put/cancelled'));
  });
}

interface Begun {
  readonly key: Uint8Array;
  readonly upload: string;
  readonly bytes: Uint8Array;
  part(index: number, from?: Uint8Array): Promise<string>;
  complete(parts: readonly string[]): Promise<Answer<WriteResult>>;
}

async function begin(
  use: Use,
  name: string,
  partBytes: number,
  count: number,
  change: object = {},
): Promise<Begun> {
  const { store } = use();
  // Both ends of an upload are told its terms, as a runtime tells them.
  const terms = { ...NO_CONDITION, ...change };
  const key = keyOf(name);
  const bytes = payload(name, partBytes * (count - 1) + 1234);
  const { upload } = await mustWrite(store, { kind: 'begin', key, size: bytes.length, ...terms });
  if (upload === null) throw new Error('an upload without a name');
  return {
    key,
    upload,
    bytes,
    async part(index, from = bytes) {
      const start = index * partBytes;
      const body = from.subarray(start, Math.min(start + partBytes, bytes.length));
      const last = index === count - 1;
      const { part } = await mustWrite(store, { kind: 'part', key, upload, index, start, body, last });
      if (part === null) throw new Error('a part without a name');
      return part;
    },
    complete: (parts) => write(store, { kind: 'complete', key, upload, parts, size: bytes.length, ...terms }),
  };
}

export function uploads(use: Use, traits: WriteTraits): void {
  const partBytes = traits.partBytes ?? 5 * MIB;

  it('makes an object of its parts, all at once and not before it is complete', async () => {
    const upload = await begin(use, 'upload/whole', partBytes, 3, { contentType: 'text/x-claim' });
    const parts = [];
    for (const index of [0, 1, 2]) parts.push(await upload.part(index));
    await expectNone(use().store, upload.key);
    const done = await upload.complete(parts);
    expect(done).toMatchObject({ outcome: 'complete', error: null });
    expect(await expectObject(use().store, upload.key, upload.bytes)).toBe(done.value?.version);
    expect((await use().store.head(upload.key, NEVER)).value?.contentType).toBe('text/x-claim');
  });

  it('replaces a part that is sent again', async () => {
    const upload = await begin(use, 'upload/again', partBytes, 2);
    await upload.part(0, patternBytes(upload.bytes.length, 7, 7));
    const parts = [await upload.part(0), await upload.part(1)];
    expect((await upload.complete(parts)).outcome).toBe('complete');
    await expectObject(use().store, upload.key, upload.bytes);
  });

  it('keeps two uploads of one key apart', async () => {
    const one = await begin(use, 'upload/two', partBytes, 2);
    const other = await begin(use, 'upload/two', partBytes, 2);
    expect(other.upload).not.toBe(one.upload);
    const bytes = payload('upload/two', one.bytes.length, 5);
    const parts = [
      await one.part(0),
      await other.part(0, bytes),
      await one.part(1),
      await other.part(1, bytes),
    ];
    expect((await one.complete([parts[0]!, parts[2]!])).outcome).toBe('complete');
    await expectObject(use().store, one.key, one.bytes);
  });

  it.runIf(traits.conditionalUploads === false)('says that it takes no condition', async () => {
    const key = keyOf('upload/created');
    const request = { kind: 'begin', key, size: 1, ...NO_CONDITION, ifAbsent: true } as const;
    expect((await write(use().store, request)).error?.code).toBe('Unsupported');
  });
  const conditional = it.runIf(traits.conditionalUploads !== false);

  conditional('is complete only where there is no object, when that is asked', async () => {
    const { store } = use();
    const upload = await begin(use, 'upload/created', partBytes, 1, { ifAbsent: true });
    const { key, bytes } = upload;
    const there = payload('upload/created', 77, 2);
    await use().put(key, there);
    // Where the last part makes the object, that is what is refused.
    const last = await write(store, {
      kind: 'part',
      key,
      upload: upload.upload,
      index: 0,
      start: 0,
      body: bytes,
      last: true,
    });
    const done = last.error === null ? await upload.complete([last.value?.part ?? '']) : last;
    expect(done).toMatchObject({ outcome: 'refused', value: null });
    expect(done.error?.code).toBe('AlreadyExists');
    await expectObject(store, key, there);
  });

  conditional('becomes an object where there is none, when that is asked', async () => {
    const upload = await begin(use, 'upload/fresh', partBytes, 3, { ifAbsent: true });
    const parts = [];
    for (const index of [0, 1, 2]) parts.push(await upload.part(index));
    expect(await upload.complete(parts)).toMatchObject({ outcome: 'complete', error: null });
    await expectObject(use().store, upload.key, upload.bytes);
  });

  it('leaves nothing visible when it is aborted, and the object as it was', async () => {
    const { store } = use();
    const fresh = await begin(use, 'upload/aborted', partBytes, 2);
    await fresh.part(0);
    await mustWrite(store, { kind: 'abort', key: fresh.key, upload: fresh.upload });
    await expectNone(store, fresh.key);
    expect((await list(store, { prefix: fresh.key })).count).toBe(0);
    // Somebody who does not know that it was done does it again.
    await mustWrite(store, { kind: 'abort', key: fresh.key, upload: fresh.upload });
    const old = payload('upload/kept', 500);
    await mustWrite(store, putOf(keyOf('upload/kept'), old));
    const over = await begin(use, 'upload/kept', partBytes, 2);
    await over.part(0);
    await mustWrite(store, { kind: 'abort', key: over.key, upload: over.upload });
    await expectObject(store, over.key, old);
  });

  it.runIf(traits.listsUploads !== false)('is listed while it is not complete', async () => {
    const { store } = use();
    const upload = await begin(use, 'unfinished/listed', partBytes, 2);
    const parts = [await upload.part(0)];
    const listed = async (): Promise<string[]> => {
      const request = { kind: 'uploads', prefix: keyOf('unfinished/'), continuation: null } as const;
      return (await mustWrite(store, request)).uploads.map(({ key }) => Buffer.from(key).toString());
    };
    expect(await listed()).toEqual(['unfinished/listed']);
    parts.push(await upload.part(1));
    expect((await upload.complete(parts)).outcome).toBe('complete');
    expect(await listed()).toEqual([]);
    const given = await begin(use, 'unfinished/aborted', partBytes, 2);
    await given.part(0);
    await mustWrite(store, { kind: 'abort', key: given.key, upload: given.upload });
    expect(await listed()).toEqual(traits.forgetsAborted === false ? ['unfinished/aborted'] : []);
  });
}

export function copies(use: Use, traits: WriteTraits): void {
  const copyOf = (key: string, source: string): WriteRequest & { kind: 'copy' } => ({
    kind: 'copy',
    key: keyOf(key),
    sourceStore: traits.name,
    sourceKey: keyOf(source),
    sourceVersion: null,
    ifAbsent: false,
    ifVersion: null,
  });

  it.runIf(traits.copies === 'unsupported')('says that it cannot copy inside the service', async () => {
    await use().put(keyOf('copy/refused'), payload('copy/refused', 10));
    const answer = await write(use().store, copyOf('copy/there', 'copy/refused'));
    expect(answer).toMatchObject({ outcome: 'refused', value: null });
    expect(answer.error?.code).toBe('Unsupported');
    await expectNone(use().store, keyOf('copy/there'));
  });
  if ((traits.copies ?? 'yes') !== 'yes') return;

  it.each([0, 9000])('copies an object of %i bytes inside the service', async (size) => {
    const { store } = use();
    const bytes = payload('copy/a source+%20?', size);
    await use().put(keyOf('copy/a source+%20?'), bytes);
    const { version } = await mustWrite(store, copyOf(`copy/${size}`, 'copy/a source+%20?'));
    expect(await expectObject(store, keyOf(`copy/${size}`), bytes)).toBe(version);
  });

  it('says that there is no source', async () => {
    const answer = await write(use().store, copyOf('copy/nothing', 'copy/missing'));
    expect(answer).toMatchObject({ outcome: 'refused', value: null });
    expect(answer.error?.code).toBe('NotFound');
  });

  it('copies only the version that was named', async () => {
    const { store } = use();
    const old = await mustWrite(store, putOf(keyOf('copy/pinned'), payload('copy/pinned', 100)));
    const bytes = payload('copy/pinned', 90, 2);
    const now = await mustWrite(store, putOf(keyOf('copy/pinned'), bytes));
    const late = await write(store, {
      ...copyOf('copy/of-pinned', 'copy/pinned'),
      sourceVersion: old.version,
    });
    expect(late.error?.code).toBe('VersionChanged');
    await mustWrite(store, { ...copyOf('copy/of-pinned', 'copy/pinned'), sourceVersion: now.version });
    await expectObject(store, keyOf('copy/of-pinned'), bytes);
  });

  it('copies only where there is no object, when that is asked', async () => {
    const { store } = use();
    const there = payload('copy/there', 30, 2);
    await use().put(keyOf('copy/source'), payload('copy/source', 40));
    await use().put(keyOf('copy/there'), there);
    const answer = await write(store, { ...copyOf('copy/there', 'copy/source'), ifAbsent: true });
    expect(answer.error?.code).toBe('AlreadyExists');
    await expectObject(store, keyOf('copy/there'), there);
  });
}

export function deletes(use: Use): void {
  const deletion = (name: string, ifVersion: string | null = null): WriteRequest => ({
    kind: 'delete',
    keys: [keyOf(name)],
    ifVersion,
  });

  it('deletes an object, and one that is not there', async () => {
    const { store } = use();
    await use().put(keyOf('delete/it'), payload('delete/it', 10));
    expect((await mustWrite(store, deletion('delete/it'))).failures).toEqual([]);
    await expectNone(store, keyOf('delete/it'));
    expect((await mustWrite(store, deletion('delete/it'))).failures).toEqual([]);
  });

  it('deletes an object only in the version that was named', async () => {
    const { store } = use();
    const old = await mustWrite(store, putOf(keyOf('delete/pinned'), payload('delete/pinned', 100)));
    const bytes = payload('delete/pinned', 90, 2);
    const now = await mustWrite(store, putOf(keyOf('delete/pinned'), bytes));
    const late = await write(store, deletion('delete/pinned', old.version));
    expect(late.error?.code).toBe('VersionChanged');
    await expectObject(store, keyOf('delete/pinned'), bytes);
    await mustWrite(store, deletion('delete/pinned', now.version));
    await expectNone(store, keyOf('delete/pinned'));
  });
}

export function putsOddKeys(use: Use, odd: readonly (string | Uint8Array)[]): void {
  it.each(odd.map((each) => [JSON.stringify(typeof each === 'string' ? each : [...each]), each] as const))(
    'writes, reads and deletes %s',
    async (_, each) => {
      const { store } = use();
      const bytesOfKey = typeof each === 'string' ? Buffer.from(each) : each;
      const key = new Uint8Array(Buffer.concat([Buffer.from('odd-write/'), bytesOfKey]));
      const bytes = payload(Buffer.from(key).toString('latin1'), 333);
      await mustWrite(store, putOf(key, bytes));
      await expectObject(store, key, bytes);
      await mustWrite(store, { kind: 'delete', keys: [key], ifVersion: null });
      await expectNone(store, key);
    },
  );
}

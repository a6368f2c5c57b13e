/**
 * Conformance: what every store that writes must do.
 *
 * A fixture names what its service gets wrong; whatever is not named there is asserted.
 */
import { describe, expect, it } from 'vitest';
import { NEVER, StopState } from '../../dist/protocol/stop.js';
import type { Answer } from '../../dist/protocol/store.js';
import type { WriteRequest, WriteResult } from '../../dist/protocol/writes.js';
import { manualSignal } from './signals.js';
import { keyOf, keysOf, list, MIB, type Use } from './store.kit.js';
import { endsUploads, uploadsParts } from './store.uploads.js';
import {
  bytesFor,
  complete,
  copy,
  del,
  deleteAll,
  holds,
  isMissing,
  outcomeOf,
  part,
  put,
  succeed,
  unless,
  uploadsBelow,
  type WriteTraits,
} from './writes.kit.js';

export function writes(use: Use, traits: WriteTraits, odd: readonly (string | Uint8Array)[]): void {
  describe('put', () => putsWhole(use, traits));
  describe('conditions of a put', () => keepsConditions(use, traits));
  describe('upload in parts', () => uploadsParts(use, traits));
  describe('upload that ends otherwise', () => endsUploads(use, traits));
  const copyIsBroken = traits.exceptions?.includes('copy-broken') === true;
  if (!copyIsBroken) describe('copy', () => copies(use, traits));
  describe('delete', () => deletes(use, traits, odd));
  describe('cancelled before', () => writesNothing(use));
}

function putsWhole(use: Use, traits: WriteTraits): void {
  const { limits } = traits;
  it.each([0, 1, 4097, MIB + 1, limits.multipartThreshold])(
    'makes an object of %i bytes, and tells the version that it has',
    async (size) => {
      const key = keyOf(`write/put/${size}`);
      const bytes = bytesFor('put', size);
      const { version } = await succeed(use().store, put(key, bytes));
      const seen = await holds(use, key, bytes);
      if (version !== null) expect(version).toBe(seen);
      expect((await use().store.head(key, NEVER)).value).toMatchObject({ size, version: seen });
      expect(keysOf(await list(use().store, { prefix: key }))).toEqual([`write/put/${size}`]);
    },
  );

  it('takes its body out of shared memory, and nothing beside it', async () => {
    const key = keyOf('write/put/shared');
    const memory = new Uint8Array(new SharedArrayBuffer(70_000));
    memory.set(bytesFor('shared', 70_000));
    await succeed(use().store, put(key, memory.subarray(1000, 60_000)));
    await holds(use, key, bytesFor('shared', 70_000).subarray(1000, 60_000));
  });

  unless(traits, 'content-type')('keeps the type of the content, of uploads too', async () => {
    const key = keyOf('write/put/typed');
    const contentType = 'text/x-claim';
    const typeOf = async (): Promise<unknown> => (await use().store.head(key, NEVER)).value?.contentType;
    await succeed(use().store, { ...put(key, bytesFor('typed', 10)), contentType });
    expect(await typeOf()).toBe(contentType);
    await succeed(use().store, put(key, bytesFor('typed', 10)));
    expect(await typeOf()).not.toBe(contentType);
    const terms = { ifAbsent: false, ifVersion: null, contentType };
    const { upload } = await succeed(use().store, { kind: 'begin', key, size: 10, ...terms });
    const receipt = await part(use().store, key, upload!, 0, MIB, bytesFor('typed', 10));
    await succeed(use().store, { ...complete(key, upload!, [receipt], 10), contentType });
    expect(await typeOf()).toBe(contentType);
  });

  it('replaces an object, and gives it another version', async () => {
    const key = keyOf('write/put/replaced');
    await succeed(use().store, put(key, bytesFor('replaced', 9000)));
    const first = await holds(use, key, bytesFor('replaced', 9000));
    await succeed(use().store, put(key, bytesFor('replaced', 9000, 2)));
    expect(await holds(use, key, bytesFor('replaced', 9000, 2))).not.toBe(first);
    await succeed(use().store, put(key, bytesFor('replaced', 10, 3)));
    await holds(use, key, bytesFor('replaced', 10, 3));
  });

  it('keeps sixteen puts at once apart', async () => {
    const objects = Array.from({ length: 16 }, (_, i) => ({
      key: keyOf(`write/put/at-once/${i}`),
      bytes: bytesFor(`at-once/${i}`, 100_000 + 1013 * i),
    }));
    await Promise.all(objects.map(({ key, bytes }) => succeed(use().store, put(key, bytes))));
    for (const { key, bytes } of objects) await holds(use, key, bytes);
  });
}

function keepsConditions(use: Use, traits: WriteTraits): void {
  it('creates only where there is nothing, when told so', async () => {
    const key = keyOf('write/if/absent');
    await succeed(use().store, put(key, bytesFor('absent', 500), { ifAbsent: true }));
    const refused = await use().store.write(put(key, bytesFor('absent', 600, 2), { ifAbsent: true }), NEVER);
    expect(outcomeOf(refused)).toEqual(['refused', 'AlreadyExists']);
    await holds(use, key, bytesFor('absent', 500));
  });

  unless(traits, 'put-if-version')('replaces the very version that it is told', async () => {
    const key = keyOf('write/if/version');
    await succeed(use().store, put(key, bytesFor('version', 500)));
    const version = await holds(use, key, bytesFor('version', 500));
    await succeed(use().store, put(key, bytesFor('version', 700, 2), { ifVersion: version }));
    await holds(use, key, bytesFor('version', 700, 2));
  });

  it('refuses to replace another version, or none', async () => {
    const key = keyOf('write/if/other');
    await succeed(use().store, put(key, bytesFor('other', 500)));
    const ifVersion = await holds(use, key, bytesFor('other', 500));
    await succeed(use().store, put(key, bytesFor('other', 600, 2)));
    const changed = await use().store.write(put(key, bytesFor('other', 700, 3), { ifVersion }), NEVER);
    expect(outcomeOf(changed)).toEqual(['version-changed', 'VersionChanged']);
    await holds(use, key, bytesFor('other', 600, 2));
    await succeed(use().store, del([key]));
    const gone = await use().store.write(put(key, bytesFor('other', 700, 3), { ifVersion }), NEVER);
    expect(outcomeOf(gone)).toEqual(['version-changed', 'VersionChanged']);
    await isMissing(use, key);
  });
}

function copies(use: Use, traits: WriteTraits): void {
  if (traits.exceptions?.includes('copy-unsupported') === true) return saysThatItCannotCopy(use);
  const source = async (name: string, size: number): Promise<{ key: Uint8Array; bytes: Uint8Array }> => {
    const key = keyOf(`write/copy/${name}`);
    const bytes = bytesFor(name, size);
    await succeed(use().store, put(key, bytes));
    return { key, bytes };
  };

  it.each([0, 1, 3 * MIB + 17])('copies an object of %i bytes', async (size) => {
    const { key, bytes } = await source(`from-${size}`, size);
    const version = await holds(use, key, bytes);
    const to = keyOf(`write/copy/to-${size} ü`);
    const copied = await succeed(use().store, copy(use(), key, to, { sourceVersion: version }));
    const seen = await holds(use, to, bytes);
    if (copied.version !== null) expect(copied.version).toBe(seen);
    await holds(use, key, bytes);
  });

  it('keeps eight copies at once apart', async () => {
    const sources = [];
    for (let i = 0; i < 8; i += 1) sources.push(await source(`at-once/${i}`, 3 * MIB + i));
    const to = (i: number): Uint8Array => keyOf(`write/copy/at-once-to/${i}`);
    await Promise.all(sources.map(({ key }, i) => succeed(use().store, copy(use(), key, to(i)))));
    for (const [i, { bytes }] of sources.entries()) await holds(use, to(i), bytes);
  });

  it('says that there is nothing to copy', async () => {
    const to = keyOf('write/copy/to-none');
    const answer = await use().store.write(copy(use(), keyOf('write/copy/none'), to), NEVER);
    expect(outcomeOf(answer)).toEqual(['refused', 'NotFound']);
    await isMissing(use, to);
  });

  unless(traits, 'copy-source-version')('copies no other version than it is told', async () => {
    const { key, bytes } = await source('old', 2000);
    const sourceVersion = await holds(use, key, bytes);
    await succeed(use().store, put(key, bytesFor('old', 2000, 2)));
    const to = keyOf('write/copy/to-old');
    const answer = await use().store.write(copy(use(), key, to, { sourceVersion }), NEVER);
    expect(outcomeOf(answer)).toEqual(['version-changed', 'VersionChanged']);
    await isMissing(use, to);
  });

  unless(traits, 'copy-conditions')('copies only where there is nothing, when told so', async () => {
    const { key } = await source('fresh', 2000);
    const there = await source('there', 100);
    const answer = await use().store.write(copy(use(), key, there.key, { ifAbsent: true }), NEVER);
    expect(outcomeOf(answer)).toEqual(['refused', 'AlreadyExists']);
    await holds(use, there.key, there.bytes);
  });
}

function saysThatItCannotCopy(use: Use): void {
  it('says that it cannot copy inside the service', async () => {
    const key = keyOf('write/copy/refused');
    await succeed(use().store, put(key, bytesFor('refused', 10)));
    const to = keyOf('write/copy/nowhere');
    expect(outcomeOf(await use().store.write(copy(use(), key, to), NEVER))).toEqual([
      'refused',
      'Unsupported',
    ]);
    await isMissing(use, to);
  });
}

function deletes(use: Use, traits: WriteTraits, odd: readonly (string | Uint8Array)[]): void {
  it('deletes an object, and one that is not there as well', async () => {
    const key = keyOf('write/delete/one');
    await succeed(use().store, put(key, bytesFor('one', 10)));
    await succeed(use().store, del([key]));
    await isMissing(use, key);
    await succeed(use().store, del([key]));
    await succeed(use().store, del([keyOf('write/delete/never/was')]));
  });

  it('puts, heads and deletes odd keys, all together', async () => {
    const keys = odd.map((each) =>
      Uint8Array.from(Buffer.concat([Buffer.from('write/odd/'), Buffer.from(each as string)])),
    );
    for (const [i, key] of keys.entries()) {
      await succeed(use().store, put(key, bytesFor('odd', 20 + i)));
      expect((await use().store.head(key, NEVER)).value?.size).toBe(20 + i);
    }
    for (const [i, key] of keys.entries()) await holds(use, key, bytesFor('odd', 20 + i));
    const kept = keyOf('write/odd-kept');
    await succeed(use().store, put(kept, bytesFor('kept', 5)));
    await deleteAll(use().store, [...keys, keyOf('write/odd/never was')], traits.limits.deletesPerRequest);
    expect(keysOf(await list(use().store, { prefix: keyOf('write/odd') }))).toEqual(['write/odd-kept']);
  });

  unless(traits, 'delete-if-version')('deletes no other version than it is told', async () => {
    const key = keyOf('write/delete/version');
    await succeed(use().store, put(key, bytesFor('deleted', 10)));
    const ifVersion = await holds(use, key, bytesFor('deleted', 10));
    await succeed(use().store, put(key, bytesFor('deleted', 10, 2)));
    const answer = await use().store.write({ ...del([key]), ifVersion }, NEVER);
    expect(outcomeOf(answer)).toEqual(['version-changed', 'VersionChanged']);
    const version = await holds(use, key, bytesFor('deleted', 10, 2));
    await succeed(use().store, { ...del([key]), ifVersion: version });
    await isMissing(use, key);
  });
}

function writesNothing(use: Use): void {
  const requests = (key: Uint8Array, source: Uint8Array): [string, WriteRequest][] => [
    ['put', put(key, bytesFor('never', 100))],
    ['begin', { kind: 'begin', key, size: 10, ifAbsent: false, ifVersion: null, contentType: null }],
    ['copy', copy(use(), source, key)],
    ['delete', del([source])],
    ['uploads', { kind: 'uploads', prefix: key, continuation: null }],
  ];

  it('changes nothing under a cancelled token, and leaves nothing linked to it', async () => {
    const source = keyOf('write/cancelled/source');
    const key = keyOf('write/cancelled/never');
    await succeed(use().store, put(source, bytesFor('source', 100)));
    const stop = manualSignal();
    stop.set(StopState.Cancelled);
    for (const [name, request] of requests(key, source)) {
      const answer: Answer<WriteResult> = await use().store.write(request, stop);
      expect([name, answer.outcome, answer.error]).toEqual([name, 'cancelled', null]);
    }
    expect(stop.linked).toBe(0);
    await isMissing(use, key);
    await holds(use, source, bytesFor('source', 100));
    expect(await uploadsBelow(use().store, key)).toEqual([]);
  });

  it('leaves nothing linked to the token of a write that went well', async () => {
    const stop = manualSignal();
    const answer = await use().store.write(put(keyOf('write/linked'), bytesFor('linked', 100)), stop);
    expect(answer.outcome).toBe('complete');
    expect(stop.linked).toBe(0);
  });
}

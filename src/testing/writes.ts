/** Claims about puts, their conditions, deletes, and writes that are cancelled before they begin. */
import assert from 'node:assert/strict';
import { NEVER, StopState } from '../protocol/stop.js';
import type { WriteRequest } from '../protocol/writes.js';
import { like } from './assertions.js';
import { casesOf, groupOf } from './group.js';
import { takenKeys } from './keys.js';
import { bytesFor, keyOf, keysOf, list, MIB } from './kit.js';
import { manualSignal } from './signals.js';
import type { StoreBehaviour, StoreFixture, StoreTraits } from './traits.js';
import {
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
  uploadsBelow,
} from './write-kit.js';

/** What a store that writes allows of writes. */
export type Limits = NonNullable<StoreTraits['writes']>;

export function putsWhole(traits: StoreTraits, limits: Limits): StoreBehaviour[] {
  const { behaviours, claim, each } = groupOf('put', traits);
  const sizes = [...casesOf([0, 1, 4097, MIB + 1], 'bytes')];
  each(
    'makes an object, and tells the version that it has',
    [...sizes, ['the largest that is put whole', limits.multipartThreshold] as const],
    async (fixture, size) => {
      const key = keyOf(`write/put/${size}`);
      const bytes = bytesFor('put', size);
      const { version } = await succeed(fixture.store, put(key, bytes));
      const seen = await holds(fixture, key, bytes);
      if (version !== null) assert.equal(version, seen);
      like((await fixture.store.head(key, NEVER)).value, { size, version: seen });
      assert.deepEqual(keysOf(await list(fixture.store, { prefix: key })), [`write/put/${size}`]);
    },
  );

  claim('takes its body out of shared memory, and nothing beside it', async (fixture) => {
    const key = keyOf('write/put/shared');
    const memory = new Uint8Array(new SharedArrayBuffer(70_000));
    memory.set(bytesFor('shared', 70_000));
    await succeed(fixture.store, put(key, memory.subarray(1000, 60_000)));
    await holds(fixture, key, bytesFor('shared', 70_000).subarray(1000, 60_000));
  });

  claim('keeps the type of the content, of uploads too', keepsTheType, 'content-type', 'complete-refused');

  claim('replaces an object, and gives it another version', async (fixture) => {
    const key = keyOf('write/put/replaced');
    await succeed(fixture.store, put(key, bytesFor('replaced', 9000)));
    const first = await holds(fixture, key, bytesFor('replaced', 9000));
    await succeed(fixture.store, put(key, bytesFor('replaced', 9000, 2)));
    assert.notEqual(await holds(fixture, key, bytesFor('replaced', 9000, 2)), first);
    await succeed(fixture.store, put(key, bytesFor('replaced', 10, 3)));
    await holds(fixture, key, bytesFor('replaced', 10, 3));
  });

  claim('keeps sixteen puts at once apart', async (fixture) => {
    const objects = Array.from({ length: 16 }, (_, i) => ({
      key: keyOf(`write/put/at-once/${i}`),
      bytes: bytesFor(`at-once/${i}`, 100_000 + 1013 * i),
    }));
    await Promise.all(objects.map(({ key, bytes }) => succeed(fixture.store, put(key, bytes))));
    for (const { key, bytes } of objects) await holds(fixture, key, bytes);
  });
  return behaviours;
}

async function keepsTheType({ store }: StoreFixture): Promise<void> {
  const key = keyOf('write/put/typed');
  const contentType = 'text/x-claim';
  const typeOf = async (): Promise<unknown> => (await store.head(key, NEVER)).value?.contentType;
  await succeed(store, { ...put(key, bytesFor('typed', 10)), contentType });
  assert.equal(await typeOf(), contentType);
  await succeed(store, put(key, bytesFor('typed', 10)));
  assert.notEqual(await typeOf(), contentType);
  const terms = { ifAbsent: false, ifVersion: null, contentType };
  const { upload } = await succeed(store, { kind: 'begin', key, size: 10, ...terms });
  const receipt = await part(store, key, upload!, 0, MIB, bytesFor('typed', 10));
  await succeed(store, { ...complete(key, upload!, [receipt], 10), contentType });
  assert.equal(await typeOf(), contentType);
}

export function keepsConditions(traits: StoreTraits): StoreBehaviour[] {
  const { behaviours, claim } = groupOf('conditions of a put', traits);

  claim(
    'creates only where there is nothing, when told so',
    async (fixture) => {
      const key = keyOf('write/if/absent');
      await succeed(fixture.store, put(key, bytesFor('absent', 500), { ifAbsent: true }));
      const again = put(key, bytesFor('absent', 600, 2), { ifAbsent: true });
      assert.deepEqual(outcomeOf(await fixture.store.write(again, NEVER)), ['refused', 'AlreadyExists']);
      await holds(fixture, key, bytesFor('absent', 500));
    },
    'put-if-absent',
  );

  claim(
    'replaces the very version that it is told',
    async (fixture) => {
      const key = keyOf('write/if/version');
      await succeed(fixture.store, put(key, bytesFor('version', 500)));
      const version = await holds(fixture, key, bytesFor('version', 500));
      await succeed(fixture.store, put(key, bytesFor('version', 700, 2), { ifVersion: version }));
      await holds(fixture, key, bytesFor('version', 700, 2));
    },
    'put-if-version',
  );

  claim(
    'refuses to replace another version, or none',
    async (fixture) => {
      const key = keyOf('write/if/other');
      await succeed(fixture.store, put(key, bytesFor('other', 500)));
      const ifVersion = await holds(fixture, key, bytesFor('other', 500));
      await succeed(fixture.store, put(key, bytesFor('other', 600, 2)));
      const third = put(key, bytesFor('other', 700, 3), { ifVersion });
      const changed = await fixture.store.write(third, NEVER);
      assert.deepEqual(outcomeOf(changed), ['version-changed', 'VersionChanged']);
      await holds(fixture, key, bytesFor('other', 600, 2));
      await succeed(fixture.store, del([key]));
      const gone = await fixture.store.write(third, NEVER);
      assert.deepEqual(outcomeOf(gone), ['version-changed', 'VersionChanged']);
      await isMissing(fixture, key);
    },
    'put-conditions',
  );
  return behaviours;
}

export function deletes(traits: StoreTraits, limits: Limits): StoreBehaviour[] {
  const { behaviours, claim } = groupOf('delete', traits);

  claim('deletes an object, and one that is not there as well', async (fixture) => {
    const key = keyOf('write/delete/one');
    await succeed(fixture.store, put(key, bytesFor('one', 10)));
    await succeed(fixture.store, del([key]));
    await isMissing(fixture, key);
    await succeed(fixture.store, del([key]));
    await succeed(fixture.store, del([keyOf('write/delete/never/was')]));
  });

  claim(
    'puts, heads and deletes odd keys, all together',
    (fixture) => deletesOddKeys(fixture, takenKeys(traits), limits.deletesPerRequest),
    'delete-many',
  );

  claim(
    'deletes no other version than it is told',
    async (fixture) => {
      const key = keyOf('write/delete/version');
      await succeed(fixture.store, put(key, bytesFor('deleted', 10)));
      const ifVersion = await holds(fixture, key, bytesFor('deleted', 10));
      await succeed(fixture.store, put(key, bytesFor('deleted', 10, 2)));
      const answer = await fixture.store.write({ ...del([key]), ifVersion }, NEVER);
      assert.deepEqual(outcomeOf(answer), ['version-changed', 'VersionChanged']);
      const version = await holds(fixture, key, bytesFor('deleted', 10, 2));
      await succeed(fixture.store, { ...del([key]), ifVersion: version });
      await isMissing(fixture, key);
    },
    'delete-if-version',
  );
  return behaviours;
}

async function deletesOddKeys(
  fixture: StoreFixture,
  odd: ReturnType<typeof takenKeys>,
  most: number,
): Promise<void> {
  const { store } = fixture;
  const keys = odd.map((each) =>
    Uint8Array.from(Buffer.concat([Buffer.from('write/odd/'), Buffer.from(each as string)])),
  );
  for (const [i, key] of keys.entries()) {
    await succeed(store, put(key, bytesFor('odd', 20 + i)));
    assert.equal((await store.head(key, NEVER)).value?.size, 20 + i);
  }
  for (const [i, key] of keys.entries()) await holds(fixture, key, bytesFor('odd', 20 + i));
  const kept = keyOf('write/odd-kept');
  await succeed(store, put(kept, bytesFor('kept', 5)));
  await deleteAll(store, [...keys, keyOf('write/odd/never was')], most);
  assert.deepEqual(keysOf(await list(store, { prefix: keyOf('write/odd') })), ['write/odd-kept']);
}

export function writesNothing(traits: StoreTraits): StoreBehaviour[] {
  const { behaviours, claim } = groupOf('cancelled before', traits);

  claim('changes nothing under a cancelled token, and leaves nothing linked to it', async (fixture) => {
    const source = keyOf('write/cancelled/source');
    const key = keyOf('write/cancelled/never');
    await succeed(fixture.store, put(source, bytesFor('source', 100)));
    const stop = manualSignal();
    stop.set(StopState.Cancelled);
    const requests: WriteRequest[] = [
      put(key, bytesFor('never', 100)),
      { kind: 'begin', key, size: 10, ifAbsent: false, ifVersion: null, contentType: null },
      copy(fixture, source, key),
      del([source]),
      { kind: 'uploads', prefix: key, continuation: null },
    ];
    for (const request of requests) {
      const { outcome, error } = await fixture.store.write(request, stop);
      assert.deepEqual([request.kind, outcome, error], [request.kind, 'cancelled', null]);
    }
    assert.equal(stop.linked, 0);
    await isMissing(fixture, key);
    await holds(fixture, source, bytesFor('source', 100));
    assert.deepEqual(await uploadsBelow(fixture.store, key), []);
  });

  claim('leaves nothing linked to the token of a write that went well', async ({ store }) => {
    const stop = manualSignal();
    const answer = await store.write(put(keyOf('write/linked'), bytesFor('linked', 100)), stop);
    assert.equal(answer.outcome, 'complete');
    assert.equal(stop.linked, 0);
  });
  return behaviours;
}

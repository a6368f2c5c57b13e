/** Claims about uploads in parts. Parts have a size that S3 takes. */
import assert from 'node:assert/strict';
import { NEVER } from '../protocol/stop.js';
import { groupOf } from './group.js';
import { bytesFor, keyOf, MIB } from './kit.js';
import type { StoreBehaviour, StoreFixture, StoreTraits } from './traits.js';
import { abort, begin, complete, holds, isMissing, outcomeOf, part, put, succeed } from './write-kit.js';

const PART = 5 * MIB;
const SIZE = 2 * PART + 12_345;

async function uploads(fixture: StoreFixture, name: string, order: readonly number[]): Promise<void> {
  const { store } = fixture;
  const key = keyOf(`write/parts/${name}`);
  const bytes = bytesFor(name, SIZE);
  const id = await begin(store, key, SIZE);
  const receipts: string[] = [];
  for (const index of order) receipts[index] = await part(store, key, id, index, PART, bytes);
  const { version } = await succeed(store, complete(key, id, receipts, SIZE));
  const seen = await holds(fixture, key, bytes);
  if (version !== null) assert.equal(version, seen);
}

export function uploadsParts(traits: StoreTraits): StoreBehaviour[] {
  const { behaviours, claim } = groupOf('upload in parts', traits);

  claim(
    'puts parts that come in order together',
    (fixture) => uploads(fixture, 'in-order', [0, 1, 2]),
    'complete-refused',
  );

  claim('shows nothing before the end', showsNothingBefore, 'complete-refused', 'uploads-unlisted');

  claim(
    'puts parts together that come in another order',
    (fixture) => uploads(fixture, 'out-of-order', [2, 0, 1]),
    'complete-refused',
    'parts-in-order',
  );

  claim(
    'takes a part again, and the last one counts',
    async (fixture) => {
      const { store } = fixture;
      const key = keyOf('write/parts/again');
      const bytes = bytesFor('again', SIZE);
      const id = await begin(store, key, SIZE);
      await part(store, key, id, 1, PART, bytesFor('again', SIZE, 2));
      const receipts: string[] = [];
      for (const index of [0, 1, 2]) receipts[index] = await part(store, key, id, index, PART, bytes);
      await succeed(store, complete(key, id, receipts, SIZE));
      await holds(fixture, key, bytes);
    },
    'complete-refused',
    'parts-in-order',
  );

  claim('takes parts of an object whose size it was not told', takesUnknownSize, 'complete-refused');
  claim('keeps two uploads of one key apart', keepsTwoApart, 'complete-refused');
  claim('replaces an object only in the end', replacesInTheEnd, 'complete-refused');
  claim(
    'looks at its conditions in the end, and changes nothing when they fail',
    looksInTheEnd,
    'complete-refused',
    'complete-conditions',
  );
  return behaviours;
}

async function showsNothingBefore(fixture: StoreFixture): Promise<void> {
  const { store } = fixture;
  const key = keyOf('write/parts/unseen');
  const bytes = bytesFor('unseen', PART + 1);
  const id = await begin(store, key, PART + 1);
  const receipts: string[] = [];
  for (const index of [0, 1]) {
    receipts[index] = await part(store, key, id, index, PART, bytes);
    await isMissing(fixture, key);
  }
  await succeed(store, complete(key, id, receipts, PART + 1));
  await holds(fixture, key, bytes);
}

async function takesUnknownSize(fixture: StoreFixture): Promise<void> {
  const { store } = fixture;
  const key = keyOf('write/parts/unknown');
  const bytes = bytesFor('unknown', PART + 1);
  const id = await begin(store, key, -1);
  const receipts: string[] = [];
  for (const index of [0, 1]) receipts[index] = await part(store, key, id, index, PART, bytes);
  await succeed(store, complete(key, id, receipts, PART + 1));
  await holds(fixture, key, bytes);
}

async function keepsTwoApart(fixture: StoreFixture): Promise<void> {
  const { store } = fixture;
  const size = PART + 100;
  const key = keyOf('write/parts/two');
  const [one, other] = [bytesFor('two', size), bytesFor('two', size, 2)];
  const [first, second] = [await begin(store, key, size), await begin(store, key, size)];
  const receipts: string[] = [];
  for (const index of [0, 1]) {
    receipts[index] = await part(store, key, first, index, PART, one);
    await part(store, key, second, index, PART, other);
  }
  await succeed(store, complete(key, first, receipts, size));
  await holds(fixture, key, one);
  await succeed(store, abort(key, second));
  await holds(fixture, key, one);
}

async function replacesInTheEnd(fixture: StoreFixture): Promise<void> {
  const { store } = fixture;
  const key = keyOf('write/parts/replaced');
  await succeed(store, put(key, bytesFor('before', 100)));
  const id = await begin(store, key, 3000);
  const receipt = await part(store, key, id, 0, PART, bytesFor('after', 3000));
  await holds(fixture, key, bytesFor('before', 100));
  await succeed(store, complete(key, id, [receipt], 3000));
  await holds(fixture, key, bytesFor('after', 3000));
}

async function looksInTheEnd(fixture: StoreFixture): Promise<void> {
  const { store } = fixture;
  const key = keyOf('write/parts/conditions');
  await succeed(store, put(key, bytesFor('there', 100)));
  const id = await begin(store, key, 3000);
  const receipt = await part(store, key, id, 0, PART, bytesFor('late', 3000));
  const absent = { ...complete(key, id, [receipt], 3000), ifAbsent: true };
  assert.deepEqual(outcomeOf(await store.write(absent, NEVER)), ['refused', 'AlreadyExists']);
  const version = await holds(fixture, key, bytesFor('there', 100));
  await succeed(store, { ...complete(key, id, [receipt], 3000), ifVersion: version });
  await holds(fixture, key, bytesFor('late', 3000));
}

/** Claims about uploads that are aborted, or have not ended yet. */
import assert from 'node:assert/strict';
import { NEVER } from '../protocol/stop.js';
import { groupOf } from './group.js';
import { bytesFor, keyOf, MIB } from './kit.js';
import type { StoreBehaviour, StoreFixture, StoreTraits } from './traits.js';
import {
  abort,
  begin,
  complete,
  holds,
  isMissing,
  outcomeOf,
  part,
  put,
  succeed,
  uploadsBelow,
} from './write-kit.js';

/** Services and this machine do not have the same time. */
const CLOCKS_DIFFER_BY_MS = 60_000;

interface Started {
  readonly key: Uint8Array;
  readonly id: string;
  readonly receipt: string;
}

async function started({ store }: StoreFixture, name: string): Promise<Started> {
  const key = keyOf(`write/ends/${name}`);
  const id = await begin(store, key, 3000);
  return { key, id, receipt: await part(store, key, id, 0, MIB, bytesFor(name, 3000)) };
}

export function endsUploads(traits: StoreTraits): StoreBehaviour[] {
  const { behaviours, claim } = groupOf('upload that ends otherwise', traits);

  claim(
    'shows nothing of an upload that is aborted, as often as that may be',
    async (fixture) => {
      const { key, id } = await started(fixture, 'aborted');
      await succeed(fixture.store, abort(key, id));
      await isMissing(fixture, key);
      await succeed(fixture.store, abort(key, id));
    },
    'uploads-unlisted',
  );

  claim(
    'lists an upload no more that was aborted',
    async (fixture) => {
      const { key, id } = await started(fixture, 'unlisted');
      await succeed(fixture.store, abort(key, id));
      assert.deepEqual(await uploadsBelow(fixture.store, key), []);
    },
    'uploads-unlisted',
    'abort-keeps',
  );

  claim('leaves the object as it was when an upload over it is aborted', async (fixture) => {
    const key = keyOf('write/ends/kept');
    await succeed(fixture.store, put(key, bytesFor('kept', 500)));
    const { id } = await started(fixture, 'kept');
    await succeed(fixture.store, abort(key, id));
    await holds(fixture, key, bytesFor('kept', 500));
  });

  claim(
    'does not complete what was aborted',
    async (fixture) => {
      const { key, id, receipt } = await started(fixture, 'gone');
      await succeed(fixture.store, abort(key, id));
      const late = await fixture.store.write(complete(key, id, [receipt], 3000), NEVER);
      assert.deepEqual(outcomeOf(late), ['refused', 'NotFound']);
      await isMissing(fixture, key);
    },
    'complete-aborted',
  );

  claim(
    'lists an upload until it is completed',
    async (fixture) => {
      const { key, id, receipt } = await started(fixture, 'until');
      const keys = async (): Promise<string[]> =>
        (await uploadsBelow(fixture.store, key)).map((each) => Buffer.from(each.key).toString());
      assert.deepEqual(await keys(), ['write/ends/until']);
      await succeed(fixture.store, complete(key, id, [receipt], 3000));
      assert.deepEqual(await keys(), []);
    },
    'complete-refused',
    'uploads-unlisted',
  );

  claim(
    'lists uploads that have not ended, below a prefix alone, and no others',
    listsWhatHasNotEnded,
    'complete-refused',
    'uploads-by-key',
  );
  return behaviours;
}

async function listsWhatHasNotEnded(fixture: StoreFixture): Promise<void> {
  const { store } = fixture;
  const before = Date.now() - CLOCKS_DIFFER_BY_MS;
  const one = await started(fixture, 'listed/one');
  const two = await started(fixture, 'listed/two');
  const done = await started(fixture, 'listed/done');
  await succeed(store, complete(done.key, done.id, [done.receipt], 3000));
  const aborted = await started(fixture, 'listed/aborted');
  await succeed(store, abort(aborted.key, aborted.id));
  const beside = await started(fixture, 'beside');
  const below = await uploadsBelow(store, keyOf('write/ends/listed/'));
  assert.deepEqual(below.map(({ key, upload }) => `${Buffer.from(key).toString()} ${upload}`).sort(), [
    `write/ends/listed/one ${one.id}`,
    `write/ends/listed/two ${two.id}`,
  ]);
  for (const { startedMs } of below) {
    assert.ok(startedMs !== null && startedMs > before, `begun at ${startedMs}`);
    assert.ok(startedMs < before + 10 * CLOCKS_DIFFER_BY_MS, `begun at ${startedMs}`);
  }
  const named = await uploadsBelow(store, two.key);
  assert.deepEqual(
    named.map(({ upload }) => upload),
    [two.id],
  );
  for (const { key, id } of [one, two, beside]) await succeed(store, abort(key, id));
  assert.deepEqual(await uploadsBelow(store, keyOf('write/ends/')), []);
}

/** Claims about copies inside the service. */
import { NEVER } from '../protocol/stop.js';
import assert from 'node:assert/strict';
import { casesOf, groupOf } from './group.js';
import { bytesFor, keyOf, MIB, type PutObject } from './kit.js';
import type { StoreBehaviour, StoreFixture, StoreTraits } from './traits.js';
import { copy, holds, isMissing, outcomeOf, put, succeed } from './write-kit.js';

async function source({ store }: StoreFixture, name: string, size: number): Promise<PutObject> {
  const key = keyOf(`write/copy/${name}`);
  const bytes = bytesFor(name, size);
  await succeed(store, put(key, bytes));
  return { key, bytes };
}

const NO_COPIES = ['copy-unsupported', 'copy-broken'] as const;

export function copies(traits: StoreTraits): StoreBehaviour[] {
  const { behaviours, claim, each } = groupOf('copy', traits);

  each(
    'copies an object',
    casesOf([0, 1, 3 * MIB + 17], 'bytes'),
    async (fixture, size) => {
      const { key, bytes } = await source(fixture, `from-${size}`, size);
      const version = await holds(fixture, key, bytes);
      const to = keyOf(`write/copy/to-${size} ü`);
      const copied = await succeed(fixture.store, copy(fixture, key, to, { sourceVersion: version }));
      const seen = await holds(fixture, to, bytes);
      if (copied.version !== null) assert.equal(copied.version, seen);
      await holds(fixture, key, bytes);
    },
    ...NO_COPIES,
  );

  claim(
    'keeps eight copies at once apart',
    async (fixture) => {
      const sources: PutObject[] = [];
      for (let i = 0; i < 8; i += 1) sources.push(await source(fixture, `at-once/${i}`, 3 * MIB + i));
      const to = (i: number): Uint8Array => keyOf(`write/copy/at-once-to/${i}`);
      await Promise.all(sources.map(({ key }, i) => succeed(fixture.store, copy(fixture, key, to(i)))));
      for (const [i, { bytes }] of sources.entries()) await holds(fixture, to(i), bytes);
    },
    ...NO_COPIES,
  );

  claim(
    'says that there is nothing to copy',
    async (fixture) => {
      const to = keyOf('write/copy/to-none');
      const answer = await fixture.store.write(copy(fixture, keyOf('write/copy/none'), to), NEVER);
      assert.deepEqual(outcomeOf(answer), ['refused', 'NotFound']);
      await isMissing(fixture, to);
    },
    ...NO_COPIES,
  );

  claim('copies no other version than it is told', copiesNoOther, ...NO_COPIES, 'copy-source-version');

  claim(
    'copies only where there is nothing, when told so',
    async (fixture) => {
      const { key } = await source(fixture, 'fresh', 2000);
      const there = await source(fixture, 'there', 100);
      const request = copy(fixture, key, there.key, { ifAbsent: true });
      const answer = await fixture.store.write(request, NEVER);
      assert.deepEqual(outcomeOf(answer), ['refused', 'AlreadyExists']);
      await holds(fixture, there.key, there.bytes);
    },
    ...NO_COPIES,
    'copy-conditions',
  );

  if (traits.exceptions?.['copy-unsupported'] !== undefined) {
    claim('says that it cannot copy inside the service', async (fixture) => {
      const { key } = await source(fixture, 'refused', 10);
      const to = keyOf('write/copy/nowhere');
      const answer = await fixture.store.write(copy(fixture, key, to), NEVER);
      assert.deepEqual(outcomeOf(answer), ['refused', 'Unsupported']);
      await isMissing(fixture, to);
    });
  }
  return behaviours;
}

async function copiesNoOther(fixture: StoreFixture): Promise<void> {
  const { key, bytes } = await source(fixture, 'old', 2000);
  const sourceVersion = await holds(fixture, key, bytes);
  await succeed(fixture.store, put(key, bytesFor('old', 2000, 2)));
  const to = keyOf('write/copy/to-old');
  const answer = await fixture.store.write(copy(fixture, key, to, { sourceVersion }), NEVER);
  assert.deepEqual(outcomeOf(answer), ['version-changed', 'VersionChanged']);
  await isMissing(fixture, to);
}

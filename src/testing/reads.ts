/** Claims about bytes, ranges and versions. */
import assert from 'node:assert/strict';
import { NEVER } from '../protocol/stop.js';
import { like, present, same, untouched } from './assertions.js';
import { casesOf, groupOf } from './group.js';
import { bytesFor, keyOf, list, MIB, putNew, range, read, versionsOf, whole } from './kit.js';
import type { StoreBehaviour, StoreTraits } from './traits.js';

const SIZES = [0, 1, 4095, 4096, 4097, 65_535, MIB - 1, MIB, MIB + 1, 3 * MIB + 17];

export function readsWhole(traits: StoreTraits): StoreBehaviour[] {
  const { behaviours, claim, each } = groupOf('read', traits);

  each('lands an object exactly, and nowhere else', casesOf(SIZES, 'bytes'), async (fixture, size) => {
    const { key, bytes } = await putNew(fixture, `whole/${size}`, size);
    const { answer, target } = await read(fixture.store, whole(key, size));
    like(answer, { outcome: 'complete', landed: size, size, error: null });
    same(target, bytes);
  });

  claim('leaves the rest of a longer target alone', async (fixture) => {
    const { key, bytes } = await putNew(fixture, 'whole/short', 100);
    const { answer, target } = await read(fixture.store, whole(key, 100), NEVER, 1000);
    assert.equal(answer.landed, 100);
    same(target.subarray(0, 100), bytes);
    untouched(target.subarray(100));
  });

  each(
    'refuses to call an object whole that is longer or shorter than believed',
    casesOf([-1, 1, 5000], 'bytes more'),
    async (fixture, more) => {
      const { key } = await putNew(fixture, `whole/other${more}`, 9000);
      const { answer } = await read(fixture.store, whole(key, 9000 - more), NEVER, 10_000);
      like(answer, { outcome: 'size-changed', landed: 0, size: 9000 });
      present(answer.error?.code, 'error');
    },
  );

  claim('says that a key does not exist', async (fixture) => {
    const { answer } = await read(fixture.store, whole(keyOf('whole/missing'), 10));
    like(answer, { outcome: 'refused', landed: 0 });
    assert.equal(answer.error?.code, 'NotFound');
    assert.match(answer.error.uri ?? '', /whole\/missing/);
    const head = await fixture.store.head(keyOf('whole/missing'), NEVER);
    like(head, { outcome: 'refused', value: null });
    assert.equal(head.error?.code, 'NotFound');
  });

  claim('tells size and version by head', async (fixture) => {
    const { key } = await putNew(fixture, 'whole/facts', 1234);
    const head = await fixture.store.head(key, NEVER);
    like(head, { outcome: 'complete', error: null });
    assert.equal(head.value?.size, 1234);
    const { answer } = await read(fixture.store, whole(key, 1234));
    assert.equal(answer.version, head.value.version);
  });

  claim('keeps sixteen reads at once apart', async (fixture) => {
    const objects = await Promise.all(
      Array.from({ length: 16 }, (_, i) => putNew(fixture, `whole/at-once/${i}`, 200_000 + i * 1013)),
    );
    const answers = await Promise.all(
      objects.map(({ key, bytes }) => read(fixture.store, whole(key, bytes.length))),
    );
    for (const [i, { answer, target }] of answers.entries()) {
      assert.equal(answer.outcome, 'complete');
      same(target, objects[i]!.bytes);
    }
  });
  return behaviours;
}

export function readsRanges(traits: StoreTraits): StoreBehaviour[] {
  const { behaviours, claim, each } = groupOf('read of a range', traits);
  const size = 2 * MIB + 13;

  each(
    'lands the bytes of a range, and no others',
    [
      ['the first byte', [0, 1]],
      ['the last byte', [size - 1, 1]],
      ['two bytes over a page boundary', [4095, 2]],
      ['two bytes over a MiB boundary', [MIB - 1, 2]],
      ['a middle part', [12_345, MIB + 7]],
      ['everything', [0, size]],
    ] as const,
    async (fixture, [start, length]) => {
      const { key, bytes } = await putNew(fixture, 'range/object', size);
      const { answer, target } = await read(fixture.store, range(key, start, length));
      like(answer, { outcome: 'complete', landed: length, size, error: null });
      same(target, bytes.subarray(start, start + length));
    },
  );

  each(
    'lands what there is of a range that reaches past the end',
    [
      ['by one byte', [size - 10, 11]],
      ['by far', [size - 1, MIB]],
      ['from the start', [0, size + 1]],
    ] as const,
    async (fixture, [start, length]) => {
      const { key, bytes } = await putNew(fixture, 'range/object', size);
      const { answer, target } = await read(fixture.store, range(key, start, length));
      like(answer, { outcome: 'complete', landed: size - start, size });
      same(target.subarray(0, size - start), bytes.subarray(start));
      untouched(target.subarray(size - start));
    },
  );

  each(
    'rejects a range that begins at the end or behind it',
    casesOf([100, 101, 1_000_000], 'of 100 bytes'),
    async (fixture, start) => {
      const { key } = await putNew(fixture, 'range/small', 100);
      const { answer, target } = await read(fixture.store, range(key, start, 10));
      like(answer, { outcome: 'refused', landed: 0 });
      assert.equal(answer.error?.code, 'RangeRejected');
      assert.deepEqual(answer.error.range, [start, start + 9]);
      untouched(target);
    },
  );

  claim('lands nothing of an empty object, and that is a success', async (fixture) => {
    const { key } = await putNew(fixture, 'range/empty', 0);
    const { answer } = await read(fixture.store, range(key, 0, MIB));
    like(answer, { outcome: 'complete', landed: 0, size: 0, error: null });
  });
  return behaviours;
}

const SHAPES = [
  ['the whole', true],
  ['a range', false],
] as const;

export function looksAtVersions(traits: StoreTraits): StoreBehaviour[] {
  const { behaviours, claim, each } = groupOf('version', traits);

  claim('accepts the version that head, a read and a listing gave', async (fixture) => {
    const { key } = await putNew(fixture, 'version/kept', 5000);
    const head = await fixture.store.head(key, NEVER);
    const page = await list(fixture.store, { prefix: key });
    const first = await read(fixture.store, whole(key, 5000));
    for (const given of [head.value?.version, versionsOf(page)[0], first.answer.version]) {
      const version = present(given, 'version');
      const { answer } = await read(fixture.store, { ...range(key, 100, 50), version });
      like(answer, { outcome: 'complete', landed: 50, version });
    }
  });

  each('says so when the object was replaced', SHAPES, async (fixture, isWhole) => {
    const { key } = await putNew(fixture, `version/replaced-${isWhole}`, 5000);
    const head = await fixture.store.head(key, NEVER);
    await fixture.put(key, bytesFor('replaced', 6000, 99));
    const request = isWhole ? whole(key, 6000) : range(key, 0, 1000);
    const { answer } = await read(fixture.store, { ...request, version: head.value?.version ?? null });
    like(answer, { outcome: 'version-changed', landed: 0 });
    assert.equal(answer.error?.code, 'VersionChanged');
    const fresh = await fixture.store.head(key, NEVER);
    assert.notEqual(fresh.value?.version, head.value?.version);
  });

  each(
    'writes no byte of another version than was asked for',
    SHAPES,
    async (fixture, isWhole) => {
      const { key } = await putNew(fixture, `version/other-${isWhole}`, 5000);
      const head = await fixture.store.head(key, NEVER);
      await fixture.put(key, bytesFor('other', 6000, 99));
      const request = isWhole ? whole(key, 6000) : range(key, 0, 1000);
      const { answer, target } = await read(fixture.store, {
        ...request,
        version: present(head.value?.version, 'version'),
      });
      assert.equal(answer.outcome, 'version-changed');
      untouched(target);
    },
    'old-versions',
  );
  return behaviours;
}

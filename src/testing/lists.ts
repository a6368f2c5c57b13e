/** Claims about listings, and about delimiters. */
import assert from 'node:assert/strict';
import { like } from './assertions.js';
import { casesOf, type Group, groupOf } from './group.js';
import { keyOf, keysOf, list, listAll, putNew, versionsOf } from './kit.js';
import type { StoreBehaviour, StoreException, StoreFixture, StoreTraits } from './traits.js';

/** The directory `a/` sorts between `a.b` and `a0`, although it is one entry called `a`. */
const NAMES = [
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
const LEVELS = ['x.y', 'x/1', 'x/2/3', 'x0', 'y/1', 'y/2', 'é/1'];

/** Objects that several claims look at are put once for each fixture, by whichever claim comes first. */
function prepared(
  prepare: (fixture: StoreFixture) => Promise<void>,
): (fixture: StoreFixture) => Promise<void> {
  const begun = new WeakMap<StoreFixture, Promise<void>>();
  return (fixture) => {
    const before = begun.get(fixture) ?? prepare(fixture);
    begun.set(fixture, before);
    return before;
  };
}

const withNames = prepared(async (fixture) => {
  for (const [i, each] of NAMES.entries()) await putNew(fixture, `list/${each}`, i);
  await putNew(fixture, 'list.beside', 1);
  await putNew(fixture, 'list0', 1);
});

const withLevels = prepared(async (fixture) => {
  for (const key of LEVELS) await putNew(fixture, `level/${key}`, 3);
});

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
const below = (names: readonly string[]): string[] => names.map((each) => `list/${each}`);

export function lists(traits: StoreTraits): StoreBehaviour[] {
  const group = groupOf('list', traits);
  const { behaviours, claim } = group;
  const isUtf16 = traits.exceptions?.['utf-16-order'] !== undefined;
  const inOrder = [...NAMES].sort(isUtf16 ? undefined : byBytes);

  listsInOrder(group, 'UTF-8', [...NAMES].sort(byBytes), 'utf-16-order');
  if (isUtf16) listsInOrder(group, 'UTF-16', inOrder);

  claim('takes a prefix that ends in the middle of a name', async (fixture) => {
    await withNames(fixture);
    const page = await list(fixture.store, { prefix: keyOf('list/a') });
    assert.deepEqual(keysOf(page), below(['a.b', 'a/b', 'a/b.c', 'a/b0/c', 'a/c', 'a0', 'aa']));
    const deep = await list(fixture.store, { prefix: keyOf('list/a/b') });
    assert.deepEqual(keysOf(deep), below(['a/b', 'a/b.c', 'a/b0/c']));
  });

  claim('takes a whole key as prefix', async (fixture) => {
    await withNames(fixture);
    assert.deepEqual(keysOf(await list(fixture.store, { prefix: keyOf('list/a0') })), ['list/a0']);
  });

  claim('gives an empty page for a prefix that no key has', async ({ store }) => {
    const page = await list(store, { prefix: keyOf('list/nothing-begins-so') });
    like(page, { count: 0, next: null, prefixes: [] });
    assert.equal(page.keys.length, 0);
  });

  claim('goes on from a page that was asked for twice', async (fixture) => {
    await withNames(fixture);
    const first = await list(fixture.store, { prefix: keyOf('list/'), limit: 4 });
    const request = { prefix: keyOf('list/'), limit: 4, continuation: first.next };
    const second = keysOf(await list(fixture.store, request));
    assert.deepEqual(keysOf(await list(fixture.store, request)), second);
    assert.deepEqual(second, below(inOrder.slice(4, 8)));
  });
  return behaviours;
}

function listsInOrder(
  { each }: Group,
  order: string,
  inOrder: readonly string[],
  ...unless: readonly StoreException[]
): void {
  const run = async (fixture: StoreFixture, limit: number): Promise<void> => {
    await withNames(fixture);
    const pages = await listAll(fixture.store, { prefix: keyOf('list/'), limit });
    for (const page of pages) assert.ok(page.count <= limit, 'a page is longer than its limit');
    assert.deepEqual(pages.flatMap(keysOf), below(inOrder));
    const sizes = pages.flatMap((page) => [...page.sizes]);
    assert.deepEqual(
      sizes,
      inOrder.map((name) => NAMES.indexOf(name)),
    );
    const versions = pages.flatMap(versionsOf);
    assert.ok(!versions.includes(''), 'a key is listed without its version');
    assert.equal(pages.at(-1)?.next, null);
  };
  const cases = casesOf([1, 2, 3, 7, 1000], 'a page');
  each(`gives every key once, in the order of ${order}`, cases, run, ...unless);
}

async function givesOneLevel(fixture: StoreFixture, limit: number): Promise<void> {
  await withLevels(fixture);
  const pages = await listAll(fixture.store, { prefix: keyOf('level/'), delimiter: '/', limit });
  assert.deepEqual(pages.flatMap(keysOf), ['level/x.y', 'level/x0']);
  const prefixes = pages.flatMap((page) => page.prefixes);
  assert.deepEqual(prefixes, ['level/x/', 'level/y/', 'level/é/']);
  for (const page of pages)
    assert.ok(page.count + page.prefixes.length <= limit, 'a page is longer than its limit');
}

export function rollsUp(traits: StoreTraits): StoreBehaviour[] {
  const { behaviours, claim, each } = groupOf('delimiter', traits);

  claim('gives one level, with the deeper ones as prefixes', (fixture) => givesOneLevel(fixture, 1000));
  each('counts prefixes as entries of a page', casesOf([1, 2], 'a page'), givesOneLevel, 'counts-prefixes');

  claim('rolls up what begins like the prefix', async (fixture) => {
    await withLevels(fixture);
    const page = await list(fixture.store, { prefix: keyOf('level/x'), delimiter: '/' });
    assert.deepEqual(keysOf(page), ['level/x.y', 'level/x0']);
    assert.deepEqual(page.prefixes, ['level/x/']);
    const inner = await list(fixture.store, { prefix: keyOf('level/x/'), delimiter: '/' });
    assert.deepEqual(keysOf(inner), ['level/x/1']);
    assert.deepEqual(inner.prefixes, ['level/x/2/']);
  });
  return behaviours;
}

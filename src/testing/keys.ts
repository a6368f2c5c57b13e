/** Claims about odd keys: those that every store takes, those of one's own, and those that it refuses. */
import assert from 'node:assert/strict';
import { NEVER } from '../protocol/stop.js';
import { like, same } from './assertions.js';
import { groupOf } from './group.js';
import { bytesFor, keyOf, list, read, whole } from './kit.js';
import type { StoreBehaviour, StoreFixture, StoreTraits } from './traits.js';

/** Keys that every store takes. */
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

type Key = string | Uint8Array;

/** Odd keys that this store takes. */
export function takenKeys({ refusedKeys, extraKeys = [] }: StoreTraits): readonly Key[] {
  return [...ODD_KEYS.filter((key) => refusedKeys?.keys.includes(key) !== true), ...extraKeys];
}

export function takesOddKeys(traits: StoreTraits): StoreBehaviour[] {
  const { keys = [], reason = '' } = traits.refusedKeys ?? {};
  const taken = takenKeys(traits);
  const refused = ODD_KEYS.filter((key) => keys.includes(key));
  // Cases of one claim, of which only those that the store refuses are left out.
  const claim = 'puts, heads, reads and lists a key';
  const group = groupOf('odd keys', traits);
  group.each(claim, taken.map(caseOf), takesKey);
  const left = groupOf('odd keys', traits);
  left.each(claim, refused.map(caseOf), takesKey);
  for (const behaviour of left.behaviours) group.behaviours.push({ ...behaviour, skip: reason });
  return group.behaviours;
}

/** A key and how it is called. */
function caseOf(key: Key): readonly [string, Key] {
  return [JSON.stringify(typeof key === 'string' ? key : [...key]), key];
}

async function takesKey(fixture: StoreFixture, name: Key): Promise<void> {
  const { store } = fixture;
  const bytesOfKey = typeof name === 'string' ? Buffer.from(name) : name;
  const isRooted = bytesOfKey[0] === 0x2f;
  const key = new Uint8Array(isRooted ? bytesOfKey : Buffer.concat([Buffer.from('odd/'), bytesOfKey]));
  const bytes = bytesFor(Buffer.from(key).toString('latin1'), 777, 5);
  await fixture.put(key, bytes);
  assert.equal((await store.head(key, NEVER)).value?.size, 777);
  const { answer, target } = await read(store, whole(key, 777));
  assert.equal(answer.outcome, 'complete');
  same(target, bytes);
  const page = await list(store, { prefix: key });
  assert.ok(page.count >= 1, 'the key is not listed');
  same(page.keys.subarray(0, page.keyEnds[0]), key);
}

export function refusesKeys(traits: StoreTraits): StoreBehaviour[] {
  const { behaviours, each } = groupOf('keys of others', traits);
  const keys = traits.refusedKeys?.keys ?? [];
  each(
    'refuses a key before it asks for it',
    keys.map((key) => [JSON.stringify(key), key] as const),
    refusesKey,
  );
  return behaviours;
}

async function refusesKey({ store }: StoreFixture, name: string): Promise<void> {
  const key = keyOf(name);
  const head = await store.head(key, NEVER);
  like(head, { outcome: 'refused', value: null });
  assert.equal(head.error?.code, 'InvalidArgument');
  assert.equal(head.error.phase, 'prepare');
  assert.equal((await read(store, whole(key, 10))).answer.error?.code, 'InvalidArgument');
  const put = {
    kind: 'put',
    key,
    body: new Uint8Array(1),
    ifAbsent: false,
    ifVersion: null,
    contentType: null,
  } as const;
  assert.equal((await store.write(put, NEVER)).error?.code, 'InvalidArgument');
  const deletion = { kind: 'delete', keys: [key], ifVersion: null } as const;
  assert.equal((await store.write(deletion, NEVER)).error?.code, 'InvalidArgument');
}

/** Conformance: listings, delimiters and odd keys. */
import { beforeAll, expect, it } from 'vitest';
import { patternBytes } from '../../dist/backends/memory/pattern.js';
import { NEVER } from '../../dist/protocol/stop.js';
import {
  hashOf,
  keyOf,
  keysOf,
  list,
  listAll,
  putNew,
  read,
  sameBytes,
  type Use,
  versionsOf,
  whole,
} from './store.kit.js';

/** Keys that every store takes. */
export const ODD_KEYS: readonly string[] = [
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

export function lists(use: Use, order: 'utf-8' | 'utf-16'): void {
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
  const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const inOrder = [...names].sort(order === 'utf-8' ? byBytes : undefined);

  beforeAll(async () => {
    for (const [i, each] of names.entries()) await putNew(use(), `list/${each}`, i);
    await putNew(use(), 'list.beside', 1);
    await putNew(use(), 'list0', 1);
  });

  it.each([1, 2, 3, 7, 1000])(
    `gives every key once, in the order of ${order}, in pages of %i`,
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

export function rollsUp(use: Use, countsPrefixes: boolean): void {
  const keys = ['x.y', 'x/1', 'x/2/3', 'x0', 'y/1', 'y/2', 'é/1'];

  beforeAll(async () => {
    for (const key of keys) await putNew(use(), `level/${key}`, 3);
  });

  it.each(countsPrefixes ? [1, 2, 1000] : [1000])(
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

export function takesOddKeys(use: Use, odd: readonly (string | Uint8Array)[]): void {
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

export function refusesKeys(use: Use, keys: readonly string[]): void {
  it.each(keys)('refuses %j before it asks for it', async (name) => {
    const { store } = use();
    const key = keyOf(name);
    const head = await store.head(key, NEVER);
    expect(head).toMatchObject({ outcome: 'refused', value: null });
    expect(head.error).toMatchObject({ code: 'InvalidArgument', phase: 'prepare' });
    expect((await read(store, whole(key, 10))).answer.error?.code).toBe('InvalidArgument');
    const body = new Uint8Array(1);
    const put = { kind: 'put', key, body, ifAbsent: false, ifVersion: null, contentType: null } as const;
    expect((await store.write(put, NEVER)).error?.code).toBe('InvalidArgument');
    const deletion = { kind: 'delete', keys: [key], ifVersion: null } as const;
    expect((await store.write(deletion, NEVER)).error?.code).toBe('InvalidArgument');
  });
}

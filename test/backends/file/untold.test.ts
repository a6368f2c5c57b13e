/** Listings where the filesystem does not tell the types of entries: the same as where it does. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sortedEntries } from '../../../dist/backends/file/directory.js';
import { createRoot } from '../../../dist/backends/file/root.js';
import { NEVER } from '../../../dist/protocol/stop.js';
import type { ListRequest } from '../../../dist/protocol/store.js';
import { keyOf, listRequest, newDirectory, storeAt, unprivileged } from './kit.js';
import { withoutTypes } from './untold.kit.js';

interface Listed {
  readonly keys: string[];
  readonly sizes: number[];
  readonly prefixes: readonly string[];
}

/** Keys as latin1, so that every byte can be told. */
async function list(root: string, request: Partial<ListRequest> = {}): Promise<Listed> {
  const { value, error } = await storeAt(root).list(listRequest(request), NEVER);
  if (value === null) throw error ?? new Error('no page');
  const keys = Array.from(value.keyEnds, (end, i) =>
    Buffer.from(value.keys.subarray(value.keyEnds[i - 1] ?? 0, end)).toString('latin1'),
  );
  return { keys, sizes: [...value.sizes], prefixes: value.prefixes };
}

const bytes = (path: string): Buffer => Buffer.from(path, 'latin1');

/** Directories in directories, names that are not UTF-8 or not ASCII, and everything that is no object. */
function plant(root: string): void {
  const outside = newDirectory();
  writeFileSync(`${outside}secret`, 'secret');
  // 0xe9 alone is no UTF-8; 0xc3 0xa9 is the UTF-8 of the same letter, and a name of its own.
  for (const dir of ['a/b/c', 'a/empty', 'd\xff\xfe/\xe9', 'd\xff\xfe/\xc3\xa9', 'x']) {
    mkdirSync(bytes(root + dir), { recursive: true });
  }
  const files = [
    'a/1',
    'a/b/22',
    'a/b/c/333',
    'a.b',
    'a0',
    'd\xff\xfe/\x80',
    'd\xff\xfe/\xe9/4444',
    'x/\xe9',
  ];
  for (const name of files) writeFileSync(bytes(root + name), name.slice(name.lastIndexOf('/') + 1));
  writeFileSync(bytes(`${root}d\xff\xfe/\xc3\xa9/55555`), '55555');
  symlinkSync('b/22', `${root}a/link`);
  symlinkSync('b', `${root}a/link-to-dir`);
  symlinkSync('missing', `${root}a/broken`);
  symlinkSync(`${outside}secret`, `${root}a/escape`);
  symlinkSync(outside, `${root}a/escape-dir`);
  execFileSync('mkfifo', [`${root}a/pipe`]);
}

const KEYS = [
  'a.b',
  'a/1',
  'a/b/22',
  'a/b/c/333',
  'a/link',
  'a0',
  'd\xff\xfe/\x80',
  'd\xff\xfe/\xc3\xa9/55555',
  'd\xff\xfe/\xe9/4444',
  'x/\xe9',
];

describe('a listing of entries whose types are not told', () => {
  it.each([
    ['in the root', 0],
    ['below it', 5],
  ])('holds nested directories and names that are not UTF-8 where types are missing %s', async (_, told) => {
    const root = newDirectory();
    plant(root);
    const all = await list(root);
    expect(all.keys).toEqual(KEYS);
    expect(await withoutTypes(() => list(root), told)).toEqual(all);
  });

  it('holds the same below the root "/"', async () => {
    const root = newDirectory();
    plant(root);
    const prefix = keyOf(root.slice(1));
    const told = await list('/', { prefix });
    // Nothing is outside of this root.
    expect(told.keys.filter((key) => !key.endsWith('/escape'))).toEqual(
      KEYS.map((key) => root.slice(1) + key),
    );
    expect(await withoutTypes(() => list('/', { prefix }))).toEqual(told);
  });

  it('rolls directories up, and finds names by how they begin', async () => {
    const root = newDirectory();
    for (const dir of ['a/b', 'ab', 'b']) mkdirSync(`${root}${dir}`, { recursive: true });
    for (const name of ['a.b', 'a/b/1', 'ab/2', 'b/3']) writeFileSync(`${root}${name}`, name);
    const request = { prefix: keyOf('a'), delimiter: '/' };
    expect(await withoutTypes(() => list(root, request))).toEqual({
      keys: ['a.b'],
      sizes: [3],
      prefixes: ['a/', 'ab/'],
    });
    expect((await withoutTypes(() => list(root, { prefix: keyOf('a') }))).keys).toEqual([
      'a.b',
      'a/b/1',
      'ab/2',
    ]);
  });

  it('loses and repeats nothing where types are told at first and then no longer', async () => {
    const root = newDirectory();
    const keys = Array.from({ length: 2000 }, (_, i) => `${i % 7 === 0 ? 'dir' : 'file'}-${i}`);
    for (const key of keys) {
      if (key.startsWith('file')) writeFileSync(`${root}${key}`, '');
      else mkdirSync(`${root}${key}`);
    }
    const expected = keys.map((key) => (key.startsWith('file') ? key : `${key}/`)).toSorted();
    const pace = { due: () => true, later: setImmediate, turn: async () => {} };
    for (const told of [1, 511, 512, 1500]) {
      let turns = 0;
      const walking = { root: createRoot(root), pace, turn: async () => void (turns += 1) };
      const names = withoutTypes(() => sortedEntries(walking, bytes(root), () => true), told);
      expect(await names).toEqual(expected);
      expect(turns).toBeGreaterThan(keys.length);
    }
  });

  it.each(['/', 'its own'])(
    'leaves out what goes while it looks, and nothing else, below the root: %s',
    async (of) => {
      const directory = newDirectory();
      mkdirSync(`${directory}dir`);
      for (const name of ['1', 'gone', '2']) writeFileSync(`${directory}${name}`, '');
      const root = createRoot(of === '/' ? of : directory);
      const pace = { due: () => false, later: setImmediate, turn: async () => {} };
      // Asked between the reading of the name and the look at its type.
      const wanted = (name: string): boolean => {
        rmSync(`${directory}gone`, { force: true });
        return name !== '';
      };
      const walking = { root, pace, turn: async () => {} };
      const names = withoutTypes(() => sortedEntries(walking, bytes(directory), wanted));
      expect(await names).toEqual(['1', '2', 'dir/']);
    },
  );

  it('fails at an entry that may not be looked at with the words that it has where the type is told', async () => {
    const root = newDirectory();
    mkdirSync(`${root}a`);
    writeFileSync(bytes(`${root}a/\xe9`), '');
    chmodSync(`${root}a`, 0o444);
    const answer = (): ReturnType<ReturnType<typeof storeAt>['list']> =>
      storeAt(root).list(listRequest(), NEVER);
    try {
      const told = await unprivileged(root, answer);
      expect(told).toMatchObject({ outcome: 'refused', error: { code: 'AccessDenied' } });
      const untold = await unprivileged(root, () => withoutTypes(answer));
      expect(untold).toMatchObject({ outcome: 'refused', error: { code: 'AccessDenied' } });
      expect([untold.error?.uri, untold.error?.message]).toEqual([told.error?.uri, told.error?.message]);
    } finally {
      chmodSync(`${root}a`, 0o700);
    }
  });
});

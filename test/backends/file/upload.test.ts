import { mkdirSync, readFileSync, renameSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Store } from '../../../dist/protocol/store.js';
import type { UnfinishedUpload } from '../../../dist/protocol/writes.js';
import { keyOf, newDirectory, storeAt } from './kit.js';
import {
  abort,
  begin,
  bytes,
  cancelledWhen,
  codeOf,
  complete,
  MIB,
  part,
  put,
  treeOf,
  write,
} from './write.kit.js';

const RESERVED = '.millrace-upload-';

async function begun(store: Store, key: string): Promise<string> {
  const { value } = await begin(store, key);
  return value!.upload!;
}

async function receipt(
  store: Store,
  key: string,
  upload: string,
  start: number,
  body: Uint8Array,
): Promise<string> {
  const { value } = await part(store, key, upload, start, body);
  return value!.part!;
}

async function uploads(
  store: Store,
  prefix: string,
  continuation: string | null = null,
): Promise<{ found: UnfinishedUpload[]; next: string | null }> {
  const { value } = await write(store, { kind: 'uploads', prefix: keyOf(prefix), continuation });
  return { found: [...value!.uploads], next: value!.next };
}

describe('an upload', () => {
  it('takes parts of several stores over one directory, as the workers have them', async () => {
    const root = newDirectory();
    const stores = [storeAt(root), storeAt(root), storeAt(root)] as const;
    const upload = await begun(stores[0], 'd/a');
    const all = bytes(5 * MIB);
    const at = [0, 2 * MIB, 4 * MIB];
    const parts = await Promise.all(
      at.map((start, i) => receipt(stores[i]!, 'd/a', upload, start, all.subarray(start, start + 2 * MIB))),
    );
    const done = await complete(stores[1], 'd/a', upload, parts, 5 * MIB);
    expect(done.outcome).toBe('complete');
    expect(Buffer.compare(readFileSync(`${root}d/a`), all)).toBe(0);
    expect(treeOf(root)).toEqual(['d/', 'd/a']);
  });

  it('is not completed without all of its parts', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    const upload = await begun(store, 'a');
    const parts = [];
    for (const start of [0, 100, 200]) parts.push(await receipt(store, 'a', upload, start, bytes(100)));
    for (const [given, size] of [
      [[parts[0]!, parts[2]!], 300],
      [[parts[0]!, parts[1]!], 300],
      [[parts[1]!, parts[2]!], 200],
      [parts, 299],
      [[], 300],
      [['', ...parts], 300],
    ] as const) {
      expect(codeOf(await complete(store, 'a', upload, given, size))).toBe('InvalidArgument');
    }
    expect(treeOf(root)).not.toContain('a');
    expect((await complete(store, 'a', upload, parts, 300)).outcome).toBe('complete');
  });

  it('is not completed when its file has lost bytes', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    const upload = await begun(store, 'a');
    const parts = [await receipt(store, 'a', upload, 0, bytes(100))];
    truncateSync(`${root}${RESERVED}${upload}/a`, 99);
    expect(codeOf(await complete(store, 'a', upload, parts, 100))).toBe('ShortBody');
    expect(treeOf(root)).not.toContain('a');
  });

  it('has the length of its last parts, whatever was sent before', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    const upload = await begun(store, 'a');
    await part(store, 'a', upload, 0, bytes(500, 2));
    const parts = [await receipt(store, 'a', upload, 0, bytes(100))];
    const done = await complete(store, 'a', upload, parts, 100);
    expect(readFileSync(`${root}a`)).toEqual(Buffer.from(bytes(100)));
    expect(done.value?.version).toMatch(/-100-\d+$/);
  });

  it('can be of nothing', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    expect((await complete(store, 'a', await begun(store, 'a'), [], 0)).outcome).toBe('complete');
    expect(readFileSync(`${root}a`)).toHaveLength(0);
  });

  it('is completed or aborted after a part of it was cancelled', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    const upload = await begun(store, 'a');
    const file = `${root}${RESERVED}${upload}/a`;
    const stop = cancelledWhen(() => readFileSync(file).length >= 2 * MIB);
    const answer = await part(store, 'a', upload, 0, bytes(6 * MIB), stop);
    expect(answer).toMatchObject({ outcome: 'cancelled', error: null });
    expect(readFileSync(file).length).toBeLessThan(6 * MIB);
    expect((await abort(store, 'a', upload)).outcome).toBe('complete');
    expect(treeOf(root)).toEqual([]);
  });

  it('refuses a part beyond what a file can be', async () => {
    const store = storeAt(newDirectory());
    const upload = await begun(store, 'a');
    const answer = await part(store, 'a', upload, 2 ** 52, bytes(10));
    expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'InvalidArgument' } });
    expect(answer.error?.message).toContain('EFBIG');
  });

  it.each(['', '.', '../..', 'x', '0'.repeat(31), '0'.repeat(32), 'real/..', 'real/../x'])(
    'with the name %j is none',
    async (name) => {
      const root = newDirectory();
      const store = storeAt(root);
      await put(store, 'd/a');
      const real = await begun(store, 'd/a');
      // The way back from an upload that there is leads to the objects beside it.
      const upload = name.replace('real', real);
      const before = treeOf(root);
      for (const answer of [
        await part(store, 'd/a', upload, 0, bytes(20, 2)),
        await complete(store, 'd/a', upload, ['0+10'], 10),
      ]) {
        expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'NotFound' } });
      }
      expect((await abort(store, 'd/a', upload)).outcome).toBe('complete');
      expect((await abort(store, 'nowhere/a', upload)).outcome).toBe('complete');
      expect(treeOf(root)).toEqual(before);
      expect(readFileSync(`${root}d/a`)).toEqual(Buffer.from(bytes(10)));
    },
  );

  it('is not found under another key', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    const upload = await begun(store, 'a');
    expect(codeOf(await part(store, 'b', upload, 0, bytes(10)))).toBe('NotFound');
    expect(codeOf(await complete(store, 'b', upload, [], 0))).toBe('NotFound');
  });

  it('is not followed out of the root', async () => {
    const root = newDirectory();
    const outside = newDirectory();
    const store = storeAt(root);
    const upload = await begun(store, 'a');
    writeFileSync(`${outside}a`, 'outside');
    renameSync(`${root}${RESERVED}${upload}`, `${outside}moved`);
    symlinkSync(outside, `${root}${RESERVED}${upload}`);
    expect(codeOf(await part(store, 'a', upload, 0, bytes(10)))).toBe('AccessDenied');
    expect(codeOf(await complete(store, 'a', upload, ['0+7'], 7))).toBe('AccessDenied');
    expect((await abort(store, 'a', upload)).outcome).toBe('complete');
    expect(readFileSync(`${outside}a`, 'utf8')).toBe('outside');
    expect(treeOf(root)).toEqual([]);
  });
});

describe('the uploads', () => {
  it('come page by page, each once, with keys of any bytes', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    const expected = new Map<string, string>();
    for (let i = 0; i < 1003; i += 1) {
      const key = `${['', '!/', 'm/n/', 'z.z/'][i % 4]}k\u00e9-${i}`;
      expected.set(await begun(store, key), key);
    }
    await put(store, 'm/done');
    const first = await uploads(store, '');
    expect(first.found).toHaveLength(1000);
    const second = await uploads(store, '', first.next);
    expect(second.next).toBeNull();
    const all = [...first.found, ...second.found];
    expect(new Map(all.map(({ key, upload }) => [upload, Buffer.from(key).toString()]))).toEqual(expected);
    expect(all).toHaveLength(1003);
    const below = await uploads(store, 'm/n/k\u00e9-1');
    expect(below.found.length).toBe(
      [...expected.values()].filter((key) => key.startsWith('m/n/k\u00e9-1')).length,
    );
    expect((await uploads(store, 'nothing/here')).found).toEqual([]);
  });

  it('are told with what killed processes have left of puts, which abort takes away', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    const id = '0123456789abcdef'.repeat(2);
    mkdirSync(`${root}d`);
    writeFileSync(`${root}d/${RESERVED}${id}`, 'half');
    // Not ours, and begun but killed before it had a key.
    writeFileSync(`${root}d/${RESERVED}notes`, 'x');
    mkdirSync(`${root}d/${RESERVED}${'0'.repeat(32)}`);
    const { found } = await uploads(store, 'd/');
    expect(found.map(({ key, upload }) => [Buffer.from(key).toString(), upload])).toEqual([
      [`d/${RESERVED}${id}`, id],
    ]);
    const { key, upload } = found[0]!;
    expect((await write(store, { kind: 'abort', key, upload })).outcome).toBe('complete');
    expect(treeOf(root)).not.toContain(`d/${RESERVED}${id}`);
  });

  it('do not go on from what is no page of them', async () => {
    const store = storeAt(newDirectory());
    for (const continuation of ['', 'x', Buffer.from('d/a').toString('base64url')]) {
      const answer = await write(store, { kind: 'uploads', prefix: keyOf(''), continuation });
      expect(codeOf(answer)).toBe('InvalidArgument');
    }
  });
});

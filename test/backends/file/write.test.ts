import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { writeFailureOf } from '../../../dist/backends/file/failures.js';
import { NEVER } from '../../../dist/protocol/stop.js';
import { keyOf, keysOf, listRequest, newDirectory, readKey, storeAt, unprivileged } from './kit.js';
import {
  begin,
  bytes,
  cancelledWhen,
  codeOf,
  copy,
  del,
  MIB,
  part,
  put,
  treeOf,
  write,
} from './write.kit.js';

const RESERVED = '.millrace-upload-';

/** Bytes in the files under reserved names below a directory. */
function drafted(root: string): number {
  const drafts = treeOf(root).filter((name) => name.includes(RESERVED) && !name.endsWith('/'));
  return drafts.reduce((sum, name) => sum + statSync(root + name).size, 0);
}

describe('a put', () => {
  it('makes the directories that are missing, and a file with the rights of any new file', async () => {
    const root = newDirectory();
    writeFileSync(`${root}usual`, '');
    expect(await put(storeAt(root), 'a/b/c/d', bytes(100))).toMatchObject({ outcome: 'complete' });
    expect(treeOf(root)).toEqual(['a/', 'a/b/', 'a/b/c/', 'a/b/c/d', 'usual']);
    expect(statSync(`${root}a/b/c/d`).mode).toBe(statSync(`${root}usual`).mode);
  });

  it('leaves nothing when it is cancelled in the middle', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    await put(store, 'here', bytes(10));
    const stop = cancelledWhen(() => drafted(root) >= 3 * MIB);
    expect(await put(store, 'here', bytes(8 * MIB), {}, stop)).toMatchObject({
      outcome: 'cancelled',
      error: null,
    });
    expect(treeOf(root)).toEqual(['here']);
    expect(readFileSync(`${root}here`)).toHaveLength(10);
    expect(stop.linked).toBe(0);
  });

  it.each(['', 'a/', '/a', 'a//b', '..', 'a/../b', './a', 'a\0b', `${RESERVED}x`, `a/${RESERVED}x/b`])(
    'refuses the key %j',
    async (key) => {
      const root = newDirectory();
      const store = storeAt(root);
      expect(codeOf(await put(store, key))).toBe('InvalidArgument');
      expect(codeOf(await begin(store, key))).toBe('InvalidArgument');
      expect(codeOf(await del(store, key))).toBe('InvalidArgument');
      writeFileSync(`${root}from`, 'x');
      expect(codeOf(await copy(store, root, 'from', key))).toBe('InvalidArgument');
      expect(treeOf(root)).toEqual(['from']);
    },
  );

  it('takes names as long as the filesystem does, and no longer', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    const longest = 'n'.repeat(255);
    expect(await put(store, longest)).toMatchObject({ outcome: 'complete' });
    const { value } = await begin(store, `d/${longest}`);
    expect(value?.upload).toBeTruthy();
    for (const key of [`${longest}x`, `d/${longest}x`, `${longest}x/a`, 'long/'.repeat(900) + 'a']) {
      expect(codeOf(await put(store, key))).toBe('InvalidArgument');
      expect(codeOf(await begin(store, key))).toBe('InvalidArgument');
    }
    expect(treeOf(root).filter((name) => name.includes(RESERVED))).toHaveLength(2);
  });

  it('says that a file stands where a directory is needed, or a directory where a file is', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    writeFileSync(`${root}file`, 'x');
    mkdirSync(`${root}dir`);
    for (const key of ['file/a', 'file/a/b']) {
      const answer = await put(store, key);
      expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'Filesystem' } });
      expect(answer.error?.message).toMatch(/^cannot put file:.*a part of its path is a file/);
    }
    for (const answer of [
      await put(store, 'dir'),
      await begin(store, 'dir'),
      await copy(store, root, 'file', 'dir'),
    ]) {
      expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'Unsupported' } });
      expect(answer.error?.message).toContain('is not a regular file but a directory');
    }
    expect(treeOf(root)).toEqual(['dir/', 'file']);
  });

  it('replaces neither a FIFO, nor what a link to one or to a directory leads to', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    execFileSync('mkfifo', [`${root}fifo`]);
    mkdirSync(`${root}dir`);
    symlinkSync('fifo', `${root}to-fifo`);
    symlinkSync('dir', `${root}to-dir`);
    for (const key of ['fifo', 'to-fifo', 'to-dir']) {
      expect(codeOf(await put(store, key))).toBe('Unsupported');
      expect(codeOf(await del(store, key))).toBe('Unsupported');
    }
    expect(treeOf(root)).toEqual(['dir/', 'fifo', 'to-dir', 'to-fifo']);
  });

  it('replaces a link and not the file that it leads to, and a link that leads nowhere', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    writeFileSync(`${root}kept`, 'kept');
    symlinkSync('kept', `${root}link`);
    symlinkSync('nowhere', `${root}broken`);
    for (const key of ['link', 'broken']) expect((await put(store, key)).outcome).toBe('complete');
    expect(readFileSync(`${root}kept`, 'utf8')).toBe('kept');
    expect(lstatSync(`${root}link`).isFile() && lstatSync(`${root}broken`).isFile()).toBe(true);
  });

  it('is refused where the process may not write, and says so', async () => {
    const root = newDirectory();
    mkdirSync(`${root}closed`);
    chmodSync(`${root}closed`, 0o555);
    await unprivileged(root, async () => {
      for (const key of ['closed/a', 'closed/a/b']) {
        const answer = await put(storeAt(root), key);
        expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'AccessDenied', phase: 'write' } });
        expect(answer.error?.message).toContain('this process may not write there');
      }
    });
    expect(treeOf(root)).toEqual(['closed/']);
  });

  it('does not make its own root', async () => {
    const root = `${newDirectory()}missing/`;
    expect(codeOf(await put(storeAt(root), 'a'))).toBe('NotFound');
  });

  it('sees that the version changed though nothing else did', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    const { value } = await put(store, 'a');
    utimesSync(`${root}a`, 1e9, 1e9);
    const ifVersion = value?.version ?? null;
    expect(await put(store, 'a', bytes(10), { ifVersion })).toMatchObject({ outcome: 'version-changed' });
    const { value: now } = await store.head(keyOf('a'), NEVER);
    expect(await put(store, 'a', bytes(5), { ifVersion: now?.version ?? null })).toMatchObject({
      outcome: 'complete',
    });
    expect(readFileSync(`${root}a`)).toHaveLength(5);
  });

  it.each([
    ['EROFS', 'AccessDenied', 'refused'],
    ['ENOSPC', 'Filesystem', 'refused'],
    ['EDQUOT', 'Filesystem', 'refused'],
    ['EIO', 'Filesystem', 'transient'],
  ])('means by %s that it is %s, %s', (code, expected, outcome) => {
    const thrown = Object.assign(new Error(code), { code });
    const failure = writeFailureOf(thrown, 'put', { uri: 'file:///a' });
    expect(failure).toMatchObject({ outcome, error: { code: expected } });
    expect(failure.error.message).toMatch(new RegExp(`^cannot put file:///a: ${code}: `));
  });
});

describe('a store with a root', () => {
  it('writes, makes and deletes nothing outside of it, whatever links there are', async () => {
    const root = newDirectory();
    const outside = newDirectory();
    writeFileSync(`${outside}kept`, 'kept');
    symlinkSync(outside, `${root}out`);
    symlinkSync(`${outside}kept`, `${root}link`);
    const store = storeAt(root);
    for (const answer of [
      await put(store, 'out/a'),
      await put(store, 'out/new/a'),
      await begin(store, 'out/a'),
      await del(store, 'out/kept'),
      await copy(store, root, 'out/kept', 'a'),
      await copy(store, root, 'link', 'a'),
    ]) {
      expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'AccessDenied' } });
    }
    // The link itself is inside.
    expect((await del(store, 'link')).outcome).toBe('complete');
    expect(treeOf(root)).toEqual(['out']);
    expect(treeOf(outside)).toEqual(['kept']);
  });

  it('writes through links to directories that stay inside', async () => {
    const root = newDirectory();
    mkdirSync(`${root}dir`);
    symlinkSync('dir', `${root}link`);
    expect((await put(storeAt(root), 'link/new/a')).outcome).toBe('complete');
    expect(treeOf(root)).toEqual(['dir/', 'dir/new/', 'dir/new/a', 'link']);
  });
});

describe('names of what is being written', () => {
  it('are not listed, in no way, and cannot be read', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    await put(store, 'd/a');
    const { value } = await begin(store, 'd/b');
    await part(store, 'd/b', value!.upload!, 0, bytes(100));
    const [directory, file] = treeOf(root).filter((name) => name.includes(RESERVED)) as [string, string];
    writeFileSync(`${root}d/${RESERVED}draft`, 'x');
    for (const prefix of ['', 'd/', 'd/.', `d/${RESERVED}`]) {
      for (const delimiter of [null, '/']) {
        const page = (await store.list(listRequest({ prefix: keyOf(prefix), delimiter }), NEVER)).value;
        expect(
          [...keysOf(page), ...(page?.prefixes ?? [])].filter((each) => each.includes(RESERVED)),
        ).toEqual([]);
      }
    }
    for (const key of [file, `d/${RESERVED}draft`]) {
      expect((await readKey(store, key)).error?.code).toBe('InvalidArgument');
      expect((await store.head(keyOf(key), NEVER)).error?.code).toBe('InvalidArgument');
    }
    expect((await store.list(listRequest({ prefix: keyOf(directory) }), NEVER)).error?.code).toBe(
      'InvalidArgument',
    );
  });
});

describe('a copy', () => {
  it('leaves nothing when it is cancelled in the middle', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    await put(store, 'from', bytes(8 * MIB));
    const stop = cancelledWhen(() => drafted(root) >= 3 * MIB);
    expect(await copy(store, root, 'from', 'to', stop)).toMatchObject({ outcome: 'cancelled', error: null });
    expect(treeOf(root)).toEqual(['from']);
  });

  it('fails when the source is written to meanwhile', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    await put(store, 'from', bytes(4 * MIB));
    const stop = cancelledWhen(() => {
      if (drafted(root) >= 2 * MIB) writeFileSync(`${root}from`, bytes(3), { flag: 'r+' });
      return false;
    });
    expect(await copy(store, root, 'from', 'to', stop)).toMatchObject({
      outcome: 'version-changed',
      error: { code: 'VersionChanged' },
    });
    expect(treeOf(root)).toEqual(['from']);
  });

  it('is of this store alone, and of regular files', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    mkdirSync(`${root}dir`);
    writeFileSync(`${root}a`, 'a');
    expect(codeOf(await copy(store, root, 'dir', 'b'))).toBe('Unsupported');
    expect(codeOf(await copy(store, '/elsewhere/', 'a', 'b'))).toBe('Unsupported');
    expect(treeOf(root)).toEqual(['a', 'dir/']);
  });

  it('to itself changes nothing but its version', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    const { value } = await put(store, 'a', bytes(2 * MIB));
    const again = await copy(store, root, 'a', 'a');
    expect(again.value?.version).not.toBe(value?.version);
    expect(Buffer.compare(readFileSync(`${root}a`), bytes(2 * MIB))).toBe(0);
  });
});

describe('a deletion', () => {
  it('of many tells each that failed, and deletes the others', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    mkdirSync(`${root}dir`);
    for (const key of ['a', 'b', 'd/c']) await put(store, key);
    symlinkSync('a', `${root}link`);
    const { outcome, value } = await del(store, 'a', 'dir', 'missing', 'b/below', 'no/', 'd/c', 'link');
    expect(outcome).toBe('complete');
    expect(value?.failures.map(([index, error]) => [index, error.code, error.uri])).toEqual([
      [1, 'Unsupported', `file://${root}dir`],
      [4, 'InvalidArgument', `file://${root}no/`],
    ]);
    // The directory that it was in stays, as with rclone.
    expect(treeOf(root)).toEqual(['b', 'd/', 'dir/']);
  });

  it('of many ends early under a cancelled token', async () => {
    const root = newDirectory();
    const store = storeAt(root);
    const keys = ['a', 'b', 'c', 'd'];
    for (const key of keys) await put(store, key);
    const stop = cancelledWhen(() => treeOf(root).length <= 2);
    const request = { kind: 'delete', keys: keys.map(keyOf), ifVersion: null } as const;
    expect((await write(store, request, stop)).outcome).toBe('cancelled');
    expect(treeOf(root)).toEqual(['c', 'd']);
  });

  it('of a link takes the link', async () => {
    const root = newDirectory();
    writeFileSync(`${root}kept`, 'x');
    symlinkSync('kept', `${root}link`);
    expect(readlinkSync(`${root}link`)).toBe('kept');
    expect((await del(storeAt(root), 'link')).outcome).toBe('complete');
    expect(treeOf(root)).toEqual(['kept']);
  });
});

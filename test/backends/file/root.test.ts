import { closeSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createRoot } from '../../../dist/backends/file/root.js';
import { NEVER } from '../../../dist/protocol/stop.js';
import { keyOf, keysOf, listRequest, newDirectory, readKey, storeAt } from './kit.js';

describe('a store with a root', () => {
  it('reads through links that stay inside, and not through those that leave', async () => {
    const root = newDirectory();
    const outside = newDirectory();
    mkdirSync(`${root}dir`);
    writeFileSync(`${root}dir/in`, 'inside');
    writeFileSync(`${outside}secret`, 'secret');
    symlinkSync('dir/in', `${root}link-in`);
    symlinkSync('dir', `${root}dir-in`);
    symlinkSync(`${outside}secret`, `${root}link-out`);
    symlinkSync(outside, `${root}dir-out`);
    symlinkSync('link-out', `${root}link-to-link`);
    const store = storeAt(root);
    for (const key of ['dir/in', 'link-in', 'dir-in/in']) {
      const answer = await readKey(store, key);
      expect(answer).toMatchObject({ outcome: 'complete', landed: 6 });
    }
    for (const key of ['link-out', 'dir-out/secret', 'link-to-link']) {
      const answer = await readKey(store, key);
      expect(answer).toMatchObject({
        outcome: 'refused',
        landed: 0,
        size: -1,
        error: { code: 'AccessDenied' },
      });
      expect(answer.error?.message).toContain('leads outside of the root');
      expect(answer.error?.message).not.toContain(outside);
      expect(answer.target.every((byte) => byte === 0)).toBe(true);
      expect((await store.head(keyOf(key), NEVER)).error?.code).toBe('AccessDenied');
    }
  });

  it('does not take a directory beside it for itself because its name begins so', async () => {
    const parent = newDirectory();
    mkdirSync(`${parent}data`);
    mkdirSync(`${parent}data2`);
    writeFileSync(`${parent}data2/a`, 'beside');
    symlinkSync('../data2/a', `${parent}data/a`);
    expect((await readKey(storeAt(`${parent}data/`), 'a')).error?.code).toBe('AccessDenied');
  });

  it('checks what it opened, so that a link that is exchanged after the opening changes nothing', () => {
    const root = newDirectory();
    const outside = newDirectory();
    writeFileSync(`${outside}secret`, 'secret');
    writeFileSync(`${root}a`, 'inside');
    symlinkSync(`${outside}secret`, `${root}b`);
    const guard = createRoot(root);
    const path = guard.pathOf('b');
    expect(() => guard.open(path)).toThrow(expect.objectContaining({ code: 'AccessDenied' }));
    rmSync(`${root}b`);
    linkSync(`${root}a`, `${root}b`);
    const fd = guard.open(path);
    expect(fd).toBeGreaterThan(2);
    closeSync(fd);
  });

  it('may itself be a link, also one that is pointed elsewhere later', async () => {
    const base = newDirectory();
    for (const release of ['one', 'two']) {
      mkdirSync(`${base}${release}`);
      writeFileSync(`${base}${release}/a`, release);
    }
    symlinkSync('one', `${base}current`);
    const store = storeAt(`${base}current/`);
    expect(Buffer.from((await readKey(store, 'a')).target.subarray(0, 3)).toString()).toBe('one');
    symlinkSync('two', `${base}next`);
    renameSync(`${base}next`, `${base}current`);
    expect(Buffer.from((await readKey(store, 'a')).target.subarray(0, 3)).toString()).toBe('two');
  });

  it('does not list through a prefix that leaves it', async () => {
    const root = newDirectory();
    const outside = newDirectory();
    writeFileSync(`${outside}secret`, 'secret');
    symlinkSync(outside, `${root}out`);
    const answer = await storeAt(root).list(listRequest({ prefix: keyOf('out/') }), NEVER);
    expect(answer).toMatchObject({ outcome: 'refused', value: null, error: { code: 'AccessDenied' } });
  });

  it('lists no link that leaves it', async () => {
    const root = newDirectory();
    const outside = newDirectory();
    writeFileSync(`${outside}secret`, 'secret');
    writeFileSync(`${root}a`, 'a');
    symlinkSync(`${outside}secret`, `${root}out`);
    symlinkSync('a', `${root}z`);
    expect(keysOf((await storeAt(root).list(listRequest(), NEVER)).value)).toEqual(['a', 'z']);
  });

  it('says NotFound when the root itself is missing', async () => {
    const root = newDirectory();
    rmSync(root, { recursive: true });
    expect((await readKey(storeAt(root), 'a')).error?.code).toBe('NotFound');
    expect((await storeAt(root).list(listRequest(), NEVER)).error?.code).toBe('NotFound');
  });
});

describe('a store at /', () => {
  it('follows links to files wherever they lead', async () => {
    const here = newDirectory();
    const elsewhere = newDirectory();
    writeFileSync(`${elsewhere}blob`, 'content');
    symlinkSync(`${elsewhere}blob`, `${here}name`);
    const store = storeAt('/');
    expect(await readKey(store, `${here.slice(1)}name`)).toMatchObject({ outcome: 'complete', landed: 7 });
    const page = (await store.list(listRequest({ prefix: keyOf(here.slice(1)) }), NEVER)).value;
    expect(keysOf(page)).toEqual([`${here.slice(1)}name`]);
    expect(page?.sizes[0]).toBe(7);
  });
});

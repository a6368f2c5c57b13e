import {
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileWriter } from '../../dist/cli/files.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../dist/testing/pattern.js';

let root: string;
let outside: string;
const deaths = new Set<() => void>();
const options = {
  fsync: false,
  beforeDeath: (fn: () => void) => {
    deaths.add(fn);
    return () => void deaths.delete(fn);
  },
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-files-'));
  outside = mkdtempSync(join(tmpdir(), 'millrace-outside-'));
  deaths.clear();
});
afterEach(() => {
  rmSync(root, { recursive: true });
  rmSync(outside, { recursive: true });
});

describe('files of get', () => {
  it('appear under their name when they are whole, written in any order', async () => {
    const file = await createFileWriter(root, options).create(['a', 'b.bin']);
    const id = objectIdOf('b.bin');
    await file.write(patternBytes(id, 100, 50), 50);
    expect(readdirSync(join(root, 'a')).filter((name) => name === 'b.bin')).toEqual([]);
    await file.write(patternBytes(id, 50), 0);
    await file.commit();
    expect(readdirSync(join(root, 'a'))).toEqual(['b.bin']);
    const bytes = readFileSync(join(root, 'a', 'b.bin'));
    expect([bytes.length, verifyPattern(id, 0, bytes)]).toEqual([150, -1]);
    expect(deaths.size).toBe(0);
  });

  it('leave nothing behind when they are discarded, and an older file of that name as it was', async () => {
    writeFileSync(join(root, 'x'), 'old');
    const file = await createFileWriter(root, options).create(['x']);
    await file.write(new Uint8Array(10), 0);
    await file.discard();
    await file.discard();
    expect(readdirSync(root)).toEqual(['x']);
    expect(readFileSync(join(root, 'x'), 'utf8')).toBe('old');
  });

  it('are removed before a sudden end', async () => {
    await createFileWriter(root, options).create(['x']);
    expect(readdirSync(root)).toHaveLength(1);
    for (const death of deaths) death();
    expect(readdirSync(root)).toEqual([]);
  });

  it('are empty when the object is', async () => {
    const file = await createFileWriter(root, { ...options, fsync: true }).create(['empty']);
    await file.commit();
    expect(readFileSync(join(root, 'empty')).length).toBe(0);
  });

  it('never go through a symbolic link', async () => {
    symlinkSync(outside, join(root, 'link'));
    await expect(createFileWriter(root, options).create(['link', 'deep', 'x'])).rejects.toThrow(
      /symbolic link/,
    );
    expect(readdirSync(outside)).toEqual([]);
  });

  it('replace a symbolic link of their name, not what it points to', async () => {
    writeFileSync(join(outside, 'kept'), 'kept');
    symlinkSync(join(outside, 'kept'), join(root, 'x'));
    const file = await createFileWriter(root, options).create(['x']);
    await file.write(Buffer.from('new'), 0);
    await file.commit();
    expect(readFileSync(join(outside, 'kept'), 'utf8')).toBe('kept');
    expect(readFileSync(join(root, 'x'), 'utf8')).toBe('new');
  });

  it('never replace the name of a stream, though a regular file is behind it', async () => {
    const fd = openSync(join(outside, 'stream'), 'w');
    try {
      symlinkSync(`/dev/fd/${fd}`, join(root, 'x'));
      await expect(createFileWriter(root, options).create(['x'])).rejects.toThrow(/is a device, a pipe/);
      expect([readdirSync(root), lstatSync(join(root, 'x')).isSymbolicLink()]).toEqual([['x'], true]);
    } finally {
      closeSync(fd);
    }
  });

  it('tell a key that is a file here and a folder there', async () => {
    writeFileSync(join(root, 'a'), '');
    mkdirSync(join(root, 'b'));
    const writer = createFileWriter(root, options);
    await expect(writer.create(['a', 'x'])).rejects.toThrow(/needed as a directory and is a file/);
    await expect(writer.create(['b'])).rejects.toThrow(/needed as a file and is a directory/);
    expect(readdirSync(root).sort()).toEqual(['a', 'b']);
  });
});

/** `get -r` with several prefixes: what is below them may have the same names, and no file may replace another. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { commandHelp } from '../../dist/cli/help.js';
import { prefixFolders } from '../../dist/cli/prefixes.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { environmentOf, type Origin, startOrigin } from '../../dist/testing/index.js';
import { verifyPattern } from '../../dist/testing/pattern.js';
import { runNode } from '../kit/process.mjs';
import { MAIN } from './writing.kit.js';

let origin: Origin;
let env: Record<string, string>;
let folder: string;

beforeAll(async () => {
  const keys = ['2025/11/20.json', '2026/11/20.json', '2026-old/20.json', 'top'];
  origin = await startOrigin({
    objects: [
      ...keys.map((key) => ({ bucket: 'data', key, size: 50 })),
      { bucket: 'more', key: '2025/11/20.json', size: 60 },
      { bucket: 'odd', key: 'x//twice', size: 5 },
      { bucket: 'odd', key: 'x/once', size: 5 },
    ],
  });
  env = environmentOf(origin);
});
afterAll(() => origin.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-prefixes-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = (...args: string[]) => runNode(MAIN, { args, env }).exit();
const files = (path = folder): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(path.length + 1))
    .toSorted();
const isObject = (path: string, key: string): boolean =>
  verifyPattern(objectIdOf(key), 0, readFileSync(join(folder, path))) === -1;

describe('get -r with several prefixes', () => {
  it('has a folder for each, and the file of each object', async () => {
    const got = await run('get', '-r', 's3://data/2025/', 's3://data/2026/', '-o', folder, '--json');
    expect([got.code, got.stderr, JSON.parse(got.stdout)]).toEqual([
      0,
      '',
      expect.objectContaining({ files: 2 }),
    ]);
    const both = ['2025/11/20.json', '2026/11/20.json'];
    expect(files()).toEqual(both);
    for (const path of both) expect(isObject(path, path), path).toBe(true);
  });

  it('keeps a single one as it was: what is below it is in the target itself', async () => {
    expect((await run('get', '-r', 's3://data/2025/', '-o', folder)).code).toBe(0);
    expect(files()).toEqual(['11/20.json']);
  });

  it('takes the bucket for the folder where there is nothing else', async () => {
    expect((await run('get', '-r', 's3://more', 's3://data/2026-', '-o', folder)).code).toBe(0);
    expect(files()).toEqual(['2026-old/20.json', 'more/2025/11/20.json']);
  });

  it('still leaves out keys that cannot be files', async () => {
    const got = await run('get', '-r', 's3://odd/x/', 's3://data/top', '-o', folder);
    expect([got.code, got.stderr]).toEqual([1, expect.stringContaining('it has an empty part')]);
    expect(files()).toEqual(['top', 'x/once']);
  });

  it('does the same for folders of a disk, however they are written', async () => {
    for (const name of ['a b', 'c']) {
      mkdirSync(join(folder, 'from', name), { recursive: true });
      writeFileSync(join(folder, 'from', name, 'x'), name);
    }
    const uri = new URL(`file://${join(folder, 'from')}/a%20b/`).href;
    const out = join(folder, 'out');
    expect((await run('get', '-r', uri, join(folder, 'from', 'c'), '-o', out)).code).toBe(0);
    expect(files(out)).toEqual(['a b/x', 'c/x']);
    expect(readFileSync(join(out, 'a b/x'), 'utf8')).toBe('a b');
  });

  it.each([
    ['the same name', 's3://data/2025/', 's3://more/2025/', '-o of its own'],
    ['the same prefix', 's3://data/2025/', 's3://data/2025/', '-o of its own'],
    ['one that the other may list', 's3://data/2026', 's3://data/2026-old/', 'end them with "/"'],
  ])('refuses %s before anything is made', async (_, one, other, advice) => {
    const out = join(folder, 'out');
    const got = await run('get', '-r', one, other, '-o', out);
    expect([got.code, got.stdout]).toEqual([2, '']);
    expect(got.stderr).toContain(`${one} and ${other} `);
    expect(got.stderr).toContain(advice);
    expect(existsSync(out)).toBe(false);
  });

  it('says so in its help', () => {
    expect(commandHelp('get')).toContain('Several prefixes have a folder each');
  });
});

describe('the folders of prefixes', () => {
  it('are the last parts of their keys or paths', () => {
    const cwd = '/srv/work';
    const prefixes = ['s3://b/logs/2026/', 'az://account/box', './x%/', '.', '/a/c/../d/', 'file:///y%2Bz/'];
    expect(prefixFolders(prefixes, cwd)).toEqual(['2026', 'box', 'x%', 'work', 'd', 'y+z']);
  });

  it('are none for a single prefix', () => {
    for (const prefix of ['s3://b/logs/', '/', 's3://b/../']) expect(prefixFolders([prefix])).toEqual([null]);
  });

  it.each(['/', 's3://b/../', 's3://b/a\0/', 'file:///'])('cannot be made of %j', (prefix) => {
    expect(() => prefixFolders(['s3://b/x/', prefix])).toThrow(/gives no folder a name/);
  });

  it('are refused wherever two could have one file, in any order and number', () => {
    const many = Array.from({ length: 1000 }, (_, i) => `s3://b/${String(i).padStart(4, '0')}/`);
    expect(prefixFolders(many)).toHaveLength(1000);
    for (const [one, other] of [
      ['s3://b/x/0500/', many[500]!],
      ['s3://b/05', many[500]!],
      ['s3://b/0500', many[500]!],
    ]) {
      expect(() => prefixFolders([...many, one!])).toThrow(one);
      expect(() => prefixFolders([one!, ...many])).toThrow(other);
    }
    // A folder is a whole name: it has nothing in common with a longer one.
    expect(prefixFolders(['s3://b/log/', 's3://b/logs/'])).toEqual(['log', 'logs']);
  });
});

/** `millrace cp` as a process, against the scripted S3 server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
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
import { isEqual } from '../../dist/cli/commands/cp.js';
import { environmentOf } from '../../dist/testing/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../dist/testing/pattern.js';
import { BUCKET, documents, MAIN, MIB, openWorld, type World } from './writing.kit.js';

const ROOT = `s3://${BUCKET}/`;
const BIG_BYTES = 20 * MIB + 7;
let world: World;
let folder: string;

beforeAll(async () => {
  world = await openWorld({
    objects: [
      { bucket: 'data', prefix: 'small/', count: 40, sizes: [0, 1, 4096, 100_000], perFolder: 10 },
      { bucket: 'data', key: 'small-other', size: 3 },
      { bucket: 'data', key: 'big', size: BIG_BYTES },
      { bucket: 'evil', key: 'x/../../escaped', size: 5 },
      { bucket: 'evil', key: 'x/good', size: 5 },
    ],
  });
});
afterAll(() => world.origin.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-cp-'));
});
afterEach(async () => {
  await world.origin.reset();
  await world.run('rm', '-r', '-f', ROOT);
  rmSync(folder, { recursive: true });
});

const actions = (text: string): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { action } of documents(text)) counts[String(action)] = (counts[String(action)] ?? 0) + 1;
  return counts;
};

describe('cp', () => {
  it('copies one object to a name, and into a folder under its own', async () => {
    expect((await world.run('cp', 's3://data/small-other', `${ROOT}x`)).code).toBe(0);
    const into = await world.run('cp', 's3://data/small-other', `${ROOT}y/`, '--json');
    expect(documents(into.stdout)).toMatchObject([
      { action: 'copied', from: 's3://data/small-other', uri: `${ROOT}y/small-other`, size: 3 },
    ]);
    expect(await world.keys()).toEqual(['x', 'y/small-other']);
    expect(verifyPattern(objectIdOf('small-other'), 0, await world.body('x'))).toBe(-1);
  });

  it('takes files to a service, one and a directory, byte for byte', async () => {
    mkdirSync(join(folder, 'in'));
    for (const name of ['a', 'in/b'])
      writeFileSync(join(folder, name), patternBytes(objectIdOf(name), 9 * MIB));
    expect((await world.run('cp', join(folder, 'a'), `${ROOT}one`, '--memory', '32MiB')).code).toBe(0);
    expect((await world.run('cp', '-r', folder, `${ROOT}all`, '--memory', '32MiB')).code).toBe(0);
    expect(await world.keys()).toEqual(['all/a', 'all/in/b', 'one']);
    for (const [key, name] of [
      ['one', 'a'],
      ['all/a', 'a'],
      ['all/in/b', 'in/b'],
    ] as const) {
      expect(verifyPattern(objectIdOf(name), 0, await world.body(key)), key).toBe(-1);
    }
  });

  it('of one object leaves out what is there, or equal, and in a dry run everything', async () => {
    const from = 's3://data/small-other';
    const cp = async (...args: string[]) =>
      actions((await world.run('cp', from, `${ROOT}x`, '--json', ...args)).stdout);
    expect(await cp('-n')).toEqual({ 'would-copy': 1 });
    expect(await world.keys()).toEqual([]);
    expect(await cp('--no-clobber')).toEqual({ copied: 1 });
    expect(await cp('--no-clobber')).toEqual({ exists: 1 });
    expect(await cp('--no-clobber', '-n')).toEqual({ exists: 1 });
    expect(await cp('-u')).toEqual({ equal: 1 });
    expect(await cp()).toEqual({ copied: 1 });
  });

  it('refuses what cannot be meant, with 2, and writes nothing', async () => {
    for (const [args, why] of [
      [['s3://data/small/', `${ROOT}x`], 'there is -r'],
      [[folder, `${ROOT}x`], 'there is -r'],
      [['s3://data', `${ROOT}x/`], 'names no single object'],
      [['s3://data/small-other', `${ROOT}x`, '-u', '--no-clobber'], 'one of the two'],
      [['s3://data/small-other', `${ROOT}x`, '--concurrency', '3'], 'expected -r with it'],
      [['-r', 's3://data/small', 's3://data/small/copy'], 'without end'],
      [['-r', 's3://data/small', ROOT, '--udpate'], 'did you mean "--update"?'],
      [['s3://data/small-other', 'nosuch://x/y'], 'unknown scheme'],
      [['s3://data/small-other'], 'expected SOURCE TARGET'],
    ] as const) {
      const cp = await world.run('cp', ...args);
      expect([cp.code, cp.stderr], args.join(' ')).toEqual([2, expect.stringContaining(why)]);
    }
    expect(await world.keys()).toEqual([]);
  });
});

describe('cp -r', () => {
  it('takes folders: below "small" is not "small-other"; every object once, with a summary', async () => {
    const cp = await world.run('cp', '-r', 's3://data/small', `${ROOT}to`, '--json');
    expect([cp.code, actions(cp.stdout)]).toEqual([0, { copied: 40 }]);
    const keys = await world.keys();
    expect(keys).toHaveLength(40);
    expect(keys.every((key) => key.startsWith('to/'))).toBe(true);
    const bytes = documents(cp.stdout).reduce((sum, { size }) => sum + Number(size), 0);
    expect(documents(cp.stderr)).toMatchObject([{ command: 'cp', done: 40, skipped: 0, failed: 0, bytes }]);
  });

  it('to a folder above copies what does not come to lie in its own source, and tells what would', async () => {
    for (const key of ['x/a', 'x/x/a'])
      expect((await world.run('cp', 's3://data/small-other', `${ROOT}to/${key}`)).code).toBe(0);
    const cp = await world.run('cp', '-r', `${ROOT}to/x`, `${ROOT}to`, '--json');
    expect([cp.code, actions(cp.stdout)]).toEqual([1, { copied: 1, failed: 1 }]);
    expect(documents(cp.stdout).find(({ action }) => action === 'failed')).toMatchObject({
      from: `${ROOT}to/x/x/a`,
      uri: `${ROOT}to/x/a`,
      error: { code: 'InvalidArgument', message: expect.stringContaining('still to be copied') as string },
    });
    expect(await world.keys()).toEqual(['to/a', 'to/x/a', 'to/x/x/a']);
  });

  it('in a dry run tells each object, and copies none', async () => {
    const cp = await world.run('cp', '-r', '-n', 's3://data/small/', `${ROOT}to/`, '--json');
    expect([cp.code, actions(cp.stdout)]).toEqual([0, { 'would-copy': 40 }]);
    expect(await world.keys()).toEqual([]);
  });

  it('goes on where one fails; begun again with -u it copies just that one', async () => {
    await world.origin.script({ op: 'copy', nth: 7, do: { status: 403, code: 'AccessDenied' } });
    const first = await world.run('cp', '-r', 's3://data/small', `${ROOT}to`, '--json', '--concurrency', '1');
    expect([first.code, actions(first.stdout)]).toEqual([1, { copied: 39, failed: 1 }]);
    expect(documents(first.stdout).find(({ action }) => action === 'failed')).toMatchObject({
      error: { code: 'AccessDenied' },
    });
    await world.origin.reset();
    const again = await world.run('cp', '-r', '-u', 's3://data/small', `${ROOT}to`, '--json');
    expect([again.code, actions(again.stdout)]).toEqual([0, { equal: 39, copied: 1 }]);
    expect(await world.origin.requests({ op: 'copy' })).toHaveLength(1);
    const exists = await world.run('cp', '-r', '--no-clobber', 's3://data/small', `${ROOT}to`, '--json');
    expect(actions(exists.stdout)).toEqual({ exists: 40 });
  });

  it('tells what failed in text too, and goes on when nobody reads its rows', async () => {
    await world.origin.script({ key: /^to\/.*7$/, do: { status: 403, code: 'AccessDenied' } });
    const child = spawn(process.execPath, [MAIN, 'cp', '-r', 's3://data/small', `${ROOT}to`], {
      env: { ...process.env, ...environmentOf(world.origin) },
    });
    child.stdout.destroy();
    let said = '';
    child.stderr.on('data', (text: Buffer) => (said += text.toString()));
    const [code] = (await once(child, 'close')) as [number];
    const keys = await world.keys();
    expect([code, keys.length]).toEqual([1, 36]);
    expect(said.match(/failed s3:\S+: AccessDenied/g)).toHaveLength(4);
    expect(said).toContain('copied 36, skipped 0, failed 4');
  });

  it('writes files, and never outside of the target: keys that lead out are named', async () => {
    const target = join(folder, 'a', 'b');
    const big = await world.run('cp', 's3://data/big', `${target}/`, '--json');
    expect([big.code, actions(big.stdout)]).toEqual([0, { copied: 1 }]);
    expect(verifyPattern(objectIdOf('big'), 0, readFileSync(join(target, 'big')))).toBe(-1);
    const evil = await world.run('cp', '-r', 's3://evil/x', target, '--json');
    expect([evil.code, actions(evil.stdout)]).toEqual([1, { copied: 1, failed: 1 }]);
    expect(new Set(readdirSync(folder, { recursive: true, encoding: 'utf8' }))).toEqual(
      new Set(['a', 'a/b', 'a/b/big', 'a/b/good']),
    );
    expect((await world.run('rm', '-r', target)).code).toBe(0);
    expect(existsSync(join(target, 'big'))).toBe(false);
  });

  it('takes files larger than the budget, in parts', async () => {
    writeFileSync(join(folder, 'big'), patternBytes(objectIdOf('big'), 70 * MIB));
    const cp = await world.run('cp', '-r', folder, `${ROOT}to`, '--memory', '32MiB', '--json');
    expect([cp.code, actions(cp.stdout)]).toEqual([0, { copied: 1 }]);
    expect(verifyPattern(objectIdOf('big'), 0, await world.body('to/big'))).toBe(-1);
    expect(await world.uploads()).toEqual([]);
  });
});

describe('a signal during cp -r', () => {
  it('begins no other object, tells those that were copied, and gives up what was in parts', async () => {
    for (const name of ['a', 'c']) writeFileSync(join(folder, name), name);
    writeFileSync(join(folder, 'b'), patternBytes(objectIdOf('b'), 60 * MIB));
    await world.origin.script({ op: 'put-part', nth: 3, do: { stall: 'before-head' } });
    const child = world.start('cp', '-r', folder, `${ROOT}to`, '--json');
    await world.origin.waitFor({ stalled: 1 });
    child.signal('SIGINT');
    await child.waitForLine(/finishing what is in flight/, { stream: 'stderr' });
    await world.origin.release();
    const { code, stdout, stderr } = await child.exit();
    expect(code).toBe(130);
    // What stands in the rows is what is there.
    const rows = documents(stdout).map(({ uri }) => String(uri).slice(ROOT.length));
    expect(rows.toSorted()).toEqual(await world.keys());
    expect(rows).not.toContain('to/b');
    expect(documents(stdout).every(({ action }) => action === 'copied')).toBe(true);
    expect(documents(stderr).at(-1)).toMatchObject({
      reason: 'SIGINT',
      command: 'cp',
      done: rows.length,
      failed: 0,
    });
    expect(await world.uploads()).toEqual([]);
  });

  it('inside a service, the rows are exactly what was copied', async () => {
    await world.origin.script({ op: 'copy', nth: [5, 6], do: { stall: 'before-head' } });
    const child = world.start('cp', '-r', 's3://data/small', `${ROOT}to`, '--json', '--concurrency', '2');
    await world.origin.waitFor({ stalled: 2 });
    child.signal('SIGTERM');
    await child.waitForLine(/finishing what is in flight/, { stream: 'stderr' });
    await world.origin.release();
    const { code, stdout } = await child.exit();
    expect(code).toBe(143);
    const rows = documents(stdout).map(({ uri }) => String(uri).slice(ROOT.length));
    expect(rows).toHaveLength(6);
    expect(rows.toSorted()).toEqual(await world.keys());
  });
});

describe('what is equal', () => {
  const facts = { size: 5, version: '"a"', lastModifiedMs: 1000, contentType: null };

  it('has the size, and the same version inside a service or a time that is not earlier', () => {
    const other = (changes: object) => ({ ...facts, version: '"b"', ...changes });
    expect(isEqual(facts, other({}), false)).toBe(true);
    expect(isEqual(facts, other({ size: 6 }), false)).toBe(false);
    expect(isEqual(facts, other({ lastModifiedMs: 999 }), false)).toBe(false);
    expect(isEqual(facts, other({ lastModifiedMs: 999, version: '"a"' }), true)).toBe(true);
    expect(isEqual(facts, other({ lastModifiedMs: 999, version: '"a"' }), false)).toBe(false);
    expect(isEqual(facts, other({ lastModifiedMs: null }), false)).toBe(false);
  });
});

/** Objects are written as a whole or not at all, to files and to S3, within the memory budget. */
import { mkdirSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Runtime } from '../../dist/index.js';
import { radosgwAvailable } from '../kit/radosgw.mjs';
import { skipUnless } from '../kit/require-server.mjs';
import { KIB, MIB } from './kit.js';
import {
  bytesOf,
  chunksOf,
  codeOf,
  expectMissing,
  expectNothingLeft,
  expectObject,
  openShores,
  rowsOf,
  type Shore,
  type Shores,
} from './writes.kit.js';

const BUDGET = 64 * MIB;
/** Above it, with that budget, objects go in parts. */
const THRESHOLD = 8 * MIB;
const PART = 5 * MIB;

describe.skipIf(skipUnless(radosgwAvailable()))('with radosgw', () => {
  let shores: Shores;
  let runtime: Runtime;
  beforeAll(async () => {
    shores = await openShores();
    runtime = await shores.start({ memoryBudget: BUDGET });
  });
  afterAll(async () => {
    expect(await runtime.close()).toMatchObject({ unreleasedBytes: 0, stuckWorkers: [] });
    await shores.close();
  });
  afterEach(async () => {
    for (const shore of [shores.file, shores.s3]) await expectNothingLeft(runtime, shore);
  });

  describe.each(['file', 's3'] as const)('%s', (scheme) => {
    let shore: Shore;
    beforeAll(() => {
      shore = shores[scheme];
    });

    test.each([0, 1, 100 * KIB, THRESHOLD, THRESHOLD + 1, 3 * THRESHOLD + 5])(
      'put writes %i bytes',
      async (size) => {
        const uri = shore.uri(`put/${size}`);
        const done = await runtime.put(uri, bytesOf('put', size));
        expect(done).toMatchObject({ uri, size });
        const { version } = await runtime.head(uri);
        if (done.version !== null) expect(done.version).toBe(version);
        await expectObject(runtime, uri, 'put', size);
      },
    );

    test('put takes text as UTF-8, and views of other kinds as their bytes', async () => {
      const uri = shore.uri('put/kinds');
      for (const [data, text] of [
        ['grüße', 'grüße'],
        [new Uint16Array([0x4141, 0x4242]), 'AABB'],
        [new DataView(new ArrayBuffer(9), 2, 3), '\0\0\0'],
        [Buffer.from('xyz').buffer.slice(0, 0), ''],
      ] as const) {
        await runtime.put(uri, data);
        const got = await runtime.get(uri);
        expect(got.text()).toBe(text);
        got.release();
      }
    });

    test.each([
      ['no chunk', 0, [1]],
      ['one byte', 1, [1]],
      ['odd chunks', 11 * MIB + 3, [77_777, 1, 2_000_003, 0, 5]],
      ['exactly one part', PART, [PART]],
      ['exactly three parts', 3 * PART, [1_000_000]],
      ['chunks that are longer than parts', 4 * PART + 1, [2 * PART + 9]],
    ] as const)('putStream writes a stream of %s', async (name, size, sizes) => {
      const uri = shore.uri(`stream/${name}`);
      const done = await runtime.putStream(uri, chunksOf(name, size, sizes), { partBytes: PART });
      expect(done.size).toBe(size);
      await expectObject(runtime, uri, name, size);
    });

    test.each([0, 2 * PART + 100])(
      'putStream gives up when the stream throws after %i bytes',
      async (bytes) => {
        const uri = shore.uri(`stream/throws-${bytes}`);
        const source = async function* (): AsyncGenerator<Uint8Array> {
          yield* chunksOf('throws', bytes, [100_000]);
          throw new Error('the disk of the camera is gone');
        };
        await expect(runtime.putStream(uri, source(), { partBytes: PART })).rejects.toMatchObject({
          code: 'InvalidArgument',
          cause: expect.objectContaining({ message: 'the disk of the camera is gone' }) as Error,
        });
        await expectMissing(runtime, uri);
      },
    );

    test('of puts that create the same object one wins, and its bytes are there', async () => {
      const uri = shore.uri('race');
      const names = Array.from({ length: 12 }, (_, i) => `racer-${i}`);
      const codes = await Promise.all(
        names.map((name) => codeOf(runtime.put(uri, bytesOf(name, 50_000), { ifAbsent: true }))),
      );
      expect(codes.toSorted().slice(0, 11)).toEqual(Array(11).fill('AlreadyExists'));
      await expectObject(runtime, uri, names[codes.indexOf('no error')]!, 50_000);
    });

    test('delete takes away, and is content when there is nothing', async () => {
      const uri = shore.uri('deleted');
      await runtime.put(uri, 'here');
      await runtime.delete(uri);
      await expectMissing(runtime, uri);
      await runtime.delete(uri);
    });

    test('deletePrefix deletes what it has told before, and nothing beside it', async () => {
      const keys = Array.from(
        { length: 40 },
        (_, i) => `sweep/${i % 3}/${String(i).padStart(2, '0')}`,
      ).toSorted();
      for (const key of keys) await runtime.put(shore.uri(key), key);
      await runtime.put(shore.uri('sweep0'), 'kept');
      const told = await rowsOf(runtime.deletePrefix(shore.uri('sweep/'), { dryRun: true }));
      expect(told.map(({ uri, action }) => [uri, action])).toEqual(
        keys.map((key) => [shore.uri(key), 'would-delete']),
      );
      expect(await rowsOf(runtime.list(shore.uri('sweep/')))).toHaveLength(40);
      const done = await rowsOf(runtime.deletePrefix(shore.uri('sweep/')));
      expect(done).toEqual(told.map((row) => ({ ...row, action: 'deleted' })));
      expect((await rowsOf(runtime.list(shore.uri('sweep')))).map(({ uri }) => uri)).toEqual([
        shore.uri('sweep0'),
      ]);
    });

    test('deletePrefix deletes keys that no document can carry', async () => {
      const keys = ['ctl/\u0001', 'ctl/a', 'ctl/b'];
      for (const key of keys) await runtime.put(shore.uri(key), key);
      const rows = await rowsOf(runtime.deletePrefix(shore.uri('ctl/')));
      expect(rows.map(({ action }) => action)).toEqual(['deleted', 'deleted', 'deleted']);
      for (const key of keys) await expectMissing(runtime, shore.uri(key));
    });

    test('writes 200 MB through 16 MiB of memory', async () => {
      const small = await shores.start({ memoryBudget: 16 * MIB });
      try {
        const uri = shore.uri('large');
        await small.put(uri, bytesOf('large', 200_000_000));
        const { arena } = await small.stats();
        expect(arena.peakBytes).toBeGreaterThan(0);
        expect(arena.peakBytes).toBeLessThanOrEqual(16 * MIB);
        await expectObject(small, uri, 'large', 200_000_000);
        await small.delete(uri);
      } finally {
        expect(await small.close()).toMatchObject({ unreleasedBytes: 0 });
      }
    });
  });

  test.each([0, 1, THRESHOLD, THRESHOLD + 1, 100_000_000])(
    'copies %i bytes from file to s3 and back, byte by byte',
    async (size) => {
      const name = `copied-${size}`;
      const first = shores.file.uri(`copy/first-${size}`);
      const middle = shores.s3.uri(`copy/middle-${size}`);
      const last = shores.file.uri(`copy/last-${size}`);
      await runtime.put(first, bytesOf(name, size));
      expect(await runtime.copy(first, middle)).toMatchObject({ uri: middle, size });
      expect(await runtime.copy(middle, last)).toMatchObject({ uri: last, size });
      await expectObject(runtime, middle, name, size);
      await expectObject(runtime, last, name, size);
    },
  );

  test('copies nothing of a source that is not there, and none to where nothing may be written', async () => {
    const to = shores.s3.uri('copy/none');
    expect(await codeOf(runtime.copy(shores.file.uri('copy/missing'), to))).toBe('NotFound');
    await expectMissing(runtime, to);
    expect(await codeOf(runtime.put(shores.file.uri('.millrace-upload-x'), 'x'))).toBe('InvalidArgument');
  });

  describe('copyPrefix', () => {
    const KEYS = ['a.b', 'a/1', 'a/2/3', 'b/large', 'c', 'zero'];
    const sizeOf = (key: string): number =>
      key === 'zero' ? 0 : key === 'b/large' ? 2 * THRESHOLD + 3 : 1000;

    test.each([
      ['file', 's3'],
      ['s3', 'file'],
      ['file', 'file'],
    ] as const)('copies all below %s to below %s, and the second time nothing', async (from, to) => {
      const source = (key: string): string => shores[from].uri(`tree/${from}-${to}/${key}`);
      const target = (key: string): string => shores[to].uri(`copied/${from}-${to}/x-${key}`);
      for (const key of KEYS) await runtime.put(source(key), bytesOf(key, sizeOf(key)));
      const told = await rowsOf(runtime.copyPrefix(source(''), target(''), { dryRun: true }));
      expect(told.map(({ to: uri, action }) => [uri, action])).toEqual(
        KEYS.map((key) => [target(key), 'would-copy']),
      );
      await expectMissing(runtime, target('a.b'));
      // Nothing is there to be equal to, not even a directory.
      const rows = await rowsOf(runtime.copyPrefix(source(''), target(''), { skipEqual: true }));
      const inOrder = rows.toSorted((a, b) => (a.from < b.from ? -1 : 1));
      expect(inOrder).toEqual(
        KEYS.map((key) => ({
          from: source(key),
          to: target(key),
          size: sizeOf(key),
          action: 'copied',
          error: null,
        })),
      );
      for (const key of KEYS) await expectObject(runtime, target(key), key, sizeOf(key));
      const again = await rowsOf(runtime.copyPrefix(source(''), target(''), { skipEqual: true }));
      expect(again.map(({ action }) => action)).toEqual(KEYS.map(() => 'equal'));
      await runtime.put(target('c'), 'another size');
      const third = await rowsOf(runtime.copyPrefix(source(''), target(''), { skipEqual: true }));
      expect(third.filter(({ action }) => action === 'copied').map((row) => row.from)).toEqual([source('c')]);
      await expectObject(runtime, target('c'), 'c', 1000);
    });

    test('tells an object that cannot be copied, small or large, and copies the rest', async () => {
      for (const key of KEYS) await runtime.put(shores.s3.uri(`part/${key}`), bytesOf(key, sizeOf(key)));
      // A directory of the very name stands in the way of both.
      mkdirSync(`${shores.root}partly/a.b`, { recursive: true });
      mkdirSync(`${shores.root}partly/b/large`, { recursive: true });
      const rows = await rowsOf(runtime.copyPrefix(shores.s3.uri('part/'), shores.file.uri('partly/')));
      const failed = rows.filter(({ action }) => action === 'failed');
      expect(new Map(failed.map(({ from, error }) => [from, error?.code]))).toEqual(
        new Map([
          [shores.s3.uri('part/a.b'), 'Unsupported'],
          [shores.s3.uri('part/b/large'), 'Unsupported'],
        ]),
      );
      expect(rows.filter(({ action }) => action === 'copied')).toHaveLength(KEYS.length - 2);
      for (const key of ['a/1', 'c', 'zero']) {
        await expectObject(runtime, shores.file.uri(`partly/${key}`), key, sizeOf(key));
      }
    });
  });
});

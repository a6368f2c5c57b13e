/** A write that is stopped, or whose worker dies, leaves the object whole or leaves nothing. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CancellationToken, Runtime } from '../../dist/index.js';
import { radosgwAvailable } from '../kit/radosgw.mjs';
import { skipUnless } from '../kit/require-server.mjs';
import { expectIdle, MIB } from './kit.js';
import {
  bytesOf,
  codeOf,
  endless,
  expectMissing,
  expectNothingLeft,
  expectObject,
  openDirectory,
  openShores,
  rowsOf,
  type Shore,
  type Shores,
} from './writes.kit.js';

const PART = 5 * MIB;
/** With it, an object of two parts goes in parts. */
const BUDGET = 64 * MIB;

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

    test.each([
      ['cancel', 'Cancelled'],
      ['drain', 'Draining'],
      ['signal', 'Cancelled'],
    ] as const)('a %s in the middle of an upload leaves neither object nor upload', async (way, code) => {
      const uri = shore.uri(`stopped/${way}`);
      const token = new CancellationToken();
      const controller = new AbortController();
      const stream = endless(PART, 4);
      const putting = codeOf(
        runtime.putStream(uri, stream.source, {
          partBytes: PART,
          ...(way === 'signal' ? { signal: controller.signal } : { token }),
        }),
      );
      // Asked for its fifth chunk: the first four are parts of an upload that has begun.
      await stream.asked;
      expect(await shore.unfinished()).not.toEqual([]);
      await expectMissing(runtime, uri);
      if (way === 'cancel') token.cancel('enough');
      else if (way === 'drain') token.drain('enough');
      else controller.abort();
      expect(await putting).toBe(code);
      await expectNothingLeft(runtime, shore);
      await expectMissing(runtime, uri);
      stream.goOn();
      await stream.closed;
    });

    test('a stop before the call writes nothing', async () => {
      const token = new CancellationToken();
      token.cancel('enough');
      const uri = shore.uri('stopped/before');
      expect(await codeOf(runtime.put(uri, 'never', { token }))).toBe('Cancelled');
      expect(await codeOf(runtime.put(uri, bytesOf('never', 20 * MIB), { token }))).toBe('Cancelled');
      expect(await codeOf(runtime.delete(uri, { token }))).toBe('Cancelled');
      await expectMissing(runtime, uri);
    });

    test('a runtime that is closed in the middle of an upload has aborted it when it is closed', async () => {
      const other = await shores.start({ memoryBudget: BUDGET });
      const uri = shore.uri('stopped/closed');
      const stream = endless(PART, 3);
      const putting = codeOf(other.putStream(uri, stream.source, { partBytes: PART }));
      await stream.asked;
      expect(await shore.unfinished()).not.toEqual([]);
      const closing = other.close();
      expect(await putting).toBe('Draining');
      expect(await closing).toMatchObject({ unreleasedBytes: 0, stuckWorkers: [] });
      expect(await shore.unfinished()).toEqual([]);
      await expectMissing(runtime, uri);
      stream.goOn();
      await stream.closed;
    });

    test('a copyPrefix that is left after its first row leaves whole objects and no uploads', async () => {
      const to = scheme === 'file' ? shores.s3 : shores.file;
      const keys = Array.from({ length: 30 }, (_, i) => `left/${String(i).padStart(2, '0')}`);
      for (const [i, key] of keys.entries()) {
        await runtime.put(shore.uri(key), bytesOf(key, i === 7 ? 3 * PART : 100_000));
      }
      for await (const row of runtime.copyPrefix(shore.uri('left/'), to.uri('left-copy/'))) {
        expect(row.action).toBe('copied');
        break;
      }
      await expectNothingLeft(runtime, to);
      const copied = await rowsOf(runtime.list(to.uri('left-copy/')));
      expect(copied.length).toBeGreaterThan(0);
      for (const { uri } of copied) {
        const key = uri.replace(to.uri('left-copy/'), 'left/');
        await expectObject(runtime, uri, key, key === 'left/07' ? 3 * PART : 100_000);
      }
    });
  });
});

describe.each(['begin', 'part', 'complete', 'put', 'copy', 'delete'] as const)(
  'a worker that dies with a %s',
  (kill) => {
    test.each([
      ['before it is carried out', false],
      ['after it was', true],
    ])('%s does not fail the call', async (_, after) => {
      const { root, shore, close } = await openDirectory();
      const words = new Int32Array(new SharedArrayBuffer(4));
      const module = new URL('./modules/dying-writer.mjs', import.meta.url).href;
      const config = { root: `${root}here/`, kill, after, words, deaths: 1 };
      const runtime = await Runtime.start({
        workers: 2,
        memoryBudget: BUDGET,
        stores: { dying: { module, config }, file: { root } },
      });
      try {
        await runtime.put(shore.uri('here/source'), bytesOf('source', 3 * MIB));
        if (kill === 'put') await runtime.put('dying://x/a', bytesOf('a', MIB));
        else if (kill === 'copy') await runtime.copy('dying://x/source', 'dying://x/a');
        else if (kill === 'delete') await runtime.delete('dying://x/source');
        else await runtime.put('dying://x/a', bytesOf('a', 3 * 8 * MIB), { partBytes: PART });
        expect(words[0]).toBeGreaterThan(0);
        expect((await runtime.stats()).deaths).toBe(1);
        if (kill === 'delete') await expectMissing(runtime, shore.uri('here/source'));
        else if (kill === 'copy') await expectObject(runtime, shore.uri('here/a'), 'source', 3 * MIB);
        else await expectObject(runtime, shore.uri('here/a'), 'a', kill === 'put' ? MIB : 3 * 8 * MIB);
        await expectIdle(runtime);
        // An upload whose name died with the worker that began it is nobody's; all others have ended.
        const lost = kill === 'begin' && after;
        expect((await shore.unfinished()).length > 0).toBe(lost);
      } finally {
        await runtime.close();
        await close();
      }
    });
  },
);

/** FIFOs where files are expected: never opened in a way that blocks, never read as if they were files. */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CancellationToken, ObjectDataset, Runtime } from '../../dist/index.js';
import { backToBaseline, takeBaseline, type Holdings } from '../kit/leaks.mjs';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';
import { exhaust, expectIdle, expectSum, fault } from '../e2e/kit.js';

const SIZE = 5000;
const FILES = Array.from({ length: 20 }, (_, i) => `file-${String(i).padStart(2, '0')}`);
const PIPES = ['pipe-0', 'pipe-1', 'pipe-2'];

describe.each(['file', 'direct'])('%s', (scheme) => {
  let folder: string;
  let baseline: Holdings;
  let runtime: Runtime;
  const uriOf = (name: string): string =>
    pathToFileURL(join(folder, name)).href.replace(/^file:/, `${scheme}:`);
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-fifos-'));
    for (const name of FILES) writeFileSync(join(folder, name), patternBytes(objectIdOf(name), SIZE));
    execFileSync(
      'mkfifo',
      PIPES.map((name) => join(folder, name)),
    );
    baseline = await takeBaseline();
    const options = scheme === 'direct' ? { root: folder, fallback: 'buffered' } : { root: folder };
    runtime = await Runtime.start({ workers: 2, memoryBudget: '16MiB', stores: { [scheme]: options } });
  });
  afterEach(async () => {
    await expectIdle(runtime);
    expect(await runtime.close()).toMatchObject({ unreleasedBytes: 0, stuckWorkers: [] });
    await backToBaseline(baseline);
    rmSync(folder, { recursive: true });
  });
  const refused = { code: 'Unsupported', message: expect.stringContaining('a FIFO') as string };

  test.each(['without a writer', 'with a writer and bytes in it'])(
    '%s, it is refused by name',
    async (what) => {
      const path = join(folder, PIPES[0]!);
      // Both ends at once, or this would wait for a reader.
      const writer = what.startsWith('with ') ? openSync(path, constants.O_RDWR) : null;
      if (writer !== null) writeSync(writer, 'these bytes are for whoever reads the pipe');
      await expect(runtime.get(uriOf(PIPES[0]!))).rejects.toMatchObject(refused);
      await expect(runtime.get(uriOf(PIPES[0]!), { size: 42 })).rejects.toMatchObject(refused);
      await expect(runtime.getRange(uriOf(PIPES[0]!), { start: 0, length: 10 })).rejects.toMatchObject(
        refused,
      );
      await expect(runtime.head(uriOf(PIPES[0]!))).rejects.toMatchObject(refused);
      if (writer !== null) closeSync(writer);
    },
  );

  test('is not listed, and all files beside it come', async () => {
    const loader = runtime.loader(ObjectDataset.fromPrefix(uriOf('')));
    const seen: string[] = [];
    for await (const batch of loader) {
      for (const item of batch) {
        const name = item.key.slice(item.key.lastIndexOf('/') + 1);
        expect(fault(name, item.bytes, SIZE)).toBeNull();
        seen.push(name);
      }
    }
    expect(seen).toEqual(FILES);
    expectSum(loader.report);
  });

  test('in the place of a file that was listed, it is an error of that item alone', async () => {
    const uris = FILES.map(uriOf);
    renameSync(join(folder, PIPES[1]!), join(folder, FILES[7]!));
    const loader = runtime.loader(ObjectDataset.fromUris(uris.map((uri) => ({ uri, size: SIZE }))), {
      onError: 'skip',
    });
    expect(await exhaust(loader)).toBe(FILES.length - 1);
    expect(loader.report).toMatchObject({ failed: 1, failures: [{ uri: uriOf(FILES[7]!), error: refused }] });
    expectSum(loader.report);
  });

  test('a load over nothing but FIFOs can be cancelled while they are opened', async () => {
    const token = new CancellationToken();
    const uris = Array.from({ length: 3000 }, (_, i) => uriOf(PIPES[i % PIPES.length]!));
    const loader = runtime.loader(ObjectDataset.fromUris(uris), { token, onError: 'skip' });
    const loading = exhaust(loader);
    await runtime.stats();
    token.cancel('enough');
    await expect(loading).rejects.toMatchObject({ code: 'Cancelled' });
    expectSum(loader.report);
    expect(loader.report!.failed).toBeLessThan(uris.length);
  });
});

/** Direct reads of the system itself: what it refuses, and the memory of a running runtime. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ObjectDataset, Runtime } from '../../../dist/index.js';
import { NEVER } from '../../../dist/protocol/stop.js';
import { skipUnless } from '../../kit/require-server.mjs';
import { patternBytes, verifyPattern } from '../../../dist/testing/pattern.js';
import { keyOf, newDirectory, readKey, unprivileged } from '../file/kit.js';
import { directAvailable, directStore, makeDirectDirectory } from './kit.js';

const MIB = 1024 * 1024;
const onLinux = process.platform === 'linux';

describe.runIf(onLinux)('what is no regular file, or is not there', () => {
  it.each(['error', 'buffered'] as const)(
    'is told as the file store tells it, and a FIFO blocks nothing (fallback %s)',
    async (fallback) => {
      const root = newDirectory();
      execFileSync('mkfifo', [`${root}pipe`]);
      mkdirSync(`${root}dir`);
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(`${root}sock`, resolve));
      onTestFinished(() => void server.close());
      const { store } = directStore(root, fallback);
      for (const [key, code, words] of [
        ['pipe', 'Unsupported', 'a FIFO'],
        ['dir', 'Unsupported', 'a directory'],
        ['sock', 'Unsupported', 'a socket'],
        ['none', 'NotFound', 'ENOENT'],
        ['dir/none', 'NotFound', 'ENOENT'],
        ['../x', 'InvalidArgument', '".."'],
      ] as const) {
        const answer = await readKey(store, key);
        expect(answer).toMatchObject({ outcome: 'refused', landed: 0, error: { code } });
        expect(answer.error?.message).toContain(words);
        expect((await store.head(keyOf(key), NEVER)).error?.code).toBe(code);
      }
    },
  );

  it('is AccessDenied where this process may not read it', async () => {
    const root = newDirectory();
    writeFileSync(`${root}closed`, 'x');
    chmodSync(`${root}closed`, 0);
    const answer = await unprivileged(root, () => readKey(directStore(root).store, 'closed'));
    expect(answer).toMatchObject({ outcome: 'refused', error: { code: 'AccessDenied' } });
  });
});

describe.runIf(existsSync('/sys/kernel/uevent_seqnum'))('a filesystem without O_DIRECT', () => {
  it('is an error that says what to do', async () => {
    const answer = await readKey(directStore('/').store, 'sys/kernel/uevent_seqnum', { length: 4096 });
    expect(answer).toMatchObject({ outcome: 'refused', landed: 0, error: { code: 'Unsupported' } });
    expect(answer.error?.message).toMatch(
      /uevent_seqnum .* refuses O_DIRECT.* file: URI.*fallback: 'buffered'/,
    );
  });

  it('is read through the page cache where that was asked for, with the errors of the file store', async () => {
    const { store, counters } = directStore('/', 'buffered');
    const answer = await readKey(store, 'sys/kernel/uevent_seqnum', { length: 4096 });
    expect(answer).toMatchObject({ outcome: 'interrupted', error: { code: 'ShortBody' } });
    expect(answer.landed).toBeGreaterThan(0);
    expect(counters.bufferedBytes).toBe(answer.landed);
    expect((await readKey(store, 'proc/cpuinfo')).error?.code).toBe('Unsupported');
  });

  it('shows in the statistics of a runtime and in what it explains', async () => {
    const uri = 'direct:///sys/kernel/uevent_seqnum';
    await using runtime = await Runtime.start({ workers: 1, stores: { direct: { fallback: 'buffered' } } });
    await expect(runtime.get(uri)).rejects.toMatchObject({ code: 'ShortBody' });
    const { workers } = await runtime.stats();
    expect(Object.values(workers)[0]?.bufferedBytes).toBeGreaterThan(0);
    const row = runtime.explain().find(({ option }) => option === 'stores.direct.fallback');
    expect(row).toMatchObject({ value: 'buffered', origin: 'given' });
    await using other = await Runtime.start({ workers: 1 });
    await expect(other.get(uri)).rejects.toMatchObject({ code: 'Unsupported', uri });
    expect(other.explain().find(({ option }) => option === 'stores.direct.fallback')).toMatchObject({
      value: 'error',
      origin: 'default',
    });
  });
});

describe.skipIf(skipUnless(directAvailable()))('a runtime', () => {
  it('reads large files straight into its arena: only what is less than a block is copied', async () => {
    const root = makeDirectDirectory();
    onTestFinished(() => rmSync(root, { recursive: true }));
    const sizes = [20 * MIB + 777, 16 * MIB, 300_000, 4096, 1, 0];
    for (const [i, size] of sizes.entries()) writeFileSync(`${root}${i}`, patternBytes(i, size));
    await using runtime = await Runtime.start({ workers: 2, memoryBudget: '256MiB' });
    const loader = runtime.loader(ObjectDataset.fromPrefix(`direct://${root}`), { batchSize: 2 });
    const seen: number[] = [];
    for await (const batch of loader) {
      for (const { uri, bytes } of batch) {
        const at = Number(uri.slice(`direct://${root}`.length));
        seen[at] = bytes.length;
        expect(verifyPattern(at, 0, bytes)).toBe(-1);
      }
    }
    expect(seen).toEqual(sizes);
    const workers = Object.values((await runtime.stats()).workers);
    const bounced = workers.reduce((sum, worker) => sum + (worker?.bouncedBytes ?? 0), 0);
    expect(bounced).toBeGreaterThan(777 - 512);
    // The small ones whole, and of the others what is less than a block.
    expect(bounced).toBeLessThan(300_000 + 4096 + 1 + 4096 + MIB);
    expect(workers.every((worker) => worker?.bufferedBytes === 0)).toBe(true);
  });

  it('takes the root and the URIs as the file scheme does, under its own name', async () => {
    const root = makeDirectDirectory();
    onTestFinished(() => rmSync(root, { recursive: true }));
    mkdirSync(`${root}in side`);
    writeFileSync(`${root}in side/a`, 'found');
    for (const given of [root, `file://${root}`, `direct://${root}`]) {
      await using runtime = await Runtime.start({ workers: 1, stores: { direct: { root: given } } });
      const found = await runtime.get(`direct://${root}in%20side/a`);
      expect([found.uri, found.text()]).toEqual([`direct://${root}in%20side/a`, 'found']);
      found.release();
      const keys: string[] = [];
      for await (const { key } of runtime.list(`direct://${root}`)) keys.push(key);
      expect(keys).toEqual(['in side/a']);
      await expect(runtime.get('direct:///etc/hosts')).rejects.toMatchObject({ code: 'InvalidArgument' });
    }
  });
});

/** Threads that are blocked for good: fenced and named, while everything else goes on, and `close` still resolves. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CancellationToken, ObjectDataset, Runtime, type RuntimeRecord } from '../../dist/index.js';
import { runNode } from '../kit/process.mjs';
import { backToBaseline, takeBaseline, type Holdings } from '../kit/leaks.mjs';
import { exhaust, expectSum, type StartOptions } from './kit.js';

const STORE = new URL('./programs/blocking-store.mjs', import.meta.url);
const TRANSFORM = new URL('./programs/blocking-transform.mjs', import.meta.url);
const PROGRAM = fileURLToPath(new URL('./programs/stuck.mjs', import.meta.url));
const KEYS = Array.from({ length: 40 }, (_, i) => `key-${i}`);
const uris = (...keys: string[]): string[] => keys.map((key) => `block://b/${key}`);

/** Word 0: threads that are blocked. Word 1: set to let them go. Word 2: calls of the transform. */
let words: Int32Array;
let baseline: Holdings;
let runtime: Runtime;
beforeEach(async () => {
  words = new Int32Array(new SharedArrayBuffer(12));
  baseline = await takeBaseline();
});

async function start(options: StartOptions = {}): Promise<void> {
  runtime = await Runtime.start({
    workers: 2,
    maxConnections: 8,
    memoryBudget: '16MiB',
    stuckAfterMs: 1500,
    stores: { block: { module: STORE, config: { words } } },
    ...options,
  });
}

/** Lets the blocked threads go, as nothing but a test can; then nothing is left of the runtime. */
async function freed(): Promise<void> {
  Atomics.store(words, 1, 1);
  Atomics.notify(words, 1);
  await backToBaseline(baseline);
}

function blocked(): Promise<unknown> {
  return Promise.resolve(Atomics.waitAsync(words, 0, 0).value);
}

async function closed(): Promise<RuntimeRecord> {
  const record = await runtime.close({ deadlineMs: 200 });
  expect(record.unreleasedBytes).toBe(0);
  return record;
}

describe('a store whose thread blocks', () => {
  test.each(['wait', 'spin'])('in a %s is fenced and named, and all other objects come', async (key) => {
    await start();
    const loader = runtime.loader(
      ObjectDataset.fromUris(uris(...KEYS.slice(0, 20), key, ...KEYS.slice(20))),
      {
        batchSize: 4,
        onError: 'skip',
      },
    );
    const seen: string[] = [];
    for await (const batch of loader) {
      for (const item of batch) {
        expect(item.copy()).toEqual(new Uint8Array(1000).fill(item.key.charCodeAt(0)));
        seen.push(item.key);
      }
    }
    expect(seen).toEqual(KEYS);
    expectSum(loader.report);
    expect(loader.report).toMatchObject({ delivered: KEYS.length, failed: 1 });
    const [failure] = loader.report!.failures;
    expect(failure).toMatchObject({ uri: `block://b/${key}`, error: { code: 'WorkerStuck' } });
    expect(failure!.error.message).toContain(`block://b/${key}`);
    expect(failure!.error.worker).toMatch(/^worker-[01]#\d$/);
    expect(loader.report!.stuckWorkers).toContain(failure!.error.worker);
    // Every thread that is blocked holds the memory that it may still write to.
    const { arena } = await runtime.stats();
    expect(arena.quarantinedBytes).toBeGreaterThan(0);
    expect(arena.usedBytes).toBe(arena.quarantinedBytes);
    const { stuckWorkers } = await closed();
    expect(stuckWorkers).toContain(failure!.error.worker);
    // A thread that spins may have kept another one from turning, which has ended since.
    expect(loader.report!.stuckWorkers).toEqual(expect.arrayContaining([...stuckWorkers]));
    await freed();
  });

  test('takes its memory out of the budget only until it really ends', async () => {
    await start();
    const failure = await runtime.get('block://b/wait').catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'WorkerStuck' });
    expect((await runtime.stats()).arena.quarantinedBytes).toBeGreaterThan(0);
    Atomics.store(words, 1, 1);
    Atomics.notify(words, 1);
    await expect.poll(async () => (await runtime.stats()).arena.usedBytes).toBe(0);
    await closed();
    await freed();
  });

  test('in a question is fenced too, and the question fails', async () => {
    await start();
    await expect(runtime.head('block://b/wait')).rejects.toMatchObject({ code: 'WorkerStuck' });
    const result = await runtime.get('block://b/free');
    expect(result.bytes.length).toBe(1000);
    result.release();
    const { stuckWorkers } = await closed();
    expect(stuckWorkers.length).toBeGreaterThan(0);
    await freed();
  });

  test('does not keep close from resolving, at its deadline and a grace, with the name of the worker', async () => {
    await start({ stuckAfterMs: '10m' });
    const getting = runtime.get('block://b/wait').catch((error: unknown) => error);
    await blocked();
    const { stuckWorkers } = await closed();
    expect(stuckWorkers).toEqual([expect.stringMatching(/^worker-[01]#0$/)]);
    expect(await getting).toMatchObject({ code: 'Cancelled' });
    await freed();
  });
});

describe('a transform that blocks', () => {
  test('is fenced and named, and all other objects come', async () => {
    await start();
    const options = { words, first: 'x'.charCodeAt(0) };
    const loader = runtime.loader(ObjectDataset.fromUris(uris(...KEYS, 'x', 'last')), {
      batchSize: 4,
      onError: 'skip',
      transform: { url: TRANSFORM, options },
    });
    const seen: string[] = [];
    for await (const batch of loader) for (const item of batch) seen.push(item.key);
    expect(seen).toEqual([...KEYS, 'last']);
    expect(loader.report).toMatchObject({ failed: 1, failures: [{ error: { code: 'WorkerStuck' } }] });
    expectSum(loader.report);
    const { stuckWorkers } = await closed();
    expect(stuckWorkers.length).toBeGreaterThan(0);
    await freed();
  });
});

describe('a transform that blocks while its loader is cancelled', () => {
  test('is the last one to begin', async () => {
    await start({ workers: 1, stuckAfterMs: '10m' });
    const token = new CancellationToken();
    const options = { words, first: 'k'.charCodeAt(0) };
    const loader = runtime.loader(ObjectDataset.fromUris(uris(...KEYS)), {
      token,
      transform: { url: TRANSFORM, options },
    });
    const loading = exhaust(loader);
    await blocked();
    token.cancel('enough');
    Atomics.store(words, 1, 1);
    Atomics.notify(words, 1);
    await expect(loading).rejects.toMatchObject({ code: 'Cancelled' });
    expect(Atomics.load(words, 2)).toBe(1);
    expectSum(loader.report);
    expect(await closed()).toMatchObject({ stuckWorkers: [] });
    await freed();
  });
});

describe('a FIFO', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-fifo-'));
    execFileSync('mkfifo', [join(directory, 'pipe')]);
    writeFileSync(join(directory, 'plain'), 'plain');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test('is refused at the open, by name, and blocks no thread', async () => {
    await start();
    const uri = pathToFileURL(join(directory, 'pipe')).href;
    for (const verb of ['get', 'head'] as const) {
      await expect(runtime[verb](uri)).rejects.toMatchObject({
        code: 'Unsupported',
        message: expect.stringContaining(`${uri} is not a regular file but a FIFO`),
      });
    }
    const loader = runtime.loader(ObjectDataset.fromPrefix(`${pathToFileURL(directory).href}/`));
    const seen: string[] = [];
    for await (const batch of loader) for (const item of batch) seen.push(item.text());
    expect(seen).toEqual(['plain']);
    expect(await closed()).toMatchObject({ stuckWorkers: [] });
    await backToBaseline(baseline);
  });
});

describe('a program with a thread that is blocked for good', () => {
  test.each(['wait', 'spin'])('in a %s ends by itself once the runtime is closed', async (key) => {
    const child = runNode(PROGRAM, { args: [STORE.href, key], timeoutMs: 15_000 });
    const { code, signal, stdout, stderr } = await child.exit();
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ code: 'Cancelled', stuckWorkers: ['worker-0#0'] });
  });
});

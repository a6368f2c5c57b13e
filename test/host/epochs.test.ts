/** How the epochs of a loader end, over a whole runtime. */
import { getEventListeners, once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import {
  CancellationToken,
  ObjectDataset,
  Runtime,
  type Batch,
  type Loader,
  type LoaderOptions,
} from '../../dist/index.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const collected = async (): Promise<void> => {
  collect();
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
};

/** Collects garbage until it is so, or many turns of the event loop have gone by. */
const collectUntil = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  for (let round = 0; round < 200 && !(await condition()); round += 1) await collected();
};

const OBJECTS = 300;
const stores = { memory: [{ prefix: 'g/', count: OBJECTS, size: 16, seed: 1 }] };
/** Longer than any test may take: a close that waits for it does not come back. */
const NEVER_MS = 3_600_000;

let runtime: Runtime | null = null;
afterEach(() => runtime?.close({ deadlineMs: 0 }));

const start = async (): Promise<Runtime> => {
  runtime = await Runtime.start({ workers: 1, memoryBudget: '8MiB', stores });
  return runtime;
};

const loaderOf = (from: Runtime, options: LoaderOptions = {}): Loader =>
  from.loader(ObjectDataset.fromPrefix('memory:///'), { batchSize: 64, ...options });

/** The first batch, by an iterator that is then out of reach. */
const firstOf = async (loader: Loader): Promise<Batch> =>
  (await loader[Symbol.asyncIterator]().next()).value!;

/** Takes all batches and stays with the last one. */
const stayWithLast = async (loader: Loader) => {
  const iterator = loader[Symbol.asyncIterator]();
  for (let seen = 0; seen < OBJECTS;) seen += (await iterator.next()).value!.length;
  return iterator;
};

describe('done', () => {
  it('resolves with the report, whose cursor is behind the last batch', async () => {
    const loader = loaderOf(await start());
    let done: Promise<unknown> | null = null;
    for await (const batch of loader) {
      expect(batch.length).toBeGreaterThan(0);
      done ??= loader.done;
    }
    expect(loader.report).toMatchObject({ reason: 'completed', cursor: { objects: OBJECTS } });
    expect(await done).toBe(loader.report);
    expect(await loader.done).toBe(loader.report);
  });

  it('is the report also after a drain that the consumer came back from', async () => {
    const token = new CancellationToken();
    const loader = loaderOf(await start(), { token });
    for await (const batch of loader) token.drain(`after ${batch.length}`);
    expect(loader.report?.cursor.objects).toBeGreaterThan(0);
    expect(await loader.done).toBe(loader.report);
  });

  it.each<[string, (stop: { token: CancellationToken; from: Runtime }) => unknown]>([
    ['the token of the loader drains', ({ token }) => token.drain('enough')],
    ['the token of the loader is cancelled', ({ token }) => token.cancel('enough')],
    ['the runtime closes', ({ from }) => from.close({ deadlineMs: NEVER_MS })],
  ])('does not wait for a consumer that stays with the last batch when %s', async (_name, stop) => {
    const token = new CancellationToken();
    const from = await start();
    const loader = loaderOf(from, { token });
    const iterator = await stayWithLast(loader);
    const { done } = loader;
    stop({ token, from });
    expect(await done).toMatchObject({ reason: 'completed', delivered: OBJECTS });
    // The consumer comes back after all: what it had in hand counts.
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(loader.report?.cursor.objects).toBe(OBJECTS);
  });

  it('does not wait for it when a signal aborts, which is let go', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const loader = loaderOf(await start(), { signal });
    const iterator = await stayWithLast(loader);
    const aborted = once(signal, 'abort');
    const { done } = loader;
    controller.abort(new Error('enough'));
    await aborted;
    expect(await done).toMatchObject({ delivered: OBJECTS });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect((await iterator.next()).done).toBe(true);
  });
});

describe('an iterator that is dropped', () => {
  it('ends its epoch when it is collected, and the loader can go on', async () => {
    const from = await start();
    const loader = loaderOf(from);
    const first = await firstOf(loader);
    await collectUntil(() => loader.report !== null);
    expect(loader.report).toMatchObject({ reason: 'abandoned', delivered: 64, cursor: { objects: 0 } });
    expect(await loader.done).toBe(loader.report);
    // The batch is its consumer's still.
    expect([first.released, first.at(0)?.bytes.length]).toEqual([false, 16]);
    first.release();
    let seen = 0;
    for await (const batch of loader) seen += batch.length;
    expect(seen).toBe(OBJECTS);
  });

  it('leaves nothing behind when its batch is forgotten too: close() does not wait, and counts it', async () => {
    const from = await start();
    await firstOf(loaderOf(from));
    await collectUntil(async () => (await from.stats()).arena.extents === 0);
    expect((await from.stats()).streams).toBe(0);
    expect(await from.close({ deadlineMs: NEVER_MS })).toMatchObject({ unreleasedBytes: 0, leaks: 1 });
  });

  it('is not one whose loop is in its body', async () => {
    const loader = loaderOf(await start());
    let seen = 0;
    for await (const batch of loader) {
      if (seen === 0) for (let round = 0; round < 10; round += 1) await collected();
      expect(batch.released).toBe(false);
      seen += batch.length;
    }
    expect([seen, loader.report?.reason]).toEqual([OBJECTS, 'completed']);
  });

  it('gives its caller the batch that was asked for before', async () => {
    const from = await start();
    const uris: string[] = [];
    for await (const { uri } of from.list('memory:///')) uris.push(uri);
    let open!: () => void;
    // Wait ends: with the call of open() below.
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const dataset = ObjectDataset.fromIterable(async function* late() {
      await gate;
      yield* uris.slice(0, 2);
    });
    const loader = from.loader(dataset, { batchSize: 1 });
    const first = firstOf(loader);
    for (let round = 0; round < 10; round += 1) await collected();
    open();
    const batch = await first;
    await collectUntil(() => loader.report !== null);
    expect(loader.report?.reason).toBe('abandoned');
    expect([batch.released, batch.at(0)?.uri]).toEqual([false, uris[0]]);
    batch.release();
  });
});

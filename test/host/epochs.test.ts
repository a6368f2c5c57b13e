/** How the epochs of a loader end, over a whole runtime. */
import { getEventListeners, once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import {
  CancellationToken,
  ObjectDataset,
  Runtime,
  type Batch,
  type Loader,
  type LoaderOptions,
} from '../../dist/index.js';

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

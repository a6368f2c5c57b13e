import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../dist/loader/batch.js';
import { ObjectDataset } from '../../dist/loader/datasets.js';
import { Loader } from '../../dist/loader/loader.js';
import { ErrorCode, MillraceError } from '../../dist/protocol/errors.js';
import { CancellationToken } from '../../dist/protocol/token.js';
import { bytesOf, createFakeSupervisor, uriOf } from './fake-supervisor.js';

const names = Array.from({ length: 10 }, (_, at) => `k${at}`);
const uris = names.map(uriOf);
const keysOf = (batch: Batch): string[] => batch.items.map(({ key }) => key);

/** An `at` that never answers, and a promise for the moment it was asked. */
const hanging = () => {
  let asked!: () => void;
  const begun = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const at = (): Promise<string> => {
    asked();
    return new Promise(() => {});
  };
  return { begun, dataset: ObjectDataset.fromMap({ length: 1, at }) };
};

describe('a loader', () => {
  it('hands out every object once, in order, with the bytes of that object', async () => {
    const supervisor = createFakeSupervisor();
    const loader = new Loader(supervisor, uris, { batchSize: 4 });
    const seen: string[][] = [];
    for await (const batch of loader) {
      seen.push(keysOf(batch));
      for (const item of batch) expect(Buffer.compare(item.bytes, bytesOf(item.key))).toBe(0);
    }
    expect(seen).toEqual([names.slice(0, 4), names.slice(4, 8), names.slice(8)]);
    expect(loader.report).toMatchObject({ reason: 'completed', delivered: 10, listed: 'complete' });
    expect(await loader.done).toBe(loader.report);
    expect(supervisor.arena.stats().usedBytes).toBe(0);
  });

  it('releases a batch when the next one is asked for, and acknowledges it', async () => {
    const supervisor = createFakeSupervisor();
    const loader = new Loader(supervisor, uris, { batchSize: 4 });
    const iterator = loader[Symbol.asyncIterator]();
    const first = (await iterator.next()).value!;
    expect([first.released, first.acknowledged, loader.cursor.objects]).toEqual([false, false, 0]);
    const asked = iterator.next();
    expect([first.released, first.acknowledged, loader.cursor.objects]).toEqual([true, true, 4]);
    await asked;
    await iterator.return?.();
  });

  it('does not release the batch of one next() for another that was called at the same time', async () => {
    const loader = new Loader(createFakeSupervisor(), uris, { batchSize: 4 });
    const iterator = loader[Symbol.asyncIterator]();
    const [first, second] = await Promise.all([iterator.next(), iterator.next()]);
    expect([keysOf(first.value!), keysOf(second.value!)]).toEqual([names.slice(0, 4), names.slice(4, 8)]);
    expect([first.value!.released, second.value!.released]).toEqual([false, false]);
    await iterator.next();
    expect([first.value!.released, second.value!.released]).toEqual([true, true]);
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  it('leaves a retained batch to its consumer', async () => {
    const supervisor = createFakeSupervisor();
    const kept: Batch[] = [];
    for await (const batch of new Loader(supervisor, uris, { batchSize: 4 })) kept.push(batch.retain());
    expect(kept.map(({ released }) => released)).toEqual([false, false, false]);
    expect(kept[2]?.at(-1)?.bytes).toEqual(new Uint8Array(bytesOf('k9')));
    for (const batch of kept) batch.release();
    expect(supervisor.arena.stats().usedBytes).toBe(0);
  });

  it('lets the loop body release early', async () => {
    const supervisor = createFakeSupervisor();
    for await (const batch of new Loader(supervisor, uris, { batchSize: 4 })) batch.release();
    expect(supervisor.arena.stats().usedBytes).toBe(0);
  });

  it('waits at a break until nothing is in flight, releases the batch in hand and does not acknowledge it', async () => {
    const supervisor = createFakeSupervisor();
    const loader = new Loader(supervisor, uris, { batchSize: 4 });
    let count = 0;
    for await (const batch of loader) {
      expect(batch.length).toBe(4);
      count += 1;
      if (count === 2) break;
    }
    expect(supervisor.streams[0]?.reasons[0]).toBe('break');
    expect(loader.report).toMatchObject({ reason: 'break', cursor: { objects: 4 } });
    expect(supervisor.arena.stats().usedBytes).toBe(0);
  });

  it('ends as at a break when the loop body throws, and hands the error on', async () => {
    const loader = new Loader(createFakeSupervisor(), uris, { batchSize: 4 });
    const body = async (): Promise<void> => {
      for await (const batch of loader) throw new Error(`not wanted: ${batch.length}`);
    };
    await expect(body()).rejects.toThrow('not wanted: 4');
    expect(loader.report?.reason).toBe('break');
  });

  it('moves the cursor by batch.ack() alone when asked to, and not over a gap', async () => {
    const loader = new Loader(createFakeSupervisor(), uris, { batchSize: 4, ack: 'manual' });
    const iterator = loader[Symbol.asyncIterator]();
    const first = (await iterator.next()).value!;
    const second = (await iterator.next()).value!;
    expect(first.cursor).toEqual({ version: 1, objects: 4, items: 0 });
    second.ack();
    expect(loader.cursor.objects).toBe(0);
    first.ack();
    expect(loader.cursor.objects).toBe(8);
    await iterator.return?.();
  });

  it('throws what ended the epoch, once, after everything is over', async () => {
    const supervisor = createFakeSupervisor({ broken: new Set(['k5']) });
    const loader = new Loader(supervisor, uris, { batchSize: 4 });
    const iterator = loader[Symbol.asyncIterator]();
    await expect(iterator.next()).rejects.toMatchObject({ code: 'NotFound', uri: uriOf('k5') });
    expect(loader.report?.reason).toBe('failed');
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  it('that cannot begin uses up no epoch, and leaves cursor and report as they were', async () => {
    const supervisor = createFakeSupervisor();
    const loader = new Loader(supervisor, uris, { batchSize: 4 });
    const all = async (): Promise<void> => {
      for await (const batch of loader) batch.ack();
    };
    await all();
    const { cursor, report } = loader;
    const openStream = supervisor.openStream.bind(supervisor);
    supervisor.openStream = () => {
      throw new MillraceError(ErrorCode.Throttled, 'too many loaders');
    };
    await expect(all()).rejects.toMatchObject({ code: 'Throttled' });
    expect([loader.epoch, loader.cursor, loader.report]).toEqual([1, cursor, report]);
    expect(cursor.objects).toBe(10);
    supervisor.openStream = openStream;
    await all();
    expect(loader.epoch).toBe(2);
  });

  it('begins the next epoch with each iteration, in another order for the same seed', async () => {
    const orders: string[] = [];
    const loader = new Loader(createFakeSupervisor(), uris, { shuffle: true, seed: 4, epoch: 2 });
    for (let epoch = 2; epoch < 4; epoch += 1) {
      expect(loader.epoch).toBe(epoch);
      for await (const batch of loader) orders.push(keysOf(batch).join());
    }
    expect(orders[0]).not.toBe(orders[1]);
    const again = new Loader(createFakeSupervisor(), uris, { shuffle: true, seed: 4, epoch: 3 });
    for await (const batch of again) expect(keysOf(batch).join()).toBe(orders[1]);
  });

  it('refuses a second iteration beside the first', async () => {
    const loader = new Loader(createFakeSupervisor(), uris, { batchSize: 4 });
    const first = loader[Symbol.asyncIterator]();
    const unused = loader[Symbol.asyncIterator]();
    await first.next();
    await expect(unused.next()).rejects.toThrow('this loader is already being iterated');
    expect((await first.next()).value).toHaveLength(4);
    await first.return?.();
    for await (const batch of loader) expect(batch.released).toBe(false);
  });

  it('checks its options and its dataset when it is made', () => {
    const supervisor = createFakeSupervisor();
    expect(() => new Loader(supervisor, uris, { batchsize: 1 } as never)).toThrow(
      'did you mean "batchSize"?',
    );
    expect(() => new Loader(supervisor, new Set(uris), { shuffle: true })).toThrow(
      'use shuffle: {buffer: n}',
    );
    expect(() => new Loader(supervisor, 'fake://x' as never)).toThrow('dataset: expected');
    expect(supervisor.streams).toHaveLength(0);
  });

  it('gives its stream what the options say', async () => {
    const supervisor = createFakeSupervisor();
    const token = new CancellationToken();
    const options = { batchSize: 3, prefetchBatches: 2, maxAttempts: 7, token, transform: 'file:///t.js' };
    for await (const batch of new Loader(supervisor, uris, options)) batch.release();
    expect(supervisor.streams[0]?.options).toMatchObject({
      batchSize: 3,
      windowObjects: 6,
      maxAttempts: 7,
      transform: { url: 'file:///t.js' },
    });
    expect(supervisor.streams[0]?.given).toBe(token);
  });

  it('tells before the first iteration that there was none', async () => {
    const loader = new Loader(createFakeSupervisor(), uris);
    expect([loader.report, await loader.done, loader.cursor.objects]).toEqual([null, null, 0]);
    expect(loader.explain().length).toBeGreaterThan(15);
  });
});

describe('a loader that is told to stop', () => {
  it('by an abort rejects with its reason', async () => {
    const controller = new AbortController();
    const loader = new Loader(createFakeSupervisor(), uris, { batchSize: 4, signal: controller.signal });
    const iterator = loader[Symbol.asyncIterator]();
    await iterator.next();
    controller.abort(new Error('enough'));
    await expect(iterator.next()).rejects.toMatchObject({ code: 'Cancelled', message: 'cancelled: enough' });
    expect(loader.report?.reason).toBe('enough');
  });

  it('by a signal is unlinked from it when the epoch is over, however it ended', async () => {
    const { signal } = new AbortController();
    const linked = (): number => getEventListeners(signal, 'abort').length;
    const loader = new Loader(createFakeSupervisor(), uris, { batchSize: 4, signal });
    for await (const batch of loader) expect([batch.released, linked()]).toEqual([false, 1]);
    expect(linked()).toBe(0);
    for await (const batch of loader) if (!batch.released) break;
    expect(linked()).toBe(0);
    const failing = new Loader(createFakeSupervisor({ broken: new Set(['k0']) }), uris, { signal });
    await expect(failing[Symbol.asyncIterator]().next()).rejects.toThrow('not there');
    expect(linked()).toBe(0);
  });

  it('by a drain ends without an error, with the reason in the record', async () => {
    const token = new CancellationToken();
    const loader = new Loader(createFakeSupervisor(), uris, { batchSize: 4, token });
    for await (const batch of loader) token.drain(`SIGTERM after ${batch.length}`);
    expect(loader.report).toMatchObject({ reason: 'SIGTERM after 4', listed: 'partial' });
  });

  it.each(['drain', 'cancel'] as const)('by a %s does not wait for an at(i) that hangs', async (verb) => {
    const token = new CancellationToken();
    const { begun, dataset } = hanging();
    const loader = new Loader(createFakeSupervisor(), dataset, { token });
    const next = loader[Symbol.asyncIterator]().next();
    await begun;
    token[verb]('now');
    if (verb === 'drain') expect(await next).toEqual({ done: true, value: undefined });
    else await expect(next).rejects.toMatchObject({ code: 'Cancelled' });
    expect(loader.report).toMatchObject({ listed: 'partial' });
  });

  it('by return() ends a next() that still waits', async () => {
    const { begun, dataset } = hanging();
    const iterator = new Loader(createFakeSupervisor(), dataset)[Symbol.asyncIterator]();
    const next = iterator.next();
    await begun;
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect(await next).toEqual({ done: true, value: undefined });
  });
});

/** Stops: at any moment and in any way, nothing goes on, nothing is held, and the runtime works as before. */
import { readFileSync } from 'node:fs';
import { setImmediate as immediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CancellationToken, MillraceError, ObjectDataset, type Runtime } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import {
  BUCKET,
  describeStop,
  LARGE,
  nothingGoesOn,
  OBJECTS,
  stopOf,
  stopped,
  takenIn,
} from './cancel.kit.js';
import { connectionsGone, exhaust, expectIdle, expectSum, fault, MIB, startRuntime } from './kit.js';

const LARGE_URI = `s3://${BUCKET}/many/zz-large`;
/** As Linux writes that state of a socket. */
const LISTENS = '0A';
const seeds = Array.from({ length: 40 }, (_, seed) => seed);

let origin: Origin;
let runtime: Runtime;
beforeAll(async () => {
  origin = await startOrigin({ objects: OBJECTS });
  runtime = await startRuntime(origin);
});
afterAll(async () => {
  await runtime.close();
  await connectionsGone(origin);
  await origin.stop();
});

describe('a run that is stopped leaves nothing behind', () => {
  test.each(seeds.map((seed) => [seed, describeStop(stopOf(seed))] as const))('seed %i: %s', async (seed) => {
    await stopped(runtime, origin, stopOf(seed));
  });
});

describe('a server that does not turn', () => {
  test('keeps no cancel waiting, and what it reads later is nothing new', async ({ signal }) => {
    await using alone = await startOrigin({ objects: OBJECTS });
    // All connections at once, none of which this origin has met.
    const fresh = await startRuntime(alone, { adaptiveConcurrency: false });
    process.kill(alone.pid, 'SIGSTOP');
    try {
      const token = new CancellationToken();
      const uris = Array.from({ length: 64 }, (_, i) => `s3://${BUCKET}/many/${String(i).padStart(3, '0')}`);
      const loading = exhaust(fresh.loader(ObjectDataset.fromUris(uris), { token }));
      for (; unread(alone.port) < 16; await immediate()) signal.throwIfAborted();
      token.cancel('enough');
      await expect(loading).rejects.toMatchObject({ code: 'Cancelled' });
      await expectIdle(fresh);
    } finally {
      process.kill(alone.pid, 'SIGCONT');
    }
    await nothingGoesOn(fresh, alone);
    expect((await alone.requests({ afterMark: false, op: 'get' })).length).toBe(16);
    await fresh.close();
  });

  /** Connections to a port in which bytes lie that its server has not read, nor perhaps accepted them. */
  function unread(port: number): number {
    const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    const rows = readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1);
    return rows.filter((row) => {
      const [, address, , state, queues] = row.trim().split(/\s+/);
      return address?.endsWith(local) && state !== LISTENS && !queues!.endsWith(':00000000');
    }).length;
  }
});

describe('a token', () => {
  test('that was cancelled before anything began lets no request out', async () => {
    await origin.reset();
    const token = new CancellationToken();
    token.cancel('too late');
    const calls = [
      runtime.get(LARGE_URI, { token }),
      runtime.getRange(LARGE_URI, { start: 0, end: 1 }, { token }),
      runtime.head(LARGE_URI, { token }),
      exhaust(runtime.loader(ObjectDataset.fromUris([LARGE_URI]), { token })),
    ];
    for (const result of await Promise.allSettled(calls)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'Cancelled' } });
      expect((result as PromiseRejectedResult).reason.message).toContain('too late');
    }
    expect(await origin.requests()).toEqual([]);
    await expectIdle(runtime);
  });

  test('whose deadline passes in mid-body ends the wait with DeadlineExceeded, not Cancelled', async () => {
    await origin.reset();
    await origin.script({ key: 'many/zz-large', do: { stall: MIB } });
    const token = new CancellationToken().withDeadline(300);
    const results = await Promise.allSettled([
      runtime.get(LARGE_URI, { token }),
      exhaust(runtime.loader(ObjectDataset.fromUris([LARGE_URI]), { token })),
    ]);
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'DeadlineExceeded' } });
    }
    await expectIdle(runtime);
    await takenIn(runtime, origin);
    await origin.script();
  });

  test('that a platform signal times out is DeadlineExceeded too', async () => {
    await origin.reset();
    await origin.script({ key: 'many/zz-large', do: { stall: MIB } });
    const failure = await runtime
      .get(LARGE_URI, { signal: AbortSignal.timeout(200) })
      .catch((e: unknown) => e);
    expect(failure).toBeInstanceOf(MillraceError);
    expect(failure).toMatchObject({ code: 'DeadlineExceeded' });
    await expectIdle(runtime);
    await takenIn(runtime, origin);
    await origin.script();
  });

  test('that drains lets what is in flight be delivered, in order and whole, and nothing new begin', async () => {
    await origin.reset();
    // The first four large enough to be stopped in the middle: one per connection of a small runtime.
    await origin.script({ key: /^many\//, do: { stall: 40_000 } });
    const token = new CancellationToken();
    const uris = Array.from(
      { length: 30 },
      (_, i) => `s3://${BUCKET}/many/${String(4 * i + 3).padStart(3, '0')}`,
    );
    const small = await startRuntime(origin, { workers: 2, maxConnections: 4 });
    const loader = small.loader(ObjectDataset.fromUris(uris), { token, batchSize: 3 });
    const iterator = loader[Symbol.asyncIterator]();
    const first = iterator.next();
    await origin.waitFor({ stalled: 4 });
    token.drain('the service stops');
    await origin.script();
    await origin.release();
    const delivered: string[] = [];
    for (let step = await first; step.done !== true; step = await iterator.next()) {
      for (const item of step.value) {
        expect(fault(item.key, item.bytes, 70_000)).toBeNull();
        delivered.push(item.uri);
      }
    }
    expect((await origin.requests()).length).toBe(4);
    expect(delivered.length).toBeGreaterThan(0);
    expect(delivered).toEqual(uris.slice(0, delivered.length));
    expect(loader.report).toMatchObject({
      reason: 'the service stops',
      delivered: delivered.length,
      failed: 0,
    });
    expectSum(loader.report);
    await expectIdle(small);
    await small.close();
  });
});

describe('a question that no worker has room for', () => {
  test.each(['cancel', 'drain'] as const)('ends at once on a %s', async (way) => {
    await origin.reset();
    await origin.script({ key: 'many/zz-large', do: { stall: MIB } });
    const small = await startRuntime(origin, { workers: 1, maxConnections: 1 });
    // One part of 8 MiB is all that a worker with one connection is given, so the questions wait for it here.
    const getting = small.getRange(LARGE_URI, { start: 0, length: 8 * MIB });
    await origin.waitFor({ stalled: 1 });
    const token = new CancellationToken();
    const listing = small.list(`s3://${BUCKET}/`, { token })[Symbol.asyncIterator]();
    const asked = Promise.allSettled([small.head(LARGE_URI, { token }), listing.next()]);
    await immediate();
    token[way]('enough');
    const code = way === 'cancel' ? 'Cancelled' : 'Draining';
    for (const result of await asked) expect(result).toMatchObject({ status: 'rejected', reason: { code } });
    expect((await origin.stats()).stalled).toBe(1);
    await origin.script();
    await origin.release();
    (await getting).release();
    expect((await origin.requests()).filter(({ op }) => op !== 'get')).toEqual([]);
    await expectIdle(small);
    await small.close();
  });
});

describe('a transform that waits', () => {
  test('is told by its signal when its loader is cancelled, and nothing waits for it any more', async () => {
    await origin.reset();
    const words = new Int32Array(new SharedArrayBuffer(4));
    const token = new CancellationToken();
    const url = new URL('./programs/waiting-transform.mjs', import.meta.url);
    const loader = runtime.loader(ObjectDataset.fromPrefix(`s3://${BUCKET}/after/`), {
      token,
      transform: { url, options: { words } },
    });
    const loading = exhaust(loader);
    await Atomics.waitAsync(words, 0, 0).value;
    token.cancel('enough');
    await expect(loading).rejects.toMatchObject({ code: 'Cancelled' });
    expect(Atomics.load(words, 0)).toBe(0);
    expectSum(loader.report);
    await expectIdle(runtime);
  });
});

describe('what waits for a connection that another call has', () => {
  test('ends at once when it is cancelled, while the other goes on', async () => {
    // An origin of its own: what a test before this one cancelled may still be on its way to the shared one.
    await using alone = await startOrigin({ objects: OBJECTS });
    await alone.script({ key: 'many/zz-large', do: { stall: MIB } });
    const narrow = await startRuntime(alone, { workers: 1, maxConnections: 1 });
    const getting = narrow.get(LARGE_URI);
    await alone.waitFor({ stalled: 1 });
    const token = new CancellationToken();
    const waiting = [
      narrow.head(`s3://${BUCKET}/many/001`, { token }),
      narrow.get(`s3://${BUCKET}/many/002`, { token }),
      exhaust(narrow.loader(ObjectDataset.fromUris([`s3://${BUCKET}/many/003`]), { token })),
      exhaust(narrow.loader(ObjectDataset.fromPrefix(`s3://${BUCKET}/after/`), { token })),
    ];
    // A question that is answered by the worker: by then it has what was sent before.
    await narrow.stats();
    token.cancel('enough');
    for (const result of await Promise.allSettled(waiting)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'Cancelled' } });
    }
    // The large one is still where it was: nothing but the cancel can have ended the waits.
    expect((await alone.requests()).map(({ key }) => key)).toEqual(['many/zz-large']);
    await alone.script();
    await alone.release();
    const result = await getting;
    expect(fault('many/zz-large', result.bytes, LARGE)).toBeNull();
    result.release();
    await expectIdle(narrow);
    await narrow.close();
  });
});

describe('the runtime itself', () => {
  test('ends everything when its token is cancelled, and closes', async () => {
    await origin.reset();
    await origin.script({ key: 'many/zz-large', do: { stall: MIB } });
    const token = new CancellationToken();
    const second = await startRuntime(origin, { token });
    const loading = exhaust(second.loader(ObjectDataset.fromPrefix(`s3://${BUCKET}/many/`)));
    const getting = second.get(LARGE_URI);
    const results = Promise.allSettled([loading, getting]);
    await origin.waitFor({ stalled: 2 });
    token.cancel('the service ends');
    for (const result of await results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'Cancelled' } });
    }
    const record = await second.close();
    expect(record).toMatchObject({ unreleasedBytes: 0, stuckWorkers: [], deaths: 0, leaks: 0 });
    await origin.waitFor({ inFlight: 0 });
    await origin.script();
    await expect(second.get(LARGE_URI)).rejects.toMatchObject({ code: 'Cancelled' });
  });

  test('lets its connections go when it closes, even those in mid-body', async () => {
    await using alone = await startOrigin({ objects: OBJECTS });
    await alone.script({ key: 'many/zz-large', do: { stall: MIB } });
    const third = await startRuntime(alone);
    const getting = third.get(LARGE_URI).catch((error: unknown) => error);
    await alone.waitFor({ stalled: 1 });
    const closing = third.close({ deadlineMs: 0 });
    expect(await getting).toMatchObject({ code: 'Cancelled' });
    expect(await closing).toMatchObject({ unreleasedBytes: 0, stuckWorkers: [] });
    await connectionsGone(alone);
  });
});

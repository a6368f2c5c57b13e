/** Streams that are put: one that fails before it is read, and what is left of one that is not read to its end. */
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CancellationToken, type MillraceError, type Runtime } from '../../dist/index.js';
import { type Origin, startOrigin } from '../../dist/testing/index.js';
import { MIB, s3Options, startRuntime } from '../e2e/kit.js';

const OUT = 's3://out/';
let folder: string;
let origin: Origin;
let runtime: Runtime;
/** Opens no store before it is told to, and none of the bucket "locked". */
let slow: Runtime;
let credentials: { promise: Promise<unknown>; resolve: (given: unknown) => void };
let uncaught: unknown[];
const note = (error: unknown): number => uncaught.push(error);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-stream-'));
  writeFileSync(join(folder, 'file'), new Uint8Array(MIB));
  origin = await startOrigin({ buckets: ['out'], publicBuckets: ['out'] });
  runtime = await startRuntime(origin);
});
afterAll(async () => {
  await runtime.close();
  await origin.stop();
  rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  uncaught = [];
  process.on('uncaughtException', note);
  let resolve = (_given: unknown): void => {};
  const promise = new Promise<unknown>((settle) => {
    resolve = settle;
  });
  credentials = { promise, resolve };
  slow = await startRuntime(origin, {
    workers: 1,
    stores: { s3: s3Options(origin, { credentials: () => promise }) },
  });
});
afterEach(async () => {
  process.off('uncaughtException', note);
  credentials.resolve(origin.credentials);
  await slow.close();
  await origin.reset();
});

const failure = (call: Promise<unknown>): Promise<MillraceError> =>
  call.then(
    () => expect.unreachable('it was put'),
    (thrown: unknown) => thrown as MillraceError,
  );
/** Not by `once` of node:events, which rejects with the error of the stream, and listens for it. */
const closing = (stream: Readable): Promise<void> =>
  new Promise((resolve) => stream.once('close', () => resolve()));
const listeners = (stream: Readable): number =>
  stream.eventNames().reduce((sum, name) => sum + stream.listenerCount(name), 0);

describe('a stream that fails before it is read', () => {
  it('rejects the call with its error, and ends nothing else', async () => {
    const stream = createReadStream(join(folder, 'gone'));
    const put = failure(slow.putStream(`${OUT}gone`, stream));
    await closing(stream);
    await turn();
    credentials.resolve(origin.credentials);
    expect(await put).toMatchObject({
      code: 'InvalidArgument',
      message: expect.stringMatching(/^the stream that is to be put failed: ENOENT/) as string,
      cause: { code: 'ENOENT' },
    });
    expect(uncaught).toEqual([]);
    expect(await origin.requests()).toEqual([]);
  });

  it('rejects the call when it was destroyed before, or is while its target is opened', async () => {
    const before = Readable.from([Buffer.from('never')]);
    before.destroy();
    await closing(before);
    expect(await failure(runtime.putStream(`${OUT}before`, before))).toMatchObject({
      cause: { code: 'ERR_STREAM_PREMATURE_CLOSE' },
    });
    for (const error of [undefined, new Error('the cable is out')]) {
      const stream = new PassThrough();
      stream.write('not all of it');
      const put = failure(slow.putStream(`${OUT}meanwhile`, stream));
      stream.destroy(error);
      await turn();
      credentials.resolve(origin.credentials);
      const { cause } = await put;
      expect(cause).toMatchObject(error ?? { code: 'ERR_STREAM_PREMATURE_CLOSE' });
    }
    expect(uncaught).toEqual([]);
    expect(await origin.requests()).toEqual([]);
  });

  it('does not hide that options cannot be meant', async () => {
    const stream = createReadStream(join(folder, 'gone'));
    const put = failure(runtime.putStream(`${OUT}gone`, stream, { partBytes: 0 }));
    expect((await put).message).toMatch(/partBytes/);
    if (!stream.closed) await closing(stream);
    await turn();
    expect(uncaught).toEqual([]);
  });
});

describe('a stream whose target cannot be opened', () => {
  it('of Node.js is destroyed, and no listener stays', async () => {
    const stream = createReadStream(join(folder, 'file'));
    const before = listeners(stream);
    const closed = closing(stream);
    expect((await failure(runtime.putStream('memory:///a', stream))).code).toBe('Unsupported');
    await closed;
    await turn();
    expect([stream.destroyed, listeners(stream), stream.bytesRead]).toEqual([true, before, 0]);
  });

  it('of the web is cancelled, and not locked', async () => {
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      cancel: () => {
        cancelled = true;
      },
    });
    expect((await failure(runtime.putStream('memory:///a', stream))).code).toBe('Unsupported');
    expect([cancelled, stream.locked]).toEqual([true, false]);
  });

  it('is destroyed at once by a stop', async () => {
    const stream = createReadStream(join(folder, 'file'));
    const token = new CancellationToken();
    const put = failure(slow.putStream(`${OUT}never`, stream, { token }));
    token.drain('enough');
    expect((await put).code).toBe('Draining');
    expect(stream.destroyed).toBe(true);
  });
});

describe('a stream that gives nothing', () => {
  it('is ended by a stop, of Node.js and of the web', async () => {
    let cancelled = false;
    const web = new ReadableStream<Uint8Array>({
      cancel: () => {
        cancelled = true;
      },
    });
    const node = new PassThrough();
    for (const source of [node, web]) {
      const token = new CancellationToken();
      const put = failure(runtime.putStream(`${OUT}never`, source, { token }));
      await turn();
      token.cancel('enough');
      expect((await put).code).toBe('Cancelled');
    }
    await turn();
    expect([node.destroyed, cancelled, uncaught]).toEqual([true, true, []]);
  });
});

describe('a stream that is put', () => {
  it('has no listener of ours afterwards', async () => {
    const left = async (read: (stream: Readable) => Promise<unknown>): Promise<number> => {
      const stream = createReadStream(join(folder, 'file'));
      await read(stream);
      if (!stream.closed) await closing(stream);
      await turn();
      return listeners(stream);
    };
    const byItself = await left(async (stream) => {
      for await (const chunk of stream) expect(chunk).toBeInstanceOf(Buffer);
    });
    expect(await left((stream) => runtime.putStream(`${OUT}file`, stream))).toBe(byItself);
    expect((await runtime.head(`${OUT}file`)).size).toBe(MIB);
  });

  it('lives on where it does not destroy itself', async () => {
    const stream = new Readable({ autoDestroy: false, read: () => {} });
    stream.push('all of it');
    stream.push(null);
    await runtime.putStream(`${OUT}kept`, stream);
    await turn();
    expect([stream.destroyed, stream.listenerCount('error')]).toEqual([false, 0]);
  });

  it('of the web is read to its end, and refused where somebody else reads it', async () => {
    const { size } = await runtime.putStream(`${OUT}web`, new Blob(['all of it']).stream());
    expect(size).toBe(9);
    const locked = new Blob(['x']).stream();
    locked.getReader();
    expect((await failure(runtime.putStream(`${OUT}web`, locked))).code).toBe('InvalidArgument');
  });
});

/** Writes of a runtime against the scripted S3 server: what a stop, a failure and odd arguments leave behind. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CancellationToken, type MillraceError, type Runtime } from '../../dist/index.js';
import { MIB, startRuntime } from '../e2e/kit.js';
import { type Origin, startOrigin } from '../../dist/testing/index.js';

const OUT = 's3://out/';
let origin: Origin;
let runtime: Runtime;

beforeAll(async () => {
  origin = await startOrigin({
    buckets: ['out'],
    publicBuckets: ['out'],
    objects: [{ bucket: 'data', prefix: 'k/', count: 2500, sizes: [3] }],
  });
  runtime = await startRuntime(origin);
});
afterAll(async () => {
  await runtime.close();
  await origin.stop();
});
afterEach(() => origin.reset());

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const row of rows) list.push(row);
  return list;
}
const begin = (key: string) => fetch(`${origin.url}/out/${key}?uploads`, { method: 'POST' });
const code = (thrown: unknown): string => (thrown as MillraceError).code;

describe('unfinished uploads', () => {
  it('come page by page, each once, below the prefix alone', async () => {
    const keys = Array.from({ length: 1203 }, (_, i) => `many/${String(i).padStart(4, '0')}`);
    for (let at = 0; at < keys.length; at += 50) await Promise.all(keys.slice(at, at + 50).map(begin));
    await begin('other');
    const found = await all(runtime.uploads(`${OUT}many/`));
    expect(found.map(({ uri }) => uri)).toEqual(keys.map((key) => OUT + key));
    expect(found.every(({ started, upload }) => started instanceof Date && upload !== '')).toBe(true);
    expect(await origin.requests({ op: 'list-uploads' })).toHaveLength(2);
    await Promise.all(found.map(({ uri, upload }) => runtime.abortUpload(uri, upload)));
    expect((await all(runtime.uploads(OUT))).map(({ uri }) => uri)).toEqual([`${OUT}other`]);
  });

  it('that have ended already are aborted without a failure', async () => {
    await begin('twice');
    const [found] = await all(runtime.uploads(`${OUT}twice`));
    await runtime.abortUpload(found!.uri, found!.upload);
    await runtime.abortUpload(found!.uri, found!.upload);
    expect(await all(runtime.uploads(`${OUT}twice`))).toEqual([]);
  });

  it('are refused where arguments cannot be meant, and where a store is read-only', async () => {
    expect(() => runtime.uploads(7 as unknown as string)).toThrow(/prefix: expected a URI/);
    expect(() => runtime.uploads(OUT, { sginal: 1 } as never)).toThrow(/signal/);
    await expect(runtime.abortUpload(`${OUT}x`, '')).rejects.toThrow(/upload: expected the name/);
    await expect(runtime.abortUpload(OUT, 'x')).rejects.toThrow(/not of a whole store/);
    await expect(all(runtime.uploads('memory:///a'))).rejects.toMatchObject({ code: 'Unsupported' });
  });

  it('end the walk with the stop that it was given', async () => {
    const token = new CancellationToken();
    await origin.script({ op: 'list-uploads', do: { stall: 'before-head' } });
    const walk = all(runtime.uploads(OUT, { token }));
    await origin.waitFor({ stalled: 1 });
    token.cancel('enough');
    await expect(walk).rejects.toMatchObject({ code: 'Cancelled' });
  });
});

describe('a stop', () => {
  it('ends putStream at once while its stream gives nothing, in a drain as well', async () => {
    for (const how of ['drain', 'cancel'] as const) {
      const token = new CancellationToken();
      const { source, asked } = silent();
      const put = runtime.putStream(`${OUT}never`, source, { token });
      await asked;
      token[how]('enough');
      await expect(put.catch(code)).resolves.toBe(how === 'drain' ? 'Draining' : 'Cancelled');
    }
    expect(await origin.requests()).toEqual([]);
  });

  it('begins no upload when it came before, of the caller or of the runtime', async () => {
    const own = await startRuntime(origin);
    await own.put(`${OUT}first`, 'opens the store');
    await own.delete(`${OUT}first`);
    const stopped = new CancellationToken();
    stopped.drain('enough');
    const put = (token: CancellationToken) =>
      own.put(`${OUT}never`, new Uint8Array(20 * MIB), { token }).catch(code);
    expect(await put(stopped)).toBe('Draining');
    own.token.drain('enough');
    expect(await put(new CancellationToken())).toBe('Draining');
    await own.close();
    expect(await origin.requests({ op: 'create-upload' })).toEqual([]);
  });
});

describe('parts that there can be no memory for', () => {
  it('begin no upload: of bytes, of a stream, of a copy; and a stream that is short after all is put', async () => {
    const own = await startRuntime(origin, { memoryBudget: '16MiB' });
    await own.put(`${OUT}source`, new Uint8Array(40 * MIB));
    await origin.reset();
    await origin.script({ op: 'copy', do: { status: 400, code: 'InvalidRequest' } });
    const options = { partBytes: 20 * MIB };
    const chunks = Array.from({ length: 40 }, () => new Uint8Array(MIB));
    for (const call of [
      () => own.put(`${OUT}none`, new Uint8Array(40 * MIB), options),
      () => own.putStream(`${OUT}none`, chunks, options),
      () => own.copy(`${OUT}source`, `${OUT}none`, options),
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: 'BudgetTooSmall',
        uri: `${OUT}none`,
        message: expect.stringMatching(
          / in parts of 20 MiB, .*: raise memoryBudget, or give smaller/,
        ) as string,
      });
    }
    expect(await origin.requests({ op: 'create-upload' })).toEqual([]);
    expect((await own.putStream(`${OUT}short`, chunks.slice(0, 3), options)).size).toBe(3 * MIB);
    for (const key of ['source', 'short']) await own.delete(OUT + key);
    await own.close();
  });
});

describe('a stream', () => {
  it('has no more parts under way than a quarter of the budget holds, and all of them in the end', async () => {
    const own = await startRuntime(origin, { memoryBudget: '64MiB' });
    await origin.reset();
    await origin.script({ op: 'put-part', do: { delayMs: 300 } });
    const chunk = new Uint8Array(MIB).fill(7);
    const { size } = await own.putStream(
      `${OUT}stream`,
      Array.from({ length: 60 }, () => chunk),
    );
    expect([size, (await origin.stats()).maxInFlight]).toEqual([60 * MIB, 2]);
    await own.delete(`${OUT}stream`);
    await own.close();
  });

  it('is not read further than twice the parts that may be under way while none of them is done', async () => {
    const own = await startRuntime(origin);
    await origin.script({ op: 'put-part', do: { stall: 'before-head' } });
    const token = new CancellationToken();
    const chunk = new Uint8Array(MIB).fill(7);
    let read = 0;
    const endless = function* (): Generator<Uint8Array> {
      for (;;) {
        read += 1;
        yield chunk;
      }
    };
    const put = own.putStream(`${OUT}endless`, endless(), { token, maxPartsInFlight: 1 }).catch(code);
    await origin.waitFor({ stalled: 1 });
    // Each question goes to the workers and back, so that whatever could be read in between was read.
    for (let turn = 0; turn < 50; turn += 1) await own.stats();
    // Two parts of 8 MiB, and the chunk that tells whether there is another.
    expect(read).toBeLessThanOrEqual(17);
    token.cancel('enough');
    expect(await put).toBe('Cancelled');
    await own.close();
  });

  it('whose iterator throws when it is ended leaves nothing behind, and does not hide what went wrong', async () => {
    const chunks: unknown[] = [new Uint8Array(9 * MIB), new Uint8Array(9 * MIB), 7];
    const source = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: chunks.shift() as Uint8Array }),
        return: () => {
          throw new Error('the end was not expected');
        },
      }),
    };
    await expect(runtime.putStream(`${OUT}broken`, source)).rejects.toThrow(/a chunk of the stream/);
    expect((await runtime.stats()).streams).toBe(0);
  });
});

describe('a prefix', () => {
  it('that is a whole store is deleted only when that is said', async () => {
    await runtime.put(`${OUT}a`, 'a');
    for (const prefix of ['s3://out/', 's3://out']) {
      expect(() => runtime.deletePrefix(prefix), prefix).toThrow(/set wholeStore: true/);
    }
    expect(await all(runtime.deletePrefix(OUT, { wholeStore: true }))).toMatchObject([{ action: 'deleted' }]);
  });

  it('is not copied below itself', () => {
    for (const [from, to] of [
      ['s3://data/k/', 's3://data/k/k/'],
      ['s3://data/k', 's3://data/key/'],
      ['s3://data/', 's3://data/'],
      ['direct:///srv/a/', 'file:///srv/a/b/'],
    ] as const) {
      expect(() => runtime.copyPrefix(from, to), `${from} ${to}`).toThrow(/without end/);
    }
  });

  it('copied to one above it replaces nothing that is still to be copied, and copies the rest', async () => {
    const keys = ['up/a/x/a', 'up/a/x/x/z', 'up/a/x/xz', 'up/a/x/z'];
    for (const key of keys) await runtime.put(OUT + key, `of ${key}`);
    for (const dryRun of [true, false]) {
      const rows = await all(runtime.copyPrefix(`${OUT}up/a/x/`, `${OUT}up/a/`, { dryRun }));
      const done = dryRun ? 'would-copy' : 'copied';
      const told = rows.map(({ from, to, action }) =>
        [from, to, action].join(' ').replaceAll(`${OUT}up/`, ''),
      );
      expect(told.toSorted()).toEqual([
        `a/x/a a/a ${done}`,
        'a/x/x/z a/x/z failed',
        `a/x/xz a/xz ${done}`,
        `a/x/z a/z ${done}`,
      ]);
      expect(rows.find(({ action }) => action === 'failed')?.error).toMatchObject({
        code: 'InvalidArgument',
        message: expect.stringMatching(
          /^s3:\/\/out\/up\/a\/x\/z lies below s3:\/\/out\/up\/a\/x\/, /,
        ) as string,
      });
    }
    const text = async (key: string): Promise<string> => (await fetch(`${origin.url}/out/${key}`)).text();
    for (const key of keys) expect(await text(key)).toBe(`of ${key}`);
    expect(await text('up/a/z')).toBe('of up/a/x/z');
    await all(runtime.deletePrefix(`${OUT}up/`));
  });

  it('is deleted in whole, or with a row for each object that was not', async () => {
    await all(runtime.copyPrefix('s3://data/k/', `${OUT}k/`));
    await origin.script({ op: 'delete-many', nth: 2, do: { status: 403, code: 'AccessDenied' } });
    const rows = await all(runtime.deletePrefix(`${OUT}k/`));
    const of = (action: string) => rows.filter((row) => row.action === action).length;
    expect([rows.length, of('deleted'), of('failed')]).toEqual([2500, 1500, 1000]);
    expect(new Set(rows.map(({ uri }) => uri)).size).toBe(2500);
    await origin.reset();
    expect(await all(runtime.deletePrefix(`${OUT}k/`))).toHaveLength(1000);
  });
});

describe('attempts beyond the first', () => {
  it('are counted for a put, as they are for a question', async () => {
    const retries = async () =>
      Object.values((await runtime.stats()).workers).reduce((sum, worker) => sum + worker!.retries, 0);
    const before = await retries();
    await origin.script({ op: 'put', nth: 1, do: { status: 503, code: 'SlowDown' } });
    await runtime.put(`${OUT}again`, 'x');
    expect((await retries()) - before).toBe(1);
  });
});

describe('a media type', () => {
  it('goes with a copy, through memory too, unless another is given', async () => {
    await runtime.put(`${OUT}typed`, 'x', { contentType: 'text/x-own' });
    const type = async (key: string) => (await runtime.head(OUT + key)).contentType;
    await runtime.copy(`${OUT}typed`, `${OUT}same`);
    expect(await type('same')).toBe('text/x-own');
    await runtime.copy(`${OUT}typed`, `${OUT}changed`, { contentType: 'text/x-other' });
    expect(await type('changed')).toBe('text/x-other');
    await origin.script({ op: 'copy', do: { status: 400, code: 'InvalidRequest' } });
    await runtime.copy(`${OUT}typed`, `${OUT}through`);
    expect(await type('through')).toBe('text/x-own');
    await runtime.copy(`${OUT}typed`, `${OUT}other`, { contentType: 'text/x-other' });
    expect(await type('other')).toBe('text/x-other');
  });
});

/** A stream that gives nothing, and tells when it was asked. */
function silent(): { readonly source: AsyncIterable<Uint8Array>; readonly asked: Promise<void> } {
  let ask = (): void => {};
  const asked = new Promise<void>((resolve) => {
    ask = resolve;
  });
  const next = () => {
    ask();
    return new Promise<IteratorResult<Uint8Array>>(() => {});
  };
  return { source: { [Symbol.asyncIterator]: () => ({ next }) }, asked };
}

/** Which requests and connections a rule is for, what is counted of it, and what happens before HTTP: on every dialect. */
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type DialectName, type Fault, type Origin } from '../../../dist/testing/index.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { verifyPattern } from '../../../dist/testing/pattern.js';
import { getText, headerOf, rawClient, rawGet, type Seen } from './raw.kit.js';

const SIZE = 1000;
const KEYS = ['n/0', 'n/1', 'n/2', 'n/3', 'n/4', 'n/5'];
const OBJECTS = [
  { bucket: 'b', key: 'k', size: SIZE },
  { bucket: 'b', prefix: 'n/', count: KEYS.length, sizes: [8] },
];
interface Row {
  readonly dialect: DialectName;
  pathOf(origin: Origin, key: string): string;
  /** A page of two keys that begin with `n/`. */
  pageOf(origin: Origin, token: string): string;
  readonly key: RegExp;
  readonly next: RegExp;
}
const ROWS: readonly Row[] = [
  {
    dialect: 's3',
    pathOf: (_, key) => `/b/${key}`,
    pageOf: (_, token) => `/b?list-type=2&prefix=n/&max-keys=2${token && `&continuation-token=${token}`}`,
    key: /<Key>(.*?)<\/Key>/g,
    next: /<NextContinuationToken>(.+?)</,
  },
  {
    dialect: 'azure',
    pathOf: ({ account }, key) => `/${account.name}/b/${key}`,
    pageOf: ({ account }, token) =>
      `/${account.name}/b?restype=container&comp=list&prefix=n/&maxresults=2${token && `&marker=${token}`}`,
    key: /<Name>(.*?)<\/Name>/g,
    next: /<NextMarker>(.+?)</,
  },
  {
    dialect: 'gcs',
    pathOf: (_, key) => `/b/${key}`,
    pageOf: (_, token) => `/storage/v1/b/b/o?prefix=n/&maxResults=2${token && `&pageToken=${token}`}`,
    key: /"name": ?"(.*?)"/g,
    next: /"nextPageToken": ?"(.+?)"/,
  },
];

describe.each(ROWS)('$dialect', (row) => {
  let origin: Origin;
  beforeAll(async () => {
    origin = await startOrigin({ dialect: row.dialect, objects: OBJECTS, publicBuckets: ['b'] });
  });
  afterAll(() => origin.stop());
  afterEach(() => origin.reset());

  const ask = (headers?: Record<string, string>): Promise<Seen> =>
    rawGet(origin.port, row.pathOf(origin, 'k'), { Connection: 'close', ...headers });
  const statuses = async (count: number): Promise<string> => {
    const all: string[] = [];
    for (let i = 0; i < count; i += 1) all.push((await ask()).head.slice(9, 12));
    return all.join(' ');
  };
  const down: Fault = { status: 503, retryAfter: 1 };

  test('each so-manieth, all but the first, and those in a window of time, each rule counted by its name', async () => {
    await origin.script({ name: 'third', every: 3, do: down });
    expect(await statuses(7)).toBe('200 200 503 200 200 503 200');
    expect((await origin.stats()).fired).toEqual({ third: 2 });
    await origin.script({ after: 2, times: 2, do: { status: 429 } }, { nth: 9, do: down });
    expect(await statuses(6)).toBe('200 200 429 429 200 200');
    expect((await origin.stats()).fired).toEqual({ 0: 2, 1: 0 });
    await origin.script({ window: { fromMs: 0, forMs: 3_600_000 }, do: down });
    expect(await statuses(2)).toBe('503 503');
    await origin.script({ window: { fromMs: 3_600_000 }, do: down });
    expect(await statuses(2)).toBe('200 200');
    await origin.script({ window: { forMs: 0 }, do: down });
    expect(await statuses(1)).toBe('200');
  });

  test('a range whose label is not that of its bytes, or is of a larger whole', async () => {
    const range = { Range: 'bytes=100-199' };
    await origin.script({ do: { lie: 'range-label', by: 10 } });
    const shifted = await ask(range);
    expect(headerOf(shifted.head, 'content-range')).toBe(`bytes 110-209/${SIZE}`);
    expect(verifyPattern(objectIdOf('k'), 100, shifted.body)).toBe(-1);
    await origin.script({ do: { lie: 'range-total' } });
    expect(headerOf((await ask(range)).head, 'content-range')).toBe(`bytes 100-199/${SIZE + 1}`);
    expect(headerOf((await ask()).head, 'content-range')).toBe('');
  });

  test('an object that is overwritten just before a request is served', async () => {
    await origin.script({ nth: 2, do: { overwrite: { size: 77 } } });
    const [before, after, later] = [await ask(), await ask(), await ask()];
    expect(verifyPattern(objectIdOf('k'), 0, before.body)).toBe(-1);
    expect([after.body.length, verifyPattern(objectIdOf('k', 1), 0, after.body)]).toEqual([77, -1]);
    expect(headerOf(later.head, 'etag')).toBe(headerOf(after.head, 'etag'));
    expect(headerOf(before.head, 'etag')).not.toBe(headerOf(after.head, 'etag'));
    await origin.bump('b', 'k', SIZE);
  });

  test('a drip of the head alone, in single bytes, or of both', async () => {
    for (const of of ['head', 'body'] as const) {
      await origin.script({ do: { drip: { bytes: 1, everyMs: 0, of } } });
      const seen = await ask();
      expect([seen.body.length, seen.ending]).toEqual([SIZE, 'end']);
    }
    await origin.script({ do: { drip: { bytes: 10, everyMs: 600_000 } } });
    const client = rawClient(origin.port);
    client.send(getText(row.pathOf(origin, 'k')));
    expect((await client.until((all) => all.length >= 10)).toString('latin1')).toBe('HTTP/1.1 2');
    client.socket.destroy();
    await origin.waitFor({ inFlight: 0, aborted: 1 });
  });

  test('the second request of a connection finds it closed, the first one does not', async () => {
    await origin.script({ ordinal: 2, do: { reset: 'before-head' } });
    const client = rawClient(origin.port);
    const text = getText(row.pathOf(origin, 'k'), {});
    client.send(text);
    await client.until((all) => all.length - all.indexOf('\r\n\r\n') - 4 === SIZE);
    client.send(text);
    expect((await client.ended()).ending).toBe('ECONNRESET');
    expect((await origin.stats()).fired).toEqual({ 0: 1 });
  });

  test('pages that lead back to their begin, back into themselves, or to the one behind', async () => {
    const walk = async (): Promise<string[]> => {
      const pages: string[] = [];
      for (let token: string | undefined = ''; token !== undefined && pages.length < 9;) {
        const { body } = await rawGet(origin.port, row.pageOf(origin, encodeURIComponent(token)));
        const text = body.toString();
        pages.push(Array.from(text.matchAll(row.key), ([, key]) => key!.slice(2)).join(''));
        token = row.next.exec(text)?.[1];
      }
      return pages;
    };
    expect(await walk()).toEqual(['01', '23', '45']);
    await origin.script({ op: 'list', nth: [1, 3], do: { lie: 'same-continuation' } });
    expect(await walk()).toEqual(['01', '01', '23', '23', '45']);
    await origin.script({ op: 'list', nth: 2, do: { lie: 'repeat-page' } });
    expect(await walk()).toEqual(['01', '23', '34', '5']);
    await origin.script({ op: 'list', nth: 2, do: { lie: 'skip-page' } });
    expect(await walk()).toEqual(['01', '45']);
    expect((await origin.stats()).fired).toEqual({ 0: 1 });
  });
});

describe('a connection', () => {
  let origin: Origin;
  beforeAll(async () => {
    origin = await startOrigin({ objects: OBJECTS, publicBuckets: ['b'] });
  });
  afterAll(() => origin.stop());
  afterEach(() => origin.reset());

  test('is not read until it is released, or until its time is over', async () => {
    await origin.script({ times: 1, connection: { accept: 'stall' } }, { connection: { accept: 1 } });
    const first = rawGet(origin.port, '/b/k');
    await origin.waitFor({ stalled: 1 });
    expect((await rawGet(origin.port, '/b/k')).body.length).toBe(SIZE);
    expect(await origin.release()).toBe(1);
    expect((await first).body.length).toBe(SIZE);
    expect(await origin.stats()).toMatchObject({ faults: 2, fired: { 0: 1, 1: 1 } });
    await origin.waitFor({ connections: 0, stalled: 0 });
  });

  test('that is not read is forgotten when its client leaves', async () => {
    await origin.script({ connection: { accept: 'stall' } });
    const client = rawClient(origin.port);
    client.send(getText('/b/k'));
    await origin.waitFor({ stalled: 1 });
    client.socket.destroy();
    await origin.waitFor({ connections: 0, stalled: 0 });
    expect((await origin.stats()).requests).toBe(0);
  });

  test('is ended when it has been accepted, with FIN or RST', async () => {
    await origin.script({ nth: 1, connection: { end: 'cut' } }, { connection: { end: 'reset' } });
    expect(await rawClient(origin.port).ended()).toMatchObject({ ending: 'end' });
    expect(await rawClient(origin.port).ended()).toMatchObject({ ending: 'ECONNRESET' });
  });

  test('of TLS has a handshake that drips, and flows behind it', async () => {
    await using secure = await startOrigin({ secure: true, objects: OBJECTS, publicBuckets: ['b'] });
    await secure.script({ name: 'slow', connection: { handshake: { bytes: 40, everyMs: 1 } } });
    const socket = connectTls({ port: secure.port, host: '127.0.0.1', ca: secure.ca ?? '' });
    socket.write(getText('/b/k'));
    let seen = 0;
    for await (const chunk of socket) seen += (chunk as Buffer).length;
    expect(seen).toBeGreaterThan(SIZE);
    expect((await secure.stats()).fired).toEqual({ slow: 1 });
    await secure.script({ connection: { accept: 'stall' } });
    const late = connectTls({ port: secure.port, host: '127.0.0.1', ca: secure.ca ?? '' });
    late.write(getText('/b/k'));
    await secure.waitFor({ stalled: 1 });
    await secure.release();
    seen = 0;
    for await (const chunk of late) seen += (chunk as Buffer).length;
    expect(seen).toBeGreaterThan(SIZE);
    await secure.script({ connection: { handshake: { bytes: 40, everyMs: 600_000 } } });
    const never = connectTls({ port: secure.port, host: '127.0.0.1', ca: secure.ca ?? '' });
    await secure.waitFor({ connections: 1 });
    never.destroy();
    await secure.waitFor({ connections: 0 });
  });
});

test('the token that a request came with ends before it is served', async () => {
  await using origin = await startOrigin({
    dialect: 'gcs',
    objects: OBJECTS,
    tokens: [{ token: 'own' }, { token: 'other' }],
  });
  const statusWith = async (token: string): Promise<string> =>
    (await rawGet(origin.port, '/b/k', { Connection: 'close', Authorization: `Bearer ${token}` })).head.slice(
      9,
      12,
    );
  await origin.script({ nth: 2, do: { expire: true } });
  expect([await statusWith('own'), await statusWith('own')]).toEqual(['200', '401']);
  expect([await statusWith('own'), await statusWith('other')]).toEqual(['401', '200']);
});

import { connect as connectTls } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Fault, type Origin } from '../../../dist/testing/index.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { dripAt } from '../../../dist/testing/origin/delivery.js';
import { patternBytes, verifyPattern } from '../../../dist/testing/pattern.js';
import { getText, headerOf, rawClient, rawGet, type Seen } from './raw.kit.js';

const SIZE = 500_000;
const ID = objectIdOf('k');
let origin: Origin;

beforeAll(async () => {
  origin = await startOrigin({
    objects: [
      { bucket: 'b', key: 'k', size: SIZE },
      { bucket: 'b', key: 'small', size: 1000 },
      { bucket: 'b', key: 'one', size: 1 },
      { bucket: 'b', key: 'empty', size: 0 },
      { bucket: 'b', prefix: 'n/', count: 1000, sizes: [8] },
    ],
    publicBuckets: ['b'],
  });
});
afterAll(() => origin.stop());
afterEach(() => origin.reset());

async function get(fault: Fault, path = '/b/k', headers?: Record<string, string>): Promise<Seen> {
  await origin.script({ do: fault });
  return rawGet(origin.port, path, headers);
}
const range = (from: number, to: number) => ({ Range: `bytes=${from}-${to}`, Connection: 'close' });

describe('an answer that breaks off', () => {
  test.each([0, 1, 1000, 300_001, SIZE - 1])('is cut after exactly %i body bytes', async (n) => {
    const seen = await get({ cutAfter: n });
    expect(seen.head).toContain(`Content-Length: ${SIZE}`);
    expect([seen.body.length, seen.ending, verifyPattern(ID, 0, seen.body)]).toEqual([n, 'end', -1]);
  });

  test('is cut before its head', async () => {
    expect(await get({ cutAfter: 'before-head' })).toMatchObject({ head: '', ending: 'end' });
  });

  test('is reset before its head, after it, and in the body', async () => {
    expect(await get({ reset: 'before-head' })).toMatchObject({ head: '', ending: 'ECONNRESET' });
    for (const [reset, n] of [
      ['after-head', 0],
      [10_000, 10_000],
    ] as const) {
      // The stall keeps bytes and RST apart: a client of Node's that finds both in one poll reports an end.
      await origin.script({ do: { stall: reset, reset } });
      const client = rawClient(origin.port);
      client.send(getText('/b/k'));
      await client.until((all) => all.includes('\r\n\r\n') && all.length - all.indexOf('\r\n\r\n') - 4 >= n);
      await origin.waitFor({ stalled: 1 });
      await origin.release();
      const seen = await client.ended();
      expect([seen.body.length, seen.ending]).toEqual([n, 'ECONNRESET']);
    }
    const alone = await get({ reset: 10_000 });
    expect(alone.body.length).toBeLessThanOrEqual(10_000);
  });

  test('is reset over TLS', async () => {
    const secure = await startOrigin({
      secure: true,
      objects: [{ bucket: 'b', key: 'k', size: SIZE }],
      publicBuckets: ['b'],
    });
    try {
      await secure.script({ do: { reset: 'before-head' } });
      const socket = connectTls({ port: secure.port, host: '127.0.0.1', ca: secure.ca ?? '' });
      socket.write(getText('/b/k'));
      const error = await new Promise<NodeJS.ErrnoException>((resolve) => socket.once('error', resolve));
      expect(error.code).toBe('ECONNRESET');
    } finally {
      await secure.stop();
    }
  });
});

describe('an answer that stalls', () => {
  test.each([
    ['before-head', /^$/],
    ['after-head', /\r\n\r\n$/],
  ] as const)('%s goes on when released', async (stall, so) => {
    await origin.script({ do: { stall } });
    const client = rawClient(origin.port);
    client.send(getText('/b/small'));
    await origin.waitFor({ stalled: 1 });
    if (stall === 'after-head') await client.until((bytes) => bytes.includes('\r\n\r\n'));
    const before = await client.until(() => true);
    expect(before.toString('latin1')).toMatch(so);
    expect(await origin.release()).toBe(1);
    const seen = await client.ended();
    expect([seen.body.length, verifyPattern(objectIdOf('small'), 0, seen.body)]).toEqual([1000, -1]);
    await origin.waitFor({ stalled: 0, inFlight: 0 });
  });

  test('in the body stops after exactly that many bytes, and the stall ends with the client', async () => {
    await origin.script({ do: { stall: 70_000 } });
    const client = rawClient(origin.port);
    client.send(getText('/b/k'));
    await origin.waitFor({ stalled: 1 });
    const bytes = await client.until((all) => all.length - all.indexOf('\r\n\r\n') - 4 >= 70_000);
    expect(bytes.length - bytes.indexOf('\r\n\r\n') - 4).toBe(70_000);
    client.socket.destroy();
    await origin.waitFor({ stalled: 0, inFlight: 0, aborted: 1 });
    expect((await origin.requests())[0]).toMatchObject({ bodyBytes: 70_000, complete: false });
  });

  test('goes on by itself where a time is given, and may then be cut', async () => {
    const seen = await get({ stall: 10, stallMs: 1, cutAfter: 20 });
    expect(seen.body.length).toBe(20);
    expect((await get({ stall: 20, cutAfter: 10 })).body.length).toBe(10);
  });
});

describe('an answer that is slow', () => {
  test('keeps the client waiting for its head, and ends with the client', async () => {
    await origin.script({ do: { delayMs: 600_000 } });
    const client = rawClient(origin.port);
    client.send(getText('/b/k'));
    await origin.waitFor({ inFlight: 1 });
    client.socket.destroy();
    await origin.waitFor({ inFlight: 0, aborted: 1 });
  });

  test('trickles its body', async () => {
    await origin.script({ do: { slow: 5000 } });
    const client = rawClient(origin.port);
    client.send(getText('/b/k'));
    const bytes = await client.until((all) => all.length > 1000);
    expect(bytes.length).toBeLessThan(SIZE / 2);
    client.socket.destroy();
    await origin.waitFor({ inFlight: 0 });
  });

  test.each([0.5, 1, 19, 75, 5000, 1_000_001, 30_000_000])('has the rate of %d B/s', (bytesPerSecond) => {
    const { bytes, everyMs } = dripAt(bytesPerSecond);
    expect(Number.isInteger(bytes) && bytes >= 1 && bytes <= 262_144).toBe(true);
    const error = Math.abs((bytes * 1000) / everyMs / bytesPerSecond - 1);
    expect(error).toBeLessThan(0.06);
  });

  test('can come byte by byte and is still right', async () => {
    const seen = await get({ drip: { bytes: 7, everyMs: 0 } }, '/b/small');
    expect([seen.body.length, verifyPattern(objectIdOf('small'), 0, seen.body)]).toEqual([1000, -1]);
  });
});

describe('an answer with a status', () => {
  test('is an S3 error with its code, and Retry-After where given', async () => {
    const seen = await get({ status: 503, retryAfter: 7 });
    expect(seen.head).toMatch(/^HTTP\/1.1 503 Service Unavailable\r\n/);
    expect(headerOf(seen.head, 'retry-after')).toBe('7');
    expect(seen.body.toString()).toContain('<Code>SlowDown</Code>');
    expect((await get({ status: 500 })).body.toString()).toContain('<Code>InternalError</Code>');
    expect((await get({ status: 503, code: 'Busy' })).body.toString()).toContain('<Code>Busy</Code>');
  });
});

describe('an answer that lies', () => {
  test('about its length', async () => {
    const short = await get({ lie: 'short-length', by: 3 });
    expect([headerOf(short.head, 'content-length'), short.body.length]).toEqual([String(SIZE - 3), SIZE]);
    const long = await get({ lie: 'long-length' });
    expect([headerOf(long.head, 'content-length'), long.body.length]).toEqual([String(SIZE + 1), SIZE]);
    const two = await get({ lie: 'two-lengths' });
    expect(headerOf(two.head, 'content-length')).toBe(`${SIZE}|${SIZE + 1}`);
  });

  test('about its range', async () => {
    const wrong = await get({ lie: 'wrong-range' }, '/b/k', range(1000, 1999));
    expect(headerOf(wrong.head, 'content-range')).toBe(`bytes 999-1998/${SIZE}`);
    expect([wrong.body.length, verifyPattern(ID, 999, wrong.body)]).toEqual([1000, -1]);
    const atStart = await get({ lie: 'wrong-range' }, '/b/k', range(0, 99));
    expect(headerOf(atStart.head, 'content-range')).toBe(`bytes 1-100/${SIZE}`);
    const short = await get({ lie: 'short-range' }, '/b/k', range(1000, 1999));
    expect(headerOf(short.head, 'content-range')).toBe(`bytes 1000-1499/${SIZE}`);
    const whole = range(0, SIZE - 1);
    const shifted = await get({ lie: 'wrong-range' }, '/b/k', whole);
    expect(headerOf(shifted.head, 'content-range')).toBe(`bytes 1-${SIZE - 1}/${SIZE}`);
    expect(shifted.body.length).toBe(SIZE - 1);
    const single = await get({ lie: 'wrong-range' }, '/b/one', range(0, 0));
    expect([headerOf(single.head, 'content-range'), single.body.length]).toEqual(['bytes 0-0/1', 1]);
    const ignored = await get({ lie: 'ignore-range' }, '/b/k', range(1000, 1999));
    expect([ignored.head.slice(9, 12), ignored.body.length]).toEqual(['200', SIZE]);
  });

  test.each(['wrong-range', 'short-range'] as const)(
    '%s leaves a request without a range alone',
    async (lie) => {
      for (const [path, size] of [
        ['/b/k', SIZE],
        ['/b/empty', 0],
      ] as const) {
        const { head, body } = await get({ lie }, path);
        expect([head.slice(9, 12), headerOf(head, 'content-range'), body.length]).toEqual(['200', '', size]);
      }
    },
  );

  test('about its bytes, one of which is wrong', async () => {
    const seen = await get({ lie: 'wrong-bytes', by: 400_000 });
    expect(verifyPattern(ID, 0, seen.body)).toBe(400_000);
    seen.body[400_000] = (seen.body[400_000] ?? 0) ^ 0xff;
    expect(verifyPattern(ID, 0, seen.body)).toBe(-1);
  });

  test('about its version, whatever If-Match says', async () => {
    const etag = headerOf((await get({})).head, 'etag');
    const honest = await get({}, '/b/k', { ...range(0, 99), 'If-Match': etag });
    expect(headerOf(honest.head, 'etag')).toBe(etag);
    const seen = await get({ lie: 'mixed-version' }, '/b/k', { ...range(0, 99), 'If-Match': etag });
    expect(seen.head).toMatch(/^HTTP\/1.1 206 /);
    expect(headerOf(seen.head, 'etag')).not.toBe(etag);
    expect(verifyPattern(objectIdOf('k', 1), 0, seen.body)).toBe(-1);
    expect(headerOf((await get({ lie: 'no-etag' })).head, 'etag')).toBe('');
  });

  test('about its encoding', async () => {
    const zipped = await get({ lie: 'gzip-encoding' });
    expect(headerOf(zipped.head, 'content-encoding')).toBe('gzip');
    expect(verifyPattern(ID, 0, gunzipSync(zipped.body))).toBe(-1);
  });
});

describe('an answer with an unusual form', () => {
  test('has no length: chunks, or the end of the connection', async () => {
    const chunked = await get({ lie: 'chunked' }, '/b/small');
    expect(headerOf(chunked.head, 'transfer-encoding')).toBe('chunked');
    expect(headerOf(chunked.head, 'content-length')).toBe('');
    const framed = Buffer.concat([
      Buffer.from('3e8\r\n'),
      patternBytes(objectIdOf('small'), 1000),
      Buffer.from('\r\n0\r\n\r\n'),
    ]);
    expect(Buffer.compare(chunked.body, framed)).toBe(0);
    const bare = await get({ lie: 'no-length' });
    expect([headerOf(bare.head, 'content-length'), bare.body.length]).toEqual(['', SIZE]);
  });

  test('has a head that no client has to like', async () => {
    expect((await get({ lie: 'bad-status-line' })).head).toMatch(/^HTTP\/1.1 2OO Okay\r\n/);
    expect((await get({ lie: 'huge-head' })).head.length).toBeGreaterThan(1_048_576);
    expect((await get({ lie: 'folded-head' })).head).toContain('x-amz-meta-folded: one\r\n two\r\n');
    expect((await get({ lie: 'bare-lf' })).head).toMatch(/^HTTP\/1.1 200 OK\n/);
    const interim = await get({ lie: 'interim' }, '/b/small');
    expect(interim.head).toMatch(/^HTTP\/1.1 103 /);
    expect(interim.body.toString('latin1')).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  });

  test('has headers set and left out, or is any bytes at all', async () => {
    const seen = await get({ headers: { ETag: null, 'Content-Range': 'bytes 0-1/x' } });
    expect([headerOf(seen.head, 'etag'), headerOf(seen.head, 'content-range')]).toEqual(['', 'bytes 0-1/x']);
    expect((await get({ raw: 'SSH-2.0\r\n' })).head).toBe('SSH-2.0\r\n');
  });

  test('of any bytes breaks off, stalls and drips as any other', async () => {
    const raw = 'SSH-2.0-OpenSSH\r\n';
    expect(await get({ raw, cutAfter: 7 })).toMatchObject({ head: 'SSH-2.0', ending: 'end' });
    await origin.script({ do: { raw, stall: 7, reset: 7, drip: { bytes: 1, everyMs: 0 } } });
    const client = rawClient(origin.port);
    client.send(getText('/b/k'));
    await client.until((all) => all.length >= 7);
    await origin.waitFor({ stalled: 1 });
    await origin.release();
    expect(await client.ended()).toMatchObject({ head: 'SSH-2.0', ending: 'ECONNRESET' });
    await origin.waitFor({ inFlight: 0 });
    expect((await origin.requests()).map(({ complete, bodyBytes }) => [complete, bodyBytes])).toEqual([
      [false, 7],
      [false, 7],
    ]);
  });

  test('closes the connection, with or without saying so', async () => {
    const keep = { Connection: 'keep-alive' };
    const said = await get({ close: true }, '/b/small', keep);
    expect([headerOf(said.head, 'connection'), said.body.length]).toEqual(['close', 1000]);
    const silent = await get({ close: 'silent' }, '/b/small', keep);
    expect([headerOf(silent.head, 'connection'), silent.body.length]).toEqual(['', 1000]);
  });
});

describe('a rule', () => {
  const statusOf = async (path: string, headers?: Record<string, string>): Promise<string> =>
    (await rawGet(origin.port, path, headers)).head.slice(9, 12);

  test('applies to what it describes, and the first one that applies wins', async () => {
    await origin.script(
      { key: /^n\/00/, do: { status: 500 } },
      { op: 'list', do: { status: 429 } },
      { range: /=0-/, do: { status: 502 } },
      { method: 'GET', bucket: 'b', key: 'small', do: { status: 504 } },
    );
    expect(await statusOf('/b/n/001')).toBe('500');
    expect(await statusOf('/b/n/100')).toBe('200');
    expect(await statusOf('/b?list-type=2')).toBe('429');
    expect(await statusOf('/b/k', range(0, 5))).toBe('502');
    expect(await statusOf('/b/k', range(1, 5))).toBe('206');
    expect(await statusOf('/b/small')).toBe('504');
  });

  test('applies to the nth such request, or to the first few', async () => {
    await origin.script(
      { key: /small/, nth: [2, 4], do: { status: 500 } },
      { key: /k/, times: 2, do: { status: 503 } },
    );
    const small: string[] = [];
    const k: string[] = [];
    for (let i = 0; i < 5; i++) {
      small.push(await statusOf('/b/small'));
      k.push(await statusOf('/b/k'));
    }
    expect(small).toEqual(['200', '500', '200', '500', '200']);
    expect(k).toEqual(['503', '503', '200', '200', '200']);
  });

  test('matches the same key and range each time, whatever the flags of its expression', async () => {
    await origin.script({ key: /K/gi, range: /^bytes=0-5$/y, do: { status: 500 } });
    for (let i = 0; i < 3; i += 1) expect(await statusOf('/b/k', range(0, 5))).toBe('500');
    await origin.script();
    await origin.configure({ forbidden: [/^k$/g] });
    for (let i = 0; i < 3; i += 1) expect(await statusOf('/b/k')).toBe('403');
    await origin.configure({ forbidden: [] });
  });

  test('with a probability hits the same requests for the same seed, in any order', async () => {
    const paths = Array.from({ length: 200 }, (_, i) => `/b/n/${String(i).padStart(3, '0')}`);
    const hits = async (seed: number, order: string[]): Promise<string[]> => {
      await origin.script({ probability: 0.3, seed, do: { status: 503 } });
      const found: string[] = [];
      for (const path of order) if ((await statusOf(path)) === '503') found.push(path);
      return found.toSorted();
    };
    const first = await hits(1, paths);
    expect(await hits(1, paths.toReversed())).toEqual(first);
    expect(await hits(2, paths)).not.toEqual(first);
    expect(first.length).toBeGreaterThan(30);
    expect(first.length).toBeLessThan(90);
  });
});

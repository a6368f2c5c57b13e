import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Fault, type Origin } from '../../../dist/testing/index.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { verifyPattern } from '../../../dist/testing/pattern.js';
import { BEARER, TOKEN, ask, documentOf, errorOf, xmlErrorOf, type Answer } from './gcs.kit.js';
import { headerOf, rawGet, type Seen } from './raw.kit.js';

const SIZE = 300_000;
const ID = objectIdOf('k');
const MEDIA = '/storage/v1/b/b/o/k?alt=media';
let origin: Origin;

beforeAll(async () => {
  origin = await startOrigin({
    dialect: 'gcs',
    objects: [{ bucket: 'b', key: 'k', size: SIZE }],
    publicBuckets: ['b'],
    tokens: [{ token: TOKEN }],
  });
});
afterAll(() => origin.stop());
afterEach(() => origin.reset());

const get = (path: string, headers: Record<string, string> = {}): Promise<Answer> =>
  ask(origin, 'GET', path, { headers: { ...BEARER, ...headers } });

describe.each(['/storage/v1/b/b/o/k?alt=media', '/b/k'])('a read of %s', (path) => {
  const seen = async (fault: Fault, headers: Record<string, string> = {}): Promise<Seen> => {
    await origin.script({ op: 'get', key: /^k$/, bucket: 'b', do: fault });
    return rawGet(origin.port, path, { Connection: 'close', ...headers });
  };

  test('is cut, reset or stalled at a place', async () => {
    const cut = await seen({ cutAfter: 100_001 });
    expect([headerOf(cut.head, 'content-length'), cut.body.length]).toEqual([String(SIZE), 100_001]);
    expect(await seen({ reset: 'before-head' })).toMatchObject({ head: '', ending: 'ECONNRESET' });
    const whole = seen({ stall: 50_000 });
    await origin.waitFor({ stalled: 1 });
    await origin.release();
    expect(verifyPattern(ID, 0, (await whole).body)).toBe(-1);
  });

  test('lies about range, length, bytes and encoding', async () => {
    const range = { Range: 'bytes=1000-1999' };
    const wrong = await seen({ lie: 'wrong-range' }, range);
    expect(headerOf(wrong.head, 'content-range')).toBe(`bytes 999-1998/${SIZE}`);
    expect((await seen({ lie: 'short-range' }, range)).body.length).toBe(500);
    expect((await seen({ lie: 'ignore-range' }, range)).head).toMatch(/^HTTP\/1.1 200 /);
    const long = await seen({ lie: 'long-length' });
    expect(headerOf(long.head, 'content-length')).toBe(String(SIZE + 1));
    expect(verifyPattern(ID, 0, (await seen({ lie: 'wrong-bytes', by: 7 })).body)).toBe(7);
    const zipped = await seen({ lie: 'gzip-encoding' });
    expect(verifyPattern(ID, 0, gunzipSync(zipped.body))).toBe(-1);
  });

  test('has the bytes and the generation of another version, whatever was asked for', async () => {
    const honest = headerOf((await seen({})).head, 'x-goog-generation');
    const separator = path.includes('?') ? '&' : '?';
    await origin.script({ do: { lie: 'mixed-version' } });
    const mixed = await rawGet(origin.port, `${path}${separator}generation=${honest}`, {
      Connection: 'close',
    });
    expect(mixed.head).toMatch(/^HTTP\/1.1 200 /);
    expect(headerOf(mixed.head, 'x-goog-generation')).not.toBe(honest);
    expect(verifyPattern(objectIdOf('k', 1), 0, mixed.body)).toBe(-1);
    const bare = await seen({ headers: { 'X-Goog-Generation': null, 'X-Goog-Hash': null } });
    expect([headerOf(bare.head, 'x-goog-generation'), headerOf(bare.head, 'x-goog-hash')]).toEqual(['', '']);
  });
});

describe('a status that is scripted', () => {
  test('is an error of the API that was asked, with Retry-After', async () => {
    await origin.script({ do: { status: 503, retryAfter: 3 } });
    const json = await get('/storage/v1/b/b/o/k');
    expect([errorOf(json), json.headers['retry-after']]).toEqual([[503, 'backendError'], '3']);
    expect(xmlErrorOf(await get('/b/k'))).toEqual([503, 'ServiceUnavailable']);
    await origin.script({ do: { status: 429 } });
    expect(errorOf(await get('/storage/v1/b/b/o'))).toEqual([429, 'rateLimitExceeded']);
    expect(xmlErrorOf(await get('/b/k'))).toEqual([429, 'SlowDown']);
    const put = await ask(origin, 'PUT', '/b/new', { headers: BEARER, body: 'x' });
    expect(xmlErrorOf(put)).toEqual([429, 'SlowDown']);
    await origin.script();
    expect((await get('/b/new')).status).toBe(404);
  });

  test('can be 200 with an error in it', async () => {
    await origin.script({ do: { status: 200, code: 'internal' } });
    const answer = await get('/storage/v1/b/b/o/k');
    expect(answer.status).toBe(200);
    expect(documentOf(answer)).toMatchObject({ error: { errors: [{ reason: 'backendError' }] } });
  });

  test('meets the operations that a rule names', async () => {
    const statuses = async (op: 'get' | 'head' | 'list' | 'put' | 'delete'): Promise<number[]> => {
      await origin.script({ op, do: { status: 500 } });
      const upload = '/upload/storage/v1/b/b/o?uploadType=media&name=x';
      const post = await ask(origin, 'POST', upload, { headers: BEARER, body: 'x' });
      const all = [await get(MEDIA), await get('/storage/v1/b/b/o/k'), await get('/storage/v1/b/b/o'), post];
      all.push(await ask(origin, 'DELETE', '/storage/v1/b/b/o/x', { headers: BEARER }));
      await origin.script();
      await ask(origin, 'DELETE', '/storage/v1/b/b/o/x', { headers: BEARER });
      return all.map(({ status }) => status);
    };
    expect(await statuses('get')).toEqual([500, 200, 200, 200, 204]);
    expect(await statuses('head')).toEqual([200, 500, 200, 200, 204]);
    expect(await statuses('list')).toEqual([200, 200, 500, 200, 204]);
    expect(await statuses('put')).toEqual([200, 200, 200, 500, 404]);
    expect(await statuses('delete')).toEqual([200, 200, 200, 200, 500]);
  });
});

describe('over TLS', () => {
  test('the URI of a session is https too', async () => {
    const secure = await startOrigin({
      dialect: 'gcs',
      buckets: ['b'],
      tokens: [{ token: TOKEN }],
      secure: true,
    });
    try {
      const { Agent, request } = await import('node:https');
      const location = await new Promise((resolve, reject) => {
        const path = '/upload/storage/v1/b/b/o?uploadType=resumable&name=x';
        const sent = request(`${secure.url}${path}`, {
          method: 'POST',
          headers: BEARER,
          agent: new Agent({ ca: secure.ca }),
        });
        sent.on('response', (response) => resolve(response.resume().headers.location)).on('error', reject);
        sent.end();
      });
      expect(location).toMatch(new RegExp(`^${secure.url}/upload/storage/v1/b/b/o\\?.*upload_id=`));
    } finally {
      await secure.stop();
    }
  });
});

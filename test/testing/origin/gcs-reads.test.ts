import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../../dist/testing/pattern.js';
import {
  BEARER,
  TOKEN,
  ask,
  crc32cOf,
  documentOf,
  errorOf,
  md5Of,
  xmlErrorOf,
  type Answer,
} from './gcs.kit.js';

const SIZE = 100_003;
const ODD = 'dir/odd +&=?#%25é漢😀.bin';
const PLAIN_TEXT = Buffer.from('a line that is there again and again\n'.repeat(2000));
const ZIPPED = gzipSync(PLAIN_TEXT);
let origin: Origin;

beforeAll(async () => {
  origin = await startOrigin({
    dialect: 'gcs',
    objects: [
      {
        bucket: 'b',
        key: 'k',
        size: SIZE,
        attributes: { contentType: 'image/png', cacheControl: 'no-cache' },
      },
      { bucket: 'b', key: ODD, size: 10 },
      { bucket: 'b', key: 'empty', size: 0 },
      { bucket: 'b', key: 'bumped', size: 50 },
      { bucket: 'b', key: 'zipped', body: ZIPPED, attributes: { contentEncoding: 'gzip' } },
      {
        bucket: 'b',
        key: 'kept',
        body: ZIPPED,
        attributes: { contentEncoding: 'gzip', cacheControl: 'no-transform' },
      },
      { bucket: 'paid', key: 'k', size: 10 },
      { bucket: 'old', key: 'k', size: 40 },
    ],
    tokens: [{ token: TOKEN }],
    requesterPays: ['paid'],
    versionedBuckets: ['old'],
  });
});
afterAll(() => origin.stop());
afterEach(() => origin.reset());

const get = (path: string, headers: Record<string, string> = {}): Promise<Answer> =>
  ask(origin, 'GET', path, { headers: { ...BEARER, ...headers } });
const object = (key: string, query = '', bucket = 'b'): string =>
  `/storage/v1/b/${bucket}/o/${encodeURIComponent(key)}${query}`;
const media = (key: string, query = ''): string => object(key, `?alt=media${query}`);
const generationOf = async (key: string, bucket = 'b'): Promise<string> =>
  documentOf(await get(object(key, '', bucket))).generation;

describe('the media of an object', () => {
  test('come whole, with generation, sums of the bytes and their length', async () => {
    const answer = await get(media('k'));
    const bytes = patternBytes(objectIdOf('k'), SIZE);
    expect([answer.status, verifyPattern(objectIdOf('k'), 0, answer.bytes)]).toEqual([200, -1]);
    expect(answer.headers).toMatchObject({
      'content-length': String(SIZE),
      'content-type': 'image/png',
      'cache-control': 'no-cache',
      'x-goog-generation': await generationOf('k'),
      'x-goog-metageneration': '1',
      'x-goog-hash': `crc32c=${crc32cOf(bytes)},md5=${md5Of(bytes)}`,
      'x-goog-stored-content-length': String(SIZE),
      'x-goog-stored-content-encoding': 'identity',
    });
    expect((await get(`/download${media('k')}`)).bytes.equals(answer.bytes)).toBe(true);
  });

  test.each([
    ['bytes=0-0', 0, 1],
    ['bytes=70001-80002', 70_001, 10_002],
    ['bytes=100000-', 100_000, 3],
    ['bytes=99999-200000', 99_999, 4],
    ['bytes=-5', SIZE - 5, 5],
  ])('come as the range %s, with the sums of the whole', async (range, start, length) => {
    const whole = await get(media('k'));
    for (const path of [media('k'), '/b/k']) {
      const answer = await get(path, { range });
      expect(answer.status).toBe(206);
      expect(answer.headers['content-range']).toBe(`bytes ${start}-${start + length - 1}/${SIZE}`);
      expect([answer.bytes.length, verifyPattern(objectIdOf('k'), start, answer.bytes)]).toEqual([
        length,
        -1,
      ]);
      const [crc] = (whole.headers['x-goog-hash'] ?? '').split(',');
      expect(answer.headers['x-goog-hash']).toContain(crc);
    }
  });

  test('are refused past the end, and for any range of an empty object', async () => {
    for (const [key, range] of [
      ['k', `bytes=${SIZE}-`],
      ['empty', 'bytes=0-'],
      ['empty', 'bytes=0-99'],
    ] as const) {
      const answer = await get(media(key), { range });
      const size = key === 'k' ? SIZE : 0;
      expect([answer.status, answer.headers['content-range']]).toEqual([416, `bytes */${size}`]);
      expect(xmlErrorOf(await get(`/b/${key}`, { range }))).toEqual([416, 'InvalidRange']);
    }
    expect((await get(media('empty'))).headers['content-length']).toBe('0');
    expect((await origin.requests({ op: 'get' }))[0]?.code).toBe('requestedRangeNotSatisfiable');
  });

  test('have a name of any characters, in one encoded segment', async () => {
    expect(verifyPattern(objectIdOf(ODD), 0, (await get(media(ODD))).bytes)).toBe(-1);
    expect(documentOf(await get(object(ODD)))['name']).toBe(ODD);
    const path = `/b/${ODD.split('/').map(encodeURIComponent).join('/')}`;
    expect(verifyPattern(objectIdOf(ODD), 0, (await get(path)).bytes)).toBe(-1);
    expect((await get(media('dir').replace('?', '/x?'))).status).toBe(404);
  });

  test('are not there: one line of text from the media server, a document otherwise', async () => {
    const answer = await get(media('absent'));
    expect([answer.status, answer.headers['content-type'], answer.text]).toEqual([
      404,
      'text/html; charset=UTF-8',
      'No such object: b/absent',
    ]);
    expect(errorOf(await get(object('absent')))).toEqual([404, 'notFound']);
    expect(errorOf(await get(object('k', '', 'no-bucket')))).toEqual([404, 'notFound']);
    expect(xmlErrorOf(await get('/b/absent'))).toEqual([404, 'NoSuchKey']);
    expect(xmlErrorOf(await get('/no-bucket/k'))).toEqual([404, 'NoSuchBucket']);
    expect(await ask(origin, 'HEAD', '/b/absent', { headers: BEARER })).toMatchObject({
      status: 404,
      text: '',
    });
  });
});

describe('versions', () => {
  test('are named by a generation; an old one is gone after an overwrite', async () => {
    const before = await generationOf('bumped');
    const pinned = media('bumped', `&generation=${before}`);
    expect(verifyPattern(objectIdOf('bumped'), 0, (await get(pinned)).bytes)).toBe(-1);
    await origin.bump('b', 'bumped');
    expect((await get(pinned)).status).toBe(404);
    expect(xmlErrorOf(await get(`/b/bumped?generation=${before}`))).toEqual([404, 'NoSuchKey']);
    const after = await generationOf('bumped');
    expect(BigInt(after)).toBeGreaterThan(BigInt(before));
    const now = await get(media('bumped', `&generation=${after}`));
    expect(verifyPattern(objectIdOf('bumped', 1), 0, now.bytes)).toBe(-1);
  });

  test('stay in a versioned bucket, also what was overwritten and deleted, and are listed', async () => {
    const first = await generationOf('k', 'old');
    await origin.bump('old', 'k');
    const second = await generationOf('k', 'old');
    const old = await get(object('k', `?alt=media&generation=${first}`, 'old'));
    expect(verifyPattern(objectIdOf('k'), 0, old.bytes)).toBe(-1);
    const headers = BEARER;
    await ask(origin, 'POST', '/upload/storage/v1/b/old/o?uploadType=media&name=k', {
      headers,
      body: 'third',
    });
    await ask(origin, 'DELETE', object('k', '', 'old'), { headers });
    expect((await get(object('k', '', 'old'))).status).toBe(404);
    expect(documentOf(await get('/storage/v1/b/old/o'))['items']).toBeUndefined();
    const { items = [] } = documentOf(await get('/storage/v1/b/old/o?versions=true'));
    expect(items.map(({ size }) => size)).toEqual(['40', '5']);
    expect(items[0]?.generation).toBe(second);
  });

  test('meet preconditions in both APIs', async () => {
    const now = await generationOf('k');
    for (const [query, headers, status] of [
      [`&ifGenerationMatch=${now}`, {}, 200],
      ['&ifGenerationMatch=1', {}, 412],
      ['&ifGenerationMatch=0', {}, 412],
      ['&ifMetagenerationMatch=2', {}, 412],
      [`&ifGenerationNotMatch=${now}`, {}, 304],
      ['', { 'if-none-match': (await get(media('k'))).headers['etag'] ?? '' }, 304],
    ] as const) {
      expect((await get(media('k', query), headers)).status, query).toBe(status);
    }
    expect(errorOf(await get(object('k', '?ifGenerationMatch=1')))).toEqual([412, 'conditionNotMet']);
    expect(errorOf(await get(object('k', '?ifGenerationMatch=x')))).toEqual([400, 'invalid']);
    expect((await get('/b/k', { 'x-goog-if-generation-match': now })).status).toBe(200);
    const refused = await get('/b/k', { 'x-goog-if-generation-match': '7' });
    expect(xmlErrorOf(refused)).toEqual([412, 'PreconditionFailed']);
    const etag = (await get('/b/k')).headers['etag'] ?? '';
    expect(etag).toBe(
      `"${Buffer.from(md5Of(patternBytes(objectIdOf('k'), SIZE)), 'base64').toString('hex')}"`,
    );
    expect((await get('/b/k', { 'if-match': etag })).status).toBe(200);
    expect((await get('/b/k', { 'if-match': '"other"' })).status).toBe(412);
  });

  test('can have generations that no number holds', async () => {
    await origin.configure({ generationOffset: '9007199254740993' });
    const generation = await generationOf('k');
    await origin.configure({ generationOffset: '0' });
    expect(BigInt(generation) - BigInt(await generationOf('k'))).toBe(9_007_199_254_740_993n);
    expect(Number.isSafeInteger(Number(generation))).toBe(false);
  });
});

describe('an object stored as gzip', () => {
  test('is decompressed for who does not accept gzip: no length, no range, sums of what is stored', async () => {
    for (const path of [media('zipped'), '/b/zipped']) {
      const answer = await get(path, { range: 'bytes=0-9' });
      expect(answer.status).toBe(200);
      expect(answer.bytes.equals(PLAIN_TEXT)).toBe(true);
      expect(answer.headers['content-length']).toBeUndefined();
      expect(answer.headers['content-encoding']).toBeUndefined();
      expect(answer.headers['x-goog-hash']).toContain(`crc32c=${crc32cOf(ZIPPED)}`);
      expect(answer.headers['x-goog-stored-content-encoding']).toBe('gzip');
      expect(answer.headers['x-goog-stored-content-length']).toBe(String(ZIPPED.length));
    }
  });

  test('comes as it is stored to who accepts gzip, and where it must not be transformed', async () => {
    for (const [key, headers] of [
      ['zipped', { 'accept-encoding': 'gzip' }],
      ['zipped', { 'accept-encoding': 'br, gzip;q=0.5' }],
      ['kept', {}],
    ] as const) {
      const answer = await get(media(key), headers);
      expect(answer.bytes.equals(ZIPPED)).toBe(true);
      expect(answer.headers['content-encoding']).toBe('gzip');
      const part = await get(media(key), { ...headers, range: 'bytes=3-12' });
      expect([part.status, part.bytes.equals(ZIPPED.subarray(3, 13))]).toEqual([206, true]);
    }
    const refused = await get(media('zipped'), { 'accept-encoding': 'gzip;q=0' });
    expect(refused.bytes.equals(PLAIN_TEXT)).toBe(true);
  });
});

describe('metadata', () => {
  test('name size and generation as text, and both sums', async () => {
    const bytes = patternBytes(objectIdOf('k'), SIZE);
    const resource = documentOf(await get(object('k')));
    expect(resource).toMatchObject({
      kind: 'storage#object',
      name: 'k',
      bucket: 'b',
      size: String(SIZE),
      crc32c: crc32cOf(bytes),
      md5Hash: md5Of(bytes),
      contentType: 'image/png',
      updated: '2026-01-01T00:00:00.000Z',
    });
    expect(resource['generation']).toMatch(/^\d{16}$/);
    expect((await get(object('k'))).headers['content-type']).toMatch(/^application\/json/);
  });

  test('are cut down to the fields asked for', async () => {
    expect(documentOf(await get(object('k', '?fields=name,size')))).toEqual({
      name: 'k',
      size: String(SIZE),
    });
    expect(errorOf(await get(object('k', '?fields=name(')))).toEqual([400, 'invalid']);
    const listed = documentOf(
      await get('/storage/v1/b/b/o?prefix=k&maxResults=1&fields=items(name),nextPageToken'),
    );
    expect(listed).toEqual({ items: [{ name: 'k' }], nextPageToken: expect.any(String) });
    const path = documentOf(await get('/storage/v1/b/b/o?prefix=empty&fields=items/size'));
    expect(path).toEqual({ items: [{ size: '0' }] });
  });

  test('and media of a bucket whose readers pay need a project', async () => {
    expect(errorOf(await get(object('k', '', 'paid')))).toEqual([400, 'required']);
    expect((await get(object('k', '?alt=media', 'paid'))).text).toContain('no user project provided');
    expect(xmlErrorOf(await get('/paid/k'))).toEqual([400, 'UserProjectMissing']);
    expect((await get(object('k', '?alt=media&userProject=p', 'paid'))).status).toBe(200);
    expect((await get('/paid/k', { 'x-goog-user-project': 'p' })).status).toBe(200);
  });
});

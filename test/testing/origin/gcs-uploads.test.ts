import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Fault, type Origin } from '../../../dist/testing/index.js';
import { patternBytes } from '../../../dist/testing/pattern.js';
import {
  BEARER,
  TOKEN,
  ask,
  crc32cOf,
  documentOf,
  errorOf,
  md5Of,
  type Answer,
  type Asked,
} from './gcs.kit.js';

const QUANTUM = 262_144;
const UPLOAD = '/upload/storage/v1/b/b/o';
let origin: Origin;

beforeAll(async () => {
  origin = await startOrigin({
    dialect: 'gcs',
    objects: [
      { bucket: 'b', key: 'there', size: 3_000_000, attributes: { contentType: 'text/plain' } },
      { bucket: 'b', key: 'part/1', size: 1000 },
      { bucket: 'b', key: 'part/2', size: 2001 },
    ],
    tokens: [{ token: TOKEN }],
  });
});
afterAll(() => origin.stop());
afterEach(() => origin.reset());

const send = (method: string, path: string, { headers = {}, body }: Asked = {}): Promise<Answer> =>
  ask(origin, method, path, { headers: { ...BEARER, ...headers }, ...(body === undefined ? {} : { body }) });
const object = (key: string, query = ''): string => `/storage/v1/b/b/o/${encodeURIComponent(key)}${query}`;
const stored = async (key: string): Promise<Buffer> => (await send('GET', object(key, '?alt=media'))).bytes;
const metadataOf = async (key: string): Promise<Record<string, unknown>> =>
  documentOf(await send('GET', object(key)));

function related(metadata: object, body: Uint8Array, type = 'image/gif'): Asked {
  const head =
    `--mark\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(metadata)}\r\n` +
    `--mark\r\nContent-Type: ${type}\r\n\r\n`;
  return {
    headers: { 'content-type': 'multipart/related; boundary="mark"' },
    body: Buffer.concat([Buffer.from(head), body, Buffer.from('\r\n--mark--\r\n')]),
  };
}

describe('an upload in one request', () => {
  test('of media alone keeps type and bytes, and answers the resource', async () => {
    const body = patternBytes(1, 5000);
    const headers = { 'content-type': 'text/csv' };
    const answer = await send('POST', `${UPLOAD}?uploadType=media&name=one/media`, { headers, body });
    expect(documentOf(answer)).toMatchObject({
      name: 'one/media',
      size: '5000',
      contentType: 'text/csv',
      crc32c: crc32cOf(body),
      md5Hash: md5Of(body),
    });
    expect((await stored('one/media')).equals(body)).toBe(true);
  });

  test('with metadata before it keeps both, and a body that looks like the beginning of a boundary', async () => {
    const body = Buffer.concat([Buffer.from('\r\n--mar\r\n\r\n'), patternBytes(2, 3000)]);
    const metadata = { name: 'related', contentEncoding: 'br', metadata: { a: '1' }, crc32c: crc32cOf(body) };
    const answer = await send('POST', `${UPLOAD}?uploadType=multipart`, related(metadata, body.subarray(2)));
    expect(errorOf(answer)).toEqual([400, 'invalid']);
    const right = { ...metadata, crc32c: crc32cOf(body.subarray(2)), md5Hash: md5Of(body.subarray(2)) };
    const written = await send('POST', `${UPLOAD}?uploadType=multipart`, related(right, body.subarray(2)));
    expect(documentOf(written)).toMatchObject({
      name: 'related',
      contentType: 'image/gif',
      metadata: { a: '1' },
    });
    expect((await stored('related')).equals(body.subarray(2))).toBe(true);
    expect((await origin.requests({ op: 'put' })).map(({ key }) => key)).toEqual(['related', 'related']);
  });

  test('can be empty, and is refused when it is torn or without a name', async () => {
    const empty = await send(
      'POST',
      `${UPLOAD}?uploadType=multipart&name=void`,
      related({}, Buffer.alloc(0)),
    );
    expect(documentOf(empty)).toMatchObject({
      size: '0',
      crc32c: 'AAAAAA==',
      md5Hash: '1B2M2Y8AsgTpgAmY7PhCfg==',
    });
    const torn = related({ name: 'torn' }, patternBytes(3, 10));
    const body = Buffer.from(torn.body ?? '').subarray(0, -12);
    expect(errorOf(await send('POST', `${UPLOAD}?uploadType=multipart`, { ...torn, body }))[0]).toBe(400);
    expect(errorOf(await send('POST', `${UPLOAD}?uploadType=media`, { body }))).toEqual([400, 'required']);
    expect((await send('GET', object('torn'))).status).toBe(404);
  });

  test('creates only, or overwrites one generation only', async () => {
    const put = (query: string, body: string) =>
      send('POST', `${UPLOAD}?uploadType=media&name=once${query}`, { body });
    const first = await put('&ifGenerationMatch=0', 'first');
    expect(errorOf(await put('&ifGenerationMatch=0', 'second'))).toEqual([412, 'conditionNotMet']);
    const { generation } = documentOf(first);
    const third = await put(`&ifGenerationMatch=${generation}`, 'third');
    expect(BigInt(documentOf(third).generation)).toBeGreaterThan(BigInt(generation));
    expect(errorOf(await put(`&ifGenerationMatch=${generation}`, 'fourth'))).toEqual([
      412,
      'conditionNotMet',
    ]);
    expect((await stored('once')).toString()).toBe('third');
  });

  test('whose bytes are not those of its X-Goog-Hash is refused, and nothing is stored', async () => {
    const body = patternBytes(4, 2000);
    const other = patternBytes(5, 2000);
    const put = (hash: string) =>
      send('POST', `${UPLOAD}?uploadType=media&name=sums`, { headers: { 'x-goog-hash': hash }, body });
    for (const hash of [
      `crc32c=${crc32cOf(other)}`,
      `md5=${md5Of(other)}`,
      `crc32c=${crc32cOf(body)},md5=${md5Of(other)}`,
    ]) {
      expect(errorOf(await put(hash)), hash).toEqual([400, 'invalid']);
    }
    expect((await send('GET', object('sums'))).status).toBe(404);
    expect((await put(`crc32c=${crc32cOf(body)},md5=${md5Of(body)}`)).status).toBe(200);
  });

  test('that is deleted and written again has another generation', async () => {
    const put = async (): Promise<string> => {
      const answer = await send('POST', `${UPLOAD}?uploadType=media&name=again`, { body: 'x' });
      return documentOf(answer).generation;
    };
    const first = await put();
    expect(errorOf(await send('DELETE', object('again', '?ifGenerationMatch=1')))).toEqual([
      412,
      'conditionNotMet',
    ]);
    expect((await send('DELETE', object('again'))).status).toBe(204);
    expect(errorOf(await send('DELETE', object('again')))).toEqual([404, 'notFound']);
    expect(await put()).not.toBe(first);
  });
});

describe('a resumable upload', () => {
  const start = async (
    name: string,
    { headers = {}, body = '{}' }: Asked = {},
    query = '',
  ): Promise<string> => {
    const path = `${UPLOAD}?uploadType=resumable&name=${name}${query}`;
    const answer = await send('POST', path, { headers, body });
    expect(answer.status, answer.text).toBe(200);
    return new URL(answer.headers['location'] ?? '').href.slice(origin.url.length);
  };
  /** Without a token: the URI of the session stands for it. */
  const chunk = (path: string, range: string | null, body: Uint8Array | string = ''): Promise<Answer> =>
    ask(origin, 'PUT', path, { headers: range === null ? {} : { 'content-range': range }, body });
  const status = async (path: string): Promise<string> => {
    const answer = await chunk(path, 'bytes */*');
    return `${answer.status} ${answer.headers['range'] ?? ''}`;
  };

  test('takes chunks, says how far it is, and is an object when its last byte is in', async () => {
    const body = patternBytes(10, 2 * QUANTUM + 100);
    const path = await start('chunks', {
      body: JSON.stringify({ contentType: 'a/b', crc32c: crc32cOf(body) }),
    });
    expect(await status(path)).toBe('308 ');
    const first = await chunk(path, `bytes 0-${QUANTUM - 1}/*`, body.subarray(0, QUANTUM));
    expect([first.status, first.headers['range']]).toEqual([308, `bytes=0-${QUANTUM - 1}`]);
    expect((await send('GET', object('chunks'))).status).toBe(404);
    const total = body.length;
    await chunk(path, `bytes ${QUANTUM}-${2 * QUANTUM - 1}/${total}`, body.subarray(QUANTUM, 2 * QUANTUM));
    expect(await status(path)).toBe(`308 bytes=0-${2 * QUANTUM - 1}`);
    const last = await chunk(path, `bytes ${2 * QUANTUM}-${total - 1}/${total}`, body.subarray(2 * QUANTUM));
    expect(documentOf(last)).toMatchObject({ name: 'chunks', size: String(total), contentType: 'a/b' });
    expect((await stored('chunks')).equals(body)).toBe(true);
    expect(documentOf(await chunk(path, 'bytes */*'))).toEqual(documentOf(last));
    expect((await origin.requests()).map(({ op }) => op)).toEqual(
      'create-upload list-parts put-part head put-part list-parts complete-upload get list-parts'.split(' '),
    );
  });

  test('takes all at once, and ends by the total alone when all is there', async () => {
    const body = patternBytes(11, 1000);
    expect(documentOf(await chunk(await start('whole'), null, body))).toMatchObject({ size: '1000' });
    const later = await start('later');
    await chunk(later, `bytes 0-${QUANTUM - 1}/*`, patternBytes(12, QUANTUM));
    expect((await chunk(later, `bytes */${QUANTUM}`)).status).toBe(200);
    expect((await chunk(await start('none'), 'bytes */0')).status).toBe(200);
    expect(await metadataOf('none')).toMatchObject({ size: '0' });
  });

  test('persists whole quanta, and refuses a chunk below one that is not the last', async () => {
    const path = await start('quanta');
    const body = patternBytes(13, QUANTUM + 5000);
    const small = await chunk(path, 'bytes 0-4999/*', body.subarray(0, 5000));
    expect([small.status, small.text]).toEqual([400, expect.stringContaining('contained 5000 bytes')]);
    expect(await status(path)).toBe('308 ');
    const rounded = await chunk(path, `bytes 0-${body.length - 1}/*`, body);
    expect(rounded.headers['range']).toBe(`bytes=0-${QUANTUM - 1}`);
  });

  test('ignores what it has already, and refuses a gap', async () => {
    const path = await start('overlap');
    const body = patternBytes(14, 3 * QUANTUM);
    await chunk(path, `bytes 0-${2 * QUANTUM - 1}/*`, body.subarray(0, 2 * QUANTUM));
    const gap = await chunk(path, `bytes ${3 * QUANTUM}-${4 * QUANTUM - 1}/*`, patternBytes(0, QUANTUM));
    expect([gap.status, gap.headers['content-type']]).toEqual([503, 'text/plain; charset=UTF-8']);
    expect(gap.text).toContain(`exceeds already uploaded size of ${2 * QUANTUM} byte(s)`);
    const other = Buffer.concat([Buffer.alloc(QUANTUM), body.subarray(2 * QUANTUM)]);
    const end = await chunk(path, `bytes ${QUANTUM}-${3 * QUANTUM - 1}/${3 * QUANTUM}`, other);
    expect(end.status).toBe(200);
    expect((await stored('overlap')).equals(body)).toBe(true);
  });

  test('refuses a total that is not the one it knows, and a length that is not that of the body', async () => {
    const path = await start('totals', { headers: { 'x-upload-content-length': '1000' } });
    expect(errorOf(await chunk(path, 'bytes 0-9/10', patternBytes(1, 10)))).toEqual([400, 'invalid']);
    expect(errorOf(await chunk(path, 'bytes 0-999/1000', patternBytes(1, 10)))).toEqual([400, 'invalid']);
    expect(errorOf(await chunk(path, 'bytes 9-0', 'x'))).toEqual([400, 'invalid']);
    expect((await chunk(path, 'bytes 0-999/1000', patternBytes(1, 1000))).status).toBe(200);
  });

  test('looks at condition and sum at its end; the condition at its start too', async () => {
    const path = await start('raced', {}, '&ifGenerationMatch=0');
    await send('POST', `${UPLOAD}?uploadType=media&name=raced`, { body: 'winner' });
    expect(errorOf(await chunk(path, null, 'loser'))).toEqual([412, 'conditionNotMet']);
    const again = await send('POST', `${UPLOAD}?uploadType=resumable&name=raced&ifGenerationMatch=0`);
    expect(errorOf(again)).toEqual([412, 'conditionNotMet']);
    const sums = await start('sums-at-end', {
      body: JSON.stringify({ md5Hash: md5Of(Buffer.from('right')) }),
    });
    expect(errorOf(await chunk(sums, null, 'wrong'))).toEqual([400, 'invalid']);
    expect((await send('GET', object('sums-at-end'))).status).toBe(404);
    expect((await stored('raced')).toString()).toBe('winner');
  });

  test('is cancelled with 499, and stays so; one that never was is 404', async () => {
    const path = await start('cancelled');
    expect((await ask(origin, 'DELETE', path)).status).toBe(499);
    expect((await chunk(path, null, 'late')).status).toBe(499);
    expect((await chunk(`${UPLOAD}?uploadType=resumable&upload_id=never`, null, 'x')).status).toBe(404);
    expect((await origin.requests({ op: 'abort-upload' })).length).toBe(1);
  });

  test('answers 200 with the status beside it for who asks for no 308', async () => {
    const path = await start('no-308');
    const headers = { 'content-range': 'bytes */*', 'x-guploader-no-308': 'yes' };
    const answer = await ask(origin, 'PUT', path, { headers });
    expect([answer.status, answer.headers['x-http-status-code-override']]).toEqual([200, '308']);
  });

  test.each<[string, Fault, string]>([
    ['persists a part of a chunk', { lie: 'partial-chunk' }, `308 bytes=0-${QUANTUM - 1}`],
    [
      'persists a part, and the connection ends',
      { lie: 'partial-chunk', by: QUANTUM, cutAfter: 'before-head' },
      `308 bytes=0-${QUANTUM - 1}`,
    ],
    ['persists all, and its answer is lost', { cutAfter: 'before-head' }, `308 bytes=0-${2 * QUANTUM - 1}`],
    ['persists nothing, and answers 503', { status: 503 }, '308 '],
    ['persists all, and answers 503', { status: 503, applied: true }, `308 bytes=0-${2 * QUANTUM - 1}`],
  ])('%s, and tells so when asked', async (_, fault, told) => {
    const body = patternBytes(15, 3 * QUANTUM);
    const path = await start('interrupted');
    await origin.script({ op: 'put-part', times: 1, do: fault });
    await chunk(path, `bytes 0-${2 * QUANTUM - 1}/*`, body.subarray(0, 2 * QUANTUM)).catch(() => null);
    expect(await status(path)).toBe(told);
    const from = told === '308 ' ? 0 : Number(told.split('-')[1]) + 1;
    const end = await chunk(path, `bytes ${from}-${body.length - 1}/${body.length}`, body.subarray(from));
    expect(end.status).toBe(200);
    expect((await stored('interrupted')).equals(body)).toBe(true);
  });
});

describe('objects made of others', () => {
  const post = (path: string, body = '{}'): Promise<Answer> => send('POST', path, { body });

  test('are copied with bytes and type, from the source that was meant', async () => {
    const path = (verb: string, query = '') =>
      object('there', `/${verb}/b/b/o/${encodeURIComponent('to/x')}${query}`);
    expect(documentOf(await post(path('copyTo')))).toMatchObject({ name: 'to/x', contentType: 'text/plain' });
    expect((await stored('to/x')).equals(await stored('there'))).toBe(true);
    expect(errorOf(await post(path('copyTo', '?ifSourceGenerationMatch=1')))).toEqual([
      412,
      'conditionNotMet',
    ]);
    expect(errorOf(await post(path('copyTo', '?ifGenerationMatch=0')))).toEqual([412, 'conditionNotMet']);
    expect(errorOf(await post(path('rewriteTo', '?sourceGeneration=1')))).toEqual([404, 'notFound']);
    expect((await origin.requests({ op: 'copy' })).map(({ key }) => key)).toEqual(Array(4).fill('to/x'));
  });

  test('are rewritten in one call, or in as many as are scripted, each with the token of the one before', async () => {
    const path = object('there', '/rewriteTo/b/b/o/rewritten');
    const done = { done: true, totalBytesRewritten: '3000000', objectSize: '3000000' };
    expect(documentOf(await post(path))).toMatchObject({ ...done, resource: { name: 'rewritten' } });
    await send('DELETE', object('rewritten'));
    await origin.script({ op: 'copy', do: { lie: 'rewrite-loop', by: 1_048_576 } });
    let calls = 0;
    for (let query = ''; calls < 10;) {
      const answer = documentOf(await post(path + query));
      calls += 1;
      if (answer.done) break;
      expect((await send('GET', object('rewritten'))).status).toBe(404);
      query = `?rewriteToken=${encodeURIComponent(answer.rewriteToken)}`;
    }
    expect(calls).toBe(3);
    expect(errorOf(await post(`${path}?rewriteToken=made-up`))).toEqual([400, 'invalid']);
    expect((await stored('rewritten')).equals(await stored('there'))).toBe(true);
  });

  test('are composed in order, without an MD5, from generations that are still there', async () => {
    const compose = (sourceObjects: object[], query = '') =>
      post(
        object('whole', `/compose${query}`),
        JSON.stringify({ sourceObjects, destination: { contentType: 'c/d' } }),
      );
    const composed = documentOf(await compose([{ name: 'part/1' }, { name: 'part/2' }]));
    const bytes = Buffer.concat([await stored('part/1'), await stored('part/2')]);
    expect(composed).toMatchObject({
      componentCount: 2,
      size: '3001',
      contentType: 'c/d',
      crc32c: crc32cOf(bytes),
    });
    expect(composed['md5Hash']).toBeUndefined();
    expect((await stored('whole')).equals(bytes)).toBe(true);
    const read = await send('GET', object('whole', '?alt=media'));
    expect(read.headers['x-goog-hash']).toBe(`crc32c=${crc32cOf(bytes)}`);
    expect(errorOf(await compose([{ name: 'part/3' }]))).toEqual([404, 'notFound']);
    expect(
      errorOf(await compose([{ name: 'part/1', objectPreconditions: { ifGenerationMatch: '1' } }]))[0],
    ).toBe(412);
    expect(errorOf(await compose([{ name: 'part/1' }], '?ifGenerationMatch=0'))).toEqual([
      412,
      'conditionNotMet',
    ]);
    expect(errorOf(await compose(Array.from({ length: 33 }, () => ({ name: 'part/1' }))))).toEqual([
      400,
      'invalid',
    ]);
    expect(errorOf(await compose([]))[0]).toBe(400);
  });
});

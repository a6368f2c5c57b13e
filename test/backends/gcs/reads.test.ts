import { createHmac, createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createStoreData } from '../../../dist/backends/gcs/data.js';
import { crc32cText } from '../../../dist/backends/gcs/verify.js';
import { data, exchange, headersOf, HMAC, NOW, read, SECRET, snapshot, TOKEN, utf8 } from './kit.js';

const GENERATION = '9223372036854775807';

describe('a read by token', () => {
  it('asks the download service for bytes as they are stored', () => {
    const prepared = data().prepareRead(read({ key: utf8('a/b c+%?#.json') }), NOW);
    expect(prepared.target).toBe('/download/storage/v1/b/logs/o/a%2Fb%20c%2B%25%3F%23.json?alt=media');
    expect(headersOf(prepared)).toEqual({
      'user-agent': 'millrace',
      host: 'storage.googleapis.com',
      authorization: `Bearer ${TOKEN}`,
      'accept-encoding': 'gzip',
      range: 'bytes=0-99',
    });
    expect(prepared.encoded).toBe(false);
  });

  it('keeps the slashes of a plain key in one segment, and has no range for a whole object', () => {
    const prepared = data().prepareRead(read({ key: utf8('a/b/c'), whole: true }), NOW);
    expect(prepared.target).toBe('/download/storage/v1/b/logs/o/a%2Fb%2Fc?alt=media');
    expect(headersOf(prepared).range).toBeUndefined();
  });

  it('names the generation as the text that it is', () => {
    const prepared = data().prepareRead(read({ version: GENERATION }), NOW);
    expect(prepared.target.endsWith(`?alt=media&generation=${GENERATION}`)).toBe(true);
    const answer = exchange(
      206,
      { 'x-goog-generation': GENERATION, 'content-range': 'bytes 0-99/100' },
      null,
      {
        landed: 100,
      },
    );
    const request = read({ version: GENERATION });
    expect(data().readAnswer(request, answer, new Uint8Array(100), NOW)).toMatchObject({
      outcome: 'complete',
      version: GENERATION,
      size: 100,
    });
  });

  it('refuses a version that is no generation, and says what one is', () => {
    expect(() => data().prepareRead(read({ version: '"etag"' }), NOW)).toThrow(/must be a generation/);
    expect(() => data().prepareRead(read({ version: '1&alt=json' }), NOW)).toThrow(/must be a generation/);
  });

  it('bills the project that was named, and reads an encoded object where that is allowed', () => {
    const prepared = data({ userProject: 'payer', allowContentEncoding: true }).prepareRead(read(), NOW);
    expect(headersOf(prepared)['x-goog-user-project']).toBe('payer');
    expect(prepared.encoded).toBe(true);
  });

  it('takes a newer token, and never an older one again', () => {
    const store = createStoreData(snapshot());
    store.update(snapshot({ auth: { kind: 'bearer', token: 'new' } }, 3));
    store.update(snapshot({ auth: { kind: 'bearer', token: 'old' } }, 2));
    expect(headersOf(store.prepareRead(read(), NOW)).authorization).toBe('Bearer new');
  });

  it('is anonymous without a word about it', () => {
    const prepared = data({ auth: { kind: 'none' } }).prepareRead(read(), NOW);
    expect(headersOf(prepared).authorization).toBeUndefined();
  });
});

describe('a read by HMAC key', () => {
  it('is one of the XML API, signed over what is sent', () => {
    const store = data({ auth: HMAC, userProject: 'payer' });
    const prepared = store.prepareRead(read({ version: '17', key: utf8('a/b c') }), NOW);
    expect(prepared.target).toBe('/logs/a/b%20c?generation=17');
    const headers = headersOf(prepared);
    const empty = createHash('sha256').digest('hex');
    const canonical = [
      'GET',
      '/logs/a/b%20c',
      'generation=17',
      'host:storage.googleapis.com',
      'range:bytes=0-99',
      `x-goog-content-sha256:${empty}`,
      'x-goog-date:20261121T043634Z',
      'x-goog-user-project:payer',
      '',
      'host;range;x-goog-content-sha256;x-goog-date;x-goog-user-project',
      empty,
    ].join('\n');
    const scope = '20261121/auto/storage/goog4_request';
    const digest = createHash('sha256').update(canonical).digest('hex');
    let key: string | Buffer = `GOOG4${SECRET}`;
    for (const step of scope.split('/')) key = createHmac('sha256', key).update(step).digest();
    const signature = createHmac('sha256', key)
      .update(`GOOG4-HMAC-SHA256\n20261121T043634Z\n${scope}\n${digest}`)
      .digest('hex');
    expect(headers.authorization).toBe(
      `GOOG4-HMAC-SHA256 Credential=GOOG1EXAMPLEACCESSID/${scope}, ` +
        `SignedHeaders=host;range;x-goog-content-sha256;x-goog-date;x-goog-user-project, Signature=${signature}`,
    );
    expect(headers['x-goog-user-project']).toBe('payer');
  });
});

describe('the answer to a read', () => {
  const bytes = utf8('hello, checksums');
  const whole = read({ whole: true, length: bytes.length, verify: 'always' });
  const answer = (headers: Record<string, string>): ReturnType<typeof exchange> =>
    exchange(200, { 'content-length': String(bytes.length), 'x-goog-generation': '5', ...headers }, null, {
      landed: bytes.length,
    });

  it('passes with the right CRC-32C, whatever the MD5 says', () => {
    const hash = `md5=AAAAAAAAAAAAAAAAAAAAAA==, crc32c=${crc32cText(bytes)}`;
    expect(data().readAnswer(whole, answer({ 'x-goog-hash': hash }), bytes, NOW).outcome).toBe('complete');
  });

  it.each([
    ['crc32c=AAAAAA==', 'crc32c'],
    ['md5=AAAAAAAAAAAAAAAAAAAAAA==', 'md5'],
  ])('fails with the wrong %s', (hash, name) => {
    const judged = data().readAnswer(whole, answer({ 'x-goog-hash': hash }), bytes, NOW);
    expect(judged).toMatchObject({ outcome: 'transient', landed: 0 });
    expect(judged.error).toMatchObject({ code: 'ChecksumMismatch' });
    expect(judged.error?.message).toContain(name);
  });

  it('is refused when the object was decompressed on its way', () => {
    const headers = { 'x-goog-stored-content-encoding': 'gzip', 'x-goog-generation': '5' };
    const bent = exchange(200, headers, null, { landed: bytes.length });
    const judged = data().readAnswer(whole, bent, bytes, NOW);
    expect(judged).toMatchObject({ outcome: 'refused', landed: 0 });
    expect(judged.error).toMatchObject({ code: 'Unsupported' });
    expect(judged.error?.message).toContain('Accept-Encoding');
  });

  it('is VersionChanged when another generation came, though its status says success', () => {
    const judged = data().readAnswer({ ...whole, version: '4' }, answer({}), bytes, NOW);
    expect(judged).toMatchObject({ outcome: 'version-changed', version: '5' });
  });

  it('is an empty success for a range of an empty object', () => {
    const empty = exchange(416, { 'content-range': 'bytes */0' }, 'Request range not satisfiable');
    expect(data().readAnswer(read(), empty, bytes, NOW)).toMatchObject({ outcome: 'complete', size: 0 });
    const past = exchange(416, { 'content-range': 'bytes */10' }, 'Request range not satisfiable');
    const judged = data().readAnswer(read({ start: 10 }), past, bytes, NOW);
    expect(judged).toMatchObject({ outcome: 'refused', size: 10 });
    expect(judged.error?.code).toBe('RangeRejected');
  });
});

describe('head', () => {
  it('reads the document of the JSON API', () => {
    const prepared = data().prepareHead(utf8('a/b'), NOW);
    expect(prepared).toMatchObject({
      method: 'GET',
      target: '/storage/v1/b/logs/o/a%2Fb?fields=size,generation,updated,contentType,crc32c,md5Hash',
    });
    const body = JSON.stringify({
      size: '1234',
      generation: GENERATION,
      updated: '2026-11-21T04:36:34.000Z',
      contentType: 'text/x',
      crc32c: 'AAAAAA==',
    });
    expect(data().headAnswer(utf8('a/b'), exchange(200, {}, body), NOW).value).toEqual({
      size: 1234,
      version: GENERATION,
      lastModifiedMs: NOW,
      contentType: 'text/x',
      checksums: [{ algorithm: 'crc32c', value: 'AAAAAA==' }],
    });
    const broken = data().headAnswer(utf8('a/b'), exchange(200, {}, '{"size":12}'), NOW);
    expect(broken.error?.code).toBe('ProtocolViolation');
  });

  it('tells the stored length of an object that is served compressed, by HMAC key', () => {
    const store = data({ auth: HMAC });
    expect(store.prepareHead(utf8('a/b'), NOW)).toMatchObject({ method: 'HEAD', target: '/logs/a/b' });
    const headers = { 'x-goog-stored-content-length': '99', 'content-length': '5', 'x-goog-generation': '7' };
    expect(store.headAnswer(utf8('a/b'), exchange(200, headers), NOW).value).toMatchObject({
      size: 99,
      version: '7',
    });
  });
});

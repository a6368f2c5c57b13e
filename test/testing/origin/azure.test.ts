/** The Azure dialect as readers see it: the official client proves the signatures, raw requests prove the answers. */
import { createHash } from 'node:crypto';
import { AnonymousCredential } from '@azure/storage-blob';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../../dist/testing/pattern.js';
import { ask, clientOf, signedHeaders, VERSION } from './azure.kit.js';
import { headerOf } from './raw.kit.js';

let origin: Origin;
const ODD_KEYS = ['a b+c%d?e#f', 'dir/é ü', 'x//y', 'quote\'"<&>', 'end.'];

beforeAll(async () => {
  origin = await startOrigin({
    dialect: 'azure',
    objects: [
      { bucket: 'c', key: 'big', size: 100_000 },
      { bucket: 'c', key: 'empty', size: 0 },
      ...ODD_KEYS.map((key) => ({ bucket: 'odd', key, size: 10 })),
      { bucket: 'odd', key: 'bad\u0001name', size: 1 },
      { bucket: 'many', prefix: 'p/', count: 6000, sizes: [1, 2], perFolder: 500 },
      { bucket: 'changing', key: 'k', size: 1000 },
      { bucket: 'long', key: 'k', size: 5 * 1024 * 1024 },
    ],
    publicBuckets: ['c', 'changing', 'long', 'many'],
  });
});
afterAll(() => origin.stop());
afterEach(async () => {
  await origin.configure({ publicAccess: true });
  await origin.reset();
});

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64');
const id = objectIdOf('big', 0);

describe('the official client', () => {
  test('reads whole blobs and ranges with Shared Key', async () => {
    const blob = clientOf(origin).getContainerClient('c').getBlobClient('big');
    expect(verifyPattern(id, 0, await blob.downloadToBuffer())).toBe(-1);
    expect(verifyPattern(id, 1234, await blob.downloadToBuffer(1234, 777))).toBe(-1);
    const { contentLength, etag, contentMD5, blobType } = await blob.getProperties();
    expect({ contentLength, blobType }).toEqual({ contentLength: 100_000, blobType: 'BlockBlob' });
    expect(etag).toMatch(/^"0x8D[0-9A-F]{14}"$/);
    expect(Buffer.from(contentMD5 ?? []).toString('base64')).toBe(md5(patternBytes(id, 100_000)));
    expect((await origin.requests()).every((one) => !one.anonymous)).toBe(true);
  });

  test('signs odd names, and lists them as they are', async () => {
    const container = clientOf(origin).getContainerClient('odd');
    for (const key of ODD_KEYS) {
      const bytes = await container.getBlobClient(key).downloadToBuffer();
      expect(verifyPattern(objectIdOf(key, 0), 0, bytes)).toBe(-1);
    }
    const names: string[] = [];
    for await (const { name } of container.listBlobsFlat()) names.push(name);
    expect(names).toEqual(
      [...ODD_KEYS, 'bad\u0001name'].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
  });

  test('lists every page once, by prefix and by folder', async () => {
    const container = clientOf(origin).getContainerClient('many');
    let count = 0;
    const pages: number[] = [];
    for await (const page of container.listBlobsFlat().byPage()) {
      pages.push(page.segment.blobItems.length);
      count += page.segment.blobItems.length;
    }
    expect({ count, pages }).toEqual({ count: 6000, pages: [5000, 1000] });
    const folders: string[] = [];
    for await (const page of container
      .listBlobsByHierarchy('/', { prefix: 'p/' })
      .byPage({ maxPageSize: 5 })) {
      folders.push(...(page.segment.blobPrefixes ?? []).map(({ name }) => name));
    }
    expect(folders).toHaveLength(12);
    expect(folders[11]).toBe('p/11/');
  });

  test('is told the code of an error, also where there is no body', async () => {
    const container = clientOf(origin).getContainerClient('c');
    await expect(container.getBlobClient('absent').getProperties()).rejects.toMatchObject({
      statusCode: 404,
      details: { errorCode: 'BlobNotFound' },
    });
    await expect(container.getBlobClient('absent').download()).rejects.toMatchObject({
      statusCode: 404,
      details: { errorCode: 'BlobNotFound' },
    });
    const gone = clientOf(origin).getContainerClient('gone').getBlobClient('k');
    await expect(gone.download()).rejects.toMatchObject({ details: { errorCode: 'ContainerNotFound' } });
  });
});

describe('Get Blob', () => {
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    ask(origin, { method, path, headers });

  test('answers a range with 206, its place, and the sum of the whole blob', async () => {
    const { head, body } = await get('c/big', { Range: 'bytes=10-19' });
    expect(head).toMatch(/^HTTP\/1.1 206 /);
    expect(headerOf(head, 'content-range')).toBe('bytes 10-19/100000');
    expect(headerOf(head, 'content-md5')).toBe('');
    expect(headerOf(head, 'x-ms-blob-content-md5')).toBe(md5(patternBytes(id, 100_000)));
    expect(headerOf(head, 'x-ms-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(verifyPattern(id, 10, body)).toBe(-1);
    const both = await get('c/big', { Range: 'bytes=0-1', 'x-ms-range': 'bytes=5-' });
    expect(headerOf(both.head, 'content-range')).toBe('bytes 5-99999/100000');
  });

  test('refuses a range that begins past the end, and any range of nothing', async () => {
    const past = await get('c/big', { Range: 'bytes=100000-' });
    expect(past.head).toMatch(/^HTTP\/1.1 416 /);
    expect(headerOf(past.head, 'x-ms-error-code')).toBe('InvalidRange');
    expect(headerOf(past.head, 'content-range')).toBe('bytes */100000');
    expect(past.body.toString()).toContain('<Code>InvalidRange</Code>');
    expect((await get('c/empty', { Range: 'bytes=0-' })).head).toMatch(/^HTTP\/1.1 416 /);
    const whole = await get('c/empty');
    expect(whole.head).toMatch(/^HTTP\/1.1 200 /);
    expect(headerOf(whole.head, 'content-length')).toBe('0');
  });

  test('sums a range on request, up to 4 MiB of it', async () => {
    const four = 4 * 1024 * 1024;
    const long = objectIdOf('k', 0);
    const range = { Range: `bytes=1-${four}`, 'x-ms-range-get-content-md5': 'true' };
    const summed = await get('long/k', range);
    expect(headerOf(summed.head, 'content-md5')).toBe(md5(patternBytes(long, four, 1)));
    const crc = { 'x-ms-range': 'bytes=0-8', 'x-ms-range-get-content-crc64': 'true' };
    expect(headerOf((await get('long/k', crc)).head, 'x-ms-content-crc64')).toMatch(/^[\w+/]{11}=$/);
    const over = await get('long/k', { ...range, Range: `bytes=0-${four}` });
    expect(headerOf(over.head, 'x-ms-error-code')).toBe('OutOfRangeInput');
    const whole = await get('long/k', { 'x-ms-range-get-content-md5': 'true' });
    expect(headerOf(whole.head, 'x-ms-error-code')).toBe('InvalidHeaderValue');
  });

  test('keeps to its version: a later part of a blob that changed answers 412', async () => {
    const etag = headerOf((await get('changing/k', {}, 'HEAD')).head, 'etag');
    expect((await get('changing/k', { 'If-Match': etag, Range: 'bytes=0-9' })).head).toMatch(/ 206 /);
    await origin.bump('changing', 'k');
    const late = await get('changing/k', { 'If-Match': etag, Range: 'bytes=10-19' });
    expect(late.head).toMatch(/^HTTP\/1.1 412 /);
    expect(headerOf(late.head, 'x-ms-error-code')).toBe('ConditionNotMet');
    const now = headerOf((await get('changing/k', {}, 'HEAD')).head, 'etag');
    expect((await get('changing/k', { 'If-None-Match': now })).head).toMatch(/^HTTP\/1.1 304 /);
    await origin.script({ do: { lie: 'mixed-version' } });
    const mixed = await get('changing/k', { 'If-Match': now });
    expect(verifyPattern(objectIdOf('k', 2), 0, mixed.body)).toBe(-1);
  });

  test('finds an older version by its id', async () => {
    await origin.configure({ versioning: true });
    const first = headerOf((await get('changing/k', {}, 'HEAD')).head, 'x-ms-version-id');
    await origin.bump('changing', 'k');
    const { body } = await get(`changing/k?versionid=${encodeURIComponent(first)}`);
    expect(verifyPattern(objectIdOf('k', 1), 0, body)).toBe(-1);
    await origin.configure({ versioning: false });
  });

  test('takes a range that counts from the end for none', async () => {
    expect((await get('c/big', { Range: 'bytes=-5' })).body).toHaveLength(100_000);
  });
});

describe('List Blobs', () => {
  const list = async (query: string) =>
    (await ask(origin, { path: `many?restype=container&comp=list${query}` })).body.toString();

  test('refuses what it cannot mean', async () => {
    expect(await list('&maxresults=0')).toContain('<Code>OutOfRangeQueryParameterValue</Code>');
    expect(await list('&maxresults=x')).toContain('<Code>InvalidQueryParameterValue</Code>');
    expect(await list('&marker=x')).toContain('<QueryParameterName>marker</QueryParameterName>');
    expect(await list('&include=everything')).toContain('<QueryParameterName>include</QueryParameterName>');
  });

  test('begins with a byte order mark, and ends with an empty marker', async () => {
    const text = await list('&prefix=p/00/00&maxresults=10');
    expect(text).toMatch(/^[0-9a-f]+\r\n\uFEFF<\?xml version="1.0" encoding="utf-8"\?>/);
    expect(text).toContain('<MaxResults>10</MaxResults>');
    expect(text).toMatch(/<NextMarker>2!\d+![\w+/-]+<\/NextMarker>/);
    expect(await list('&prefix=p/00/0000')).toContain('<NextMarker />');
  });

  test('spells a name that XML cannot hold in percent signs, and says so, from 2021-02-12 on', async () => {
    const path = 'odd?restype=container&comp=list&prefix=bad';
    const asked = { path, headers: signedHeaders(origin, { path }, Date.now()) };
    expect((await ask(origin, asked)).body.toString()).toContain('<Name Encoded="true">bad%01name</Name>');
    expect(VERSION > '2021-02-12').toBe(true);
  });
});

describe('anonymous requests', () => {
  const head = async (path: string, headers: Record<string, string> = {}) =>
    (await ask(origin, { path, headers })).head;

  test('read public containers alone', async () => {
    const blob = clientOf(origin, new AnonymousCredential()).getContainerClient('c').getBlobClient('big');
    expect(await blob.downloadToBuffer()).toHaveLength(100_000);
    expect(headerOf(await head('odd/end.'), 'x-ms-error-code')).toBe('ResourceNotFound');
    const challenged = await head('odd/end.', { 'x-ms-version': VERSION });
    expect(challenged).toMatch(/^HTTP\/1.1 401 /);
    expect(headerOf(challenged, 'www-authenticate')).toMatch(/^Bearer authorization_uri=/);
  });

  test('are refused where the account forbids them', async () => {
    await origin.configure({ publicAccess: false });
    const refused = await head('c/big');
    expect(refused).toMatch(/^HTTP\/1.1 409 /);
    expect(headerOf(refused, 'x-ms-error-code')).toBe('PublicAccessNotPermitted');
  });

  test('find no other account', async () => {
    const other = { ...origin, account: { ...origin.account, name: 'other' } };
    expect((await ask(other, { path: 'c/big' })).head).toMatch(/^HTTP\/1.1 404 /);
  });
});

/** Writes of the Azure dialect, by the official client and by raw requests, and the faults that they can meet. */
import { createHash } from 'node:crypto';
import { BlobSASPermissions } from '@azure/storage-blob';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { objectIdOf } from '../../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../../dist/testing/pattern.js';
import { ask, clientOf, VERSION } from './azure.kit.js';
import { headerOf } from './raw.kit.js';

let origin: Origin;

beforeAll(async () => {
  origin = await startOrigin({
    dialect: 'azure',
    objects: [{ bucket: 'w', key: 'there', size: 1000 }],
    tokens: [{ token: 'writer' }],
  });
});
afterAll(() => origin.stop());
afterEach(() => origin.reset());

const bytesOf = (key: string, size: number) => Buffer.from(patternBytes(objectIdOf(key, 0), size));
const container = () => clientOf(origin).getContainerClient('w');
const block = (key: string) => container().getBlockBlobClient(key);
const ids = (n: number) => Array.from({ length: n }, (_, i) => Buffer.from(`block-${i}`).toString('base64'));
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('base64');
const send = (
  method: string,
  path: string,
  body: Uint8Array | string,
  headers: Record<string, string> = {},
) =>
  ask(origin, {
    method,
    path: `w/${path}`,
    body,
    headers: { Authorization: 'Bearer writer', 'x-ms-version': VERSION, ...headers },
  });
const put = (key: string, body: Uint8Array | string, headers: Record<string, string> = {}) =>
  send('PUT', key, body, { 'x-ms-blob-type': 'BlockBlob', ...headers });
const errorOf = ({ head }: { head: string }) => `${head.slice(9, 12)} ${headerOf(head, 'x-ms-error-code')}`;

describe('Put Blob', () => {
  test('keeps the bytes, their type and their metadata', async () => {
    const body = bytesOf('new', 70_000);
    await block('new').upload(body, body.length, {
      blobHTTPHeaders: { blobContentType: 'text/odd', blobCacheControl: 'no-store' },
      metadata: { one: 'two' },
    });
    expect((await block('new').downloadToBuffer()).equals(body)).toBe(true);
    expect(await block('new').getProperties()).toMatchObject({
      contentType: 'text/odd',
      cacheControl: 'no-store',
      metadata: { one: 'two' },
      contentLength: 70_000,
    });
    const [listed] = (
      await container().listBlobsFlat({ includeMetadata: true, prefix: 'new' }).byPage().next()
    ).value.segment.blobItems;
    expect(listed).toMatchObject({ name: 'new', metadata: { one: 'two' } });
  });

  test('is refused by a sum that does not hold', async () => {
    expect(errorOf(await put('sum', 'body', { 'Content-MD5': md5(Buffer.from('other')) }))).toBe(
      '400 Md5Mismatch',
    );
    expect(errorOf(await put('sum', 'body', { 'Content-MD5': 'short' }))).toBe('400 InvalidMd5');
    expect(errorOf(await put('sum', 'body', { 'x-ms-content-crc64': 'AAAAAAAAAAA=' }))).toBe(
      '400 Crc64Mismatch',
    );
    expect(errorOf(await send('HEAD', 'sum', ''))).toBe('404 BlobNotFound');
    // The check value of CRC-64/NVME over these digits is AE8B14860A799888, written from its lowest byte.
    const crc = Buffer.from('8898790a86148bae', 'hex').toString('base64');
    const held = await put('sum', '123456789', { 'x-ms-content-crc64': crc });
    expect(held.head).toMatch(/^HTTP\/1.1 201 /);
    expect(headerOf(held.head, 'x-ms-content-crc64')).toBe(crc);
  });

  test('keeps to its conditions', async () => {
    expect(errorOf(await put('there', 'x', { 'If-None-Match': '*' }))).toBe('409 BlobAlreadyExists');
    expect(errorOf(await put('there', 'x', { 'If-Match': '"0x8D0"' }))).toBe('412 ConditionNotMet');
    expect(errorOf(await put('not%20there', 'x', { 'If-Match': '*' }))).toBe('412 ConditionNotMet');
    const first = headerOf((await send('HEAD', 'there', '')).head, 'etag');
    const second = headerOf((await put('there', 'again', { 'If-Match': first })).head, 'etag');
    expect(second).not.toBe(first);
    expect(errorOf(await put('there', 'late', { 'If-Match': first }))).toBe('412 ConditionNotMet');
    expect((await block('there').downloadToBuffer()).toString()).toBe('again');
  });

  test('takes block blobs alone', async () => {
    expect(errorOf(await send('PUT', 'page', 'x'))).toBe('400 MissingRequiredHeader');
    expect(errorOf(await put('page', 'x', { 'x-ms-blob-type': 'PageBlob' }))).toBe('400 InvalidHeaderValue');
  });
});

describe('blocks', () => {
  test('are seen by nobody until they are committed, then in the order of the list', async () => {
    const [a = '', b = '', c = ''] = ids(3);
    const blob = block('blocks');
    for (const [i, id] of [a, b, c].entries()) await blob.stageBlock(id, `part ${i} `, 7);
    expect(await blob.exists()).toBe(false);
    const names = async (includeUncommitedBlobs: boolean) => {
      const all = [];
      for await (const { name, properties } of container().listBlobsFlat({
        prefix: 'blocks',
        includeUncommitedBlobs,
      }))
        all.push([name, properties.contentLength]);
      return all;
    };
    expect(await names(false)).toEqual([]);
    expect(await names(true)).toEqual([['blocks', 0]]);
    expect((await blob.getBlockList('uncommitted')).uncommittedBlocks).toHaveLength(3);
    await blob.commitBlockList([c, a], { conditions: { ifNoneMatch: '*' } });
    expect((await blob.downloadToBuffer()).toString()).toBe('part 2 part 0 ');
    expect((await blob.getBlockList('all')).committedBlocks?.map(({ name, size }) => [name, size])).toEqual([
      [c, 7],
      [a, 7],
    ]);
    await expect(blob.commitBlockList([b])).rejects.toMatchObject({ code: 'InvalidBlockList' });
    expect((await blob.getProperties()).contentMD5).toBeUndefined();
  });

  test('have ids of one length, and a list that says where each is', async () => {
    await block('odd ids').stageBlock('AAAA', 'x', 1);
    const other = await send('PUT', `odd%20ids?comp=block&blockid=${encodeURIComponent('AAAAAA==')}`, 'x');
    expect(errorOf(other)).toBe('400 InvalidBlobOrBlock');
    expect(errorOf(await send('PUT', 'odd%20ids?comp=block&blockid=!', 'x'))).toBe(
      '400 InvalidQueryParameterValue',
    );
    const commit = (xml: string) => send('PUT', 'odd%20ids?comp=blocklist', xml);
    expect(errorOf(await commit('no xml'))).toBe('400 InvalidXmlDocument');
    expect(errorOf(await commit('<BlockList><Committed>AAAA</Committed></BlockList>'))).toBe(
      '400 InvalidBlockList',
    );
    expect((await commit('<BlockList><Uncommitted>AAAA</Uncommitted></BlockList>')).head).toMatch(/ 201 /);
    expect((await commit('<BlockList><Latest>AAAA</Latest></BlockList>')).head).toMatch(/ 201 /);
  });

  test('carry a large upload of the official client', async () => {
    const body = bytesOf('large', 9_000_001);
    await block('large').uploadData(body, {
      blockSize: 1_000_000,
      maxSingleShotSize: 1_000_000,
      concurrency: 4,
    });
    expect((await block('large').downloadToBuffer()).equals(body)).toBe(true);
    expect((await origin.requests({ op: 'put-part' })).length).toBe(10);
    expect((await origin.requests({ op: 'complete-upload' })).length).toBe(1);
  });
});

describe('what is there', () => {
  test('is copied within the account', async () => {
    const body = bytesOf('source', 5000);
    await block('source').upload(body, body.length, { metadata: { from: 'here' } });
    const granted = (key: string) =>
      block(key).generateSasUrl({
        permissions: BlobSASPermissions.parse('r'),
        expiresOn: new Date(Date.now() + 60_000),
      });
    expect((await block('copied').syncCopyFromURL(await granted('source'))).copyStatus).toBe('success');
    await (await block('polled').beginCopyFromURL(block('source').url)).pollUntilDone();
    await block('put').syncUploadFromURL(await granted('source'));
    const { status } = (await origin.requests({ op: 'copy' })).at(-1)!;
    expect(status).toBe(201);
    for (const [key, copied] of [
      ['copied', 'success'],
      ['polled', 'success'],
      ['put', undefined],
    ] as const) {
      expect((await block(key).downloadToBuffer()).equals(body)).toBe(true);
      const { metadata, copyStatus } = await block(key).getProperties();
      expect([metadata, copyStatus]).toEqual([{ from: 'here' }, copied]);
    }
    await expect(block('none').syncCopyFromURL(await granted('absent'))).rejects.toMatchObject({
      statusCode: 404,
    });
    await block('ranged').stageBlockFromURL('AAAA', await granted('source'), 10, 20);
    await block('ranged').commitBlockList(['AAAA']);
    expect((await block('ranged').downloadToBuffer()).equals(body.subarray(10, 30))).toBe(true);
  });

  test('is deleted, with its snapshots or not at all', async () => {
    await block('kept').upload('first', 5);
    const { snapshot = '' } = await block('kept').createSnapshot();
    await block('kept').upload('second', 6);
    const old = block('kept').withSnapshot(snapshot);
    expect((await old.downloadToBuffer()).toString()).toBe('first');
    const all = [];
    for await (const one of container().listBlobsFlat({ prefix: 'kept', includeSnapshots: true }))
      all.push(one.snapshot);
    expect(all).toEqual([snapshot, undefined]);
    await expect(block('kept').delete()).rejects.toMatchObject({ code: 'SnapshotsPresent' });
    await block('kept').delete({ deleteSnapshots: 'include' });
    expect(await block('kept').exists()).toBe(false);
    expect(await old.exists()).toBe(false);
    await expect(block('kept').delete()).rejects.toMatchObject({ details: { errorCode: 'BlobNotFound' } });
  });
});

test('a state of a blob that is not served is refused, and the present one stays', async () => {
  await put('stays', 'present');
  const id = 'versionid=2026-01-01T00:00:00.0000000Z';
  for (const [method, query] of [
    ['DELETE', id],
    ['PUT', id],
    ['PUT', 'snapshot=2026-01-01T00:00:00.0000000Z'],
    ['GET', `comp=blocklist&${id}`],
  ] as const) {
    const headers = { 'x-ms-blob-type': 'BlockBlob' };
    expect(errorOf(await send(method, `stays?${query}`, '', headers))).toBe('400 InvalidQueryParameterValue');
  }
  expect((await send('GET', 'stays', '')).body.toString()).toBe('present');
});

describe('a fault', () => {
  test('leaves a commit without its answer, or the answer without a commit', async () => {
    await block('torn').stageBlock('AAAA', 'body', 4);
    await origin.script(
      { op: 'complete-upload', times: 1, do: { status: 503, retryAfter: 1 } },
      { op: 'complete-upload', times: 1, do: { status: 201, code: 'InternalError' } },
      { op: 'complete-upload', times: 1, do: { reset: 'before-head' } },
    );
    const commit = () => block('torn').commitBlockList(['AAAA'], { conditions: { ifNoneMatch: '*' } });
    await expect(commit()).rejects.toMatchObject({ statusCode: 503, code: 'ServerBusy' });
    await commit();
    expect(await block('torn').exists()).toBe(false);
    await expect(commit()).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(await block('torn').exists()).toBe(true);
    await expect(commit()).rejects.toMatchObject({ code: 'BlobAlreadyExists' });
  });

  test('that says 503 may have done the work all the same', async () => {
    await origin.script({ op: 'put', do: { status: 503, applied: true } });
    await expect(block('applied').upload('body', 4)).rejects.toMatchObject({ statusCode: 503 });
    expect((await block('applied').downloadToBuffer()).toString()).toBe('body');
  });
});

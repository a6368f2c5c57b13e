/** Requests of the data half are signed as the SDK signs the same ones. */
import {
  BlobSASPermissions,
  ContainerClient,
  generateBlobSASQueryParameters,
  newPipeline,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readSas } from '../../../dist/backends/azure/sas.js';
import type { PreparedRequest } from '../../../dist/protocol/http.js';
import { createSigner } from '../../../dist/backends/azure/shared-key.js';
import { BARE } from '../../../dist/backends/azure/requests.js';
import { data, headersOf, KEY, NO_CONDITION, NOW, prepared, put, request, utf8 } from './kit.js';

const credential = new StorageSharedKeyCredential('myaccount', KEY);

/** The Authorization header that the SDK's policy gives a request with this URL, these headers and this length. */
async function signatureOfSdk(made: PreparedRequest): Promise<string | undefined> {
  let sent: string | undefined;
  const headers = headersOf(made);
  const pipeline = newPipeline(credential, {
    httpClient: {
      sendRequest: (seen) => {
        sent = seen.headers.get('authorization');
        return Promise.reject(Object.assign(new Error('never sent'), { name: 'AbortError' }));
      },
    },
    retryOptions: { maxTries: 1 },
  });
  // A policy before the one that signs makes the SDK's request into ours, to the letter.
  const reshape = {
    create: (next: { sendRequest(seen: unknown): Promise<never> }) => ({
      sendRequest: (seen: {
        url: string;
        method: string;
        body: unknown;
        headers: {
          headerNames(): string[];
          remove(name: string): void;
          set(name: string, value: string): void;
        };
      }) => {
        for (const name of seen.headers.headerNames()) seen.headers.remove(name);
        for (const [name, value] of Object.entries(headers)) {
          if (name !== 'authorization' && name !== 'host') seen.headers.set(name, value);
        }
        seen.url = `https://${headers.host}${made.target}`;
        seen.method = made.method;
        seen.body = made.body === null ? undefined : Buffer.from(made.body).toString('latin1');
        if (made.body !== null && made.body.length > 0) {
          seen.headers.set('content-length', String(made.body.length));
        }
        return next.sendRequest(seen);
      },
    }),
  };
  pipeline.factories.splice(pipeline.factories.length - 1, 0, reshape as never);
  const client = new ContainerClient('https://myaccount.blob.core.windows.net/logs', pipeline);
  await client.getProperties().catch(() => undefined);
  return sent;
}

const store = data();
const requests: [string, () => PreparedRequest][] = [
  ['a whole blob', () => store.prepareRead(request({ whole: true }), NOW)],
  ['a range with a condition', () => store.prepareRead(request({ start: 7, version: '"0x8D"' }), NOW)],
  ['a snapshot', () => store.prepareRead(request({ version: 'snapshot=2026-11-20T10:11:12.1234567Z' }), NOW)],
  ['a version', () => store.prepareRead(request({ version: 'versionid=2026-11-20T10:11:12.1234567Z' }), NOW)],
  ['an odd key', () => store.prepareRead(request({ key: utf8("ä b+c%/?#&='()!*~日") }), NOW)],
  ['a head', () => store.prepareHead(utf8('a/key'), NOW)],
  [
    'a listing',
    () =>
      store.prepareList({ prefix: utf8('ä b+/'), delimiter: '/', continuation: '2!4!AbC=', limit: 10 }, NOW),
  ],
  ['a put', () => prepared(store, put({ ifAbsent: true, contentType: 'text/plain' }))],
  ['a put with MD5', () => prepared(data({ bodyChecksum: 'md5' }), put({ ifVersion: '0x8D' }))],
  ['an empty put', () => prepared(store, put({ body: new Uint8Array(0) }))],
  [
    'a block',
    () => {
      const upload = 'a'.repeat(32);
      const body = utf8('block');
      return prepared(store, { kind: 'part', key: utf8('k'), upload, index: 3, start: 0, body, last: true });
    },
  ],
  [
    'a block list',
    () => {
      const parts = [Buffer.alloc(39, 1).toString('base64')];
      const upload = 'a'.repeat(32);
      return prepared(store, { kind: 'complete', key: utf8('k'), upload, parts, size: 4, ...NO_CONDITION });
    },
  ],
  [
    'a copy',
    () => {
      const source = { sourceStore: 'az://myaccount/other', sourceKey: utf8('s ü'), sourceVersion: '"0x1"' };
      return prepared(store, { kind: 'copy', key: utf8('k'), ...source, ifAbsent: true, ifVersion: null });
    },
  ],
  ['a deletion', () => prepared(store, { kind: 'delete', keys: [utf8('k')], ifVersion: '"0x8D"' })],
  ['unfinished uploads', () => prepared(store, { kind: 'uploads', prefix: utf8('p/'), continuation: 'm' })],
];

describe('the signature of', () => {
  beforeEach(() => void vi.useFakeTimers({ now: NOW, toFake: ['Date'] }));
  afterEach(() => void vi.useRealTimers());

  it.each(requests)('%s is that of the SDK', async (_, make) => {
    const made = make();
    const ours = headersOf(made).authorization;
    expect(ours).toMatch(/^SharedKey myaccount:[A-Za-z0-9+/]{43}=$/);
    expect(await signatureOfSdk(made)).toBe(ours);
  });

  it('is made with the date of its second, and a long text', () => {
    const signer = createSigner('myaccount', KEY, '2023-11-03');
    const one = signer.sign({ ...BARE, path: `/c/${'k'.repeat(4000)}` }, NOW);
    expect(signer.date).toBe('Sat, 21 Nov 2026 04:36:34 GMT');
    const other = signer.sign({ ...BARE, path: '/c/k' }, NOW + 999);
    expect(signer.date).toBe('Sat, 21 Nov 2026 04:36:34 GMT');
    expect(signer.sign({ ...BARE, path: '/c/k' }, NOW + 1000)).not.toBe(other);
    expect(signer.date).toBe('Sat, 21 Nov 2026 04:36:35 GMT');
    expect(signer.sign({ ...BARE, path: `/c/${'k'.repeat(4000)}` }, NOW)).toBe(one);
  });
});

describe('the right to read the source of a copy', () => {
  it.each([
    ['b', null, ''],
    ['bs', 'snapshot', '2026-11-20T10:11:12.1234567Z'],
    ['bv', 'versionid', '2026-11-20T10:11:12.1234567Z'],
  ] as const)('is signed as the SDK signs it (%s)', (resource, name, value) => {
    const query = readSas(
      { account: 'myaccount', container: 'logs', key: 's ü+%', pinned: { ifMatch: null, name, value } },
      KEY,
      NOW,
    );
    const ours = new URLSearchParams(query);
    const theirs = generateBlobSASQueryParameters(
      {
        containerName: 'logs',
        blobName: 's ü+%',
        permissions: BlobSASPermissions.parse('r'),
        expiresOn: new Date(NOW + 3_600_000),
        version: '2020-12-06',
        ...(name === 'snapshot' ? { snapshotTime: value } : {}),
        ...(name === 'versionid' ? { versionId: value } : {}),
      },
      credential,
    );
    expect(ours.get('sr')).toBe(resource);
    expect(ours.get('sig')).toBe(theirs.signature);
  });
});

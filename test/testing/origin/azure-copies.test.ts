/** Who may have a blob copied: the source's own grant is looked at, whatever the request itself came with. */
import {
  BlobSASPermissions,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  type BlobSASSignatureValues,
} from '@azure/storage-blob';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Runtime, type AzureOptions } from '../../../dist/index.js';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { ask, clientOf, credentialOf, VERSION } from './azure.kit.js';
import { headerOf, type Seen } from './raw.kit.js';

const HOUR_MS = 3_600_000;
let origin: Origin;

beforeAll(async () => {
  origin = await startOrigin({
    dialect: 'azure',
    objects: [
      { bucket: 'data', key: 'source', body: 'its bytes' },
      { bucket: 'data', key: 'secret', body: 'no bytes' },
      { bucket: 'open', key: 'source', body: 'for all' },
    ],
    publicBuckets: ['open'],
    forbidden: [/^secret/],
    tokens: [{ token: 'writer' }, { token: 'ended', expired: true }],
    versioning: true,
  });
});
afterAll(() => origin.stop());
afterEach(() => origin.reset());

const urlOf = (name: string): string => `${origin.url}/${origin.account.name}/${name}`;

/** A grant to read `data/source`, or whatever else is asked for. */
function grant(more: Partial<BlobSASSignatureValues> = {}): string {
  const values: BlobSASSignatureValues = {
    containerName: 'data',
    blobName: 'source',
    permissions: BlobSASPermissions.parse('r'),
    expiresOn: new Date(Date.now() + HOUR_MS),
    ...more,
  };
  return generateBlobSASQueryParameters(values, credentialOf(origin)).toString();
}

function containerGrant(containerName: string, letters: string): string {
  const permissions = ContainerSASPermissions.parse(letters);
  const expiresOn = new Date(Date.now() + HOUR_MS);
  return generateBlobSASQueryParameters(
    { containerName, permissions, expiresOn },
    credentialOf(origin),
  ).toString();
}

type Way = 'Copy Blob' | 'Copy Blob From URL' | 'Put Blob From URL' | 'Put Block From URL';
const WAYS: Readonly<Record<Way, { query: string; headers: Record<string, string> }>> = {
  'Copy Blob': { query: '', headers: {} },
  'Copy Blob From URL': { query: '', headers: { 'x-ms-requires-sync': 'true' } },
  'Put Blob From URL': { query: '', headers: { 'x-ms-blob-type': 'BlockBlob' } },
  'Put Block From URL': { query: '?comp=block&blockid=AAAA', headers: {} },
};
const SYNCHRONOUS = ['Copy Blob From URL', 'Put Blob From URL', 'Put Block From URL'] as const;
const ALL = ['Copy Blob', ...SYNCHRONOUS] as const;

/** By a token that may do all, unless another authorization is given. */
function copy(way: Way, source: string, more: Record<string, string> = {}, sas = ''): Promise<Seen> {
  const { query, headers } = WAYS[way];
  const path = `data/copy${query}${sas === '' ? '' : `${query === '' ? '?' : '&'}${sas}`}`;
  const own = sas === '' ? { Authorization: 'Bearer writer' } : {};
  const all = { ...own, 'x-ms-version': VERSION, 'x-ms-copy-source': source, ...headers, ...more };
  return ask(origin, { method: 'PUT', path, headers: all });
}
const told = ({ head }: Seen): string =>
  `${head.slice(9, 12)} ${headerOf(head, 'x-ms-error-code')}`.trimEnd();
const DONE = /^20[12]$/;

describe.each(ALL)('%s', (way) => {
  test('reads what its source is granted for', async () => {
    expect(told(await copy(way, `${urlOf('data/source')}?${grant()}`))).toMatch(DONE);
    expect(told(await copy(way, urlOf('open/source')))).toMatch(DONE);
  });

  test.each<[string, () => string]>([
    ['nobody signed', () => 'sv=2020-12-06&se=2000-01-01&sr=b&sp=r&sig=wrong'],
    ['is over', () => grant({ expiresOn: new Date(Date.now() - HOUR_MS) })],
    ['is of another blob', () => grant({ blobName: 'other' })],
    ['is of another container', () => containerGrant('open', 'r')],
    ['lets write alone', () => grant({ permissions: BlobSASPermissions.parse('data') })],
  ])('does not read by a grant that %s', async (_, sas) => {
    expect(told(await copy(way, `${urlOf('data/source')}?${sas()}`))).toBe('403 CannotVerifyCopySource');
  });

  test('does not read what is forbidden', async () => {
    const sas = grant({ blobName: 'secret' });
    expect(told(await copy(way, `${urlOf('data/secret')}?${sas}`))).toBe('403 CannotVerifyCopySource');
  });
});

describe.each(SYNCHRONOUS)('%s', (way) => {
  test('is not enough by itself for its source', async () => {
    const answer = await copy(way, urlOf('data/source'));
    expect(told(answer)).toBe('401 CannotVerifyCopySource');
    expect(answer.body.toString()).toContain('Server failed to authenticate the request.');
    expect(told(await copy(way, urlOf('data/source'), { 'x-ms-version': '2019-07-07' }))).toBe(
      '404 CannotVerifyCopySource',
    );
  });

  test('may bring a token for its source', async () => {
    const by = (token: string) =>
      copy(way, urlOf('data/source'), { 'x-ms-copy-source-authorization': `Bearer ${token}` });
    expect(told(await by('writer'))).toMatch(DONE);
    for (const token of ['ended', 'unknown']) {
      expect(told(await by(token))).toBe('401 CannotVerifyCopySource');
    }
  });
});

test('Copy Blob within the account may be authorized for both, but not by a shared access signature', async () => {
  expect(told(await copy('Copy Blob', urlOf('data/source')))).toMatch(DONE);
  const block = clientOf(origin).getContainerClient('data').getBlockBlobClient('polled');
  await (await block.beginCopyFromURL(urlOf('data/source'))).pollUntilDone();
  const sas = grant({ blobName: 'copy', permissions: BlobSASPermissions.parse('cw') });
  expect(told(await copy('Copy Blob', urlOf('data/source'), {}, sas))).toBe('401 CannotVerifyCopySource');
  expect(told(await copy('Copy Blob', `${urlOf('data/source')}?${grant()}`, {}, sas))).toMatch(DONE);
});

test('the version that a source names is copied, not the present one', async () => {
  const block = clientOf(origin).getContainerClient('data').getBlockBlobClient('twice');
  const { versionId = '' } = await block.upload('first', 5);
  await block.upload('second', 6);
  const copied = await copy('Copy Blob', `${urlOf('data/twice')}?versionid=${encodeURIComponent(versionId)}`);
  expect(told(copied)).toMatch(DONE);
  const { body } = await ask(origin, {
    path: 'data/copy',
    headers: { Authorization: 'Bearer writer', 'x-ms-version': VERSION },
  });
  expect(body.toString()).toBe('first');
});

describe('a copy of the library', () => {
  const copyBy = async (az: AzureOptions): Promise<string[]> => {
    const runtime = await Runtime.start({ workers: 1, stores: { az } });
    try {
      const uri = (key: string) => `az://${origin.account.name}/data/${key}`;
      await runtime.copy(uri('source'), uri('by-library'));
    } finally {
      await runtime.close();
    }
    return (await origin.requests()).map(({ op, status }) => `${op} ${status}`);
  };

  test.each<[string, () => AzureOptions]>([
    ['key', () => ({ accountKey: origin.account.key })],
    [
      'token',
      () => ({
        credential: {
          getToken: () => Promise.resolve({ token: 'writer', expiresOnTimestamp: Date.now() + HOUR_MS }),
        },
      }),
    ],
    ['signature', () => ({ sasToken: containerGrant('data', 'rcwl') })],
  ])('by a %s is granted its source, and made by the service', async (_, auth) => {
    expect(await copyBy({ endpoint: `${origin.url}/${origin.account.name}`, ...auth() })).toEqual([
      'head 200',
      'copy 201',
    ]);
  });
});

import { get } from 'node:https';
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { azuriteAvailable, azuriteToken, startAzurite, type Azurite } from '../kit/azurite.mjs';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../dist/testing/pattern.js';
import { skipUnless } from '../kit/require-server.mjs';
import { remains, started } from './server-traces.js';

const client = (server: Azurite, key = server.key): BlobServiceClient =>
  new BlobServiceClient(server.url, new StorageSharedKeyCredential(server.account, key), {
    retryOptions: { maxTries: 1 },
    ...(server.ca === null ? {} : { tlsOptions: { ca: server.ca } }),
  });

describe.skipIf(skipUnless(azuriteAvailable()))('Azurite', () => {
  let server: Azurite;
  beforeAll(async () => {
    server = await startAzurite();
    await client(server).getContainerClient('kit').create();
  });
  afterAll(() => server?.stop());

  test('gives back what was put', async () => {
    const blob = client(server).getContainerClient('kit').getBlockBlobClient('k');
    const body = patternBytes(objectIdOf('k'), 100_000);
    await blob.upload(body, body.length);
    const bytes = await blob.downloadToBuffer();
    expect([bytes.length, verifyPattern(objectIdOf('k'), 0, bytes)]).toEqual([100_000, -1]);
  });

  test('refuses a wrong key', async () => {
    const refused = client(server, 'd3Jvbmc=').getContainerClient('kit').getProperties();
    await expect(refused).rejects.toMatchObject({ statusCode: 403 });
  });

  test('does not know what another one has, and its stop leaves no process and no directory', async () => {
    const { server: other, traces } = await started(startAzurite);
    expect(traces.length).toBe(1);
    expect(await client(other).getContainerClient('kit').exists()).toBe(false);
    expect(await client(server).getContainerClient('kit').exists()).toBe(true);
    await Promise.all([other.stop(), other.stop()]);
    expect(remains(traces)).toEqual([]);
    await expect(fetch(other.url)).rejects.toThrow('fetch failed');
  });
});

/** Status of a list of containers, with this token. */
const list = (server: Azurite, token: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      'x-ms-date': new Date().toUTCString(),
      'x-ms-version': '2024-11-04',
    };
    get(`${server.url}/?comp=list`, { ca: server.ca!, agent: false, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode));
    }).on('error', reject);
  });

describe.skipIf(skipUnless(azuriteAvailable()))('Azurite over https', () => {
  test('takes a token, refuses one that is over, and takes the shared key too', async () => {
    await using server = await startAzurite({ oauth: true });
    expect(server.url).toMatch(/^https:/);
    expect(await list(server, azuriteToken())).toBe(200);
    expect(await list(server, azuriteToken({ lifetimeMs: -60_000 }))).toBe(403);
    expect(await client(server).getContainerClient('kit').exists()).toBe(false);
  });

  test('takes no token without oauth', async () => {
    await using server = await startAzurite({ secure: true });
    expect(await list(server, azuriteToken())).toBe(403);
  });
});

/** The store under a runtime: credentials that are wrong or end, a clock that is off, older states, and whole objects. */
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ObjectDataset, Runtime, type AzureOptions, type MillraceError } from '../../../dist/index.js';
import { azuriteAvailable, startAzurite, type Azurite } from '../../kit/azurite.mjs';
import { startOrigin, type Origin } from '../../../dist/testing/index.js';
import { patternBytes } from '../../../dist/testing/pattern.js';
import { skipUnless } from '../../kit/require-server.mjs';
import { KEY, SAS, SIGNATURE } from './kit.js';

const COUNT = 300;
const MIB = 1024 * 1024;
const TOKENS = [1, 2, 3].map((n) => `${'token-of-generation-'.repeat(4)}${n}`);
const TOKEN_LIFE_MS = 3_600_000;

async function within<T>(az: AzureOptions, use: (runtime: Runtime) => Promise<T>): Promise<T> {
  const runtime = await Runtime.start({ workers: 2, memoryBudget: '64MiB', stores: { az } });
  try {
    return await use(runtime);
  } finally {
    await runtime.close();
  }
}

async function refusalOf(az: AzureOptions, uri: string): Promise<MillraceError> {
  return await within(az, async (runtime) => {
    try {
      (await runtime.get(uri)).release();
    } catch (thrown) {
      return thrown as MillraceError;
    }
    throw new Error('it was read');
  });
}

describe('against the scripted origin', () => {
  let origin: Origin;
  let endpoint: string;
  let uri: (key: string) => string;
  beforeAll(async () => {
    origin = await startOrigin({
      dialect: 'azure',
      tokens: TOKENS.map((token) => ({ token })),
      objects: [
        { bucket: 'data', prefix: 'many/', count: COUNT, sizes: [700] },
        { bucket: 'data', key: 'large', size: 20 * MIB + 7 },
      ],
    });
    endpoint = `${origin.url}/${origin.account.name}`;
    uri = (key) => `az://${origin.account.name}/data/${key}`;
  });
  afterAll(() => origin.stop());

  it('two tokens that end in mid-run cost two renewals, and no item', async () => {
    let asked = 0;
    const credential = {
      getToken: () =>
        Promise.resolve({ token: TOKENS[asked++]!, expiresOnTimestamp: Date.now() + TOKEN_LIFE_MS }),
    };
    const delivered = await within({ endpoint, credential }, async (runtime) => {
      let count = 0;
      const loader = runtime.loader(ObjectDataset.fromPrefix(uri('many/')), {
        batchSize: 10,
        prefetchBatches: 1,
      });
      for await (const batch of loader) {
        if (count === 50 || count === 150) await origin.expire(TOKENS[asked - 1]);
        count += batch.length;
      }
      return count;
    });
    expect(delivered).toBe(COUNT);
    expect(asked).toBe(3);
  });

  it('a clock that is an hour off costs one request', async () => {
    await origin.configure({ clockOffsetMs: 3_600_000 });
    await origin.reset();
    try {
      await within({ endpoint, accountKey: origin.account.key }, async (runtime) => {
        expect((await runtime.head(uri('large'))).size).toBe(20 * MIB + 7);
      });
      const codes = (await origin.requests()).map(({ status }) => status);
      expect(codes).toEqual([403, 200]);
    } finally {
      await origin.configure({ clockOffsetMs: 0 });
    }
  });

  it('holds every later part of a large blob to the version of the first', async () => {
    await origin.reset();
    await within({ endpoint, accountKey: origin.account.key }, async (runtime) => {
      const result = await runtime.get(uri('large'), { size: 20 * MIB + 7 });
      expect(result.bytes.length).toBe(20 * MIB + 7);
      result.release();
    });
    const parts = await origin.requests({ op: 'get' });
    expect(parts.length).toBe(6);
    expect(parts.filter(({ ifMatch }) => ifMatch === null)).toHaveLength(1);
  });

  it.each<[string, () => AzureOptions, () => string, string, RegExp]>([
    ['a wrong key', () => ({ accountKey: KEY }), () => uri('large'), 'Unauthenticated', /not one of account/],
    [
      'a wrong signature',
      () => ({ sasToken: SAS.replace('2026-11-22', '2126-11-22') }),
      () => uri('large'),
      'Unauthenticated',
      /shared access signature/,
    ],
    [
      'a container that is not there',
      () => ({ accountKey: origin.account.key }),
      () => uri('x').replace('/data/', '/nothing/'),
      'NotFound',
      /no container "nothing" in account/,
    ],
    [
      'a blob that is not there',
      () => ({ accountKey: origin.account.key }),
      () => uri('x'),
      'NotFound',
      /no such blob/,
    ],
    [
      'no credentials',
      () => ({ anonymous: true }),
      () => uri('large'),
      'Unauthenticated',
      /leave out `anonymous`/,
    ],
  ])('%s says what to do', async (_, options, target, code, message) => {
    const error = await refusalOf({ endpoint, ...options() }, target());
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
    const wire = JSON.stringify(error.toWire());
    for (const secret of [KEY, origin.account.key, SIGNATURE])
      expect(wire).not.toContain(secret.slice(0, 16));
    expect(error.requestId).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe.skipIf(skipUnless(azuriteAvailable()))('against Azurite', () => {
  let server: Azurite;
  let client: BlobServiceClient;
  const uri = (key: string): string => `az://devstoreaccount1/data/${key}`;
  beforeAll(async () => {
    server = await startAzurite();
    client = new BlobServiceClient(server.url, new StorageSharedKeyCredential(server.account, server.key));
    await client.getContainerClient('data').create();
  });
  afterAll(() => server.stop());
  const options = (): AzureOptions => ({ connectionString: server.connectionString });

  it('writes, lists, reads, copies and deletes what the SDK sees', async () => {
    const large = patternBytes(1, 33 * MIB + 5);
    await within(options(), async (runtime) => {
      await runtime.put(uri('dir/small ü+'), Buffer.from('small'), { contentType: 'text/plain' });
      const written = await runtime.put(uri('dir/large'), large);
      const properties = await client.getContainerClient('data').getBlobClient('dir/large').getProperties();
      expect(properties.etag).toBe(written.version);
      expect(properties.contentLength).toBe(large.length);
      const names = [];
      for await (const entry of runtime.list(uri('dir/'))) names.push(entry.uri);
      expect(names).toEqual([uri('dir/large'), uri('dir/small ü+')]);
      const seen = await client.getContainerClient('data').getBlobClient('dir/large').downloadToBuffer();
      expect(Buffer.compare(seen, large)).toBe(0);
      const back = await runtime.get(uri('dir/large'), { verify: 'always' });
      expect(Buffer.compare(back.bytes, large)).toBe(0);
      back.release();
      await runtime.copy(uri('dir/large'), uri('copied'));
      expect((await runtime.head(uri('copied'))).size).toBe(large.length);
      await runtime.delete(uri('copied'));
      await expect(runtime.head(uri('copied'))).rejects.toMatchObject({ code: 'NotFound' });
    });
  });

  it('reads a snapshot by its name, though the blob was replaced since', async () => {
    const blob = client.getContainerClient('data').getBlockBlobClient('kept');
    await blob.upload('before', 6);
    const { snapshot } = await blob.createSnapshot();
    await blob.upload('afterwards', 10);
    await within(options(), async (runtime) => {
      const old = await runtime.get(uri('kept'), { version: `snapshot=${snapshot}` });
      expect(old.text()).toBe('before');
      old.release();
      await expect(
        runtime.get(uri('kept'), { version: 'snapshot=2020-01-01T00:00:00.0000000Z' }),
      ).rejects.toMatchObject({ code: 'NotFound' });
    });
  });

  it('refuses to take a server without versions for one that has them', async () => {
    await client.getContainerClient('data').getBlockBlobClient('plain').upload('x', 1);
    await within(options(), async (runtime) => {
      const version = 'versionid=2026-11-20T10:11:12.1234567Z';
      await expect(runtime.get(uri('plain'), { version })).rejects.toMatchObject({ code: 'VersionChanged' });
    });
  });
});

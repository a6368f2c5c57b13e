/** Objects of Cloud Storage through a whole runtime: written, copied, read back, listed and deleted, by token and by key. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ObjectDataset, Runtime } from '../../dist/index.js';
import { DEFAULT_CREDENTIALS, startOrigin, type Origin } from '../../dist/testing/index.js';
import { fillPattern, objectIdOf } from '../../dist/backends/memory/pattern.js';
import { verifyPattern } from '../../dist/testing/pattern.js';
import { MIB } from './kit.js';

const BUCKET = 'e2e-bucket';

function bytesOf(key: string, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  fillPattern(objectIdOf(key), 0, bytes);
  return bytes;
}

async function* chunksOf(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

const WAYS = {
  token: { tokens: ['token-1'] },
  'HMAC key': {},
} as const;

describe.each(Object.keys(WAYS))('gs by %s through a runtime', (way) => {
  let origin: Origin;
  let runtime: Runtime;
  let asked = 0;

  beforeAll(async () => {
    const tokens = ['token-1', 'token-2'].map((token) => ({ token }));
    origin = await startOrigin({
      dialect: 'gcs',
      buckets: [BUCKET],
      tokens,
      generationOffset: '9007199254740992',
    });
    const { accessKeyId: accessId, secretAccessKey: secret } = DEFAULT_CREDENTIALS;
    const credentials = (): Promise<{ accessToken: string }> => {
      asked += 1;
      return Promise.resolve({ accessToken: `token-${asked}` });
    };
    const auth = way === 'token' ? { credentials } : { hmac: { accessId, secret } };
    const stores = { gs: { ...auth, endpoint: origin.url } };
    runtime = await Runtime.start({ workers: 2, memoryBudget: '128MiB', maxConnections: 16, stores });
  });
  afterAll(async () => {
    await runtime.close();
    await origin.stop();
  });

  const uri = (key: string): string => `gs://${BUCKET}/${key}`;
  async function expectBytes(key: string, bytes: Uint8Array, version: string | null): Promise<void> {
    const result = await runtime.get(uri(key), { verify: 'always' });
    try {
      expect(result.version).toBe(version);
      expect(Buffer.compare(result.bytes, bytes)).toBe(0);
    } finally {
      result.release();
    }
  }

  it('puts an object, and reads it back in the version that it told', async () => {
    const bytes = bytesOf('put/a b+%?', 100_003);
    const { version, size } = await runtime.put(uri('put/a b+%?'), bytes, { contentType: 'text/x' });
    expect(size).toBe(100_003);
    expect(BigInt(version!)).toBeGreaterThan(2n ** 53n);
    await expectBytes('put/a b+%?', bytes, version);
    expect(await runtime.head(uri('put/a b+%?'))).toMatchObject({ size, version, contentType: 'text/x' });
  });

  it('puts a large object in parts that go beside each other', async () => {
    const bytes = bytesOf('parts/large', 25 * MIB + 17);
    await origin.reset();
    const { version } = await runtime.putStream(uri('parts/large'), chunksOf(bytes, 1_000_003));
    await expectBytes('parts/large', bytes, version);
    const requests = await origin.requests();
    expect(requests.filter(({ op }) => op === 'put-part')).toHaveLength(4);
    expect(requests.filter(({ op }) => op === 'create-upload').map(({ target }) => target)).toEqual([
      `/${BUCKET}/parts/large?uploads=`,
    ]);
  });

  if (way === 'token')
    it('creates a large object only once, in a session', async () => {
      const bytes = bytesOf('session/large', 16 * MIB);
      const put = (): ReturnType<Runtime['putStream']> =>
        runtime.putStream(uri('session/large'), chunksOf(bytes, 999_983), { ifAbsent: true });
      await origin.reset();
      const { version } = await put();
      await expectBytes('session/large', bytes, version);
      // Its size was not known: the end is a request of its own.
      const targets = (await origin.requests()).filter(({ method }) => method === 'PUT').map(({ op }) => op);
      expect(targets).toEqual(['put-part', 'put-part', 'list-parts']);
      await expect(put()).rejects.toMatchObject({ code: 'AlreadyExists' });
    });

  if (way === 'token')
    it('goes on with a session of which a piece was kept in part', async () => {
      const bytes = bytesOf('session/partial', 20 * MIB + 5);
      await origin.script({ op: 'put-part', nth: 1, do: { lie: 'partial-chunk' } });
      const { version } = await runtime.putStream(uri('session/partial'), chunksOf(bytes, MIB), {
        ifAbsent: true,
      });
      await origin.script();
      await expectBytes('session/partial', bytes, version);
    });

  if (way === 'HMAC key')
    it('says that a large object takes no condition', async () => {
      const bytes = bytesOf('session/large', 20 * MIB);
      const put = runtime.put(uri('session/large'), bytes, { ifAbsent: true });
      await expect(put).rejects.toMatchObject({ code: 'Unsupported' });
    });

  it('copies inside the service or through memory', async () => {
    const bytes = bytesOf('copy/source', 3 * MIB + 1);
    await runtime.put(uri('copy/source'), bytes);
    const { version } = await runtime.copy(uri('copy/source'), uri('copy/target'));
    await expectBytes('copy/target', bytes, version);
  });

  if (way === 'token')
    it('copies through memory what the service copies in steps', async () => {
      await origin.script({ op: 'copy', do: { lie: 'rewrite-loop' } });
      const { version } = await runtime.copy(uri('copy/source'), uri('copy/stepped'));
      await origin.script();
      await expectBytes('copy/stepped', bytesOf('copy/source', 3 * MIB + 1), version);
    });

  it('lists and loads what is there, and deletes it', async () => {
    for (let at = 0; at < 30; at += 1) await runtime.put(uri(`many/${at}`), bytesOf(`many/${at}`, 5000 + at));
    let seen = 0;
    const loader = runtime.loader(ObjectDataset.fromPrefix(uri('many/')), { batchSize: 8, verify: 'always' });
    for await (const batch of loader) {
      for (const item of batch) {
        expect(verifyPattern(objectIdOf(item.key), 0, item.bytes)).toBe(-1);
        seen += 1;
      }
    }
    expect(seen).toBe(30);
    await runtime.delete(uri('many/0'));
    await runtime.delete(uri('many/0'));
    await expect(runtime.get(uri('many/0'))).rejects.toMatchObject({ code: 'NotFound' });
  });

  it('refuses a condition that does not hold', async () => {
    const first = await runtime.put(uri('cas'), bytesOf('cas', 10), { ifAbsent: true });
    await expect(runtime.put(uri('cas'), bytesOf('cas', 11), { ifAbsent: true })).rejects.toMatchObject({
      code: 'AlreadyExists',
    });
    await runtime.put(uri('cas'), bytesOf('cas', 12), { ifVersion: first.version! });
    const late = runtime.put(uri('cas'), bytesOf('cas', 13), { ifVersion: first.version! });
    await expect(late).rejects.toMatchObject({ code: 'VersionChanged' });
  });

  if (way === 'token')
    it('asks for another token when its own is refused, once for all', async () => {
      expect(asked).toBe(1);
      await origin.expire('token-1');
      const results = await Promise.all([1, 2, 3, 4].map((at) => runtime.head(uri(`many/${at}`))));
      expect(results.map(({ size }) => size)).toEqual([5001, 5002, 5003, 5004]);
      expect(asked).toBe(2);
    });
});

describe('gs with an object that is stored as gzip', () => {
  it('is refused, or read as it is stored', async () => {
    const { gzipSync } = await import('node:zlib');
    const body = gzipSync(Buffer.from('compressed '.repeat(1000)));
    const objects = [{ bucket: BUCKET, key: 'packed', body, attributes: { contentEncoding: 'gzip' } }];
    await using origin = await startOrigin({ dialect: 'gcs', objects, publicBuckets: [BUCKET] });
    for (const allowContentEncoding of [false, true]) {
      const stores = { gs: { anonymous: true, endpoint: origin.url, allowContentEncoding } };
      const runtime = await Runtime.start({ workers: 1, memoryBudget: '32MiB', stores });
      try {
        const reading = runtime.get(`gs://${BUCKET}/packed`, { verify: 'always' });
        if (!allowContentEncoding) await expect(reading).rejects.toMatchObject({ code: 'Unsupported' });
        else {
          const result = await reading;
          expect(Buffer.compare(result.bytes, body)).toBe(0);
          result.release();
        }
      } finally {
        await runtime.close();
      }
    }
  });
});

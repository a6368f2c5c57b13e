/** Every byte that is delivered is the byte that the service has: sizes at all edges, odd keys, any number of workers. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ObjectDataset, Runtime } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';
import { radosgwAvailable, startRadosgw, type Radosgw } from '../kit/radosgw.mjs';
import { skipUnless } from '../kit/require-server.mjs';
import {
  expectedSha256,
  expectIdle,
  expectSum,
  KIB,
  keysInOrder,
  MIB,
  sha256,
  startRuntime,
  type S3Server,
  type StartOptions,
} from './kit.js';
import { runtimeOf, SERVICES, startService } from './stores.kit.js';

const BUCKET = 'bytes';
const SIZES = [0, 1, 4 * KIB - 1, 4 * KIB, 64 * KIB + 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 17 * MIB];
const NAMES = [
  'with space',
  'plus+sign',
  '100%',
  'looks%2Fencoded',
  '%',
  'a?b#c',
  'ünïcödé',
  '日本語/名前',
  'emoji-😀',
  'tilde~(*)!\'"',
];

interface Entry {
  readonly key: string;
  readonly size: number;
}

const sized: Entry[] = SIZES.map((size) => ({ key: `sizes/${String(size).padStart(9, '0')}`, size }));
const named: Entry[] = NAMES.map((name, i) => ({ key: `names/${name}`, size: 1000 + i }));
const rooted: Entry = { key: '/leading slash', size: 2001 };
const entries = [...sized, ...named, rooted];
const sizes = new Map(entries.map(({ key, size }) => [key, size]));
const sizeOf = (key: string): number => sizes.get(key) ?? -1;
const inByteOrder = [...sizes.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

/** Where one server has the objects. */
interface Shop {
  uriOf(key: string): string;
  start(options: StartOptions): Promise<Runtime>;
}

function ofS3(server: S3Server): Shop {
  return {
    uriOf: (key) => `s3://${BUCKET}/${key}`,
    start: (options) => startRuntime(server, options),
  };
}

function deliversEverything(use: () => Shop): void {
  const uriOf = ({ key }: Entry): string => use().uriOf(key);
  describe.each([1, 4])('with %i workers', (workers) => {
    let runtime: Runtime;
    beforeAll(async () => {
      runtime = await use().start({ workers });
    });
    afterAll(async () => {
      await runtime.close();
    });

    test('a listing is delivered in its order, byte for byte', async () => {
      const loader = runtime.loader(ObjectDataset.fromPrefix(use().uriOf('')), { batchSize: 3 });
      expect(await keysInOrder(loader, sizeOf)).toEqual(inByteOrder);
      expect(loader.report).toMatchObject({ delivered: entries.length, listed: 'complete' });
      expectSum(loader.report);
      await expectIdle(runtime);
    });

    test('a list of URIs without sizes is delivered in completion order, each once, byte for byte', async () => {
      const loader = runtime.loader(ObjectDataset.fromUris(entries.map(uriOf)), {
        batchSize: 4,
        order: 'completion',
      });
      const keys = await keysInOrder(loader, sizeOf);
      expect(keys.sort()).toEqual([...sizes.keys()].sort());
      expectSum(loader.report);
      await expectIdle(runtime);
    });

    test('the same seed gives the same order, byte for byte, and a range is cut where it was asked', async () => {
      const dataset = ObjectDataset.fromUris(entries.map(uriOf));
      const orders: string[][] = [];
      for (const batchSize of [2, 7]) {
        const loader = runtime.loader(dataset, { batchSize, shuffle: true, seed: 7 });
        orders.push(await keysInOrder(loader, sizeOf));
      }
      expect(orders[1]).toEqual(orders[0]);
      expect(orders[0]).not.toEqual(entries.map(({ key }) => key));
      expect(orders[0]?.toSorted()).toEqual([...sizes.keys()].toSorted());
    });

    test('single objects have the digest of what was put', async () => {
      for (const entry of entries) {
        const result = await runtime.get(uriOf(entry));
        expect([result.key, sha256(result.bytes)]).toEqual([
          entry.key,
          expectedSha256(entry.key, entry.size),
        ]);
        result.release();
      }
      await expectIdle(runtime);
    });

    test('ranges around every part edge hold the bytes of their place', async () => {
      const entry = sized.at(-1)!;
      const whole = patternBytes(objectIdOf(entry.key), entry.size);
      for (const edge of [0, 8 * MIB, 16 * MIB, entry.size]) {
        for (const [start, end] of [
          [edge - 1, edge + 1],
          [edge, edge + 1],
          [edge - 70_000, edge],
        ] as const) {
          if (start < 0 || start >= entry.size) continue;
          const result = await runtime.getRange(uriOf(entry), { start, end });
          expect(Buffer.compare(result.bytes, whole.subarray(start, end))).toBe(0);
          result.release();
        }
      }
      await expectIdle(runtime);
    });
  });
}

describe.each(SERVICES)('from the scripted origin of $scheme', (service) => {
  let origin: Origin;
  beforeAll(async () => {
    const objects = entries.map((entry) => ({ bucket: BUCKET, ...entry }));
    origin = await startService(service, { objects });
  });
  afterAll(() => origin.stop());
  deliversEverything(() => ({
    uriOf: (key) => service.uriOf(origin, BUCKET, key),
    start: (options) => runtimeOf(service, origin, options),
  }));
});

describe.skipIf(skipUnless(radosgwAvailable()))('from radosgw', () => {
  let server: Radosgw;
  beforeAll(async () => {
    server = await startRadosgw();
    const client = new S3Client({
      endpoint: server.url,
      region: server.region,
      credentials: server.credentials,
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
    });
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    for (const { key, size } of entries) {
      const Body = patternBytes(objectIdOf(key), size);
      await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body }));
    }
    client.destroy();
  });
  afterAll(() => server.stop());
  describe('over HTTP', () => {
    deliversEverything(() =>
      ofS3({ url: server.url, region: server.region, credentials: server.credentials }),
    );
  });
  describe('over TLS', () => {
    deliversEverything(() =>
      ofS3({
        url: server.secureUrl,
        region: server.region,
        credentials: server.credentials,
        ca: server.ca,
      }),
    );
  });
});

describe('from files', () => {
  const files: Entry[] = [...sized, ...named]
    .map(({ key, size }) => ({ key: key.slice(key.indexOf('/') + 1).replaceAll('/', '_'), size }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  const fileSizes = new Map(files.map(({ key, size }) => [key, size]));
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'millrace-e2e-'));
    for (const { key, size } of files) {
      await writeFile(join(root, key), patternBytes(objectIdOf(key), size));
    }
  });
  afterAll(() => rm(root, { recursive: true }));
  const nameOf = (key: string): string => key.slice(key.lastIndexOf('/') + 1);

  test.each([
    [1, 'sequence', undefined],
    [4, 'sequence', { splitThreshold: '8MiB', partBytes: '3MiB' }],
    [4, 'completion', undefined],
  ] as const)('with %i workers in %s order (ranges %o), byte for byte', async (workers, order, ranges) => {
    const runtime = await Runtime.start({ workers, memoryBudget: '128MiB' });
    try {
      const loader = runtime.loader(ObjectDataset.fromPrefix(`${pathToFileURL(root).href}/`), {
        batchSize: 4,
        order,
        ...(ranges === undefined ? {} : { ranges }),
      });
      const keys = await keysInOrder(loader, (key) => fileSizes.get(key) ?? -1, nameOf);
      expect(order === 'sequence' ? keys : keys.sort()).toEqual(
        order === 'sequence' ? [...fileSizes.keys()] : [...fileSizes.keys()].sort(),
      );
      expectSum(loader.report);
      for (const { key, size } of files) {
        const result = await runtime.get(pathToFileURL(join(root, key)).href);
        expect([key, sha256(result.bytes)]).toEqual([key, expectedSha256(key, size)]);
        result.release();
      }
      await expectIdle(runtime);
    } finally {
      await runtime.close();
    }
  });
});

test('two services in one process do not mix their bytes', async () => {
  const objects = [{ bucket: BUCKET, prefix: 'same/', count: 200, sizes: [5000, 9000] }];
  await using first = await startOrigin({ objects });
  await using second = await startOrigin({ objects });
  await second.bump(BUCKET);
  const runtimes = await Promise.all([first, second].map((origin) => startRuntime(origin)));
  try {
    const versions = await Promise.all(
      runtimes.map(async (runtime, generation) => {
        const seen: number[] = [];
        for await (const batch of runtime.loader(ObjectDataset.fromPrefix(`s3://${BUCKET}/`))) {
          for (const item of batch) {
            const expected = patternBytes(objectIdOf(item.key, generation), item.size);
            seen.push(Buffer.compare(item.bytes, expected));
          }
        }
        return seen;
      }),
    );
    expect(versions.map((seen) => [seen.length, seen.every((each) => each === 0)])).toEqual([
      [200, true],
      [200, true],
    ]);
  } finally {
    await Promise.all(runtimes.map((runtime) => runtime.close()));
  }
});

/** Scale: a hundred million computed keys, and ten thousand objects of all sizes from each kind of store. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Runtime } from '../../dist/index.js';
import { startOrigin, type Origin } from '../../dist/testing/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';
import { runNode } from '../kit/process.mjs';
import { radosgwAvailable, startRadosgw, type Radosgw } from '../kit/radosgw.mjs';
import { skipUnless } from '../kit/require-server.mjs';
import { MIB, s3Options, type S3Server } from '../e2e/kit.js';
import { SERVICES, startService } from '../e2e/stores.kit.js';
import { ENTRIES, everyDigestIsRight, SUBSET, TOTAL, type Entry } from './scale.kit.js';

const BUCKET = 'scale';
const KEYS = 100_000_000;
const CHILD = fileURLToPath(new URL('./modules/keys-child.mjs', import.meta.url));
const contentOf = ({ key, size }: Entry): Uint8Array => patternBytes(objectIdOf(key), size);

test('a hundred million computed keys, shuffled, take no memory, and the same seed gives the same order', async () => {
  await using origin = await startOrigin({
    objects: [{ bucket: 'keys', prefix: 'many/', count: KEYS, sizes: [100] }],
  });
  const { url, region, credentials } = origin;
  const given = { server: { url, region, credentials }, length: KEYS, batches: 50 };
  const child = runNode(CHILD, { args: [JSON.stringify(given)], timeoutMs: 120_000 });
  const { code, stdout, stderr } = await child.exit();
  expect(code, stderr).toBe(0);
  const seen = JSON.parse(stdout) as Record<string, number>;
  console.info(
    `first batch after ${seen.firstMs} ms; at most ${Math.round(seen.peakRss! / MIB)} MiB resident`,
  );
  expect(seen).toMatchObject({ keys: 50 * 64, different: 50 * 64, same: true });
  expect(seen.peakRss).toBeLessThan(250e6);
  // A permutation of everything, not of the beginning.
  expect(Math.abs(seen.halves! - 0.5)).toBeLessThan(0.1);
});

/** `uri` ends in a slash; `keyOf` makes the key of an entry of an item's. */
function bringsEveryByte(
  use: () => { uri: string; stores: Record<string, unknown>; keyOf?: (key: string) => string },
): void {
  const run = async (
    workers: number,
    path: string,
    entries: readonly Entry[],
    order: 'sequence' | 'completion',
  ) => {
    const { uri, stores, keyOf } = use();
    const runtime = await Runtime.start({ workers, memoryBudget: '320MiB', stores });
    try {
      await everyDigestIsRight(runtime, `${uri}${path}`, entries, { order }, keyOf);
    } finally {
      expect(await runtime.close()).toMatchObject({ deaths: 0, unreleasedBytes: 0, leaks: 0 });
    }
  };
  test(`${ENTRIES.length} objects from nothing to 256 MiB, with four workers`, () =>
    run(4, '', ENTRIES, 'sequence'));
  test.each([
    [1, 'sequence'],
    [1, 'completion'],
    [4, 'sequence'],
    [4, 'completion'],
  ] as const)(`${SUBSET} objects with %i workers in %s order`, (workers, order) =>
    run(workers, 'a/', ENTRIES.slice(0, SUBSET), order),
  );
}

describe.each(SERVICES)('from the scripted origin of $scheme', (service) => {
  let origin: Origin;
  beforeAll(async () => {
    expect(TOTAL).toBeLessThan(1.5e9);
    const objects = ENTRIES.map((entry) => ({ bucket: BUCKET, ...entry }));
    origin = await startService(service, { objects });
  });
  afterAll(() => origin.stop());
  bringsEveryByte(() => ({
    uri: service.uriOf(origin, BUCKET, ''),
    stores: { [service.scheme]: service.options(origin) },
  }));
});

describe.skipIf(skipUnless(radosgwAvailable()))('from radosgw', () => {
  let server: Radosgw;
  beforeAll(async () => {
    server = await startRadosgw();
    await fill(server);
  });
  afterAll(() => server.stop());
  bringsEveryByte(() => ({ uri: `s3://${BUCKET}/`, stores: { s3: s3Options(plain(server)) } }));
});

describe.each(['file', 'direct'])('from %s', (scheme) => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'millrace-scale-'));
    for (const folder of ['a', 'b']) await mkdir(join(root, folder));
    for (const entry of ENTRIES) await writeFile(join(root, entry.key), contentOf(entry));
  });
  afterAll(() => rm(root, { recursive: true }));
  bringsEveryByte(() => ({
    uri: `${pathToFileURL(root).href.replace(/^file:/, `${scheme}:`)}/`,
    stores: scheme === 'direct' ? { direct: { fallback: 'buffered' } } : {},
    keyOf: (key) => key.split('/').slice(-2).join('/'),
  }));
});

function plain({ url, region, credentials }: Radosgw): S3Server {
  return { url, region, credentials };
}

async function fill(server: Radosgw): Promise<void> {
  const client = new S3Client({
    endpoint: server.url,
    region: server.region,
    credentials: server.credentials,
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const queue = ENTRIES.values();
  const putter = async (): Promise<void> => {
    for (const entry of queue) {
      await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: entry.key, Body: contentOf(entry) }));
    }
  };
  await Promise.all(Array.from({ length: 16 }, putter));
  client.destroy();
}

/** An object that is replaced while it is read: of one version from its first byte to its last, or an error that says so. */
import { mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MillraceError, ObjectDataset, Runtime } from '../../dist/index.js';
import type { Origin } from '../../dist/testing/index.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes, verifyPattern } from '../../dist/testing/pattern.js';
import { expectIdle, KIB, MIB } from './kit.js';
import { runtimeOf, SERVICES, startService } from './stores.kit.js';

const PART = 512 * KIB;
const SIZE = 4 * MIB + 7;
/** One part after the other, so that what happens between two of them does. */
const ranges = { splitThreshold: PART, partBytes: PART, maxPerObject: 1 };
const KEY = 'k';

/** What bytes may be: those of one generation of the pattern, in one length. */
interface Version {
  readonly generation: number;
  readonly size: number;
}
type Ref = { readonly uri: string; readonly size?: number; readonly version?: string };

/** Which of the versions an object came in, or the code of its error. Throws for bytes of none. */
async function versionRead(
  runtime: Runtime,
  ref: Ref,
  versions: readonly Version[],
): Promise<number | string> {
  try {
    const found: number[] = [];
    for await (const [item] of runtime.loader(ObjectDataset.fromUris([ref]), { ranges })) {
      const { bytes } = item!;
      const index = versions.findIndex(
        ({ generation, size }) =>
          bytes.length === size && verifyPattern(objectIdOf(KEY, generation), 0, bytes) === -1,
      );
      if (index === -1) expect.unreachable(`${bytes.length} bytes that are of no version`);
      found.push(index);
    }
    expect(found).toHaveLength(1);
    return found[0]!;
  } catch (thrown) {
    if (!(thrown instanceof MillraceError)) throw thrown;
    return thrown.code;
  }
}

describe.each(SERVICES)('$scheme', (service) => {
  let runtime: Runtime;
  let origin: Origin;
  const bucketOf = (i: number): string => `bucket-${i}`;
  const CASES = [SIZE, SIZE - PART, 3 * PART, SIZE + 3 * PART].flatMap((size) =>
    [1, 2, 5].flatMap((nth) => [true, false].map((known) => ({ size, nth, known }))),
  );
  beforeAll(async () => {
    const objects = [...CASES.keys()].map((i) => ({ bucket: bucketOf(i), key: KEY, size: SIZE }));
    origin = await startService(service, { objects });
    // Little memory, so that the first request for an object of unknown size is for a part of it.
    runtime = await runtimeOf(service, origin, { memoryBudget: '16MiB' });
  });
  afterAll(async () => {
    await runtime.close();
    await origin.stop();
  });

  test.each(CASES.map((one, i) => ({ ...one, i })))(
    'by one of $size bytes during part $nth (size known: $known): read again, of one version; an error where pinned',
    async ({ size, nth, known, i }) => {
      const bucket = bucketOf(i);
      const uri = service.uriOf(origin, bucket, KEY);
      const { version } = await runtime.head(uri);
      await origin.reset();
      await origin.script(...[1, 2].map(() => ({ op: 'get' as const, nth, times: 1, do: { stall: 1000 } })));
      const ref = known ? { uri, size: SIZE } : { uri };
      const versions = [
        { generation: 0, size: SIZE },
        { generation: 1, size },
      ];
      const reading = Promise.all([
        versionRead(runtime, ref, versions),
        versionRead(runtime, { ...ref, version: version! }, versions),
      ]);
      await origin.waitFor({ stalled: 2 });
      await origin.bump(bucket, KEY, size);
      await origin.release();
      expect(await reading).toEqual([1, 'VersionChanged']);
      await expectIdle(runtime);
    },
  );
});

const VERSIONS: readonly Version[] = [
  { generation: 0, size: SIZE },
  { generation: 1, size: SIZE - PART },
  { generation: 2, size: SIZE },
  { generation: 0, size: SIZE - PART },
];

describe.each(['file', 'direct'])('%s', (scheme) => {
  let folder: string;
  let runtime: Runtime;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-replaced-'));
    runtime = await Runtime.start({
      workers: 1,
      memoryBudget: '16MiB',
      stores: { [scheme]: scheme === 'direct' ? { root: folder, fallback: 'buffered' } : { root: folder } },
      // Time for something to happen between two parts.
      decorators: { [scheme]: [{ latency: { ms: 20 } }] },
    });
  });
  afterAll(async () => {
    await runtime.close();
    rmSync(folder, { recursive: true });
  });
  const bytesOf = (index: number): Uint8Array => {
    const { generation, size } = VERSIONS[index]!;
    return patternBytes(objectIdOf(KEY, generation), size);
  };

  async function bytesRead(): Promise<number> {
    const { workers } = await runtime.stats();
    return Object.values(workers).reduce((sum, worker) => sum + (worker?.bytes ?? 0), 0);
  }

  test.each([
    [
      'replaced by a shorter one',
      1,
      (path: string) => {
        writeFileSync(`${path}.new`, bytesOf(1));
        renameSync(`${path}.new`, path);
      },
    ],
    [
      'replaced by one of the same size',
      2,
      (path: string) => {
        writeFileSync(`${path}.new`, bytesOf(2));
        renameSync(`${path}.new`, path);
      },
    ],
    ['written over in place', 2, (path: string) => writeFileSync(path, bytesOf(2))],
    ['truncated', 3, (path: string) => truncateSync(path, SIZE - PART)],
  ] as const)('%s between two parts', async (_what, index, change) => {
    const path = join(folder, KEY);
    const uri = `${scheme}://${path}`;
    for (const pinned of [false, true]) {
      let seen: number | string = 0;
      // The file may be whole before it is changed: then once more.
      for (let round = 0; round < 50 && seen === 0; round += 1) {
        writeFileSync(path, bytesOf(0));
        const { version } = await runtime.head(uri);
        const before = await bytesRead();
        const reading = versionRead(runtime, pinned ? { uri, version: version! } : { uri }, VERSIONS);
        let isOver = false;
        void reading.finally(() => (isOver = true));
        while (!isOver && (await bytesRead()) < before + PART) await runtime.stats();
        change(path);
        seen = await reading;
      }
      expect(seen).toBe(pinned ? 'VersionChanged' : index);
      await expectIdle(runtime);
    }
  });
});

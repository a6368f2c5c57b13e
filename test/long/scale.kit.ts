/** Ten thousand objects, from nothing to 256 MiB, with edges of parts and pages among them; and what they digest to. */
import { expect } from 'vitest';
import { ObjectDataset, type Runtime } from '../../dist/index.js';
import { mix32 } from '../../dist/backends/memory/pattern.js';
import { expectedSha256, expectIdle, expectSum, KIB, MIB, sha256, type LoaderOptions } from '../e2e/kit.js';

export const COUNT = 10_000;
/** The first so many lie in `a/`: what the matrix of workers and orders goes through. */
export const SUBSET = 600;
const EDGES = [
  8 * MIB - 1,
  8 * MIB,
  8 * MIB + 1,
  16 * MIB - 1,
  16 * MIB,
  16 * MIB + 1,
  4 * KIB - 1,
  4 * KIB,
  4 * KIB + 1,
  MIB / 2 + 1,
];
const LARGEST = 256 * MIB;

export interface Entry {
  readonly key: string;
  readonly size: number;
}

export const ENTRIES: readonly Entry[] = Array.from({ length: COUNT }, (_, i) => ({
  key: `${i < SUBSET ? 'a' : 'b'}/${String(i).padStart(5, '0')}`,
  size: sizeAt(i),
}));
export const TOTAL = ENTRIES.reduce((sum, { size }) => sum + size, 0);

function sizeAt(i: number): number {
  if (i === COUNT / 2) return LARGEST;
  if (i % 40 === 7) return i < SUBSET ? EDGES[((i - 7) / 40) % EDGES.length]! : EDGES[6 + (i % 4)]!;
  if (i % 40 === 9) return 0;
  return (mix32(i + 1) >>> 0) % (32 * KIB);
}

const digests = new Map<string, string>();

/** What an object digests to at its source; computed once. */
function digestOf({ key, size }: Entry): string {
  let digest = digests.get(key);
  if (digest === undefined) {
    digest = expectedSha256(key, size);
    digests.set(key, digest);
  }
  return digest;
}

/** Loads everything below a URI; every object comes once, and digests to what it is at its source. */
export async function everyDigestIsRight(
  runtime: Runtime,
  uri: string,
  entries: readonly Entry[],
  options: LoaderOptions,
  keyOf: (key: string) => string = (key) => key,
): Promise<void> {
  const left = new Map(entries.map((entry) => [entry.key, entry]));
  const loader = runtime.loader(ObjectDataset.fromPrefix(uri), options);
  const order: string[] = [];
  for await (const batch of loader) {
    for (const item of batch) {
      const key = keyOf(item.key);
      const entry = left.get(key);
      if (entry === undefined) expect.unreachable(`${key} came twice, or does not exist`);
      left.delete(key);
      order.push(key);
      if (sha256(item.bytes) !== digestOf(entry)) expect.unreachable(`${key} has other bytes`);
    }
  }
  expect(left.size).toBe(0);
  if (options.order !== 'completion') expect(order).toEqual(entries.map(({ key }) => key));
  expect(loader.report).toMatchObject({ delivered: entries.length, failed: 0, listed: 'complete' });
  expectSum(loader.report);
  await expectIdle(runtime);
}

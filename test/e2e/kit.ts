/** What the end-to-end tests share: objects with telling bytes, runtimes over the scripted origin, and seeded dice. */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { Runtime, type Batch, type Loader } from '../../dist/index.js';
import type { Origin } from '../../dist/testing/index.js';
import { mix32, objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternSha256, verifyPattern } from '../../dist/testing/pattern.js';

export const KIB = 1024;
export const MIB = 1024 * KIB;

export type StartOptions = NonNullable<Parameters<typeof Runtime.start>[0]>;
export type LoaderOptions = NonNullable<Parameters<Runtime['loader']>[1]>;

/** Anything that speaks S3: the origin, or a real server. */
export interface S3Server {
  readonly url: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly ca?: string | undefined;
}

/** Options of the s3 scheme for a server. */
export function s3Options(server: S3Server, changes: object = {}): Record<string, unknown> {
  const { accessKeyId, secretAccessKey } = server.credentials;
  return {
    endpoint: server.url,
    region: server.region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    ...(server.ca === undefined ? {} : { ca: server.ca }),
    ...changes,
  };
}

/** A runtime over a server; small enough that four of them run beside each other. */
export function startRuntime(server: S3Server, options: StartOptions = {}): Promise<Runtime> {
  return Runtime.start({
    workers: 2,
    memoryBudget: '128MiB',
    maxConnections: 16,
    stores: { s3: s3Options(server) },
    ...options,
  });
}

/** What is wrong with the bytes of one object that has the pattern of its key; null when nothing is. */
export function fault(key: string, bytes: Uint8Array, size: number, offset = 0): string | null {
  if (bytes.length !== size) return `${JSON.stringify(key)}: ${bytes.length} bytes instead of ${size}`;
  const at = verifyPattern(objectIdOf(key), offset, bytes);
  return at < 0 ? null : `${JSON.stringify(key)}: wrong from byte ${at} of ${size}`;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The digest that an object with the pattern of its key has. */
export function expectedSha256(key: string, size: number): string {
  return patternSha256(objectIdOf(key), size);
}

/** Iterates to the end; the keys in the order in which they came. Every item is looked at byte by byte. */
export async function keysInOrder(
  loader: Loader,
  sizeOf: (key: string) => number,
  keyOf: (key: string) => string = (key) => key,
): Promise<string[]> {
  const keys: string[] = [];
  for await (const batch of loader) {
    for (const item of batch) {
      const key = keyOf(item.key);
      expect(fault(key, item.bytes, sizeOf(key))).toBeNull();
      keys.push(key);
    }
  }
  return keys;
}

/** No stream is left and no byte of the arena is in use. */
export async function expectIdle(runtime: Runtime): Promise<void> {
  const { arena, streams } = await runtime.stats();
  expect({ streams, used: arena.usedBytes, charged: arena.chargedBytes }).toEqual({
    streams: 0,
    used: 0,
    charged: 0,
  });
}

/** Every planned object is in exactly one column. */
export function expectSum(record: Loader['report']): void {
  if (record === null) throw new Error('there is no record');
  const { planned, delivered, filtered, failed, dropped, left } = record;
  expect({ ...record, sum: delivered + filtered + failed + dropped + left }).toMatchObject({ sum: planned });
}

/** Attempts that the transports of a runtime have begun: what was asked before it can be read by a server later. */
export async function attemptsBegun(runtime: Runtime): Promise<number> {
  const { workers } = await runtime.stats();
  let begun = 0;
  for (const stats of Object.values(workers)) {
    if (stats === null) throw new Error('a worker did not answer');
    begun += stats.connectionsOpened + stats.connectionsReused;
  }
  return begun;
}

/** Throws away what is iterated; the number of items. */
export async function exhaust(batches: AsyncIterable<Batch>): Promise<number> {
  let items = 0;
  for await (const batch of batches) items += batch.length;
  return items;
}

/** Dice: the same numbers in [0, 1) for the same seed. */
export function dice(seed: number): () => number {
  let turn = 0;
  return () => {
    turn += 1;
    return (mix32(mix32(seed + 1) ^ turn) >>> 0) / 2 ** 32;
  };
}

/** A whole number in [from, to]. */
export function between(random: () => number, from: number, to: number): number {
  return from + Math.floor(random() * (to - from + 1));
}

/** Waits until no connection is left at the origin. */
export async function connectionsGone(origin: Origin): Promise<void> {
  await origin.waitFor({ connections: 0 });
}

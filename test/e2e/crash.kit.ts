/** Runs whose workers die: how many deaths, in which way, at which moments, and what has to be true afterwards. */
import { expect } from 'vitest';
import { ObjectDataset, type Runtime } from '../../dist/index.js';
import { between, dice, expectIdle, expectSum, fault } from './kit.js';

export const BUCKET = 'deaths';
export const SIZES = [0, 1, 4096, 30_000];
/** Ways to die while a transform runs. */
export const WAYS = ['throw', 'reject', 'exit', 'heap'] as const;
/** `late`: a throw when the transform that is to blame is over. */
export type Way = (typeof WAYS)[number] | 'late';

export const DEADLY = new URL('./modules/deadly.mjs', import.meta.url);
export const DEAD_ON_ARRIVAL = new URL('./modules/dead-on-arrival.mjs', import.meta.url);
const KILLS = 1;
const VISITS = 2;

export interface Deaths {
  readonly words: Int32Array;
  readonly kills: ReadonlyMap<number, Way>;
  readonly poison: { readonly key: string; readonly way: Way } | null;
}

export function deaths(objects: number, kills: Deaths['kills'], poison: Deaths['poison'] = null): Deaths {
  return { words: new Int32Array(new SharedArrayBuffer((VISITS + objects) * 4)), kills, poison };
}

/** `count` different moments of a run of `objects`, each with a way to die. */
export function momentsOf(
  seed: number,
  count: number,
  objects: number,
  ways: readonly Way[],
): Map<number, Way> {
  const random = dice(seed);
  const moments = new Map<number, Way>();
  while (moments.size < count) {
    const moment = between(random, 1, objects);
    if (!moments.has(moment)) moments.set(moment, ways[moments.size % ways.length]!);
  }
  return moments;
}

/** Iterates a dataset of `objects` while its workers die as told: each object comes once, with its own bytes. */
export async function everythingComesOnce(
  runtime: Runtime,
  uri: string,
  objects: number,
  plan: Deaths,
  keyOf: (key: string) => string = (key) => key,
): Promise<void> {
  const before = (await runtime.stats()).deaths;
  const loader = runtime.loader(ObjectDataset.fromPrefix(uri), {
    batchSize: 16,
    transform: { url: DEADLY, options: plan },
  });
  const seen = new Set<string>();
  for await (const batch of loader) {
    for (const item of batch) {
      const key = keyOf(item.key);
      expect(fault(key, item.bytes, SIZES[numberOf(key) % SIZES.length]!)).toBeNull();
      expect(seen.has(key), key).toBe(false);
      seen.add(key);
    }
  }
  expect(seen.size).toBe(objects);
  expect(loader.report).toMatchObject({ planned: objects, delivered: objects, failed: 0, left: 0 });
  expectSum(loader.report);
  await expectIdle(runtime);
  expect(plan.words[KILLS]).toBe(plan.kills.size);
  // Two transforms of one thread may kill it together, and then there is one death less.
  const died = (await runtime.stats()).deaths - before;
  expect(died).toBeGreaterThan(plan.kills.size / 2);
  expect(died).toBeLessThanOrEqual(plan.kills.size);
}

export function numberOf(key: string): number {
  return Number(/(\d+)\D*$/.exec(key)?.[1]);
}

/**
 * Loads under faults, on real threads over a real socket.
 *
 * What it keeps true for every test that uses it: each fault of the script fired, every byte that came is right, the
 * record adds up, and when runtime and origin are closed the process holds what it held before.
 */
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { ObjectDataset, type Runtime } from '../../dist/index.js';
import type { ConnectionRule, Origin, OriginOptions, Rule } from '../../dist/testing/index.js';
import { backToBaseline, takeBaseline, type Holdings } from '../kit/leaks.mjs';
import { expectIdle, expectSum, fault, type LoaderOptions, type StartOptions } from '../e2e/kit.js';
import { runtimeOf, startService, type Service } from '../e2e/stores.kit.js';

export const BUCKET = 'faults';

export interface FaultWorld {
  readonly service: Service;
  readonly origin: Origin;
  readonly runtime: Runtime;
  uriOf(key: string): string;
}

export interface FaultWorldOptions {
  /** Sizes by key. */
  readonly sizes: Readonly<Record<string, number>>;
  readonly origin?: OriginOptions;
  readonly runtime?: (origin: Origin) => StartOptions;
}

/**
 * An origin and a runtime for the tests of one `describe`: the origin is honest again and nothing is in use after each of
 * them, and nothing is left when both are closed.
 */
export function worldFor(
  service: Service,
  { sizes, origin: more = {}, runtime: start = () => ({}) }: FaultWorldOptions,
): FaultWorld {
  let baseline: Holdings;
  let origin: Origin;
  let runtime: Runtime;
  beforeAll(async () => {
    baseline = await takeBaseline();
    const objects = Object.entries(sizes).map(([key, size]) => ({ bucket: BUCKET, key, size }));
    origin = await startService(service, { objects, ...more });
    runtime = await runtimeOf(service, origin, start(origin));
  });
  afterEach(async () => {
    await expectIdle(runtime);
    await origin.reset();
    // Each test counts the requests of its own connections.
    await origin.closeIdle();
  });
  afterAll(async () => {
    expect(await runtime.close()).toMatchObject({ unreleasedBytes: 0, stuckWorkers: [] });
    await origin.waitFor({ connections: 0, inFlight: 0, stalled: 0 });
    await origin.stop();
    await backToBaseline(baseline);
  });
  return {
    service,
    get origin() {
      return origin;
    },
    get runtime() {
      return runtime;
    },
    uriOf: (key) => service.uriOf(origin, BUCKET, key),
  };
}

/** Sets a script; what it returns expects each of its rules to have fired. */
export async function script(
  origin: Origin,
  ...rules: (Rule | ConnectionRule)[]
): Promise<() => Promise<void>> {
  await origin.script(rules);
  return async () => {
    const { fired } = await origin.stats();
    expect(Object.values(fired)).toHaveLength(rules.length);
    for (const [rule, times] of Object.entries(fired)) expect(times, `rule ${rule}`).toBeGreaterThan(0);
  };
}

/** Loads all objects below the bucket: each comes once, byte-exact, and the record says so. */
export async function everythingComes(
  world: FaultWorld,
  sizes: Readonly<Record<string, number>>,
  options: LoaderOptions = {},
): Promise<void> {
  const dataset = ObjectDataset.fromPrefix(world.uriOf(''));
  const loader = world.runtime.loader(dataset, { batchSize: 8, ...options });
  const seen: string[] = [];
  for await (const batch of loader) {
    for (const item of batch) {
      expect(fault(item.key, item.bytes, sizes[item.key] ?? -1)).toBeNull();
      seen.push(item.key);
    }
  }
  const keys = Object.keys(sizes).toSorted();
  expect(seen.toSorted()).toEqual(keys);
  expect(loader.report).toMatchObject({ reason: 'completed', delivered: keys.length, failed: 0, left: 0 });
  expectSum(loader.report);
}

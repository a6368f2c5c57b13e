/** A service that tells everybody to slow down for a minute: what that costs it, and how soon all is as before. */
import { describe, expect, it } from 'vitest';
import { RETRY_CAPACITY, RETRY_COST, spendRetry } from '../../dist/protocol/words.js';
import { tries } from '../kit/effort.js';
import { atEveryMoment } from './moments.kit.js';
import { World } from './world.kit.js';

const STORM = { fromMs: 1_000, untilMs: 61_000 };
/** Requests beyond one per object that a storm may cost over all workers: a tenth more than the retries of the budget. */
const MOST_EXTRA = (RETRY_CAPACITY / RETRY_COST) * 1.1;
const OBJECTS = 1200;
/** Requests at a time, whatever the number of workers. */
const CONNECTIONS = 16;

const sizesOf = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 200 + i]));

interface Stormy {
  readonly seed: number;
  readonly workers: number;
  readonly objects: number;
}

function stormy({ seed, workers, objects }: Stormy): World {
  const world = new World({
    seed,
    sizes: sizesOf(objects),
    workers,
    concurrency: CONNECTIONS / workers,
    arenaBytes: 4096 * 256,
    origin: { maxPieces: 1, latencyMs: [20, 60], storms: [STORM] },
  });
  world.load({
    batchSize: 16,
    batchBytes: 1 << 20,
    windowObjects: 128,
    windowBytes: 1 << 20,
    maxConcurrentObjects: 64,
    throttleTimeoutMs: 300_000,
  });
  return world;
}

/** Reads that were served and began in [from, until), per second. */
function rate({ origin }: World, fromMs: number, untilMs: number): number {
  const began = origin.reads.filter(
    ({ outcome, beganAtMs }) => outcome === 'complete' && beganAtMs >= fromMs && beganAtMs < untilMs,
  );
  return began.length / ((untilMs - fromMs) / 1000);
}

/** How long after the storm the rate of half a second was nine tenths of what it had been before. */
function recoveredAfterMs(world: World): number {
  const before = rate(world, 500, STORM.fromMs);
  for (let atMs = STORM.untilMs; atMs < STORM.untilMs + 30_000; atMs += 100) {
    if (rate(world, atMs, atMs + 500) >= before * 0.9) return atMs - STORM.untilMs;
  }
  return Infinity;
}

describe.each([4, 2, 1].slice(0, tries(3, 1)))('a storm of a minute over %i workers', (workers) => {
  it('costs no more than the retry budget and a tenth, loses nothing, and is over within ten seconds', async () => {
    for (let seed = 1; seed <= tries(3, 1); seed += 1) {
      const world = stormy({ seed, workers, objects: OBJECTS });
      await world.sim.run(() => world.loads.every((load) => load.over), 100_000);
      const [load] = world.loads;
      expect(load!.failure).toBeNull();
      expect(load!.violations()).toEqual([]);
      expect(load!.record).toMatchObject({ reason: 'completed', delivered: OBJECTS, failed: 0 });
      const throttled = world.origin.reads.filter(({ outcome }) => outcome === 'throttled').length;
      expect(load!.record!.throttled).toBe(throttled);
      expect(throttled).toBeGreaterThan(CONNECTIONS);
      expect(world.origin.reads.length - OBJECTS).toBeLessThanOrEqual(MOST_EXTRA);
      expect(recoveredAfterMs(world)).toBeLessThanOrEqual(10_000);
      await world.close();
      expect(world.leftovers()).toEqual([]);
    }
  }, 120_000);
});

describe('a small storm', () => {
  const make = (): World => {
    const world = new World({
      seed: 9,
      sizes: { a0: 3000, b1: 1, c2: 700, d3: 0, e4: 9000 },
      concurrency: 1,
      origin: { maxPieces: 1, storms: [{ fromMs: 0, untilMs: 1_500 }] },
    });
    while (spendRetry(world.words)) continue;
    world.load({ token: world.tokens[0]!, batchSize: 1, windowObjects: 3 });
    return world;
  };

  it('closes the origin when the budget is used up, and is waited out', async () => {
    const world = make();
    await world.untilOver();
    expect(world.loads[0]!.record).toMatchObject({ reason: 'completed', delivered: 5, failed: 0 });
    // The first of each worker, and probes at intervals that double.
    expect(world.origin.reads.filter(({ outcome }) => outcome === 'throttled').length).toBeLessThanOrEqual(5);
    await world.close();
    expect(world.leftovers()).toEqual([]);
  });

  it.each([
    ['a cancel of the runtime', 200, false, (world: World): void => world.token.cancel('stop')],
    ['a cancel of one stream', 500, true, (world: World): void => world.tokens[0]!.cancel('stop')],
    ['a drain of the runtime', 500, false, (world: World): void => world.token.drain('stop')],
    ['a drain of one stream', 500, true, (world: World): void => world.tokens[0]!.drain('stop')],
    ['a close of the runtime', 500, false, (world: World): void => void world.supervisor.close('close')],
    ['the death of worker 0', 8000, true, (world: World): void => world.crash(0)],
  ] as const)(
    'survives %s at any moment',
    async (what, withinMs, goesOn, disturb) => {
      const check = (world: World): void => {
        const { failure, record } = world.loads[0]!;
        if (what.includes('death')) expect([failure, record!.reason]).toEqual([null, 'completed']);
        if (what.includes('drain')) expect([failure, record!.dropped]).toEqual([null, 0]);
      };
      const { steps, moments } = await atEveryMoment({ make, disturb, withinMs, goesOn, check });
      expect(moments).toBeGreaterThan(steps);
    },
    120_000,
  );
});

describe('a service that never stops', () => {
  const stormyFor = (throttleTimeoutMs: number): World => {
    const made = new World({
      seed: 5,
      sizes: sizesOf(40),
      concurrency: 4,
      origin: { storms: [{ fromMs: 0, untilMs: Infinity }] },
    });
    made.load({ throttleTimeoutMs, onError: 'skip', windowObjects: 40, maxConcurrentObjects: 40 });
    return made;
  };

  it('is given up after throttleTimeoutMs, with an error that says so, and each object is in the record', async () => {
    const made: World = stormyFor(30_000);
    await made.untilOver();
    const { failed, failures } = made.loads[0]!.record!;
    expect(failed).toBe(40);
    for (const { error } of failures) {
      expect(error).toMatchObject({ code: 'Throttled', retryable: true });
      expect(error.message).toMatch(/slow down.*throttleTimeoutMs is 30000/);
    }
    expect(made.sim.now).toBeGreaterThan(30_000);
    expect(made.sim.now).toBeLessThan(45_000);
    await made.close();
    expect(made.leftovers()).toEqual([]);
  });

  it('fails objects after their attempts where throttleTimeoutMs is 0', async () => {
    const made: World = stormyFor(0);
    await made.untilOver();
    expect(made.loads[0]!.record!.failed).toBe(40);
    expect(made.sim.now).toBeLessThan(10_000);
    await made.close();
  });
});

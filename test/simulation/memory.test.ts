/** Tight memory, where somebody always has to go first. */
import { describe, expect, it } from 'vitest';
import { ErrorCode, type MillraceError } from '../../dist/protocol/errors.js';
import { tries } from '../kit/effort.js';
import { type LoadOptions, PAGE, SEVERAL, several } from './load.kit.js';
import { World, type WorldOptions } from './world.kit.js';

async function loaded(options: Omit<WorldOptions, 'seed'>, load: LoadOptions): Promise<World> {
  const world = new World({ seed: 1, ...options });
  world.load(load);
  await world.untilOver();
  expect(world.loads[0]!.violations()).toEqual([]);
  await world.close();
  expect(world.leftovers()).toEqual([]);
  return world;
}

describe('memory for one more', () => {
  it('is found for an empty object behind items that fill it all', async () => {
    const sizes = { a0: 2 * PAGE, empty: 0 };
    // Both belong into one batch, which therefore waits for the one that has no memory.
    const world = await loaded({ sizes, arenaBytes: 2 * PAGE, workers: 1 }, { windowObjects: 2 });
    expect(world.loads[0]!.handed).toEqual(['a0#0', 'empty#0']);
  });

  it('is found for objects one by one where they do not fit together', async () => {
    const sizes = { a: PAGE, b: PAGE, c: PAGE, d: PAGE };
    const world = await loaded({ sizes, arenaBytes: 2 * PAGE, workers: 1 }, { batchSize: 1 });
    expect(world.loads[0]!.record).toMatchObject({ reason: 'completed', delivered: 4 });
  });

  it('is refused at once to a small object that is larger than all of it', async () => {
    const world = await loaded({ sizes: { a: 2 * PAGE }, arenaBytes: PAGE }, {});
    expect((world.loads[0]!.failure as MillraceError).code).toBe(ErrorCode.BudgetTooSmall);
  });
});

/** Loads that go beside each other in memory for one of them; each is whole at the end. */
async function besideEachOther(
  seeds: number,
  options: Omit<WorldOptions, 'seed' | 'sizes'>,
  loads: readonly LoadOptions[],
  also: { readonly crash?: boolean; readonly mayBeRefused?: boolean } = {},
): Promise<void> {
  for (let seed = 1; seed <= seeds; seed += 1) {
    const sizes = { k0: 10, k1: PAGE, k4: 900, k5: 2 * PAGE + 9, k8: 1, k6: PAGE, k9: 3 * PAGE - 1, k3: 0 };
    const origin = { latencyMs: [0, 0] } as const;
    const world = new World({ seed, sizes, arenaBytes: 6 * PAGE, transform: several, origin, ...options });
    for (const load of loads) world.load(load);
    if (also.crash === true) world.sim.atStep(seed, () => world.crash(0));
    await world.untilOver();
    for (const { failure } of world.loads) {
      if (also.mayBeRefused === true && failure !== null) {
        expect((failure as MillraceError).code).toBe(ErrorCode.BudgetHeldByConsumer);
      } else expect(failure, `seed ${seed}`).toBeNull();
    }
    expect(
      world.loads.flatMap((load) => load.violations()),
      `seed ${seed}`,
    ).toEqual([]);
  }
}

describe('several loads in the memory for one of them', () => {
  it('come to their ends when their consumers wait and each has begun to collect', async () => {
    const load = { batchSize: 4, windowObjects: 4 };
    await besideEachOther(tries(30, 3), {}, [load, { ...load, unsized: true }, load]);
  });

  it('wait for what has memory and no worker yet', async () => {
    const simulation = { jobsCapacity: 1, resultsCapacity: 1, exitMs: 3000, startMs: 300 };
    const load = { batchSize: 3, windowObjects: 6, maxConcurrentObjects: 2 };
    await besideEachOther(tries(90, 5), { simulation, workers: 1, concurrency: 1 }, [load, load, load], {
      crash: true,
    });
  });

  it('go on behind what a transform made nothing of, when its neighbours are evicted', async () => {
    // Of k0, k4 and k8 it makes nothing.
    const load = { batchSize: 4, windowObjects: 10, transform: SEVERAL, holdMs: 5, windowBytes: PAGE };
    const others = { batchSize: 4, windowObjects: 8, unsized: true, windowBytes: PAGE };
    const slow = { ...others, batchSize: 1, order: 'completion', holdMs: 700 } as const;
    await besideEachOther(tries(100, 5), { arenaBytes: 8 * PAGE }, [load, others, slow], {
      mayBeRefused: true,
    });
  });
});

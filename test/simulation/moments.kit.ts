/**
 * Runs a small scenario again and again, and disturbs it at every moment at which that can make a difference: before
 * each step, and between any two turns of the microtask queue within it.
 */
import { expect } from 'vitest';
import { tries } from '../kit/effort.js';
import type { World } from './world.kit.js';

/** More turns of the microtask queue than one step has. */
const MAX_AWAITS = tries(60, 1);
/** Turns that are tried even where they seem to make no difference. */
const LEAST_AWAITS = 1;
/** Steps from one that is tried to the next. */
const STRIDE = tries(1, 29);

export interface Disturbance {
  /** Makes the world and begins its loads. */
  readonly make: () => World;
  readonly disturb: (world: World) => void;
  /** What has to hold once all loads are over, beside what holds always. */
  readonly check?: (world: World) => void;
  /** Virtual time from the disturbance until every load is over. */
  readonly withinMs: number;
  /** Whether a whole load must come through afterwards. @default true */
  readonly goesOn?: boolean;
  /** Lets threads that hang go on, once all loads are over. */
  readonly resume?: boolean;
}

/** How much was covered. */
export interface Covered {
  /** Steps of the undisturbed scenario that were tried. */
  readonly steps: number;
  /** Runs: moments at which it was disturbed. */
  readonly moments: number;
}

export async function atEveryMoment(scenario: Disturbance): Promise<Covered> {
  const undisturbed = scenario.make();
  await undisturbed.untilOver();
  let [steps, moments] = [0, 0];
  let later = '';
  // From the last step to the first: a moment within a step is tried until it makes no difference to the next one.
  for (let step = undisturbed.sim.steps - 1; step >= 0; step -= STRIDE) {
    steps += 1;
    for (let awaits = 0; later !== '' && awaits < MAX_AWAITS; awaits += 1) {
      moments += 1;
      const trace = await runOnce(scenario, `in step ${step} after ${awaits} awaits`, (world, act) =>
        world.sim.atAwait(step, awaits, act),
      );
      if (trace === later && awaits >= LEAST_AWAITS) break;
    }
    moments += 1;
    later = await runOnce(scenario, `before step ${step}`, (world, act) => world.sim.atStep(step, act));
  }
  return { steps, moments };
}

async function runOnce(
  scenario: Disturbance,
  moment: string,
  arrange: (world: World, act: () => void) => void,
): Promise<string> {
  const world = scenario.make();
  let at = Infinity;
  arrange(world, () => {
    at = world.sim.now;
    scenario.disturb(world);
  });
  try {
    await world.untilOver();
    const { now } = world.sim;
    expect(world.loads.flatMap((load) => load.violations())).toEqual([]);
    expect(now - at, 'virtual time until all was over').toBeLessThanOrEqual(scenario.withinMs);
    scenario.check?.(world);
    if (scenario.resume === true) {
      for (const worker of world.sim.workers) worker.resume();
      await world.run(() => world.arena.stats().quarantinedBytes === 0);
    }
    if (scenario.goesOn !== false) await loadOnceMore(world);
    await world.close();
    expect(world.leftovers()).toEqual([]);
  } catch (thrown) {
    throw new Error(`disturbed ${moment}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, {
      cause: thrown,
    });
  }
  return world.sim.trace.join('\n');
}

async function loadOnceMore(world: World): Promise<void> {
  const next = world.load({ transform: null });
  await world.untilOver();
  expect(next.failure).toBeNull();
  expect(next.violations()).toEqual([]);
  expect(next.record!.reason).toBe('completed');
}

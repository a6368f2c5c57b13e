/**
 * Worlds that are drawn: sizes, budgets, options, faults and misfortunes. `SIMULATION_SEEDS=from:to` goes through
 * others than the usual ones, and through as many as one likes.
 */
import { expect, it } from 'vitest';
import { createRandomWorld, excused } from './random.kit.js';

const [FROM = 0, TO = 400] = (process.env.SIMULATION_SEEDS ?? '').split(':').filter(Boolean).map(Number);

async function survive(seed: number): Promise<void> {
  const drawn = createRandomWorld(seed);
  const { world, asks } = drawn;
  await world.run(() => world.loads.every((load) => load.over) && asks.settled === asks.asked);
  const wrong = world.loads.flatMap((load) => load.violations());
  for (const load of world.loads) {
    if (load.failure !== null && !excused(load.failure, drawn)) wrong.push(`failed: ${String(load.failure)}`);
    if (drawn.mustComplete && load.failure === null && !/completed|break/.test(load.record!.reason))
      wrong.push(`ended as ${load.record!.reason}`);
    for (const { error } of load.record!.failures) {
      if (!excused(error, drawn)) wrong.push(`an item failed: ${String(error)}`);
    }
  }
  // Threads that hang end in their own time.
  await world.close();
  wrong.push(...world.leftovers());
  if (wrong.length > 0) throw new Error(wrong.join('; '));
}

it(`holds what it promises in worlds ${FROM} to ${TO}`, async () => {
  const failures: string[] = [];
  for (let seed = FROM; seed < TO && failures.length < 10; seed += 1) {
    try {
      await survive(seed);
    } catch (thrown) {
      failures.push(`seed ${seed}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    }
  }
  expect(failures).toEqual([]);
}, 3_600_000);

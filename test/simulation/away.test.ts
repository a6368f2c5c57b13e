/** A consumer that is gone for an hour, with a batch in its hands, while credentials expire and connections die. */
import { describe, expect, test } from 'vitest';
import { Outcome } from '../../dist/protocol/store.js';
import { PAGE } from './load.kit.js';
import { simStoreSpec } from '../../dist/testing/simulated-runtime.js';
import { World } from './world.kit.js';

const HOUR_MS = 3_600_000;
const SIZES = Object.fromEntries(
  Array.from({ length: 60 }, (_, i) => [`k${String(i).padStart(2, '0')}`, 1000 + i * 300]),
);
const BUDGET = 16 * PAGE;
const SEEDS = Array.from({ length: 20 }, (_, i) => i + 1);

describe.each(SEEDS)('seed %i', (seed) => {
  test('everything waits within the budget, and goes on byte-exact when the consumer is back', async () => {
    let renewed = 0;
    const world = new World({
      seed,
      sizes: SIZES,
      arenaBytes: BUDGET,
      simulation: {
        refreshStore: (_id, stale) => {
          renewed += 1;
          return simStoreSpec(stale + 1);
        },
      },
    });
    let most = 0;
    world.origin.onLanding = () => {
      const { usedBytes, chargedBytes } = world.arena.stats();
      most = Math.max(most, usedBytes + chargedBytes);
    };
    const load = world.load({ byHand: true, batchSize: 2 });
    const take = async (): Promise<Awaited<ReturnType<typeof load.take>>> => {
      let taken: { batch: Awaited<ReturnType<typeof load.take>> } | null = null;
      const taking = load.take().then((batch) => (taken = { batch }));
      await world.run(() => taken !== null);
      return (await taking).batch;
    };
    for (let i = 0; i < 3; i += 1) load.giveBack((await take())!);
    const held = (await take())!;

    let back = false;
    world.sim.context.after(HOUR_MS, () => (back = true));
    let quiet = -1;
    world.sim.context.after(HOUR_MS / 2, () => (quiet = world.origin.reads.length));
    await world.run(() => back);
    // Long before, all that may be fetched ahead had been: then nothing was asked for any more.
    expect(world.origin.reads.length).toBe(quiet);
    expect(world.origin.underWay).toEqual([]);
    expect(load.handed).toHaveLength(8);

    world.origin.leastSnapshot = 2;
    world.origin.addFault({ kind: 'stale-connection', times: 3 });
    load.giveBack(held);
    for (let batch = await take(); batch !== null; batch = await take()) load.giveBack(batch);
    void load.end();
    await world.untilOver();

    expect(load.violations()).toEqual([]);
    expect(load.record).toMatchObject({ reason: 'completed', delivered: 60, failed: 0 });
    expect(world.origin.unusedFaults).toEqual([]);
    expect(renewed).toBeGreaterThan(0);
    expect(world.origin.reads.some(({ outcome }) => outcome === Outcome.StaleCredentials)).toBe(true);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(BUDGET);
    await world.close();
    expect(world.leftovers()).toEqual([]);
  });
});

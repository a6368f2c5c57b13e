/** Two stores in one runtime: what becomes of the loads of one while the other tells everybody to slow down. */
import { describe, expect, it } from 'vitest';
import type { AdmissionLimits } from '../../dist/actors/supervisor/admission.js';
import type { PlanEntry, StreamHandle, StreamOptions } from '../../dist/actors/supervisor/types.js';
import { spendRetry } from '../../dist/protocol/words.js';
import { createSimOrigin } from '../../dist/runtime/simulation/origin.js';
import { createSimStore } from '../../dist/runtime/simulation/store.js';
import { simStoreSpec } from '../../dist/testing/simulated-runtime.js';
import { patternObjects } from './kit.js';
import { World } from './world.kit.js';

const HEALTHY = 4;
const OBJECTS = 600;
const SIZE = 64;
const STORM_MS = 200_000;

const STREAM: StreamOptions = {
  order: 'completion',
  batchSize: 1,
  batchBytes: 1 << 16,
  dropLast: false,
  windowObjects: 1,
  windowBytes: 1 << 16,
  maxConcurrentObjects: 1,
  ranges: null,
  onError: 'fail',
  transform: null,
  verify: 'never',
  maxAttempts: 4,
  throttleTimeoutMs: 0,
};

/** The world's own store is told to slow down from the first second on; a second one never is. */
function twoStores(admission?: AdmissionLimits): World {
  const sizes = Object.fromEntries(Array.from({ length: OBJECTS }, (_, i) => [`k${i}`, SIZE]));
  const healthy = createSimOrigin({ objects: patternObjects({ h: SIZE }), latencyMs: [1, 5] });
  const world: World = new World({
    seed: 3,
    sizes,
    workers: 2,
    concurrency: 4,
    arenaBytes: 4096 * 1024,
    origin: { maxPieces: 1, latencyMs: [5, 20], storms: [{ fromMs: 0, untilMs: STORM_MS }] },
    ...(admission === undefined ? {} : { admission }),
    simulation: {
      stores: (spec, simWorld) =>
        createSimStore(simWorld, spec.id === HEALTHY ? healthy : world.origin, spec.snapshot),
    },
  });
  Object.assign(world.supervisor.stores, {
    spec: (id: number) => ({ ...simStoreSpec(1), id, name: `sim://${id}` }),
  });
  return world;
}

/** One object of the healthy store, as a direct get asks for it. */
function get(world: World): StreamHandle {
  const entry: PlanEntry = {
    store: HEALTHY,
    key: new TextEncoder().encode('h'),
    size: SIZE,
    version: null,
    pinned: false,
    start: 0,
    length: -1,
  };
  const plan: PlanEntry[][] = [[entry]];
  return world.supervisor.openStream(STREAM, { next: () => Promise.resolve(plan.shift() ?? null) }, null);
}

describe('a get from a store that serves', () => {
  it.each([
    ['whatever a load waits for at one that does not', undefined],
    [
      'within a cap of the bandwidth',
      { maxBandwidth: 1_000_000, maxCpuShare: null, cores: 1, maxEventLoopDelayMs: 0 },
    ],
  ] as const)(
    'goes at once, %s',
    async (_what, admission) => {
      const world = twoStores(admission);
      while (spendRetry(world.words)) continue;
      const load = world.load({
        batchSize: 64,
        batchBytes: 1 << 20,
        windowObjects: OBJECTS,
        windowBytes: 1 << 22,
        maxConcurrentObjects: OBJECTS,
        throttleTimeoutMs: 300_000,
      });
      // The load has sent all that it may, and its store is closed.
      await world.sim.run(() => world.sim.now > 3000, 100_000);
      const beganAtMs = world.sim.now;
      const stream = get(world);
      let gotAtMs = Infinity;
      void stream.next().then((batch) => {
        gotAtMs = world.sim.now;
        stream.release(batch!);
        return stream.finish('got');
      });
      await world.sim.run(() => gotAtMs < Infinity || load.over, 300_000);
      expect(gotAtMs - beganAtMs).toBeLessThan(2000);
      await world.sim.run(() => load.over, 300_000);
      expect(load.violations()).toEqual([]);
      expect(load.record).toMatchObject({ reason: 'completed', delivered: OBJECTS });
      await world.close();
      expect(world.leftovers()).toEqual([]);
    },
    60_000,
  );
});

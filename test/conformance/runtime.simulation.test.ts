import { describe } from 'vitest';
import { ErrorCode, MillraceError } from '../../dist/protocol/errors.js';
import { createRuntimeWords } from '../../dist/protocol/words.js';
import { createSimulation } from '../../dist/runtime/simulation/simulation.js';
import { simStoreSpec } from '../../dist/testing/simulated-runtime.js';
import { actors } from './actors.mjs';
import { runtimeConformance } from './runtime.conformance.js';
import type { Bench } from './runtime.kit.js';

const MAX_STEPS = 20_000;

function openBench(seed: number, actor: string): Bench {
  const arena = new SharedArrayBuffer(4096);
  const sim = createSimulation({
    seed,
    runWorker: actors[actor]!,
    stores: () => {
      throw new Error('there is none');
    },
    arena,
    words: createRuntimeWords(),
    concurrency: 2,
    refreshStore: (id, stale) => {
      if (id === 1) return { ...simStoreSpec(stale + 1), id };
      throw new MillraceError(ErrorCode.Unauthenticated, 'no');
    },
  });
  return {
    context: sim.context,
    arena,
    until: (condition) => sim.run(condition, MAX_STEPS),
    changed: () => {},
  };
}

describe.each([1, 2, 3, 4, 5, 6, 7, 8])('with seed %i', (seed) => {
  runtimeConformance('the simulation', (actor) => openBench(seed, actor));
});

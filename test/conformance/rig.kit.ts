/** The real supervisor and the real workers over the same objects, on threads and in the simulation. */
import { Supervisor } from '../../dist/actors/supervisor/supervisor.js';
import { runWorker } from '../../dist/actors/worker/worker.js';
import { Directory } from '../../dist/host/directory.js';
import { createSchemes } from '../../dist/host/schemes.js';
import { Arena } from '../../dist/protocol/arena.js';
import { OwnWord, type SupervisorContext } from '../../dist/protocol/context.js';
import { CancellationToken, type TokenClock } from '../../dist/protocol/token.js';
import { createRuntimeWords, fillRetryBudget } from '../../dist/protocol/words.js';
import { createSimOrigin } from '../../dist/runtime/simulation/origin.js';
import { createSimulation, type Simulation } from '../../dist/runtime/simulation/simulation.js';
import { createSimStore } from '../../dist/runtime/simulation/store.js';
import { createServiceContext } from '../../dist/runtime/threads/service.js';
import { spawnThread } from '../../dist/runtime/threads/spawn.js';
import { DEFAULT_TRANSPORT_LIMITS } from '../../dist/transport/limits.js';
import { objectIdOf } from '../../dist/backends/memory/pattern.js';
import { patternBytes } from '../../dist/testing/pattern.js';
import { patternObjects } from '../simulation/kit.js';
import { createMortal } from './transforms.mjs';

export const TRANSFORM = new URL('./transforms.mjs', import.meta.url).href;
const ENTRY = new URL('../../dist/host/worker-entry.js', import.meta.url).href;
const ARENA_BYTES = 1 << 20;
const CONCURRENCY = 3;
const MAX_STEPS = 100_000;

export interface Rig {
  readonly supervisor: Supervisor;
  readonly arena: Arena;
  readonly token: CancellationToken;
  /** Lets the world go on until the promise settles. */
  outcome<T>(promise: Promise<T>): Promise<T>;
}

export type OpenRig = (sizes: Readonly<Record<string, number>>) => Rig;

interface World {
  readonly words: Int32Array;
  readonly arena: Arena;
  readonly directory: Directory;
}

function createWorld(sizes: Readonly<Record<string, number>>): World {
  const words = createRuntimeWords();
  fillRetryBudget(words);
  const memory = Object.entries(sizes).map(([key, size]) => ({
    key,
    bytes: patternBytes(objectIdOf(key), size),
  }));
  return { words, arena: new Arena(ARENA_BYTES), directory: new Directory(createSchemes({ memory })) };
}

function createSupervisor(
  context: SupervisorContext,
  { arena, words, directory }: World,
  clock?: TokenClock,
): { supervisor: Supervisor; arena: Arena; token: CancellationToken } {
  const token = new CancellationToken(clock === undefined ? {} : { clock });
  const options = {
    workers: 2,
    concurrency: CONCURRENCY,
    stuckAfterMs: 30_000,
    budgetTimeoutMs: 60_000,
    closeTimeoutMs: 5000,
    token,
  };
  const supervisor = new Supervisor(context, arena, words, directory, options);
  supervisor.start();
  return { supervisor, arena, token };
}

export const openThreads: OpenRig = (sizes) => {
  const world = createWorld(sizes);
  const context = createServiceContext({
    spawn: (index, incarnation) =>
      spawnThread({
        entry: ENTRY,
        index,
        incarnation,
        arena: world.arena.buffer,
        words: world.words,
        concurrency: CONCURRENCY,
        settings: { limits: DEFAULT_TRANSPORT_LIMITS },
        heapLimitMiB: null,
      }),
    refreshStore: (id, stale) => world.directory.refresh(id, stale),
  });
  return { ...createSupervisor(context, world), outcome: (promise) => promise };
};

export function openSimulation(seed: number): OpenRig {
  return (sizes) => {
    const world = createWorld(sizes);
    const origin = createSimOrigin({ objects: patternObjects(sizes) });
    const sim: Simulation = createSimulation({
      seed,
      runWorker,
      words: world.words,
      concurrency: CONCURRENCY,
      arena: world.arena.buffer,
      stores: (spec, at) => createSimStore(at, origin, spec.snapshot),
      transforms: () => createMortal(() => killTransforming(sim)),
    });
    return {
      ...createSupervisor(sim.context, world, sim.clock),
      outcome: async (promise) => {
        let settled = false;
        const settle = (): void => {
          settled = true;
        };
        promise.then(settle, settle);
        await sim.run(() => settled, MAX_STEPS);
        return promise;
      },
    };
  };
}

/** The worker whose transform runs right now dies. */
function killTransforming(sim: Simulation): Promise<never> {
  const worker = sim.workers.findLast(
    ({ ownWords, state }) =>
      state === 'live' && ownWords.subarray(OwnWord.Transforming).some((id) => id !== 0),
  );
  worker!.crash(new Error('a simulated crash'));
  return new Promise(() => {});
}

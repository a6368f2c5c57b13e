/** A world with everything drawn: objects, workers, ports, budgets, caps, and the service with its faults. */
import type { AdmissionLimits } from '../../dist/actors/supervisor/admission.js';
import type { LoadReading } from '../../dist/protocol/context.js';
import type { Oracle } from '../../dist/runtime/simulation/oracle.js';
import type { SimObject, SimStorm } from '../../dist/runtime/simulation/origin.js';
import type { FaultName } from '../../dist/runtime/simulation/sites.js';
import type { SimulationOptions } from '../../dist/runtime/simulation/simulation.js';
import { RETRY_CAPACITY } from '../../dist/protocol/words.js';
import { simStoreSpec } from '../../dist/testing/simulated-runtime.js';
import { patternObject } from './kit.js';
import { PAGE, several } from './load.kit.js';
import type { Draw } from './scenario.kit.js';
import { World } from './world.kit.js';

export function drawWorld(draw: Draw, sizes: Record<string, number>, pageKeys = 1000): World {
  const { oracle, sites } = draw;
  const largest = Math.max(...Object.values(sizes));
  const fits = Math.ceil(largest / PAGE) + 1;
  const least = oracle.chance(0.05, 'an object does not fit') ? 1 : fits;
  const { machine, admission } = drawMachine(draw);
  const world: World = new World({
    seed: draw.seed,
    maxSteps: draw.maxSteps,
    sizes,
    sites,
    transform: several,
    workers: oracle.between(1, 3, 'workers'),
    concurrency: oracle.between(1, 6, 'slots of a worker'),
    admission,
    retryBudget: oracle.of([RETRY_CAPACITY, RETRY_CAPACITY, 30, 0], 'budget of retries'),
    poison: oracle.chance(0.1, 'a poison') ? oracle.of(Object.keys(sizes), 'which object') : null,
    transformMs: 20_000,
    arenaBytes: PAGE * Math.max(least, oracle.of([64, 128, 20, 8, 5, 3], 'pages')),
    origin: {
      drawn: draw,
      storms: drawStorms(draw),
      pageKeys,
      replacement: (key) => replaced(world, draw, key),
      corruptsPieces: true,
      checksums: oracle.chance(0.3, 'the service tells checksums'),
      maxPieces: oracle.between(1, 3, 'pieces'),
      slowCancel: oracle.chance(0.3, 'reads cannot be taken back'),
      latencyMs: oracle.of<readonly [number, number]>(
        [
          [0, 0],
          [1, 20],
          [1, 400],
        ],
        'latency',
      ),
    },
    simulation: drawThreads(draw, () => machine(world.sim.now, world.requests)),
  });
  draw.attach(world.sim);
  return world;
}

/** How threads start and end, what their ports hold, and credentials that are always to be had. */
export function drawThreads(draw: Draw, load: () => LoadReading): Partial<SimulationOptions> {
  const { oracle } = draw;
  let snapshot = 1;
  return {
    ...draw.simulation,
    jobsCapacity: oracle.of([4, 2, 1], 'capacity of jobs'),
    resultsCapacity: oracle.of([4, 2, 1], 'capacity of results'),
    startMs: oracle.of([0, 20, 300], 'longest start'),
    exitMs: oracle.of([0, 100, 2000], 'longest exit'),
    refreshStore: () => simStoreSpec((snapshot += 1)),
    load,
  };
}

/** What a key has from now on; now and then in another size. */
export function replaced(world: World, { oracle }: Draw, key: string): SimObject | null {
  const { sizes } = world.options;
  const known = sizes[key];
  if (known === undefined) return null;
  const size = oracle.chance(0.3, 'another size') ? oracle.between(0, world.largestBytes, 'bytes') : known;
  const object = patternObject(key, size, world.replacedBytes.size + 1);
  world.replacedBytes.set(object.version!, size);
  return object;
}

/** Caps as a good neighbour has them, mostly none, and how busy the machine is: counted when a cap first has to do with it. */
export function drawMachine({ oracle, sites }: Draw): {
  readonly machine: (nowMs: number, requests: number) => LoadReading;
  readonly admission: AdmissionLimits;
} {
  const admission = {
    maxBandwidth: oracle.chance(0.15, 'maxBandwidth') ? oracle.of([1 << 20, 20_000], 'maxBandwidth') : null,
    maxCpuShare: oracle.chance(0.1, 'maxCpuShare') ? oracle.of([0.9, 0.2], 'maxCpuShare') : null,
    cores: 2,
    maxEventLoopDelayMs: oracle.of([0, 0, 200], 'maxEventLoopDelayMs'),
  };
  const lateFromMs = oracle.of([0, 50, 500], 'when the loop is late');
  const lateForMs = oracle.of([0, 0, 300, 3000, 20_000], 'how long the loop is late');
  const costMs = oracle.of([0, 5, 50, 300], 'what a request costs');
  const once = (name: FaultName): void => {
    if (!sites.counts.has(name)) sites.struck(name);
  };
  const { maxCpuShare, cores, maxEventLoopDelayMs } = admission;
  let busyMs = 0;
  let readAtMs = 0;
  const machine = (nowMs: number, requests: number): LoadReading => {
    if (sites.over) return { busyMs, eventLoopDelayMs: 1 };
    const isLate = nowMs >= lateFromMs && nowMs < lateFromMs + lateForMs;
    if (isLate && maxEventLoopDelayMs > 0) once('machine.late-loop');
    const usedMs = costMs * requests - busyMs;
    if (maxCpuShare !== null && usedMs > maxCpuShare * cores * (nowMs - readAtMs)) once('machine.busy');
    busyMs += usedMs;
    readAtMs = nowMs;
    return { busyMs, eventLoopDelayMs: isLate ? 900 : 1 };
  };
  return { machine, admission };
}

/** Times at which the service tells everybody to slow down; none where faults are over. */
export function drawStorms({ oracle, sites }: Draw): SimStorm[] {
  if (sites.over || !oracle.chance(0.2, 'a storm')) return [];
  const fromMs = oracle.of([0, 30, 300], 'when it begins');
  const untilMs = fromMs + oracle.of([50, 1000, 20_000], 'how long it lasts');
  return [{ fromMs, untilMs, retryAfterMs: oracle.of([0, 700], 'what it asks for') }];
}

export function drawSizes(oracle: Oracle): Record<string, number> {
  const sizes: Record<string, number> = {};
  const count = oracle.between(1, 10, 'objects');
  for (let i = 0; i < count; i += 1) {
    const small = oracle.between(2, 900, 'bytes');
    sizes[`k${i}`] = oracle.of(
      [small, 0, 1, PAGE, oracle.between(1, 3 * PAGE, 'bytes'), 4 * PAGE - 1],
      'size of an object',
    );
  }
  return sizes;
}

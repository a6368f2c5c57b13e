/**
 * Loads over the real supervisor and workers: sizes, budgets, options, faults and misfortunes, all drawn.
 *
 * Faults end at a time; whatever is left of the runtime has to come to its end then, and one that was not stopped has to
 * load everything once more.
 */
import type { AdmissionLimits } from '../../dist/actors/supervisor/admission.js';
import type { HedgePlan } from '../../dist/actors/supervisor/types.js';
import { ErrorCode, type MillraceError } from '../../dist/protocol/errors.js';
import { StopState } from '../../dist/protocol/stop.js';
import type { Oracle } from '../../dist/runtime/simulation/oracle.js';
import type { SimStorm } from '../../dist/runtime/simulation/origin.js';
import { SIM_STORE, simStoreSpec } from '../../dist/testing/simulated-runtime.js';
import { patternObject } from './kit.js';
import { type Load, type LoadOptions, PAGE, SEVERAL, several } from './load.kit.js';
import { drawMisfortunes, lateStops } from './misfortunes.kit.js';
import type { Draw, Scenario } from './scenario.kit.js';
import { World } from './world.kit.js';

const encoder = new TextEncoder();

export const LOADS: Scenario = {
  name: 'loads',
  marks: [
    'a load was completed',
    'a load was stopped with items left',
    'an item was retried',
    'a port was full',
    'the budget was used up',
    'an object came in parts',
    'a worker was fenced',
    'a worker took the jobs of a dead one',
    'a stop was in time',
    'a slow read was hedged',
    'a hedge came first',
  ],
  run,
};

async function run(draw: Draw): Promise<string[]> {
  const { oracle, sites } = draw;
  const sizes = drawSizes(oracle);
  const world = drawWorld(draw, sizes);
  const wrong: string[] = [];
  watch(world, draw, wrong);
  const zipped = oracle.chance(0.2, 'loads are zipped');
  for (let i = oracle.between(1, 3, 'loads'); i > 0; i -= 1) {
    const load = drawLoad(oracle, sizes);
    world.load({
      ...load,
      hedge: drawHedge(oracle),
      throttleTimeoutMs: oracle.of([300_000, 4000, 0], 'patience'),
      token: world.tokens[i - 1]!,
      byHand: zipped,
    });
  }
  if (zipped) void zip(world.loads, world, oracle.of([0, 30], 'zip holds'));
  const asks = { asked: 0, settled: 0 };
  drawMisfortunes(draw, world, { ask: () => ask(world.loads[0]!, asks) });
  await world.run(() => world.loads.every((load) => load.over) && asks.settled === asks.asked);
  const memoryIsHeld = zipped || draw.struck('worker.stall', 'worker.zombie', 'clock.leap', 'port.') > 0;
  wrong.push(...lookAtLoads(world, draw, memoryIsHeld));
  sites.end();
  if (draw.struck('runtime.') === 0) wrong.push(...(await loadOnceMore(world)));
  await world.close();
  wrong.push(...world.leftovers());
  return wrong;
}

/** What has to hold after each step. */
export function watch(world: World, draw: Draw, wrong: string[]): void {
  const { arena, sim } = world;
  sim.afterEachStep(() => {
    const { usedBytes, chargedBytes } = arena.stats();
    if (usedBytes > arena.budgetBytes && wrong.length < 5)
      wrong.push(`${usedBytes} bytes of a budget of ${arena.budgetBytes} are used`);
    draw.sometimes('the budget was used up', usedBytes + chargedBytes > arena.budgetBytes - PAGE);
    for (const worker of sim.workers) wrong.push(...worker.creditFaults());
  });
}

/** What is wrong with loads that are over. */
export function lookAtLoads(world: World, draw: Draw, memoryIsHeld: boolean): string[] {
  const wrong: string[] = [];
  const pardon = pardonOf(draw, memoryIsHeld);
  for (const load of world.loads) {
    wrong.push(...load.violations());
    const { failure, record } = load;
    if (failure !== null && !pardon(failure)) wrong.push(`a load failed: ${(failure as Error).message}`);
    for (const { error } of record!.failures)
      if (!pardon(error)) wrong.push(`an item failed: ${String(error)}`);
    // A consumer that leaves may not hear of a failure that was there by then.
    const ends = record!.failures.length > 0 ? /completed|break|failed/ : /completed|break/;
    if (!wasStopped(draw) && failure === null && !ends.test(record!.reason))
      wrong.push(`a load ended as ${record!.reason}`);
    draw.sometimes('a load was completed', record!.reason === 'completed');
    draw.sometimes('a load was stopped with items left', record!.left > 0);
    draw.sometimes('an item was retried', record!.retries > 0);
    draw.sometimes('a slow read was hedged', record!.hedged > 0);
    draw.sometimes('a hedge came first', record!.hedgesWon > 0);
  }
  const begun = world.origin.reads.filter(({ stateAtStart }) => stateAtStart !== StopState.Live);
  for (const { key } of begun) wrong.push(`a request for ${key} began after the token had turned`);
  const full = world.sim.workers.some((worker) => worker.fullCount > 0);
  if (full) draw.sites.struck('port.full');
  draw.sometimes('a port was full', full);
  wrong.push(...lateStops(world, draw));
  draw.sometimes(
    'an object came in parts',
    world.origin.reads.some(({ start }) => start > 0),
  );
  draw.sometimes('a worker was fenced', world.fenced > 0);
  draw.sometimes('a worker took the jobs of a dead one', world.supervisor.stats.deaths > 0);
  return wrong;
}

function wasStopped(draw: Draw): boolean {
  return draw.struck('task.', 'runtime.') > 0;
}

/** The errors that faults of this run account for. */
export function pardonOf(draw: Draw, memoryIsHeld: boolean): (error: unknown) => boolean {
  const deaths = draw.struck('worker.', 'port.close', 'clock.leap');
  return (error) => {
    const { code } = error as MillraceError;
    switch (code) {
      case ErrorCode.Internal:
      case ErrorCode.Released:
      case ErrorCode.InvalidArgument:
        return false;
      case ErrorCode.BudgetHeldByConsumer:
        return memoryIsHeld;
      case ErrorCode.BudgetTooSmall:
        return true;
      case ErrorCode.WorkerStuck:
        return deaths >= 2;
      case ErrorCode.WorkerCrashed:
        // Three deaths may be laid to one item; more than one thread dies when time leaps.
        return deaths >= 3 || draw.struck('clock.leap') > 0;
      case ErrorCode.Cancelled:
      case ErrorCode.Draining:
      case ErrorCode.DeadlineExceeded:
        return wasStopped(draw);
      default:
        return draw.struck('store.', 'list.', 'write.', 'reply.') > 0;
    }
  };
}

/** Faults are over, so this comes through. */
export async function loadOnceMore(world: World): Promise<string[]> {
  for (const worker of world.sim.workers) worker.resume();
  await world.run(() => world.arena.stats().quarantinedBytes === 0);
  const next = world.load({ transform: null, ranges: null });
  await world.run(() => next.over);
  const wrong = next.violations();
  const fits = Object.values(world.options.sizes).every(
    (size) => Math.ceil(size / PAGE) * PAGE <= world.arena.budgetBytes,
  );
  const { failure, record } = next;
  if (fits && (failure !== null || record!.reason !== 'completed'))
    wrong.push(`when all faults were over, a load ended as ${record!.reason}: ${String(failure)}`);
  return wrong.map((line) => `once more: ${line}`);
}

export function drawWorld(draw: Draw, sizes: Record<string, number>, pageKeys = 1000): World {
  const { oracle, sites } = draw;
  const largest = Math.max(...Object.values(sizes));
  const fits = Math.ceil(largest / PAGE) + 1;
  const least = oracle.chance(0.05, 'an object does not fit') ? 1 : fits;
  let generation = 0;
  let snapshot = 1;
  const world: World = new World({
    seed: draw.seed,
    sizes,
    sites,
    transform: several,
    workers: oracle.between(1, 3, 'workers'),
    concurrency: oracle.between(1, 3, 'slots of a worker'),
    admission: drawAdmission(oracle),
    arenaBytes: PAGE * Math.max(least, oracle.of([64, 20, 8, 5, 3], 'pages')),
    origin: {
      drawn: draw,
      storms: drawStorms(draw),
      pageKeys,
      replacement: (key) =>
        sizes[key] === undefined ? null : patternObject(key, sizes[key], (generation += 1)),
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
    simulation: {
      ...draw.simulation,
      jobsCapacity: oracle.of([4, 2, 1], 'capacity of jobs'),
      resultsCapacity: oracle.of([4, 2, 1], 'capacity of results'),
      startMs: oracle.of([0, 20, 300], 'longest start'),
      exitMs: oracle.of([0, 100, 2000], 'longest exit'),
      refreshStore: () => simStoreSpec((snapshot += 1)),
    },
  });
  draw.attach(world.sim);
  return world;
}

/** Caps as a good neighbour has them; mostly none. */
export function drawAdmission(oracle: Oracle): AdmissionLimits {
  return {
    maxBandwidth: oracle.chance(0.15, 'maxBandwidth') ? oracle.of([1 << 20, 20_000], 'maxBandwidth') : null,
    maxCpuShare: null,
    cores: 2,
    maxEventLoopDelayMs: oracle.of([0, 0, 200], 'maxEventLoopDelayMs'),
  };
}

/** Times at which the service tells everybody to slow down. */
function drawStorms({ oracle, sites }: Draw): SimStorm[] {
  if (!oracle.chance(0.2, 'a storm')) return [];
  sites.struck('store.storm');
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

/** With one read to compare with, whatever takes twice as long is slow. */
function drawHedge(oracle: Oracle): HedgePlan | false {
  return oracle.chance(0.4, 'slow reads are hedged') && { percentile: 50, maxShare: 1, leastSamples: 1 };
}

export function drawLoad(oracle: Oracle, sizes: Record<string, number>): LoadOptions {
  const keys = Object.keys(sizes);
  const batchSize = oracle.between(1, 4, 'batchSize');
  const parts = { splitThreshold: 100, partBytes: 700, maxPerObject: oracle.between(1, 5, 'parts at once') };
  return {
    keys: oracle.chance(0.2, 'backwards') ? keys.toReversed() : keys,
    order: oracle.of(['sequence', 'completion'], 'order'),
    batchSize,
    batchBytes: oracle.of([1 << 20, 4 * PAGE, PAGE, 1], 'batchBytes'),
    dropLast: oracle.chance(0.1, 'dropLast'),
    // A window that a batch does not fit into would never fill one.
    windowObjects: batchSize + oracle.between(0, 8, 'windowObjects'),
    windowBytes: oracle.of([1 << 20, 4 * PAGE, PAGE, 1], 'windowBytes'),
    maxConcurrentObjects: oracle.between(1, 6, 'maxConcurrentObjects'),
    onError: oracle.of(['fail', 'skip'], 'onError'),
    transform: oracle.chance(0.25, 'a transform') ? SEVERAL : null,
    ranges: oracle.chance(0.2, 'many parts') ? parts : null,
    verify: oracle.of(['never', 'auto', 'always'], 'verify'),
    unsized: oracle.chance(0.3, 'sizes are not told'),
    holdMs: oracle.of([0, 0, 5, 700], 'holdMs'),
    ...(oracle.chance(0.1, 'breaks') ? { breakAfter: oracle.between(1, 3, 'breakAfter') } : {}),
  };
}

function ask(load: Load, asks: { asked: number; settled: number }): void {
  asks.asked += 2;
  const settled = (): void => {
    asks.settled += 1;
  };
  const none = { delimiter: null, continuation: null, limit: 3 };
  load.stream.head(SIM_STORE, encoder.encode('k0')).then(settled, settled);
  load.stream.list({ store: SIM_STORE, prefix: new Uint8Array(), ...none }).then(settled, settled);
}

/** One consumer that takes a batch of each load, and gives them back together. */
async function zip(loads: readonly Load[], world: World, holdMs: number): Promise<void> {
  for (;;) {
    const held: (() => void)[] = [];
    for (const load of loads) {
      if (load.failure !== null) continue;
      try {
        const batch = await load.take();
        if (batch !== null) held.push(() => load.giveBack(batch));
      } catch (thrown) {
        load.failure = thrown;
      }
    }
    if (holdMs > 0) await new Promise<void>((resolve) => void world.sim.context.after(holdMs, resolve));
    for (const giveBack of held) giveBack();
    if (held.length === 0) break;
  }
  for (const load of loads) await load.end();
}

/** A world, its loads and its misfortunes, all drawn from one seed. */
import type { HedgePlan } from '../../dist/actors/supervisor/types.js';
import { ErrorCode, type MillraceError } from '../../dist/protocol/errors.js';
import type { SimFault } from '../../dist/runtime/simulation/origin.js';
import { between as drawn, seededRandom } from '../../dist/protocol/seeded.js';
import { patternObject, storeSpec } from './kit.js';
import { type Load, type LoadOptions, PAGE, SEVERAL, several, STORE } from './load.kit.js';
import { World } from './world.kit.js';

const encoder = new TextEncoder();

export class Dice {
  readonly #random: () => number;

  constructor(seed: number, name: string) {
    this.#random = seededRandom(seed, name);
  }

  between(least: number, most: number): number {
    return drawn(this.#random, least, most);
  }

  chance(of: number): boolean {
    return this.#random() < of;
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.between(0, choices.length - 1)]!;
  }
}

export interface RandomWorld {
  readonly world: World;
  /** Questions asked beside the loads, and how many were answered. */
  readonly asks: { asked: number; settled: number };
  /** Consumers may hold what others wait for, or a thread that hangs does. */
  readonly memoryIsHeld: boolean;
  /** Nothing was drawn that may keep a load from its end. */
  readonly mustComplete: boolean;
}

export function createRandomWorld(seed: number): RandomWorld {
  const dice = new Dice(seed, 'world');
  const sizes = drawSizes(dice);
  const largest = Math.max(...Object.values(sizes));
  const faults = drawFaults(dice, sizes);
  const fits = Math.ceil(largest / PAGE) + 1;
  const { hedge, stalls } = drawHedging(seed, sizes);
  const world = new World({
    seed,
    sizes,
    transform: several,
    workers: dice.between(1, 3),
    concurrency: dice.between(1, 3),
    arenaBytes: PAGE * Math.max(dice.chance(0.1) ? 1 : fits, dice.of([3, 3, 5, 8, 20, 64])),
    origin: {
      faults: [...faults, ...stalls],
      maxPieces: dice.between(1, 3),
      slowCancel: dice.chance(0.3),
      latencyMs: dice.of([
        [1, 20],
        [0, 0],
        [1, 400],
      ]),
    },
    simulation: {
      jobsCapacity: dice.between(1, 4),
      resultsCapacity: dice.between(1, 4),
      startMs: dice.of([0, 20, 300]),
      exitMs: dice.of([0, 100, 2000]),
      refreshStore: (_id, stale) => storeSpec(stale + 1),
    },
  });
  const zipped = dice.chance(0.3);
  const loads = dice.between(1, 3);
  const drawnLoads = Array.from({ length: loads }, () => drawLoad(dice, sizes));
  for (const [i, load] of drawnLoads.entries()) {
    world.load({ ...load, hedge, token: world.tokens[i]!, byHand: zipped });
  }
  if (zipped) void zip(world.loads, world, dice.of([0, 0, 30]));
  const asks = { asked: 0, settled: 0 };
  const { stopped, hung } = misfortunes(dice, world, asks);
  const patient = faults.length === 0;
  return {
    world,
    asks,
    // One consumer over several loads may hold the memory that it waits for; a hung worker keeps its own.
    memoryIsHeld: hung || zipped,
    mustComplete: patient && !stopped && world.arena.budgetBytes >= fits * PAGE,
  };
}

/** In half of the worlds slow reads are asked for twice, and some reads are. */
function drawHedging(
  seed: number,
  sizes: Record<string, number>,
): { hedge: HedgePlan | false; stalls: SimFault[] } {
  // Dice of their own: what the others draw stays as it was.
  const dice = new Dice(seed, 'hedge');
  if (dice.chance(0.5)) return { hedge: false, stalls: [] };
  const hedge = { percentile: 50, maxShare: dice.of([0.1, 1, 1]), leastSamples: dice.between(1, 3) };
  const stalls = Array.from({ length: dice.between(1, 2) }, (): SimFault => {
    const key = dice.of(Object.keys(sizes));
    const fromByte = dice.of([0, 0, PAGE]);
    const forMs = dice.of([50, 300, 5000]);
    return {
      kind: 'stall',
      key,
      // Less than all: what is there as a whole is not asked for again.
      afterBytes: dice.between(0, Math.max(0, sizes[key]! - fromByte - 1)),
      forMs,
      fromByte,
    };
  });
  // One for each key: two could leave a read nothing to ask for.
  return {
    hedge,
    stalls: stalls.filter(({ key }, i) => stalls.findIndex((other) => other.key === key) === i),
  };
}

/** The errors that a load may end with although nothing stopped it. */
export function excused(error: unknown, { memoryIsHeld, mustComplete }: RandomWorld): boolean {
  const { code } = error as MillraceError;
  if (code === ErrorCode.BudgetHeldByConsumer) return memoryIsHeld;
  return !mustComplete && code !== ErrorCode.Internal && code !== ErrorCode.Released;
}

export function drawSizes(dice: Dice): Record<string, number> {
  const sizes: Record<string, number> = {};
  const count = dice.between(1, 10);
  for (let i = 0; i < count; i += 1) {
    sizes[`k${i}`] = dice.of([0, 1, dice.between(2, 900), PAGE, dice.between(1, 3 * PAGE), 4 * PAGE - 1]);
  }
  return sizes;
}

export function drawFaults(dice: Dice, sizes: Record<string, number>): SimFault[] {
  const faults: SimFault[] = [];
  while (dice.chance(0.45)) {
    const key = dice.of(Object.keys(sizes));
    const where = { key, times: dice.between(1, 3), fromByte: dice.of([0, 0, PAGE]) };
    faults.push({
      ...where,
      ...dice.of([
        { kind: 'reset', afterBytes: dice.between(0, 5000) } as const,
        { kind: 'stale-connection' } as const,
        { kind: 'throttle', retryAfterMs: dice.of([0, 100, 3000]) } as const,
        { kind: 'stale-credentials' } as const,
        { kind: 'clock-skew' } as const,
        // Other bytes under another version: parts of the two must not be mixed.
        {
          kind: 'replace',
          object: patternObject(key, sizes[key]!, faults.length + 1),
        } as const,
      ]),
    });
  }
  return faults;
}

export function drawLoad(dice: Dice, sizes: Record<string, number>): LoadOptions {
  const transformed = dice.chance(0.3);
  const keys = Object.keys(sizes);
  const batchSize = dice.between(1, 4);
  return {
    keys: dice.chance(0.2) ? keys.toReversed() : keys,
    order: dice.of(['sequence', 'sequence', 'completion']),
    batchSize,
    batchBytes: dice.of([1, PAGE, 4 * PAGE, 1 << 20]),
    dropLast: dice.chance(0.15),
    // A window that a batch does not fit into would never fill one.
    windowObjects: batchSize + dice.between(0, 8),
    windowBytes: dice.of([1, PAGE, 4 * PAGE, 1 << 20]),
    maxConcurrentObjects: dice.between(1, 6),
    onError: dice.of(['fail', 'skip']),
    transform: transformed ? SEVERAL : null,
    ranges: dice.chance(0.2)
      ? { splitThreshold: 100, partBytes: 700, maxPerObject: dice.between(1, 5) }
      : null,
    unsized: dice.chance(0.3),
    holdMs: dice.of([0, 0, 5, 700]),
    ...(dice.chance(0.1) ? { breakAfter: dice.between(1, 3) } : {}),
  };
}

/** `stopped` when something was drawn that may end a load early. */
function misfortunes(
  dice: Dice,
  world: World,
  asks: RandomWorld['asks'],
): { stopped: boolean; hung: boolean } {
  let stopped = false;
  let hung = false;
  let deaths = 0;
  const count = dice.between(0, 4);
  for (let i = 0; i < count; i += 1) {
    const step = dice.between(0, 120);
    const awaits = dice.chance(0.4) ? dice.between(0, 5) : -1;
    const index = dice.between(0, world.supervisor.workers - 1);
    const load = dice.of(world.loads);
    const [what, act] = dice.of<readonly ['goes on' | 'dies' | 'hangs' | 'ends', () => void]>([
      ['dies', () => world.crash(index)],
      ['dies', () => world.crash(index)],
      ['goes on', () => ask(load, asks)],
      ['hangs', () => hang(world, index, dice)],
      ['ends', () => dice.of(world.tokens).cancel('drawn')],
      ['ends', () => dice.of(world.tokens).drain('drawn', { deadlineMs: dice.of([0, 30, 5000]) })],
      ['ends', () => world.token.drain('drawn', { deadlineMs: dice.of([30, 5000]) })],
      ['ends', () => world.token.cancel('drawn')],
      ['ends', () => void load.stream.finish('drawn')],
      ['ends', () => void world.supervisor.close('drawn', dice.of([0, 10, 5000]))],
    ]);
    stopped ||= what !== 'goes on' && what !== 'dies';
    deaths += what === 'dies' ? 1 : 0;
    hung ||= what === 'hangs';
    if (awaits < 0) world.sim.atStep(step, act);
    else world.sim.atAwait(step, awaits, act);
  }
  // An item that was with three workers when they died is given up.
  return { stopped: stopped || deaths >= 3, hung };
}

export function hang(world: World, index: number, dice: Dice): void {
  const worker = world.sim.worker(index);
  worker.hang();
  world.sim.context.after(dice.of([10, 1000, 20_000]), () => worker.resume());
}

function ask(load: Load, asks: RandomWorld['asks']): void {
  asks.asked += 2;
  const settled = (): void => {
    asks.settled += 1;
  };
  const none = { delimiter: null, continuation: null, limit: 3 };
  load.stream.head(STORE, encoder.encode('k0')).then(settled, settled);
  load.stream.list({ store: STORE, prefix: new Uint8Array(), ...none }).then(settled, settled);
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

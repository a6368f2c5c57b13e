/** Reads that stall, asked for a second time: who wins, what becomes of the loser, and what it costs. */
import { describe, expect, it } from 'vitest';
import type { HedgePlan } from '../../dist/actors/supervisor/types.js';
import { ErrorCode, MillraceError } from '../../dist/protocol/errors.js';
import type { SimFault } from '../../dist/runtime/simulation/origin.js';
import { tries } from '../kit/effort.js';
import { patternObject } from './kit.js';
import { PAGE, SEVERAL, several, type LoadOptions } from './load.kit.js';
import { atEveryMoment, type Disturbance } from './moments.kit.js';
import { World, type WorldOptions } from './world.kit.js';

/** Hedges what takes twice as long as half of the others, as soon as there are any, and as often as it likes. */
const EAGER: HedgePlan = { percentile: 50, maxShare: 1, leastSamples: 1 };
const STALL_MS = 4000;
/** Far more than a read takes, and far less than a stall. */
const SOON_MS = 1000;

const stall = (key: string, more: object = {}): SimFault => ({
  kind: 'stall',
  key,
  afterBytes: 300,
  forMs: STALL_MS,
  ...more,
});

/** The object is another one when it is read for the second time: bytes of both reads cannot be taken for one. */
const replaced = (key: string, size: number): SimFault => ({
  kind: 'replace',
  key,
  object: patternObject(key, size, 1),
});

const SMALL = { a: 3000, b: 1, c: 700, d: 0, e: 9000, f: 600 };

function worldOf(
  options: Partial<WorldOptions> & Pick<WorldOptions, 'sizes'>,
  load: LoadOptions = {},
): World {
  const world = new World({
    seed: 1,
    ...options,
    origin: { maxPieces: 2, latencyMs: [1, 5], ...options.origin },
  });
  world.load({ token: world.tokens[0]!, hedge: EAGER, ...load });
  return world;
}

interface Scenario {
  readonly name: string;
  readonly make: () => World;
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'a small object that is replaced between its two reads',
    make: () => worldOf({ sizes: SMALL, origin: { faults: [stall('c'), replaced('c', SMALL.c)] } }),
  },
  {
    name: 'a part of a large object',
    make: () =>
      worldOf({
        sizes: { x: 100, y: 5 * PAGE, z: 10 },
        origin: { faults: [stall('y', { fromByte: 2 * PAGE })] },
      }),
  },
  {
    name: 'an object of unknown size, with one worker',
    make: () =>
      worldOf(
        { sizes: SMALL, workers: 1, origin: { faults: [stall('e'), replaced('e', SMALL.e)] } },
        { unsized: true },
      ),
  },
  {
    name: 'two objects with a transform',
    make: () =>
      worldOf(
        {
          sizes: { a0: 3000, b1: 900, c2: 700, d3: 400 },
          transform: several,
          origin: { faults: [stall('b1'), stall('c2')] },
        },
        { transform: SEVERAL },
      ),
  },
];

type Kind = Omit<Disturbance, 'make'> & { readonly what: string };

const expectAll = (world: World): void => {
  for (const load of world.loads) {
    expect(load.failure).toBeNull();
    expect(load.record).toMatchObject({ reason: 'completed', dropped: 0, left: 0, failed: 0 });
  }
};

const expectHandedBack = (world: World): void => {
  for (const { failure, record } of world.loads) {
    expect(failure).toBeNull();
    expect(record!.dropped).toBe(0);
  }
};

const KINDS: readonly Kind[] = [
  {
    what: 'a cancel of the runtime',
    disturb: (world) => world.token.cancel('stop'),
    withinMs: 200,
    goesOn: false,
    check: (world) => expect(world.origin.underWay).toEqual([]),
  },
  { what: 'a cancel of the stream', disturb: (world) => world.tokens[0]!.cancel('stop'), withinMs: 500 },
  {
    // A stall is in flight: it may come to its end.
    what: 'a drain of the stream',
    disturb: (world) => world.tokens[0]!.drain('stop'),
    withinMs: STALL_MS + 500,
    check: expectHandedBack,
  },
  {
    what: 'a drain of the runtime that its deadline cancels',
    disturb: (world) => world.token.drain('stop', { deadlineMs: 20 }),
    withinMs: 200,
    goesOn: false,
  },
  {
    what: 'a consumer that leaves',
    disturb: (world) => void world.loads[0]!.stream.finish('break'),
    withinMs: 500,
  },
  {
    what: 'the death of worker 0',
    disturb: (world) => world.crash(0),
    withinMs: STALL_MS + 1500,
    check: expectAll,
  },
  {
    what: 'the death of the last worker',
    disturb: (world) => world.crash(world.supervisor.workers - 1),
    withinMs: STALL_MS + 1500,
    check: expectAll,
  },
  {
    what: 'a death and a drain',
    disturb: (world) => {
      world.crash(0);
      world.tokens[0]!.drain('stop');
    },
    withinMs: STALL_MS + 1000,
    check: expectHandedBack,
  },
  {
    what: 'a hang of worker 0 that ends later',
    disturb: (world) => world.sim.hangWorker(0),
    withinMs: STALL_MS + 8000,
    check: expectAll,
    resume: true,
  },
];

describe.each(SCENARIOS)('$name', ({ make }) => {
  it('comes by its second read, long before the stall is over', async () => {
    const world = make();
    await world.untilOver();
    const [load] = world.loads;
    expect(load!.violations()).toEqual([]);
    expect(load!.record).toMatchObject({ reason: 'completed', failed: 0 });
    expect(load!.record!.hedgesWon).toBeGreaterThan(0);
    expect(load!.record!.hedged).toBeGreaterThanOrEqual(load!.record!.hedgesWon);
    expect(world.supervisor.stats).toMatchObject({
      hedged: load!.record!.hedged,
      hedgesWon: load!.record!.hedgesWon,
    });
    expect(world.sim.now).toBeLessThan(SOON_MS);
    await world.close();
    expect(world.leftovers()).toEqual([]);
  });

  it.each(KINDS)('survives $what at any moment', async (kind) => {
    const { steps, moments } = await atEveryMoment({ make, ...kind });
    expect(moments).toBeGreaterThan(steps);
  });
});

async function over(world: World): Promise<World> {
  await world.untilOver();
  expect(world.loads.flatMap((load) => load.violations())).toEqual([]);
  await world.close();
  expect(world.leftovers()).toEqual([]);
  return world;
}

/** How the reads of a key ended, in the order in which they began. */
function readsOf({ reads }: World['origin'], of: string): (string | null)[] {
  return reads.filter(({ key }) => key === of).map(({ outcome }) => outcome);
}

const refusal = new MillraceError(ErrorCode.AccessDenied, 'the simulated service says no');

describe('a hedge', () => {
  it('that is refused is nothing: the first read goes on', async () => {
    const faults: SimFault[] = [stall('c'), { kind: 'refuse', key: 'c', error: refusal }];
    const { loads, sim, origin } = await over(worldOf({ sizes: SMALL, origin: { faults } }));
    expect(loads[0]!.record).toMatchObject({ reason: 'completed', failed: 0 });
    expect(readsOf(origin, 'c')).toEqual(['interrupted', 'refused', 'complete']);
    expect(sim.now).toBeGreaterThan(STALL_MS);
  });

  it('is waited for when the first read fails for good', async () => {
    const world = worldOf(
      {
        sizes: SMALL,
        origin: { latencyMs: [30, 30], faults: [stall('c', { forMs: 250 })] },
      },
      { maxAttempts: 1 },
    );
    let failedFirst = false;
    world.sim.afterEachStep(() => {
      const [first, second] = readsOf(world.origin, 'c');
      failedFirst ||= first === 'interrupted' && second === null;
    });
    await over(world);
    expect(failedFirst).toBe(true);
    expect(readsOf(world.origin, 'c')).toEqual(['interrupted', 'complete']);
    expect(world.loads[0]!.record).toMatchObject({ reason: 'completed', failed: 0 });
  });

  it('whose first read fails, and which fails too, leaves the failure of the first', async () => {
    const faults: SimFault[] = [
      stall('c', { forMs: 250 }),
      { kind: 'stall', key: 'c', afterBytes: 0, forMs: 500 },
    ];
    const world = worldOf(
      { sizes: SMALL, origin: { latencyMs: [30, 30], faults } },
      { maxAttempts: 1, onError: 'skip' },
    );
    await over(world);
    const { record } = world.loads[0]!;
    expect(record).toMatchObject({ reason: 'completed', failed: 1 });
    expect(readsOf(world.origin, 'c')).toEqual(['interrupted', 'interrupted']);
    expect(record!.failures[0]!.error.message).toContain('interrupted');
  });

  it('that loses is stopped at once, though its own read would take for ever', async () => {
    const faults: SimFault[] = [stall('c', { forMs: 400 }), { kind: 'silence', key: 'c', afterBytes: 100 }];
    const world = await over(worldOf({ sizes: SMALL, origin: { faults } }));
    expect(world.loads[0]!.record).toMatchObject({ reason: 'completed', failed: 0 });
    expect(readsOf(world.origin, 'c')).toEqual(['interrupted', 'cancelled', 'complete']);
  });

  it('takes no memory while anybody is short of it', async () => {
    // The second read would fit beside what there is, and the third object then would not for longer.
    const sizes = { a: 100, b: 2 * PAGE, c: 4 * PAGE };
    const world = worldOf(
      { sizes, arenaBytes: 6 * PAGE, origin: { faults: [stall('b')] } },
      { batchSize: 1, windowBytes: 1 << 20 },
    );
    await over(world);
    expect(world.loads[0]!.record).toMatchObject({ reason: 'completed' });
    expect(readsOf(world.origin, 'b')).toEqual(['interrupted', 'complete']);
  });

  it('gives its memory back when somebody comes who is short of it', async () => {
    const sizes = { a: 100, b: 2 * PAGE, c: 3 * PAGE };
    const world = worldOf(
      {
        sizes,
        arenaBytes: 6 * PAGE,
        origin: { faults: [stall('b'), { kind: 'silence', key: 'b', afterBytes: 1 }] },
      },
      { keys: ['a', 'b'], batchSize: 1 },
    );
    await world.run(() => world.origin.reads.some(({ key, landed }) => key === 'b' && landed === 1));
    const second = world.load({ keys: ['c'] });
    await world.run(() => second.over);
    expect(world.sim.now).toBeLessThan(SOON_MS);
    expect(readsOf(world.origin, 'b')).toEqual([null, 'cancelled']);
    await over(world);
  });

  it('never has bytes of a loser among its own, though the device finishes what was cancelled', async () => {
    let won = 0;
    for (let seed = 0; seed < tries(60, 2); seed += 1) {
      const plain = { p: 10, q: 10, r: 10, s: 10, t: 10, u: 10, v: 10, w: 10 };
      const slow = { a: 900, b: 3000, c: 5000, d: 2 * PAGE };
      // Byte by byte for the first read, and one of them is always under way; the second meets another object.
      const faults = Object.entries(slow).flatMap(([key, size]): SimFault[] => [
        { kind: 'drip', key, bytes: 300, everyMs: 50 },
        replaced(key, size),
      ]);
      const world = worldOf(
        { seed, sizes: { ...plain, ...slow }, origin: { faults, slowCancel: true } },
        { batchSize: 1 },
      );
      await over(world);
      expect(world.loads[0]!.record).toMatchObject({ reason: 'completed', failed: 0 });
      won += world.supervisor.stats.hedgesWon;
    }
    expect(won).toBeGreaterThan(tries(20, 0));
  });

  it('is not sent for what is written elsewhere, nor where it is switched off', async () => {
    const faults = [stall('c')];
    const { loads } = await over(worldOf({ sizes: SMALL, origin: { faults } }, { hedge: false }));
    expect(loads[0]!.record).toMatchObject({ reason: 'completed', hedged: 0 });
    // The store of the simulation does not ask for it by itself.
    const silent = await over(worldOf({ sizes: SMALL, origin: { faults } }, { hedge: undefined }));
    expect(silent.loads[0]!.record).toMatchObject({ reason: 'completed', hedged: 0 });
  });

  it('is sent for a fiftieth of the requests at most, however many stall', async () => {
    const keys = Array.from({ length: 400 }, (_, i) => `k${i}`);
    const sizes = Object.fromEntries(keys.map((key) => [key, 50]));
    const faults = keys.filter((_, i) => i % 10 === 3).map((key) => stall(key));
    const world = worldOf(
      { sizes, origin: { faults }, concurrency: 8 },
      { hedge: { percentile: 80, maxShare: 0.02, leastSamples: 20 }, windowObjects: 64, batchSize: 8 },
    );
    const shares: number[] = [];
    world.sim.afterEachStep(() => {
      const { hedged } = world.supervisor.stats;
      if (hedged > 0) shares.push(hedged / (world.origin.reads.length - hedged));
    });
    await over(world);
    expect(world.loads[0]!.record!.hedged).toBeGreaterThan(3);
    expect(Math.max(...shares)).toBeLessThanOrEqual(0.02 * 1.2);
    expect(world.loads[0]!.record!.hedged).toBeLessThanOrEqual(0.02 * keys.length);
  });
});

/** Small scenarios, disturbed at every moment. */
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../../dist/protocol/errors.js';
import { SEVERAL, several, PAGE } from './load.kit.js';
import { atEveryMoment, type Disturbance } from './moments.kit.js';
import { World } from './world.kit.js';

interface Scenario {
  readonly name: string;
  readonly make: () => World;
}

const SMALL = { a0: 3000, b1: 1, c2: 700, d3: 0, e4: 9000 };

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'small objects, a reset and a throttle',
    make: () => {
      const world = new World({
        seed: 1,
        sizes: SMALL,
        origin: {
          maxPieces: 2,
          faults: [
            { kind: 'reset', key: 'a0', afterBytes: 9 },
            { kind: 'throttle', key: 'c2', retryAfterMs: 40 },
          ],
        },
      });
      world.load({ token: world.tokens[0]! });
      return world;
    },
  },
  {
    name: 'an object in parts and one of unknown size, in the memory for one of them',
    make: () => {
      const world = new World({
        seed: 2,
        sizes: { a: 3 * PAGE + 5, b: 2 * PAGE },
        arenaBytes: 4 * PAGE,
        origin: { maxPieces: 1 },
      });
      world.load({ token: world.tokens[0]!, unsized: true });
      return world;
    },
  },
  {
    name: 'a transform that makes none, one and two',
    make: () => {
      const world = new World({ seed: 3, sizes: SMALL, transform: several, origin: { maxPieces: 1 } });
      world.load({ token: world.tokens[0]!, transform: SEVERAL });
      return world;
    },
  },
  {
    name: 'two streams, one of which skips what is missing',
    make: () => {
      const world = new World({
        seed: 4,
        sizes: { a: 5000, b: 100, c: 3000 },
        arenaBytes: 3 * PAGE,
        origin: { maxPieces: 1 },
      });
      world.load({ token: world.tokens[0]! });
      world.load({ keys: ['c', 'missing', 'a'], onError: 'skip', order: 'completion', batchSize: 1 });
      return world;
    },
  },
];

type Kind = Omit<Disturbance, 'make'> & { readonly what: string };

/** Time for a thread's exit to be seen, another to be up, and everything to be fetched again. */
const CRASH_MS = 1500;
/** The same after a hang, which shows only when the thread has not turned for `stuckAfterMs`. */
const HANG_MS = 8000;
const FENCE_MS = 3500;

/** Nothing is lost: all loads came through, whatever happened to their workers. */
const expectAll = (world: World): void => {
  for (const load of world.loads) {
    expect(load.failure).toBeNull();
    expect(load.record!.reason).toBe('completed');
    expect(load.record!.dropped).toBe(0);
  }
};

/** Nothing is lost either, unless the thread that hangs takes so much memory with it that an item cannot fit any more. */
const expectAllThatFits = (world: World): void => {
  for (const { failure, record } of world.loads) {
    if (record!.failed === 0) expect([failure, record!.reason]).toEqual([null, 'completed']);
    for (const { error } of record!.failures) {
      if (error.code === ErrorCode.NotFound) continue;
      expect(error.code).toBe(ErrorCode.BudgetTooSmall);
      expect(error.message).toMatch(/lost to a stuck worker/);
    }
  }
};

/** What was complete is handed out, and the rest is left. */
const expectHandedBack = (world: World): void => {
  for (const load of world.loads) {
    expect(load.failure).toBeNull();
    expect(load.record!.dropped).toBe(0);
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
  {
    what: 'a cancel of one stream',
    disturb: (world) => world.tokens[0]!.cancel('stop'),
    withinMs: 500,
  },
  {
    what: 'a drain of the runtime',
    disturb: (world) => world.token.drain('stop'),
    withinMs: 500,
    goesOn: false,
    check: expectHandedBack,
  },
  {
    what: 'a drain of one stream',
    disturb: (world) => world.tokens[0]!.drain('stop'),
    withinMs: 500,
    check: expectHandedBack,
  },
  {
    what: 'a drain that its deadline cancels',
    disturb: (world) => world.token.drain('stop', { deadlineMs: 10 }),
    withinMs: 200,
    goesOn: false,
  },
  {
    what: 'a drain of the runtime whose deadline passes while nobody turns',
    disturb: (world) => {
      world.token.drain('stop', { deadlineMs: 50 });
      world.sim.leap(1000);
    },
    withinMs: 1500,
    goesOn: false,
  },
  {
    what: 'a drain of one stream whose deadline passes a little later, while nobody turns',
    disturb: (world) => {
      world.tokens[0]!.drain('stop', { deadlineMs: 50 });
      world.sim.atStep(world.sim.steps + 2, () => world.sim.leap(1000));
    },
    withinMs: 2500,
  },
  {
    what: 'a close of the runtime',
    disturb: (world) => void world.supervisor.close('close'),
    withinMs: 500,
    goesOn: false,
    check: expectHandedBack,
  },
  {
    what: 'a consumer that leaves',
    disturb: (world) => void world.loads[0]!.stream.finish('break'),
    withinMs: 500,
  },
  { what: 'the death of worker 0', disturb: (world) => world.crash(0), withinMs: CRASH_MS, check: expectAll },
  { what: 'the death of worker 1', disturb: (world) => world.crash(1), withinMs: CRASH_MS, check: expectAll },
  {
    what: 'the death of both workers',
    disturb: (world) => {
      world.crash(0);
      world.crash(1);
    },
    withinMs: CRASH_MS,
    check: expectAll,
  },
  {
    what: 'a death and a cancel',
    disturb: (world) => {
      world.crash(0);
      world.token.cancel('stop');
    },
    withinMs: 200,
    goesOn: false,
  },
  {
    what: 'a death and a drain',
    disturb: (world) => {
      world.crash(0);
      world.token.drain('stop');
    },
    withinMs: 700,
    goesOn: false,
    check: expectHandedBack,
  },
  ...(['jobs', 'results', 'control'] as const).map((port): Kind => ({
    what: `the close of the port for ${port} of a thread that ends a little later`,
    disturb: (world) => {
      world.sim.closeChannel(0, port);
      world.sim.context.after(30, () => world.crash(0));
    },
    withinMs: CRASH_MS,
    check: expectAll,
  })),
  {
    what: 'a hang of worker 0 that ends later',
    disturb: (world) => world.sim.hangWorker(0),
    withinMs: HANG_MS,
    check: expectAllThatFits,
    resume: true,
  },
  {
    what: 'a hang of worker 1 while the runtime closes',
    disturb: (world) => {
      world.sim.hangWorker(1);
      void world.supervisor.close('close', 0);
    },
    withinMs: FENCE_MS,
    goesOn: false,
    resume: true,
  },
];

describe.each(SCENARIOS)('$name', ({ make }) => {
  it.each(KINDS)('survives $what at any moment', async (kind) => {
    const { steps, moments } = await atEveryMoment({ make, ...kind });
    expect(moments).toBeGreaterThan(steps);
  });
});

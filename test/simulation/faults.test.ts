/** What the simulation does to a worker: deaths, hangs and late writes. */
import { describe, expect, it } from 'vitest';
import { OwnWord, type WorkerExit } from '../../dist/protocol/context.js';
import type { MillraceError } from '../../dist/protocol/errors.js';
import { DoneStatus } from '../../dist/protocol/tables.js';
import { tries } from '../kit/effort.js';
import { firstWrongByte, Hand, patternObjects, type HandOptions } from './kit.js';

const SIZES = { a: 30_000, b: 20_000, c: 10, d: 5000 };
const KEYS = Object.keys(SIZES);

function begin(seed: number, more: Partial<HandOptions> = {}): Hand {
  const driven = new Hand({ seed, objects: patternObjects(SIZES), maxPieces: 8, ...more });
  for (const key of KEYS) void driven.fetch([{ key }]);
  return driven;
}

describe('a crash just before any step', () => {
  it('delivers one exit with its cause, and nothing that was sent before is lost or doubled', async () => {
    const kept = new Set<number>();
    for (let seed = 1; seed <= 4; seed += 1) {
      const whole = begin(seed);
      await whole.untilReported();
      for (let step = 0; step < whole.sim.steps; step += tries(1, 7)) {
        const driven = begin(seed);
        const cause = new Error('boom');
        let sentBefore = -1;
        driven.sim.atStep(step, () => {
          sentBefore = driven.messages + Atomics.load(driven.link.ownWords, OwnWord.Results);
          driven.sim.crashWorker(0, cause);
        });
        expect(await driven.untilExit()).toEqual({ clean: false, cause });
        for (const row of driven.rows) {
          expect(row.status).toBe(DoneStatus.Ok);
          expect(firstWrongByte(row)).toBe(-1);
        }
        expect(driven.messages).toBe(sentBefore);
        kept.add(driven.rows.length);
      }
    }
    expect(kept.size).toBeGreaterThan(2);
  });

  it('leaves reads that write on until the exit is seen, and not after', async () => {
    let late = 0;
    for (let seed = 1; seed <= 12; seed += 1) {
      const driven = begin(seed, { simulation: { exitMs: 40 } });
      await driven.sim.run(() => driven.origin.underWay.some((read) => read.landed > 0), 500);
      let dead = false;
      driven.origin.onLanding = () => {
        expect(driven.exit).toBeNull();
        if (dead) late += 1;
      };
      driven.sim.crashWorker(0);
      dead = true;
      await driven.untilExit();
      // Whatever was left to the devices is taken back: the world comes to rest.
      await expect(driven.sim.run(() => false, 500)).rejects.toThrow(/nothing can happen/);
      expect(driven.sim.waiting()).toEqual([]);
    }
    expect(late).toBeGreaterThan(0);
  });

  it('ends a question that nobody will answer', async () => {
    const driven = begin(3);
    driven.sim.hangWorker(0);
    const stats = driven.link.stats();
    const refused = stats.then(
      () => 'answered',
      (error: MillraceError) => error.code,
    );
    driven.sim.crashWorker(0);
    await driven.untilExit();
    expect(await refused).toBe('WorkerCrashed');
    // Nor does anything that was meant for the dead wait any more.
    expect(driven.sim.waiting()).toEqual([]);
    await expect(driven.link.stats()).rejects.toMatchObject({ code: 'WorkerCrashed' });
  });

  it('is what an exception in a callback of the worker does', async () => {
    const cause = new Error('a defect');
    const driven = new Hand({
      seed: 1,
      objects: patternObjects(SIZES),
      simulation: {
        runWorker: (context) => {
          context.control.onMessage(() => {
            throw cause;
          });
          return context.sleep(1e9, {
            state: 0,
            onStop: () => () => {},
            onTurn: () => () => {},
          });
        },
      },
    });
    driven.stop();
    expect(await driven.untilExit()).toEqual({ clean: false, cause });
  });

  it('in the middle of a turn of its own lets nothing out that it posts afterwards', async () => {
    const driven: Hand = new Hand({
      seed: 5,
      objects: patternObjects(SIZES),
      transform: () => {
        driven.sim.crashWorker(0);
        return 'made after the death';
      },
    });
    void driven.fetch([{ key: 'c' }]);
    await driven.untilExit();
    await expect(driven.sim.run(() => false, 500)).rejects.toThrow(/nothing can happen/);
    expect(driven.rows).toEqual([]);
  });

  it('can befall an incarnation before it has come up', async () => {
    const exits: WorkerExit[] = [];
    const driven = new Hand({
      seed: 1,
      objects: patternObjects(SIZES),
      simulation: { onSpawn: (worker) => worker.crash(new Error('no thread')) },
    });
    await driven.untilExit();
    const link = driven.sim.context.spawn(0, 2);
    link.onExit((exit) => exits.push(exit));
    await driven.sim.run(() => exits.length > 0, 100);
    expect(exits[0]!.cause!.message).toBe('no thread');
    expect(driven.replies).toEqual([]);
    expect(driven.sim.workers.map((worker) => worker.name)).toEqual(['worker-0#1', 'worker-0#2']);
  });
});

describe('what a dead worker had sent', () => {
  it('is there for takePending, exactly as far as it was not delivered', async () => {
    const found = new Set<number>();
    for (let seed = 1; seed <= 20; seed += 1) {
      const driven = begin(seed, { simulation: { exitMs: 0 } });
      const inFlight = (): number => Atomics.load(driven.link.ownWords, OwnWord.Results);
      await driven.sim.run(() => inFlight() > 0, 2000);
      const sentBefore = driven.messages + inFlight();
      driven.sim.crashWorker(0);
      await driven.untilExit();
      expect(driven.messages).toBe(sentBefore);
      found.add(driven.foundAtExit);
      expect(driven.link.results.takePending()).toEqual([]);
    }
    // The exit overtakes the message with some seeds, and comes after it with others.
    expect(found).toEqual(new Set([0, 1]));
  });
});

describe('a hung worker', () => {
  it('takes nothing until it is resumed, and then loses nothing', async () => {
    for (let seed = 1; seed <= 6; seed += 1) {
      const driven = begin(seed);
      await driven.sim.run(() => driven.origin.reads.length > 0, 500);
      driven.sim.hangWorker(0);
      const reads = driven.origin.reads.length;
      const rows = driven.rows.length;
      await expect(driven.untilReported()).rejects.toThrow(/worker-0#1 is hung/);
      expect(driven.origin.reads).toHaveLength(reads);
      expect(driven.rows.length).toBeLessThan(KEYS.length);
      expect(driven.rows.length - rows).toBeLessThanOrEqual(2);
      driven.sim.resumeWorker(0);
      await driven.untilReported();
      expect(driven.statuses()).toEqual(KEYS.map(() => DoneStatus.Ok));
      expect(driven.rows.map((row) => firstWrongByte(row))).toEqual(KEYS.map(() => -1));
    }
  });

  it('hears of a cancel when it is resumed', async () => {
    const driven = begin(2);
    await driven.sim.run(() => driven.origin.reads.length > 0, 500);
    driven.sim.hangWorker(0);
    driven.cancel();
    await expect(driven.untilReported()).rejects.toThrow(/is hung/);
    driven.sim.resumeWorker(0);
    await driven.untilReported();
    expect(driven.statuses()).toContain(DoneStatus.Cancelled);
    expect(driven.lateWrites()).toBe(0);
  });
});

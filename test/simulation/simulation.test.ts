import { describe, expect, it } from 'vitest';
import { OwnWord } from '../../dist/protocol/context.js';
import { DoneStatus } from '../../dist/protocol/tables.js';
import { CancellationToken } from '../../dist/protocol/token.js';
import { Oracle } from '../../dist/runtime/simulation/oracle.js';
import { createPolicy } from '../../dist/runtime/simulation/policies.js';
import { Scheduler } from '../../dist/runtime/simulation/scheduler.js';
import { firstWrongByte, Hand, patternObjects, type HandOptions } from './kit.js';

const SIZES = { a: 5000, b: 1, c: 0, d: 12_345, e: 700, f: 9000, g: 64, h: 2048 };
const KEYS = Object.keys(SIZES);

function hand(seed: number, more: Partial<HandOptions> = {}): Hand {
  return new Hand({ seed, objects: patternObjects(SIZES), ...more });
}

async function fetchAll(driven: Hand): Promise<void> {
  for (let i = 0; i < KEYS.length; i += 3) {
    void driven.fetch(KEYS.slice(i, i + 3).map((key) => ({ key })));
  }
  await driven.untilReported();
}

describe('the order of a simulation', () => {
  it('is the same, step by step, for the same seed', async () => {
    const traces: (readonly string[])[] = [];
    for (let i = 0; i < 2; i += 1) {
      const driven = hand(11, { faults: [{ kind: 'reset', key: 'd', afterBytes: 100 }] });
      await fetchAll(driven);
      driven.stop();
      await driven.untilExit();
      traces.push(driven.sim.trace);
    }
    expect(traces[0]!.length).toBeGreaterThan(40);
    expect(traces[1]).toEqual(traces[0]);
  });

  it('differs between seeds, and so does the order of results', async () => {
    const traces = new Set<string>();
    const orders = new Set<string>();
    for (let seed = 1; seed <= 20; seed += 1) {
      const driven = hand(seed);
      await fetchAll(driven);
      traces.add(driven.sim.trace.join('\n'));
      orders.add(driven.rows.map((row) => row.id).join(','));
    }
    expect(traces.size).toBe(20);
    expect(orders.size).toBeGreaterThan(5);
  });

  it('has a hash that tells one key from another, where all else is the same', async () => {
    const hashOf = async (key: string): Promise<number> => {
      const driven = hand(11, { objects: patternObjects({ [key]: 10 }) });
      void driven.fetch([{ key }]);
      await driven.untilReported();
      expect(driven.sim.trace.filter((line) => line.includes(` ${key} `)).length).toBeGreaterThan(2);
      return driven.sim.hash;
    };
    const hash = await hashOf('a');
    expect(await hashOf('a')).toBe(hash);
    expect(await hashOf('b')).not.toBe(hash);
  });

  it('has a hash of the queue, the message and the moment of each event', () => {
    const hashOf = (name: string, label: string, atMs: number): number => {
      const oracle = new Oracle({ seed: 1 });
      const scheduler = new Scheduler(oracle, createPolicy('fifo', oracle.dice));
      const party = { name: 'worker', turning: true, thrown: () => {} };
      const queue = scheduler.queue(name, party);
      queue.deliver = () => {};
      scheduler.after(party, 'timer', atMs, () => queue.push(label, null));
      while (scheduler.step());
      expect(scheduler.trace.at(-1)).toBe(`1 @${atMs + 1} ${name}: ${label}`);
      return scheduler.hash;
    };
    const hash = hashOf('jobs', 'fetch', 5);
    expect(hashOf('jobs', 'fetch', 5)).toBe(hash);
    const others = [hashOf('results', 'fetch', 5), hashOf('jobs', 'head', 5), hashOf('jobs', 'fetch', 5.25)];
    expect(new Set([hash, ...others]).size).toBe(4);
  });

  it('delivers every message of one channel in the order it was sent, whatever the seed', async () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const driven = hand(seed, { concurrency: 1 });
      await fetchAll(driven);
      expect(driven.origin.reads.map((read) => read.key)).toEqual(KEYS);
    }
  });
});

describe('virtual time', () => {
  it('passes a deadline of an hour without waiting for it', async () => {
    const driven = hand(3);
    const token = new CancellationToken({ clock: driven.sim.clock }).withDeadline(3_600_000);
    let expired = false;
    token.onStop(() => {
      expired = true;
    });
    await driven.sim.run(() => expired, 1000);
    expect(driven.sim.now).toBe(3_600_001);
    expect(token.expired).toBe(true);
  });

  it('lets the heartbeat of a live worker grow, and not that of a hung one', async () => {
    const driven = hand(4);
    const beat = (): number => Atomics.load(driven.link.ownWords, OwnWord.Heartbeat);
    let looks = 0;
    const look = (): void => {
      looks += 1;
      driven.sim.context.after(1000, look);
    };
    look();
    await driven.sim.run(() => looks === 5, 1000);
    const live = beat();
    expect(live).toBeGreaterThanOrEqual(3);
    driven.sim.hangWorker(0);
    await driven.sim.run(() => looks === 10, 1000);
    expect(beat()).toBe(live);
    driven.sim.resumeWorker(0);
    await driven.sim.run(() => looks === 12, 1000);
    expect(beat()).toBeGreaterThan(live);
  });
});

describe('a run that comes to no end', () => {
  it('names the worker and the message that waits when nothing can happen', async () => {
    const driven = hand(5);
    await driven.sim.run(() => driven.replies.length === 1, 100);
    driven.sim.hangWorker(0);
    void driven.fetch([{ key: 'a' }]);
    const failure = driven.untilReported();
    await expect(failure).rejects.toThrow(/nothing can happen any more/);
    await expect(failure).rejects.toThrow(/worker-0#1 is hung/);
    await expect(failure).rejects.toThrow(/jobs -> worker-0#1 \(worker-0#1 does not turn\): fetch\[1\]/);
  });

  it('stops after the steps that it was given', async () => {
    const driven = hand(6);
    const again = (): void => {
      driven.sim.context.after(10, again);
    };
    again();
    const before = driven.sim.steps;
    await expect(driven.sim.run(() => false, 50)).rejects.toThrow(/not over after 50 steps/);
    expect(driven.sim.steps).toBe(before + 50);
  });

  it('passes on what a callback of the supervisor threw', async () => {
    const driven = hand(6);
    driven.sim.context.soon(() => {
      throw new Error('thrown in a callback');
    });
    await expect(driven.sim.run(() => false, 50)).rejects.toThrow('thrown in a callback');
  });
});

describe('ports of a simulation', () => {
  it('detach what is transferred at the moment it is sent', async () => {
    const driven = hand(2);
    const key = Uint8Array.of(1, 2, 3);
    const given = Uint8Array.of(7);
    const head = { kind: 'head', jobId: 1, stream: 1, store: 1, key, given, open: null, stores: [] } as const;
    const pair = driven.link.jobs.trySend(head, [given.buffer]);
    expect([pair, given.length, key.length]).toEqual(['ok', 0, 3]);
    // Nobody has opened stream 1: the worker dies of it, which shows that the message came.
    expect((await driven.untilExit()).cause!.message).toMatch(/no stream 1/);
  });

  it('never hold more than their capacity', async () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const capacity = 2;
      const driven = hand(seed, { simulation: { jobsCapacity: capacity, resultsCapacity: capacity } });
      let mostJobs = 0;
      let mostResults = 0;
      driven.sim.afterEachStep(() => {
        mostJobs = Math.max(mostJobs, Atomics.load(driven.link.ownWords, OwnWord.Jobs));
        mostResults = Math.max(mostResults, Atomics.load(driven.link.ownWords, OwnWord.Results));
      });
      for (const key of [...KEYS, ...KEYS]) void driven.fetch([{ key }]);
      await driven.untilReported();
      expect(mostJobs).toBe(capacity);
      expect(mostResults).toBeLessThanOrEqual(capacity);
      expect(driven.link.jobs.fullCount).toBeGreaterThan(0);
      expect(driven.statuses()).toEqual(driven.rows.map(() => DoneStatus.Ok));
    }
  });

  it('lose what is posted after they were closed', async () => {
    const driven = hand(7);
    await driven.sim.run(() => driven.replies.length === 1, 100);
    driven.sim.closeChannel(0, 'jobs');
    void driven.fetch([{ key: 'a' }]);
    await expect(driven.untilReported()).rejects.toThrow(/nothing can happen/);
    expect(driven.origin.reads).toEqual([]);
  });

  it('refuse a message that cannot be cloned and keep no credit of it', () => {
    const driven = hand(8);
    const before = driven.link.jobs.credits;
    const message = { kind: 'fetch', transform: () => {} } as never;
    expect(() => driven.link.jobs.trySend(message)).toThrow(/could not be cloned/);
    expect(driven.link.jobs.credits).toBe(before);
  });
});

describe('every object', () => {
  it('comes with exactly its own bytes, whatever the order', async () => {
    for (let seed = 1; seed <= 25; seed += 1) {
      const driven = hand(seed);
      await fetchAll(driven);
      for (const row of driven.rows) {
        expect(row.status).toBe(DoneStatus.Ok);
        expect(row.landed).toBe(SIZES[row.request.key as keyof typeof SIZES]);
        expect(firstWrongByte(row)).toBe(-1);
      }
    }
  });
});

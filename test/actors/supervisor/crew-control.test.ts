/** What workers are told beside their jobs, how they are watched, and how much they may have. */
import { describe, expect, it } from 'vitest';
import { Crew, type Worker } from '../../../dist/actors/supervisor/crew.js';
import { crewLimits, load, unload } from '../../../dist/actors/supervisor/load.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { handClock } from '../../protocol/hand-clock.js';
import { createWorker, type HandWorker } from './hand.kit.js';
import { createCrew, MIB } from './kit.js';

/** A crew whose workers write down what they hear, and whose timers say whether they hold the process. */
function createTold(size: number) {
  const clock = handClock();
  const links: HandWorker[] = [];
  const waits: [ms: number, holds: boolean | undefined][] = [];
  const context = {
    spawn: (index: number, incarnation: number) => {
      const link = createWorker(index, incarnation);
      links.push(link);
      return link;
    },
    now: () => clock.now(),
    after: (ms: number, fn: () => void, holds?: boolean) => {
      waits.push([ms, holds]);
      return clock.after(ms, fn);
    },
    random: () => 0.5,
    soon: (fn: () => void) => fn(),
    watchLoad: () => ({ read: () => ({ busyMs: 0, eventLoopDelayMs: 0 }), stop: () => {} }),
    refreshStore: () => Promise.reject(new Error('no stores here')),
  };
  const nothing = (): void => {};
  const events = { started: nothing, exited: nothing, waiting: nothing };
  const crew = new Crew(size, context, { maxRows: 128, maxOutstanding: MIB }, events, () => false);
  crew.start();
  const workers = (): Worker[] => [...crew.alive()];
  return { crew, clock, links, waits, workers };
}

const STREAM = { id: 5, slot: 50, epoch: 500 };

describe('those who know a stream', () => {
  it('are told when it turns, and nobody else', () => {
    const { crew, links, workers } = createTold(3);
    workers()[1]!.knownStreams.add(5);
    workers()[2]!.knownStreams.add(6);
    crew.turned(STREAM, StopState.Draining);
    const token = { kind: 'token', slot: 50, epoch: 500, state: StopState.Draining };
    expect(links.map(({ heard }) => heard)).toEqual([[], [token], []]);
  });

  it('are told once when it is over', () => {
    const { crew, links, workers } = createTold(2);
    workers()[1]!.knownStreams.add(5);
    crew.forget(STREAM);
    crew.forget(STREAM);
    expect(links.map(({ heard }) => heard)).toEqual([[], [{ kind: 'close-stream', stream: 5 }]]);
    expect(workers()[1]!.knownStreams.size).toBe(0);
  });

  it('and were given up are told that nobody wants it: they would wait for answers else', () => {
    const { crew, links, workers } = createTold(2);
    const [first, second] = workers() as [Worker, Worker];
    first.knownStreams.add(5);
    for (const worker of [first, second]) crew.fence(worker);
    crew.forget(STREAM);
    crew.forget(STREAM);
    const token = { kind: 'token', slot: 50, epoch: 500, state: StopState.Cancelled };
    expect(links.map(({ heard }) => heard)).toEqual([[{ kind: 'stop' }, token], [{ kind: 'stop' }], [], []]);
  });
});

describe('a worker that is given up', () => {
  it('is told to end, should it ever turn again', () => {
    const { crew, links, workers } = createTold(2);
    crew.fence(workers()[1]!);
    expect(links.map(({ heard }) => heard)).toEqual([[], [{ kind: 'stop' }], []]);
    expect([crew.allGone, crew.size, workers().length]).toEqual([false, 2, 2]);
  });

  it('and ends has no say in the pauses of the others', () => {
    const { crew, links, workers } = createTold(1);
    crew.fence(workers()[0]!);
    links[0]!.exit({});
    links[1]!.exit({});
    // The first death of the successor: it is replaced at once.
    expect([links.length, crew.deathsInARow]).toEqual([3, 1]);
  });
});

describe('a worker that died', () => {
  it('is gone, and waits for its successor hold the process', () => {
    const { crew, links, waits, workers } = createTold(1);
    const [first] = workers();
    links[0]!.exit({});
    expect([first!.gone, workers()[0]!.gone, waits]).toEqual([true, false, []]);
    links[1]!.exit({});
    expect([waits, crew.allGone]).toEqual([[[50, true]], true]);
  });

  it('leaves no timer behind when its successor is there', () => {
    const { crew, clock, links } = createTold(1);
    links[0]!.exit({});
    links[1]!.exit({});
    clock.advance(50);
    expect([links.length, clock.timers]).toEqual([3, 0]);
    crew.closing();
    expect(crew.allGone).toBe(false);
  });

  it('while the crew closes has no successor, and is a death all the same', () => {
    const { crew, links } = createTold(2);
    crew.closing();
    links[0]!.exit({});
    expect([links.length, crew.deathsInARow, crew.allGone]).toEqual([2, 1, false]);
    links[1]!.exit({});
    expect(crew.allGone).toBe(true);
  });
});

describe('the watch', () => {
  it('tells of each worker with jobs that has stopped turning, twice in a second', () => {
    const { crew, clock, links, waits, workers } = createTold(2);
    const told: string[] = [];
    const end = crew.watch(1000, ({ link }) => told.push(link.name));
    for (const worker of workers()) load(worker, 0, 10);
    clock.advance(500);
    links[1]!.beat();
    clock.advance(499);
    expect(told).toEqual([]);
    clock.advance(1);
    expect(told).toEqual(['worker-0#0']);
    clock.advance(500);
    // The second one was last seen to turn half a second ago.
    expect(told).toEqual(['worker-0#0', 'worker-0#0']);
    clock.advance(500);
    expect(told.at(-1)).toBe('worker-1#0');
    expect(waits.every(([ms]) => ms === 500)).toBe(true);
    end();
    expect(clock.timers).toBe(0);
  });

  it('says nothing of those without jobs', () => {
    const { crew, clock, workers } = createTold(1);
    const told: Worker[] = [];
    crew.watch(1000, (worker) => told.push(worker));
    clock.advance(5000);
    load(workers()[0]!, 0, 0);
    unload(workers()[0]!, 0, 0);
    clock.advance(5000);
    expect(told).toEqual([]);
  });

  it.each([
    ['counts anew where this thread itself was away for more than half a second', 501, [0, 0, 1]],
    ['does not where it was away for less', 500, [1]],
  ] as const)('%s', (_name, awayMs, expected) => {
    const clock = handClock();
    let away = 0;
    const { crew, at, context } = createCrew(1);
    context.now = () => clock.now() + away;
    context.after = (ms, fn) => clock.after(ms, fn);
    const told: Worker[] = [];
    crew.watch(1000, (worker) => told.push(worker));
    load(at(0), 0, 0);
    clock.advance(500);
    away = awayMs;
    for (const count of expected) {
      clock.advance(500);
      expect(told).toHaveLength(count);
    }
  });

  it('of a worker that was forgiven begins anew', () => {
    const { crew, clock, workers } = createTold(1);
    clock.advance(900);
    crew.forgive();
    clock.advance(900);
    expect(crew.stuck(1000)).toEqual([]);
    clock.advance(100);
    expect(crew.stuck(1000)).toEqual(workers());
  });
});

describe('the load of a worker', () => {
  it('is that of all stores, and each by itself', () => {
    const { crew, at } = createCrew(1);
    load(at(0), 2, 100);
    load(at(0), 0, 30);
    load(at(0), 2, 5);
    expect(at(0)).toMatchObject({ rows: 3, outstanding: 135 });
    expect(at(0).byStore).toEqual([{ rows: 1, outstanding: 30 }, undefined, { rows: 2, outstanding: 105 }]);
    expect(crew.inFlight).toBe(138);
    unload(at(0), 2, 100);
    expect(at(0)).toMatchObject({ rows: 2, outstanding: 35 });
    expect(at(0).byStore[2]).toEqual({ rows: 1, outstanding: 5 });
  });

  it('is that of one that works alone until it has nothing left', () => {
    const { at } = createCrew(1);
    at(0).exclusive = true;
    load(at(0), 0, 1);
    load(at(0), 0, 1);
    unload(at(0), 0, 1);
    expect(at(0).exclusive).toBe(true);
    unload(at(0), 0, 1);
    expect(at(0).exclusive).toBe(false);
  });

  it('is at most what keeps all of its slots busy', () => {
    expect(crewLimits(4)).toEqual({ maxRows: 128, maxOutstanding: 32 * MIB });
    expect(crewLimits(100)).toEqual({ maxRows: 400, maxOutstanding: 800 * MIB });
  });

  it('of one store may be full while there is room for others', () => {
    const { crew, at } = createCrew(1, { maxRows: 3, maxOutstanding: 100 });
    load(at(0), 1, 100);
    expect([crew.takes(at(0), 1), crew.takes(at(0), 0), crew.takes(at(0), 7)]).toEqual([false, true, true]);
    unload(at(0), 1, 100);
    for (let row = 0; row < 3; row += 1) load(at(0), 1, 0);
    expect(crew.takes(at(0), 1)).toBe(false);
  });
});

describe('the pick', () => {
  it('is the first of those that have the same to do', () => {
    const { crew, at } = createCrew(3);
    expect(crew.pick()).toBe(at(0));
    expect(crew.pick(at(0))).toBe(at(1));
  });

  it('for what goes before all the rest is the one with the least, however full, that has a credit and is not to be alone', () => {
    const { crew, links, at } = createCrew(3, { maxRows: 1, maxOutstanding: 1 });
    [7, 5, 6].forEach((outstanding, index) => Object.assign(at(index), { outstanding, rows: outstanding }));
    expect([crew.pick(), crew.pickBeyond()]).toEqual([null, at(1)]);
    while (links[1]!.jobs.trySend({} as never) === 'ok');
    expect(crew.pickBeyond()).toBe(at(2));
    at(2).exclusive = true;
    expect(crew.pickBeyond()).toBe(at(0));
    at(0).exclusive = true;
    expect(crew.pickBeyond()).toBeNull();
  });

  it('is nobody who has just died, or is to be alone', () => {
    const { crew, links, at } = createCrew(2);
    crew.closing();
    links[0]!.exit({});
    expect(crew.pick()).toBe(at(1));
    at(1).exclusive = true;
    expect([crew.pick(), crew.pickAlone({ task: {}, isWanted: () => true })]).toEqual([null, null]);
  });
});

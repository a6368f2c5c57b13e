import { describe, expect, it } from 'vitest';
import { load, unload } from '../../../dist/actors/supervisor/load.js';
import { createCrew, MIB } from './kit.js';

/** That is gone as soon as somebody asks. */
const SUSPECT = { task: {}, isWanted: () => false };

describe('the pick', () => {
  it('is the worker with the least outstanding', () => {
    const { crew, at } = createCrew(3);
    [5, 2, 9].forEach((outstanding, index) => Object.assign(at(index), { outstanding, rows: 1 }));
    expect(crew.pick()).toBe(at(1));
  });

  it('is never one without a credit, and null when nobody has one', () => {
    const { crew, links, at } = createCrew(2);
    Object.assign(at(1), { outstanding: 100, rows: 1 });
    while (links[0]!.jobs.trySend({} as never) === 'ok');
    expect(crew.pick()).toBe(at(1));
    while (links[1]!.jobs.trySend({} as never) === 'ok');
    expect([crew.pick(), crew.hasRoom]).toEqual([null, false]);
    links[0]!.received();
    expect(crew.pick()).toBe(at(0));
  });

  it('is never one with all the rows or bytes that it may have; one without a row may have any', () => {
    const { crew, at } = createCrew(2, { maxRows: 10, maxOutstanding: MIB });
    Object.assign(at(0), { rows: 10 });
    Object.assign(at(1), { rows: 9, outstanding: MIB - 1 });
    expect(crew.pick()).toBe(at(1));
    Object.assign(at(1), { outstanding: MIB });
    expect(crew.pick()).toBeNull();
    Object.assign(at(1), { rows: 0, outstanding: MIB });
    expect(crew.pick()).toBe(at(1));
  });

  it('of one that is to be alone has nothing to do, and nobody joins it', () => {
    const { crew, at } = createCrew(2);
    Object.assign(at(0), { rows: 1 });
    expect(crew.pickAlone(SUSPECT)).toBe(at(1));
    Object.assign(at(1), { rows: 1, exclusive: true });
    expect(crew.pickAlone(SUSPECT)).toBeNull();
    Object.assign(at(0), { outstanding: 100 * MIB, rows: 0 });
    expect(crew.pick()).toBe(at(0));
  });
});

describe('for one that is to be alone, while others keep all workers busy,', () => {
  const limits = { maxRows: 10, maxOutstanding: MIB };

  function busy(closed = new Set<number>()) {
    const kit = createCrew(2, limits, closed);
    for (let i = 0; i < 3; i += 1) load(kit.at(0), 0, 100);
    for (let i = 0; i < 2; i += 1) load(kit.at(1), 0, 100);
    const suspect = { task: {}, wanted: true, isWanted: () => suspect.wanted };
    return { ...kit, suspect };
  }

  it('one is given nothing more, and is there for it when it is done', () => {
    const { crew, at, suspect } = busy();
    const other = { task: {}, isWanted: () => true };
    expect(crew.pickAlone(suspect)).toBeNull();
    expect([crew.pick(), crew.pick(at(0)), crew.hasRoom]).toEqual([at(0), null, true]);
    unload(at(1), 0, 100);
    expect([crew.pickAlone(suspect), crew.pickAlone(other)]).toEqual([null, null]);
    unload(at(1), 0, 100);
    expect([crew.pickAlone(other), crew.pickAlone(suspect)]).toEqual([null, at(1)]);
    expect(crew.pickAlone(other)).toBe(at(1));
  });

  it('that one gets work again when nobody is to be sent alone any more', () => {
    const { crew, at, suspect } = busy();
    crew.pickAlone(suspect);
    suspect.wanted = false;
    expect(crew.pick()).toBe(at(1));
  });

  it('none is kept free that is given up, or waits for an origin that is closed', () => {
    const closed = new Set<number>();
    const { crew, at, suspect } = busy(closed);
    crew.pickAlone(suspect);
    load(at(1), 1, 1);
    closed.add(1);
    expect(crew.pick()).toBe(at(1));
    expect(crew.pickAlone(suspect)).toBeNull();
    expect([crew.pick(), crew.pick(at(1))]).toEqual([at(1), null]);
    crew.fence(at(0));
    expect(crew.pick()).toBe(at(0));
    expect(crew.pickAlone(suspect)).toBe(at(0));
  });
});

describe('what waits in a worker for a closed origin', () => {
  const CLOSED = 1;
  const limits = { maxRows: 10, maxOutstanding: MIB };

  it('keeps no work of other stores from it, and is bounded by itself', () => {
    const closed = new Set<number>();
    const { crew, at } = createCrew(1, limits, closed);
    for (let i = 0; i < 10; i += 1) load(at(0), CLOSED, 100);
    expect([crew.pick(), crew.inFlight]).toEqual([null, 1010]);
    closed.add(CLOSED);
    expect([crew.pick(), crew.inFlight]).toEqual([at(0), 0]);
    expect([crew.takes(at(0), CLOSED), crew.takes(at(0), 0)]).toEqual([false, true]);
    load(at(0), 0, MIB);
    expect([crew.pick(), crew.inFlight]).toEqual([null, MIB + 1]);
    unload(at(0), 0, MIB);
    expect(crew.pickAlone(SUSPECT)).toBeNull();
    unload(at(0), CLOSED, 100);
    expect(crew.takes(at(0), CLOSED)).toBe(true);
    closed.clear();
    expect(crew.inFlight).toBe(909);
  });

  it('is told of while it does, as its origin closes without a message', () => {
    const closed = new Set<number>();
    const { crew, clock, events, at } = createCrew(1, limits, closed);
    const end = crew.watch(1e9, () => {});
    load(at(0), CLOSED, 100);
    clock.advance(1000);
    expect(events).not.toContain('waiting');
    closed.add(CLOSED);
    clock.advance(1000);
    expect(events.filter((event) => event === 'waiting')).toHaveLength(2);
    unload(at(0), CLOSED, 100);
    clock.advance(1000);
    expect(events.filter((event) => event === 'waiting')).toHaveLength(2);
    end();
  });
});

describe('a worker that died', () => {
  it('is replaced at once the first time, then after pauses that double up to 5 s', () => {
    const { crew, clock, links, at } = createCrew(1);
    links[0]!.exit({});
    expect(at(0).incarnation).toBe(1);
    for (const pauseMs of [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]) {
      const { incarnation } = at(0);
      links.at(-1)!.exit({});
      clock.advance(pauseMs - 1);
      expect(crew.allGone).toBe(true);
      clock.advance(1);
      expect(at(0).incarnation).toBe(incarnation + 1);
    }
    expect(crew.deathsInARow).toBe(10);
  });

  it('is replaced at once again after a success of anybody', () => {
    const { crew, links, at } = createCrew(1);
    links[0]!.exit({});
    crew.succeeded();
    expect(crew.deathsInARow).toBe(0);
    links[1]!.exit({});
    expect(at(0).incarnation).toBe(2);
  });

  it('is told of once, before its replacement starts', () => {
    const { links, events } = createCrew(2);
    links[1]!.exit({});
    links[1]!.exit({});
    expect(events).toEqual(['+worker-0#0', '+worker-1#0', '-worker-1#0', '+worker-1#1']);
  });

  it('is no death when it ended cleanly', () => {
    const { crew, links, at } = createCrew(1);
    for (let i = 0; i < 5; i += 1) links.at(-1)!.exit({ clean: true });
    expect([crew.deathsInARow, at(0).incarnation]).toEqual([0, 5]);
  });
});

describe('a worker that is fenced', () => {
  it('gets no job any more, and has a successor in its place at once', () => {
    const { crew, links, at } = createCrew(1);
    const old = at(0);
    crew.fence(old);
    expect(old.link.jobs.trySend({} as never)).toBe('closed');
    expect(at(0)).not.toBe(old);
    expect(crew.pick()).toBe(at(0));
    expect([...crew.fenced]).toEqual([old]);
    expect(links).toHaveLength(2);
  });

  it('is watched to its end, which is no death and takes nobody its place', () => {
    const { crew, links, events, at } = createCrew(1);
    crew.fence(at(0));
    const successor = at(0);
    links[0]!.exit({});
    expect([crew.fenced.size, crew.deathsInARow]).toEqual([0, 0]);
    expect(at(0)).toBe(successor);
    expect(events).toEqual(['+worker-0#0', '+worker-0#1', '-worker-0#0']);
  });
});

describe('threads that were given up and do not end', () => {
  it('leave their places empty when there are too many, until one of them has ended', () => {
    const { crew, links, at } = createCrew(2);
    for (let i = 0; i < 8; i += 1) crew.fence(at(i % 2));
    expect([crew.fenced.size, [...crew.alive()].length]).toEqual([8, 2]);
    crew.fence(at(0));
    expect([[...crew.alive()].length, crew.exhausted, crew.allGone]).toEqual([1, false, false]);
    crew.fence(at(1));
    expect([crew.fenced.size, links.length, crew.exhausted]).toEqual([10, 10, true]);
    links[0]!.exit({});
    expect([[...crew.alive()].length, crew.exhausted]).toEqual([1, false]);
    links[1]!.exit({});
    links[2]!.exit({});
    expect([[...crew.alive()].length, crew.fenced.size, links.length]).toEqual([2, 7, 12]);
  });

  it('have no successors when the crew ends', () => {
    const { crew, links, at } = createCrew(1);
    for (let i = 0; i < 5; i += 1) crew.fence(at(0));
    crew.closing();
    links[0]!.exit({});
    expect([links.length, crew.allGone]).toEqual([5, true]);
  });
});

describe('a heartbeat', () => {
  it('that stands still for the time given makes its worker stuck, and the others not', () => {
    const { crew, clock, links, at } = createCrew(2);
    clock.advance(900);
    links[1]!.beat();
    expect(crew.stuck(1000)).toEqual([]);
    clock.advance(100);
    expect(crew.stuck(1000)).toEqual([at(0)]);
    links[0]!.beat();
    expect(crew.stuck(1000)).toEqual([]);
    clock.advance(999);
    expect(crew.stuck(1000)).toEqual([at(1)]);
  });
});

describe('a crew that closes', () => {
  it('starts nobody any more, not even those that a pause held back', () => {
    const { crew, clock, links } = createCrew(2);
    for (const link of [links[0]!, links[1]!]) link.exit({});
    const started = links.length;
    expect(clock.timers).toBe(1);
    crew.closing();
    expect(clock.timers).toBe(0);
    clock.advance(60_000);
    expect([links.length, crew.allGone]).toEqual([started, false]);
    links[2]!.exit({ clean: true });
    expect([links.length, crew.allGone]).toEqual([started, true]);
  });

  it('gives a fenced worker no successor', () => {
    const { crew, links, at } = createCrew(1);
    crew.closing();
    crew.fence(at(0));
    expect([links.length, crew.allGone, crew.fenced.size]).toEqual([1, true, 1]);
  });
});

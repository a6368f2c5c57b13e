import { describe, expect, it } from 'vitest';
import type { AdmissionLimits } from '../../../dist/actors/supervisor/admission.js';
import { Gate } from '../../../dist/actors/supervisor/gate.js';
import type { FetchJobRecord, RowResult } from '../../../dist/actors/supervisor/jobs.js';
import type { Part } from '../../../dist/actors/supervisor/parts.js';
import type { Stream } from '../../../dist/actors/supervisor/stream.js';
import type { SupervisorContext } from '../../../dist/protocol/context.js';
import { handClock } from '../../protocol/hand-clock.js';

const NONE = { maxBandwidth: null, maxCpuShare: null, cores: 2, maxEventLoopDelayMs: 0 };
/** Milliseconds between two samples. */
const SAMPLE_MS = 100;

const streamOf = (hasSink = false): Stream => ({ hasSink }) as Stream;
const partOf = (length: number, landed = false): Part => ({
  from: 0,
  length,
  whole: true,
  copy: null,
  landed,
});

const rowOf = (landed: number, more: Partial<RowResult> = {}): RowResult =>
  ({ landed, retries: 0, version: '"v"', outputs: null, ...more }) as RowResult;

const jobOf = (part: Part, weight = part.length, stream = streamOf()): FetchJobRecord =>
  ({ stream, part, weight }) as FetchJobRecord;

/** A gate over a clock and a load that the test moves, and what it did to those around it. */
function gateOf(limits: Partial<AdmissionLimits> | null) {
  const clock = handClock();
  const load = { busyMs: 5000, eventLoopDelayMs: 0, inFlight: 0, busy: true };
  const seen = { watches: 0, stops: 0, pokes: 0, looks: 0 };
  const context = {
    now: () => clock.now(),
    after: (ms: number, fn: () => void) => clock.after(ms, fn),
    watchLoad: () => {
      seen.watches += 1;
      return { read: () => ({ ...load }), stop: () => void (seen.stops += 1) };
    },
  } as unknown as SupervisorContext;
  const gate = new Gate({
    context,
    limits: limits === null ? null : { ...NONE, ...limits },
    inFlight: () => {
      seen.looks += 1;
      return load.inFlight;
    },
    busy: () => load.busy,
    poke: () => void (seen.pokes += 1),
  });
  /** The rows that go in one turn, one after the other, each weighing what it moves. */
  const turn = (...bytes: number[]): boolean[] => {
    gate.beginTurn();
    return bytes.map((length) => {
      const admitted = gate.admits();
      if (admitted) gate.began(streamOf(), partOf(length), length);
      return admitted;
    });
  };
  return { gate, clock, load, seen, turn };
}

/** As in `gateOf`, over a processor of which the workers have used far more than they may. */
function overloaded() {
  const kit = gateOf({ maxCpuShare: 0.5 });
  kit.gate.opened();
  kit.load.inFlight = 1;
  kit.load.busyMs += 700;
  kit.clock.advance(SAMPLE_MS);
  return kit;
}

describe('a gate without limits', () => {
  it.each([null, {}])('is open, measures nothing and asks nobody (%j)', (limits) => {
    const { gate, clock, seen } = gateOf(limits);
    gate.opened();
    gate.beginTurn();
    gate.began(streamOf(), partOf(1e9), 1e9);
    expect([gate.limits, gate.admits(), gate.admitsQuestion()]).toEqual([false, true, true]);
    expect([clock.timers, seen]).toEqual([0, { watches: 0, stops: 0, pokes: 0, looks: 0 }]);
    expect(gate.stats()).toEqual({
      bytesPerSecond: 0,
      cpuShare: null,
      eventLoopDelayMs: null,
      admission: 'open',
    });
    gate.stop();
  });

  it('still counts the bytes that came back in the last second', () => {
    const { gate, clock } = gateOf(null);
    gate.ended(jobOf(partOf(300)), rowOf(300));
    gate.ended(jobOf(partOf(200)), rowOf(150));
    gate.reported();
    gate.reported();
    expect(gate.stats().bytesPerSecond).toBe(450);
    gate.ended(jobOf(partOf(7)), rowOf(7));
    gate.reported();
    expect(gate.stats().bytesPerSecond).toBe(457);
    clock.advance(1000);
    expect(gate.stats().bytesPerSecond).toBe(0);
  });

  it('has no turns to keep: what a stream was given is forgotten', () => {
    // Courtesy limits nothing as long as the loop is in time.
    const { gate } = gateOf({ maxEventLoopDelayMs: 100 });
    const [first, second] = [streamOf(), streamOf()];
    gate.beginTurn();
    gate.began(first, partOf(1000), 1000);
    expect(gate.turns([first, second])[0]).toBe(first);
  });
});

describe('a gate counts as moved', () => {
  const moved = (part: Part, row: RowResult, stream = streamOf()): number => {
    const { gate } = gateOf(null);
    gate.ended(jobOf(part, part.length, stream), row);
    gate.reported();
    return gate.stats().bytesPerSecond;
  };

  it('what landed, once where the attempts went on behind it and once for each where they could not', () => {
    expect(moved(partOf(100), rowOf(100, { retries: 2 }))).toBe(100);
    expect(moved(partOf(100), rowOf(100, { retries: 2, version: null }))).toBe(300);
    expect(moved(partOf(100), rowOf(100, { retries: 0, version: null }))).toBe(100);
  });

  it('nothing for bytes that were there, unless they were written', () => {
    const written = rowOf(100, { outputs: [] });
    expect(moved(partOf(100, true), rowOf(100))).toBe(0);
    expect(moved(partOf(100, true), written)).toBe(0);
    expect(moved(partOf(100, true), rowOf(100), streamOf(true))).toBe(0);
    expect(moved(partOf(100, true), written, streamOf(true))).toBe(100);
  });

  it('what was read and written twice', () => {
    expect(moved(partOf(100), rowOf(100, { outputs: [] }), streamOf(true))).toBe(200);
    expect(moved(partOf(100), rowOf(100), streamOf(true))).toBe(100);
    expect(moved(partOf(100), rowOf(100, { outputs: [] }))).toBe(100);
  });
});

describe('a gate with a cap on bandwidth', () => {
  const RATE = 1000;
  /** What it holds, and how long a debt of nothing takes: a quarter of a second, and a turn of 50 ms. */
  const [BURST, TURN_MS] = [250, 50];

  it('takes no samples', () => {
    const { gate, clock, seen } = gateOf({ maxBandwidth: RATE });
    gate.opened();
    expect([gate.limits, seen.watches, clock.timers]).toEqual([true, 0, 0]);
  });

  it('refuses once the bytes are given out, says why, and wakes the supervisor once when there are some again', () => {
    const { gate, clock, seen, turn } = gateOf({ maxBandwidth: RATE });
    expect(turn(BURST, 1, 1)).toEqual([true, false, false]);
    expect([gate.stats().admission, clock.timers, seen.pokes]).toEqual(['bandwidth', 1, 0]);
    clock.advance(TURN_MS - 1);
    expect(turn(1)).toEqual([false]);
    expect([clock.timers, seen.pokes]).toEqual([1, 0]);
    clock.advance(1);
    expect([clock.timers, seen.pokes]).toEqual([0, 1]);
    expect(turn(TURN_MS, 1)).toEqual([true, false]);
    clock.advance(TURN_MS);
    expect([clock.timers, seen.pokes]).toEqual([0, 2]);
    gate.beginTurn();
    expect(gate.stats().admission).toBe('open');
  });

  it('lets no more be under way than comes in four seconds, of what was there and what went in this turn, and waits for it without a timer', () => {
    const { gate, clock, load } = gateOf({ maxBandwidth: RATE });
    load.inFlight = 3999;
    gate.beginTurn();
    expect(gate.admits()).toBe(true);
    gate.began(streamOf(), partOf(1), 1);
    expect([gate.admits(), gate.stats().admission, clock.timers]).toEqual([false, 'bandwidth', 0]);
    load.inFlight = 0;
    gate.beginTurn();
    expect(gate.admits()).toBe(true);
  });

  it('keeps neither listings nor heads', () => {
    const { gate, turn } = gateOf({ maxBandwidth: RATE });
    expect(turn(BURST, 1)).toEqual([true, false]);
    expect(gate.admitsQuestion()).toBe(true);
    expect(gate.stats().admission).toBe('bandwidth');
  });

  it.each([
    ['read', partOf(BURST), streamOf(), true],
    ['written', partOf(BURST, true), streamOf(true), true],
    ['neither read nor written', partOf(BURST, true), streamOf(), false],
  ])('charges a row for what is %s', (_what, part, stream, charged) => {
    const { gate } = gateOf({ maxBandwidth: RATE });
    gate.beginTurn();
    gate.began(stream, part, 1);
    expect(gate.admits()).toBe(!charged);
  });

  it('gives back what a row was charged and did not move, and takes what it moved beyond that', () => {
    const { gate, clock, turn } = gateOf({ maxBandwidth: RATE });
    expect(turn(BURST, 1)).toEqual([true, false]);
    gate.ended(jobOf(partOf(BURST)), rowOf(BURST - 100));
    expect(turn(100, 1)).toEqual([true, false]);
    gate.ended(jobOf(partOf(100)), rowOf(100, { retries: 1, version: null }));
    clock.advance(100 + TURN_MS - 1);
    expect(turn(1)).toEqual([false]);
    clock.advance(1);
    expect(turn(1)).toEqual([true]);
  });

  it('serves streams in turn, by the bytes that they move', () => {
    const { gate } = gateOf({ maxBandwidth: 1e6 });
    const [heavy, light] = [streamOf(), streamOf(true)];
    gate.beginTurn();
    // Weights do not count here.
    gate.began(heavy, partOf(1000), 1);
    gate.began(light, partOf(10), 5000);
    expect(gate.turns([heavy, light])[0]).toBe(light);
    gate.began(light, partOf(995), 0);
    expect(gate.turns([light, heavy])[0]).toBe(heavy);
  });

  it('has no timer left when it is stopped', () => {
    const { gate, clock, seen, turn } = gateOf({ maxBandwidth: RATE });
    turn(BURST, 1);
    expect(clock.timers).toBe(1);
    gate.stop();
    expect(clock.timers).toBe(0);
    clock.advance(10_000);
    expect(seen.pokes).toBe(0);
  });
});

describe('a gate with a cap on processor time', () => {
  it('looks at the load ten times a second while there is work, by one watch and one timer', () => {
    const { gate, clock, load, seen } = gateOf({ maxCpuShare: 0.5 });
    gate.opened();
    gate.opened();
    expect([seen.watches, clock.timers]).toEqual([1, 1]);
    clock.advance(10 * SAMPLE_MS);
    expect([seen.watches, seen.stops, clock.timers]).toEqual([1, 0, 1]);
    load.busy = false;
    clock.advance(SAMPLE_MS);
    expect([seen.stops, clock.timers]).toEqual([1, 0]);
    load.busy = true;
    gate.opened();
    expect([seen.watches, clock.timers]).toEqual([2, 1]);
    gate.stop();
    expect([seen.stops, clock.timers]).toEqual([2, 0]);
  });

  it('takes the first sample after a tenth of a second', () => {
    const { gate, clock, load } = gateOf({ maxCpuShare: 0.5 });
    gate.opened();
    load.busyMs += 50;
    clock.advance(SAMPLE_MS - 1);
    expect(gate.stats().cpuShare).toBe(0);
    clock.advance(1);
    expect(gate.stats().cpuShare).toBeGreaterThan(0);
  });

  it('tells the share of the cores that was used in the last second, not what was used before it looked', () => {
    const { gate, clock, load } = gateOf({ maxCpuShare: 0.5 });
    gate.opened();
    for (let sample = 0; sample < 5; sample += 1) {
      load.busyMs += 40;
      clock.advance(SAMPLE_MS);
    }
    expect(gate.stats().cpuShare).toBeCloseTo(0.1, 10);
    expect(gate.stats().eventLoopDelayMs).toBe(0);
  });

  it('counts what the supervisor itself works, once', () => {
    const { gate, clock } = gateOf({ maxCpuShare: 0.5 });
    gate.opened();
    let calls = 0;
    gate.timed(() => {
      calls += 1;
      clock.advance(30);
    });
    gate.timed(() => clock.advance(20));
    clock.advance(3 * SAMPLE_MS);
    expect([calls, gate.stats().cpuShare]).toEqual([1, 50 / 1000 / 2]);
  });

  it('refuses while more was used than the share, without a timer: the next sample wakes the supervisor', () => {
    const { gate, clock, seen, turn } = overloaded();
    expect(turn(1)).toEqual([false]);
    expect([gate.stats().admission, clock.timers, seen.pokes]).toEqual(['cpu', 1, 0]);
    clock.advance(SAMPLE_MS);
    expect([clock.timers, seen.pokes]).toEqual([1, 1]);
    clock.advance(3 * SAMPLE_MS);
    expect(seen.pokes).toBe(4);
    expect(turn(1)).toEqual([false]);
    clock.advance(SAMPLE_MS);
    expect(turn(1)).toEqual([true]);
    // Who is not kept needs not be woken.
    clock.advance(SAMPLE_MS);
    expect(seen.pokes).toBe(5);
  });

  it('keeps listings and heads too, and says so', () => {
    const { gate, clock } = overloaded();
    gate.beginTurn();
    expect([gate.admitsQuestion(), gate.stats().admission]).toEqual([false, 'cpu']);
    clock.advance(5 * SAMPLE_MS);
    gate.beginTurn();
    expect([gate.admitsQuestion(), gate.stats().admission]).toEqual([true, 'open']);
  });

  it('lets one row or one question go where nothing came back for half a minute', () => {
    for (const goes of ['row', 'question']) {
      const { gate, clock, load, turn } = overloaded();
      for (let sample = 0; sample < 300; sample += 1) {
        load.busyMs += 1000;
        clock.advance(SAMPLE_MS);
      }
      if (goes === 'row') expect(turn(1, 1)).toEqual([true, false]);
      else {
        gate.beginTurn();
        expect([gate.admitsQuestion(), gate.admitsQuestion()]).toEqual([true, false]);
      }
    }
  });

  it('learns from the rows that come back what weight costs', () => {
    const { gate, clock, load, turn } = gateOf({ maxCpuShare: 0.5 });
    gate.opened();
    expect(turn(1000)).toEqual([true]);
    gate.ended(jobOf(partOf(1000)), rowOf(1000));
    load.busyMs += 100;
    clock.advance(SAMPLE_MS);
    // A thousand cost 100 ms, and 250 ms of work may be in flight.
    expect(turn(2500, 1)).toEqual([true, false]);
  });

  it('does not count what threads use while nothing is with them', () => {
    const { gate, clock, load, turn } = gateOf({ maxCpuShare: 0.5 });
    gate.opened();
    load.busyMs += 100_000;
    clock.advance(SAMPLE_MS);
    expect(turn(1)).toEqual([true]);
  });

  it('serves streams in turn, by the weight of what they have workers do', () => {
    const { gate } = gateOf({ maxCpuShare: 0.5 });
    const [heavy, light] = [streamOf(), streamOf(true)];
    gate.beginTurn();
    gate.began(heavy, partOf(1), 1000);
    gate.began(light, partOf(5000), 10);
    expect(gate.turns([heavy, light])[0]).toBe(light);
    gate.began(light, partOf(1), 995);
    expect(gate.turns([light, heavy])[0]).toBe(heavy);
  });
});

describe('a gate that gives way to the event loop', () => {
  it('has no limit until the loop was late, and none again once it is in time', () => {
    const { gate, clock, load, seen, turn } = gateOf({ maxEventLoopDelayMs: 100 });
    gate.opened();
    gate.beginTurn();
    expect([gate.limits, seen.looks]).toEqual([false, 0]);
    load.inFlight = 2 ** 20;
    load.eventLoopDelayMs = 500;
    clock.advance(2 * SAMPLE_MS);
    expect(turn(1)).toEqual([false]);
    expect([gate.limits, gate.stats().admission]).toEqual([true, 'event-loop']);
    load.inFlight = 2 ** 19 - 1;
    expect(turn(1, 1)).toEqual([true, false]);
    load.eventLoopDelayMs = 10;
    clock.advance(40 * SAMPLE_MS);
    load.inFlight = 2 ** 40;
    gate.beginTurn();
    expect([gate.limits, gate.stats().admission]).toEqual([false, 'open']);
  });

  it('tells the longest delay of the last second', () => {
    const { gate, clock, load } = gateOf({ maxEventLoopDelayMs: 100 });
    gate.opened();
    for (const delayMs of [20, 70, 30]) {
      load.eventLoopDelayMs = delayMs;
      clock.advance(SAMPLE_MS);
    }
    expect(gate.stats().eventLoopDelayMs).toBe(70);
  });

  it('does not measure what the supervisor itself works', () => {
    const { gate, clock } = gateOf({ maxEventLoopDelayMs: 100 });
    gate.opened();
    let calls = 0;
    gate.timed(() => {
      calls += 1;
      clock.advance(30);
    });
    clock.advance(3 * SAMPLE_MS);
    expect([calls, gate.stats().cpuShare]).toEqual([1, 0]);
  });
});

import { afterEach, describe, expect, it, vi } from 'vitest';
import { CoarseClock } from '../../dist/transport/clock.js';
import { DEFAULT_TRANSPORT_LIMITS, tickMs } from '../../dist/transport/limits.js';
import { PHASE_OF_WAIT, Watch } from '../../dist/transport/watch.js';

/** A clock whose time the test moves; a time-out passes two ticks (of 10 ms) after its limit. */
function createClock(): CoarseClock {
  return new CoarseClock(
    10,
    () => 0,
    () => {},
  );
}

const LIMITS = {
  ...DEFAULT_TRANSPORT_LIMITS,
  connectTimeoutMs: 100,
  firstByteTimeoutMs: 200,
  idleTimeoutMs: 300,
  workTimeoutMs: 5000,
  minRateBytesPerSecond: 1000,
  minRateWindowMs: 1000,
};

describe('the watch over a wait', () => {
  it.each([
    ['connect', 100],
    ['firstByte', 200],
    ['send', 300],
    ['idle', 300],
  ] as const)(
    'names %s when its own limit of %i ms has certainly passed, and not before',
    (wait, limitMs) => {
      const clock = createClock();
      clock.nowMs = 5000;
      const watch = new Watch({ ...LIMITS, minRateBytesPerSecond: 0 }, clock);
      if (wait !== 'connect') watch.begin(false);
      clock.nowMs += limitMs + 20;
      expect(watch.overdue(wait)).toBeNull();
      clock.nowMs += 1;
      expect(watch.overdue(wait)).toBe(wait);
      watch.begin(false);
      expect(watch.overdue(wait)).toBeNull();
      clock.nowMs += limitMs + 20;
      expect(watch.overdue(wait)).toBeNull();
      clock.nowMs += 1;
      expect(watch.overdue(wait)).toBe(wait);
    },
  );

  it('begins anew with the body, and with each piece of it', () => {
    const clock = createClock();
    const watch = new Watch({ ...LIMITS, minRateBytesPerSecond: 0 }, clock);
    clock.nowMs = 400;
    watch.beginBody(0, true);
    for (let i = 0; i < 5; i += 1) {
      clock.nowMs += 320;
      expect(watch.overdue('idle')).toBeNull();
      watch.gotBody(1);
    }
    clock.nowMs += 321;
    expect(watch.overdue('idle')).toBe('idle');
  });

  it.each(['firstByte', 'idle'] as const)('(%s) has the limit of work where that comes first', (wait) => {
    const clock = createClock();
    const watch = new Watch(LIMITS, clock);
    watch.begin(true);
    if (wait === 'idle') watch.beginBody(0, false);
    for (let i = 0; i < 3; i += 1) {
      clock.nowMs += 5020;
      expect(watch.overdue(wait)).toBeNull();
      watch.gotBody(1);
    }
    clock.nowMs += 5021;
    expect(watch.overdue(wait)).toBe('work');
    watch.begin(false);
    clock.nowMs += 321;
    expect(watch.overdue(wait)).toBe(wait);
  });

  it.each([
    [150, 350],
    [1000, 400],
  ])(
    'for the head is longer behind a body that took %i ms to go out, up to twice as long: %i ms',
    (sendingMs, limitMs) => {
      const clock = createClock();
      clock.nowMs = 5000;
      const watch = new Watch(LIMITS, clock);
      watch.begin(false);
      clock.nowMs += sendingMs;
      watch.restart();
      clock.nowMs += limitMs + 20;
      expect(watch.overdue('firstByte')).toBeNull();
      clock.nowMs += 1;
      expect(watch.overdue('firstByte')).toBe('firstByte');
      watch.begin(false);
      clock.nowMs += 221;
      expect(watch.overdue('firstByte')).toBe('firstByte');
    },
  );

  it('for the request to be taken is no longer where work follows', () => {
    const clock = createClock();
    const watch = new Watch(LIMITS, clock);
    watch.begin(true);
    clock.nowMs += 321;
    expect(watch.overdue('send')).toBe('send');
  });
});

describe('the watch over the rate of a body', () => {
  /** So many bytes over one whole window, at its beginning; what is said of it at its end. */
  function drip(watch: Watch, clock: CoarseClock, bytes: number): ReturnType<Watch['overdue']> {
    for (let i = 0; i < 10; i += 1) {
      clock.nowMs += 100;
      watch.gotBody(i === 0 ? bytes : 0);
      expect(watch.overdue('idle')).toBeNull();
    }
    clock.nowMs += 21;
    watch.gotBody(0);
    return watch.overdue('idle');
  }

  it('ends one below it over a whole window, and lets one pass that is just as fast', () => {
    for (const [bytes, verdict] of [
      [999, 'rate'],
      [1000, null],
    ] as const) {
      const clock = createClock();
      const watch = new Watch(LIMITS, clock);
      watch.beginBody(0, true);
      expect(drip(watch, clock, bytes)).toBe(verdict);
    }
  });

  it('counts what came with the head, in the first window alone', () => {
    const clock = createClock();
    const watch = new Watch(LIMITS, clock);
    clock.nowMs = 7000;
    watch.beginBody(1000, true);
    expect(drip(watch, clock, 0)).toBeNull();
    expect(drip(watch, clock, 999)).toBe('rate');
  });

  it('judges each window anew', () => {
    const clock = createClock();
    const watch = new Watch(LIMITS, clock);
    watch.beginBody(0, true);
    expect(drip(watch, clock, 5000)).toBeNull();
    expect(drip(watch, clock, 1000)).toBeNull();
    expect(drip(watch, clock, 999)).toBe('rate');
  });

  it('is none of a body that is collected, though the one before was landed', () => {
    const clock = createClock();
    const watch = new Watch(LIMITS, clock);
    watch.beginBody(0, true);
    watch.beginBody(0, false);
    expect(drip(watch, clock, 1)).toBeNull();
  });

  it('is none where it is 0, and none of what is sent', () => {
    const clock = createClock();
    const slow = new Watch({ ...LIMITS, minRateBytesPerSecond: 0 }, clock);
    slow.beginBody(0, true);
    expect(drip(slow, clock, 1)).toBeNull();
    const sending = new Watch(LIMITS, clock);
    for (let i = 0; i < 20; i += 1) {
      clock.nowMs += 100;
      sending.restart();
      expect(sending.overdue('send')).toBeNull();
    }
  });
});

describe('the phase of an error', () => {
  it('is that of the wait that ran out', () => {
    expect(PHASE_OF_WAIT).toEqual({
      connect: 'connect',
      send: 'request',
      firstByte: 'head',
      work: 'head',
      idle: 'body',
      rate: 'body',
    });
  });
});

describe('the coarse clock', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('ticks while it runs, in the time that it is given, and a thread that was blocked counts two ticks', () => {
    const timers: { fn: () => void; ms: number }[] = [];
    vi.spyOn(globalThis, 'setInterval').mockImplementation(((fn: () => void, ms: number) => {
      const timer = { fn, ms, unref: () => {} };
      timers.push(timer);
      return timer;
    }) as unknown as typeof setInterval);
    const cleared = vi.spyOn(globalThis, 'clearInterval').mockImplementation(() => {});
    let now = 50;
    let ticks = 0;
    const clock = new CoarseClock(
      10,
      () => now,
      () => (ticks += 1),
    );
    clock.start();
    clock.start();
    expect(timers.map(({ ms }) => ms)).toEqual([10]);
    for (const [passed, nowMs] of [
      [12, 12],
      [500, 32],
    ] as const) {
      now += passed;
      timers[0]!.fn();
      expect(clock.nowMs).toBe(nowMs);
    }
    clock.stop();
    clock.stop();
    expect(cleared.mock.calls).toEqual([[timers[0]]]);
    // Time in which it did not run is none.
    now += 15;
    clock.start();
    now += 7;
    timers[1]!.fn();
    expect([ticks, clock.nowMs]).toEqual([3, 39]);
  });

  it('keeps no process alive', () => {
    const held = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = held();
    const clock = createClock();
    clock.start();
    expect(held()).toBe(before);
    clock.stop();
  });

  it('says that a limit has passed two ticks after it, and not before', () => {
    const clock = createClock();
    clock.nowMs = 120;
    expect(clock.hasPassed(0, 100)).toBe(false);
    clock.nowMs = 121;
    expect(clock.hasPassed(0, 100)).toBe(true);
    expect(clock.hasPassed(1, 100)).toBe(false);
  });
});

describe('the tick', () => {
  it.each([
    [{}, 250],
    [{ connectTimeoutMs: 100 }, 10],
    [{ firstByteTimeoutMs: 1009 }, 100],
    [{ idleTimeoutMs: 600 }, 60],
    [{ workTimeoutMs: 800 }, 80],
    [{ keepAliveMs: 70 }, 7],
    [{ minRateWindowMs: 90 }, 9],
    [{ minRateWindowMs: 90, minRateBytesPerSecond: 0 }, 250],
    [{ keepAliveMs: 0 }, 5],
    [{ connectTimeoutMs: 1 }, 5],
  ])('with %j is %i ms: a tenth of the shortest, and never less than 5 nor more than 250', (limits, ms) => {
    expect(tickMs({ ...DEFAULT_TRANSPORT_LIMITS, ...limits })).toBe(ms);
  });
});

import { describe, expect, it } from 'vitest';
import { Admission } from '../../../dist/actors/supervisor/admission.js';
import { BandwidthCap, CpuCap } from '../../../dist/actors/supervisor/caps.js';
import { Courtesy } from '../../../dist/actors/supervisor/courtesy.js';
import { Meter } from '../../../dist/actors/supervisor/meter.js';
import { rotate, Turns } from '../../../dist/actors/supervisor/turns.js';
import { seededRandom } from '../../../dist/protocol/seeded.js';

const NONE = { maxBandwidth: null, maxCpuShare: null, cores: 2, maxEventLoopDelayMs: 0 };
const MIB = 2 ** 20;

describe('the cap on bandwidth', () => {
  const RATE = 1_000_000;
  const BURST = RATE / 4;

  it('lets through no more than the rate, a quarter of a second of it and one row, over any time', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const random = seededRandom(seed, 'rows');
      const cap = new BandwidthCap(RATE, 0);
      const sent: [atMs: number, bytes: number][] = [];
      const largest = 400_000;
      let nowMs = 0;
      while (nowMs < 20_000) {
        const waitMs = cap.waitMs(nowMs, 0);
        if (waitMs === 0) {
          const bytes = Math.floor(random() ** 8 * largest);
          cap.take(bytes);
          sent.push([nowMs, bytes]);
        }
        // Time also goes on without anybody waiting for the cap.
        nowMs += random() < 0.01 ? 1000 : waitMs;
      }
      expect(sent.length).toBeGreaterThan(100);
      for (let from = 0; from < sent.length; from += 1) {
        let bytes = 0;
        for (let to = from; to < sent.length; to += 1) {
          bytes += sent[to]![1];
          const most = ((sent[to]![0] - sent[from]![0]) / 1000) * RATE + BURST + largest;
          if (bytes > most) expect.fail(`seed ${seed}: ${bytes} in ${sent[to]![0] - sent[from]![0]} ms`);
        }
      }
    }
  });

  it('uses the whole rate while there is work', () => {
    const cap = new BandwidthCap(RATE, 0);
    let bytes = 0;
    for (let nowMs = 0; nowMs < 10_000; nowMs += Math.max(1, cap.waitMs(nowMs, 0))) {
      while (cap.waitMs(nowMs, 0) === 0) {
        cap.take(4096);
        bytes += 4096;
      }
    }
    expect(bytes).toBeGreaterThan(10 * RATE * 0.97);
  });

  it('lets a row go that is larger than what it holds, and has the next one wait until that is paid', () => {
    const cap = new BandwidthCap(RATE, 0);
    expect(cap.waitMs(0, 0)).toBe(0);
    cap.take(8 * RATE);
    expect(cap.waitMs(0, 0)).toBe(8000 - 250 + 50);
    expect(cap.waitMs(7799, 0)).toBeGreaterThan(0);
    expect(cap.waitMs(7800, 0)).toBe(0);
  });

  it('takes what more came than was asked for, and gives back what did not come', () => {
    const cap = new BandwidthCap(RATE, 0);
    cap.take(BURST + 100_000);
    cap.correct(100_000, 0);
    expect(cap.waitMs(0, 0)).toBe(50);
    cap.correct(0, 500_000);
    expect(cap.waitMs(0, 0)).toBe(550);
    cap.correct(5 * RATE, 0);
    expect(cap.waitMs(0, 0)).toBe(0);
    // Never more than it holds.
    cap.take(BURST);
    expect(cap.waitMs(0, 0)).toBeGreaterThan(0);
  });

  it('uses what is there to the last byte, and then waits for a turn of it, each time', () => {
    const cap = new BandwidthCap(RATE, 0);
    cap.take(BURST - 10);
    expect(cap.waitMs(0, 0)).toBe(0);
    cap.take(10);
    expect([cap.waitMs(0, 0), cap.waitMs(20, 0)]).toEqual([50, 30]);
    expect(cap.waitMs(50, 0)).toBe(0);
    cap.take(49_990);
    expect(cap.waitMs(50, 0)).toBe(0);
    cap.take(10);
    expect(cap.waitMs(50, 0)).toBe(50);
  });

  it('charges a row for what it moved, more or less than was thought', () => {
    const cap = new BandwidthCap(RATE, 0);
    cap.take(BURST + 100_000);
    cap.correct(100_000, 70_000);
    expect(cap.waitMs(0, 0)).toBe(70 + 50);
    cap.correct(100_000, 150_000);
    expect(cap.waitMs(0, 0)).toBe(120 + 50);
    cap.correct(100_000, 100_000);
    expect(cap.waitMs(0, 0)).toBe(120 + 50);
  });

  it('keeps what is under way below four seconds of it, but for one row', () => {
    const cap = new BandwidthCap(RATE, 0);
    expect(cap.waitMs(0, 4 * RATE - 1)).toBe(0);
    expect(cap.waitMs(0, 4 * RATE)).toBe(Infinity);
    const low = new BandwidthCap(100, 0);
    expect(low.waitMs(0, 0)).toBe(0);
  });
});

describe('the cap on processor time', () => {
  /** Workers that each finish a row in `rowMs` of their own time; what they used by the end, and the rows. */
  function run(cores: number, workers: number, rowMs: number, weight: number, endMs = 60_000) {
    const cap = new CpuCap(cores, 0);
    const left: number[] = [];
    let [usedMs, sampledMs, rows, peak] = [0, 0, 0, 0];
    for (let nowMs = 0; nowMs < endMs; nowMs += 10) {
      while (left.length < 1000 && cap.admits(nowMs, left.length * weight)) {
        cap.began(nowMs);
        left.push(rowMs);
      }
      peak = Math.max(peak, left.length);
      let budgetMs = 10 * workers;
      while (budgetMs > 0 && left.length > 0) {
        const step = Math.min(budgetMs, left[0]!, 10);
        left[0]! -= step;
        usedMs += step;
        budgetMs -= step;
        if (left[0]! <= 0) {
          left.shift();
          rows += 1;
          cap.done(weight);
        }
      }
      if (nowMs % 100 === 0) {
        cap.sample(usedMs - sampledMs, nowMs, left.length * weight);
        sampledMs = usedMs;
      }
    }
    return { share: usedMs / endMs, rows, peak };
  }

  it.each([
    [0.5, 2, 1, 36_000],
    [0.5, 2, 100, 36_000],
    [1.5, 4, 20, 8 * MIB],
    [0.1, 4, 700, 1 * MIB],
    [0.2, 1, 20_000, 36_000],
  ])(
    'of %d cores holds on average, and is used: %i workers, rows of %i ms and %i bytes',
    (cores, workers, rowMs, weight) => {
      const { share, rows } = run(cores, workers, rowMs, weight, Math.max(60_000, rowMs * 200));
      expect(share).toBeLessThan(cores * 1.1 + 0.005);
      expect(share).toBeGreaterThan(cores * 0.8);
      expect(rows).toBeGreaterThan(1);
    },
  );

  it('keeps few rows in flight where each costs much', () => {
    expect(run(0.5, 2, 100, 36_000).peak).toBeLessThanOrEqual(8);
    expect(run(0.5, 2, 0.1, 36_000).peak).toBeGreaterThan(100);
  });

  it('has a quarter of a second of it in flight, by a mean cost in which the latest counts for three tenths', () => {
    const cap = new CpuCap(1, 0);
    const weight = 1024 * 100;
    cap.done(weight);
    cap.sample(100, 1000, 1);
    expect([cap.admits(1000, 256_000 - 1), cap.admits(1000, 256_000)]).toEqual([true, false]);
    cap.done(weight);
    cap.sample(200, 2000, 1);
    const most = 256_000 / 1.3;
    expect([cap.admits(2000, most - 1), cap.admits(2000, most + 1)]).toEqual([true, false]);
  });

  it('does not count what threads use while nothing is with them', () => {
    const cap = new CpuCap(0.5, 0);
    for (let nowMs = 100; nowMs < 5000; nowMs += 100) cap.sample(100, nowMs, 0);
    expect(cap.admits(5000, 0)).toBe(true);
  });

  it('lets a row go every half a minute beside one that burns and never ends', () => {
    const cap = new CpuCap(0.5, 0);
    const began: number[] = [];
    for (let nowMs = 0; nowMs < 100_000; nowMs += 100) {
      cap.sample(100, nowMs, 1);
      if (!cap.admits(nowMs, 1)) continue;
      cap.began(nowMs);
      began.push(nowMs);
    }
    expect(began.filter((atMs) => atMs > 2000)).toHaveLength(3);
  });
});

describe('courtesy', () => {
  const LATE = 300;
  const FULL = 64 * MIB;

  it('gives way to a loop that is late twice in a row, and not to one pause', () => {
    const courtesy = new Courtesy(200);
    for (const delay of [LATE, 0, LATE, 200, LATE, 0]) courtesy.sample(delay, 0, FULL);
    expect(courtesy.limits).toBe(false);
    courtesy.sample(LATE, 0, FULL);
    expect(courtesy.limits).toBe(false);
    courtesy.sample(LATE, 0, FULL);
    expect([courtesy.limits, courtesy.admits(FULL), courtesy.admits(FULL / 2)]).toEqual([true, false, false]);
    expect(courtesy.admits(FULL / 2 - 1)).toBe(true);
    courtesy.sample(LATE, 0, FULL / 2);
    expect(courtesy.admits(FULL / 4)).toBe(false);
  });

  it('recovers when the loop is in time again', () => {
    const courtesy = new Courtesy(200);
    for (let i = 0; i < 30; i += 1) courtesy.sample(LATE, i * 100, FULL);
    let samples = 0;
    while (courtesy.limits && samples < 1000) {
      samples += 1;
      courtesy.sample(10, 3000 + samples * 100, FULL);
    }
    expect(samples).toBeGreaterThan(10);
    expect(samples).toBeLessThan(60);
  });

  it('always has room for one row', () => {
    const courtesy = new Courtesy(200);
    for (let i = 0; i < 40; i += 1) courtesy.sample(LATE, i * 100, FULL);
    expect([courtesy.limits, courtesy.admits(0), courtesy.admits(FULL)]).toEqual([true, true, false]);
  });

  /** When it gives way, and when it leaves off, while the loop is late all the time: each change in ms. */
  function changes(endMs: number, delay: (nowMs: number) => number, courtesy = new Courtesy(200)): number[] {
    const at: number[] = [];
    let limits = false;
    for (let nowMs = 0; nowMs < endMs; nowMs += 100) {
      courtesy.sample(delay(nowMs), nowMs, FULL);
      if (courtesy.limits !== limits) at.push(nowMs);
      ({ limits } = courtesy);
    }
    return at;
  }

  it('gives up where it does not help, and tries again after a while that grows', () => {
    const [, gaveUp, again, gaveUpAgain, third] = changes(200_000, () => LATE);
    expect(gaveUp).toBeGreaterThanOrEqual(5000);
    expect(gaveUp).toBeLessThan(8000);
    expect(again! - gaveUp!).toBeGreaterThanOrEqual(30_000);
    expect(third! - gaveUpAgain!).toBeGreaterThanOrEqual(60_000);
  });

  it('tries it again after the shorter while once it has helped', () => {
    const courtesy = new Courtesy(200);
    changes(100_000, () => LATE, courtesy);
    const late = (nowMs: number): number => (nowMs < 150_000 ? 0 : nowMs < 150_500 ? LATE : 0);
    for (let nowMs = 100_000; nowMs < 200_000; nowMs += 100) courtesy.sample(late(nowMs), nowMs, FULL);
    const [gaveWay, gaveUp, again] = changes(60_000, () => LATE, shifted(courtesy, 200_000));
    expect(gaveWay).toBe(100);
    expect(again! - gaveUp!).toBeLessThan(31_000);
  });

  function shifted(courtesy: Courtesy, byMs: number): Courtesy {
    return {
      get limits() {
        return courtesy.limits;
      },
      sample: (delayMs: number, nowMs: number, inFlight: number) =>
        courtesy.sample(delayMs, nowMs + byMs, inFlight),
    } as Courtesy;
  }
});

describe('admission', () => {
  it('is never in the way where nothing is limited', () => {
    const admission = new Admission(NONE, 0);
    expect([admission.limits, admission.samples]).toEqual([false, false]);
    expect(admission.ask(0, 2 ** 40)).toBe('open');
  });

  it('takes everything in where nothing is limited', () => {
    const admission = new Admission(NONE, 0);
    admission.began(2 ** 40, 0);
    admission.sample({ busyMs: 1e6, eventLoopDelayMs: 1e6 }, 0, 2 ** 40);
    admission.ended(2 ** 40, 0, 2 ** 40);
    expect([admission.ask(0, 0), admission.waitMs]).toEqual(['open', 0]);
  });

  it.each([
    ['bandwidth', { maxBandwidth: 1000 }, [true, false]],
    ['processor time', { maxCpuShare: 0.5 }, [true, true]],
  ])('with a limit of %s alone has to be asked', (_what, limit, flags) => {
    const admission = new Admission({ ...NONE, ...limit }, 0);
    expect([admission.limits, admission.samples]).toEqual(flags);
    admission.sample({ busyMs: 0, eventLoopDelayMs: 1e6 }, 0, 1);
    expect(admission.ask(0, 0)).toBe('open');
  });

  it('learns from a row that came back what it moved, and what such a row costs', () => {
    const admission = new Admission({ ...NONE, maxBandwidth: 1000, maxCpuShare: 0.5 }, 0);
    admission.began(1250, 0);
    admission.ended(1250, 250, 1000);
    expect(admission.ask(0, 0)).toBe('bandwidth');
    expect(admission.waitMs).toBe(50);
    // A thousand weighed as much as the processor may have in flight.
    admission.sample({ busyMs: 250, eventLoopDelayMs: 0 }, 1000, 0);
    expect([admission.ask(1100, 999), admission.ask(1100, 1000)]).toEqual(['open', 'cpu']);
  });

  it('tells which limit keeps a row, and how long that takes at the most', () => {
    const admission = new Admission(
      { maxBandwidth: 1000, maxCpuShare: 0.5, cores: 2, maxEventLoopDelayMs: 100 },
      0,
    );
    expect([admission.ask(0, 0), admission.waitMs]).toEqual(['open', 0]);
    admission.began(1250, 0);
    expect([admission.ask(0, 0), admission.waitMs]).toEqual(['bandwidth', 1050]);
    expect(admission.ask(1100, 600)).toBe('open');
    for (const nowMs of [1100, 1200]) admission.sample({ busyMs: 0, eventLoopDelayMs: 500 }, nowMs, 600);
    expect([admission.ask(2000, 600), admission.waitMs]).toEqual(['open', 0]);
    admission.sample({ busyMs: 5000, eventLoopDelayMs: 0 }, 2000, 600);
    expect([admission.ask(3000, 0), admission.waitMs]).toEqual(['cpu', Infinity]);
    expect(admission.ask(9000, 0)).toBe('open');
  });

  it('gives way to the event loop only while it has to', () => {
    const admission = new Admission({ ...NONE, maxEventLoopDelayMs: 100 }, 0);
    expect([admission.limits, admission.samples]).toEqual([false, true]);
    for (const nowMs of [100, 200]) admission.sample({ busyMs: 0, eventLoopDelayMs: 500 }, nowMs, 8 * MIB);
    expect(admission.limits).toBe(true);
    expect([admission.ask(200, 8 * MIB), admission.waitMs]).toEqual(['event-loop', Infinity]);
  });
});

describe('turns', () => {
  it('give each stream the same, whatever the size of what it moves at a time', () => {
    const turns = new Turns<{ readonly size: number }>();
    const streams = [{ size: 4096 }, { size: 8 * MIB }, { size: 70_000 }];
    const served = new Map(streams.map((stream) => [stream, 0]));
    for (let i = 0; i < 10_000; i += 1) {
      const [first] = turns.order(streams);
      turns.served(first!, first!.size);
      served.set(first!, served.get(first!)! + first!.size);
    }
    const amounts = [...served.values()];
    expect(Math.max(...amounts) - Math.min(...amounts)).toBeLessThanOrEqual(8 * MIB);
  });

  it('have one that comes late go next, and not for all the time that it was away', () => {
    const turns = new Turns<{ readonly name: string }>();
    const [early, late] = [{ name: 'early' }, { name: 'late' }];
    for (let i = 0; i < 100; i += 1) turns.served(early, 1000);
    expect(turns.order([early, late])).toEqual([late, early]);
    turns.served(late, 1000);
    turns.served(late, 1000);
    expect(turns.order([late, early])).toEqual([early, late]);
  });
});

describe('streams in a row', () => {
  it('come first one after the other', () => {
    const streams = ['a', 'b', 'c'];
    const first = [0, 1, 2, 3].map(() => [...rotate(streams)].join(''));
    expect(first).toEqual(['bca', 'cab', 'abc', 'bca']);
    expect(rotate([])).toEqual([]);
  });
});

describe('the meter', () => {
  it('has seen nothing before, also in the first second of the clock', () => {
    const meter = new Meter();
    expect([meter.sum(0), meter.max(0)]).toEqual([0, 0]);
    meter.add(5, 50);
    expect([meter.sum(60), meter.max(60)]).toEqual([5, 5]);
  });

  it('sums, or takes the largest of, what was added in the last second', () => {
    const meter = new Meter();
    meter.add(5, 1050);
    meter.add(7, 1850);
    expect(meter.sum(1850)).toBe(12);
    expect(meter.sum(2040)).toBe(7);
    expect(meter.sum(2950)).toBe(0);
    const largest = new Meter();
    for (const [amount, at] of [
      [3, 100],
      [9, 150],
      [4, 900],
    ] as const)
      largest.note(amount, at);
    expect(largest.max(1000)).toBe(9);
    expect(largest.max(1150)).toBe(4);
    expect(largest.max(9000)).toBe(0);
  });
});

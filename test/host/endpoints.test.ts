import { describe, expect, it } from 'vitest';
import { EJECT_MS, EndpointSet, FAILURE_LIMIT, MAX_EJECT_MS, Verdict } from '../../dist/host/endpoints.js';
import { randomOf } from '../transport/kit.js';

const MIB = 1024 * 1024;

/** A set with a clock by hand. */
class Rig {
  nowMs = 1_000;
  readonly set: EndpointSet;
  constructor(readonly count: number) {
    this.set = new EndpointSet(count);
  }

  begin(bytes = 1, avoid = -1): { index: number; end: (verdict: Verdict, tookMs?: number) => void } {
    const begunMs = this.nowMs;
    const index = this.set.choose(begunMs, avoid);
    this.set.begun(index, bytes);
    const end = (verdict: Verdict, tookMs = 0): void => {
      this.nowMs += tookMs;
      this.set.ended(index, bytes, verdict, this.nowMs - begunMs, this.nowMs);
    };
    return { index, end };
  }

  /** One request that is sent to `index` itself, whatever would be chosen. */
  at(index: number, verdict: Verdict, tookMs = 0): void {
    this.set.begun(index, 1);
    this.nowMs += tookMs;
    this.set.ended(index, 1, verdict, tookMs, this.nowMs);
  }

  fail(index: number, verdict: Verdict = Verdict.Failed, times = 3): void {
    for (let i = 0; i < times; i++) this.at(index, verdict);
  }

  ejected(): boolean[] {
    return Array.from({ length: this.count }, (_, i) => this.set.view(i, this.nowMs).ejected);
  }

  /** How many of so many requests that run at the same time each endpoint gets; they end as cancelled. */
  share(requests: number, bytes = 1): number[] {
    const counts = Array.from({ length: this.count }, () => 0);
    const begun = Array.from({ length: requests }, () => this.begin(bytes));
    for (const { index, end } of begun) {
      counts[index]! += 1;
      end(Verdict.Unknown);
    }
    return counts;
  }
}

describe('the endpoint of the next request', () => {
  it('is the one with the fewest bytes in flight', () => {
    const rig = new Rig(2);
    const large = rig.begin(8 * MIB);
    const counts = [0, 0];
    for (let i = 0; i < 8; i++) counts[rig.begin(MIB / 2).index]! += 1;
    expect(counts[large.index]).toBe(0);
    large.end(Verdict.Answered, 5);
    expect(rig.begin().index).toBe(large.index);
  });

  it('is by number of requests when they are tiny', () => {
    expect(new Rig(3).share(300)).toEqual([100, 100, 100]);
    const rig = new Rig(2);
    const begun = Array.from({ length: 10 }, () => rig.begin(0));
    for (const { index, end } of begun) if (index === 0) end(Verdict.Unknown);
    for (let i = 0; i < 5; i++) expect(rig.begin(0).index).toBe(0);
  });

  it('is the faster one where nothing is in flight, and the slower one again after a while', () => {
    const rig = new Rig(2);
    rig.at(0, Verdict.Answered, 80);
    rig.at(1, Verdict.Answered, 20);
    for (let i = 0; i < 5; i++) {
      const { index, end } = rig.begin();
      expect(index).toBe(1);
      end(Verdict.Answered, 20);
    }
    expect(rig.set.view(1, rig.nowMs).latencyMs).toBeCloseTo(20, 0);
    let waitedMs = 0;
    for (; waitedMs < 120_000; waitedMs += 100) {
      rig.nowMs += 100;
      const { index, end } = rig.begin();
      if (index === 0) break;
      end(Verdict.Answered, 20);
    }
    expect(waitedMs).toBeGreaterThan(10_000);
    expect(waitedMs).toBeLessThan(60_000);
  });

  it('begins where the thread was told to, so that threads do not all begin with the same one', () => {
    expect(new EndpointSet(3, 2).choose(0)).toBe(2);
    expect(new EndpointSet(3, 4).choose(0)).toBe(1);
  });

  it('of a retry is another one than the one that failed, if there is one', () => {
    const rig = new Rig(3);
    for (let i = 0; i < 20; i++) expect(rig.begin(1, i % 3).index).not.toBe(i % 3);
    const two = new Rig(2);
    two.fail(1);
    expect(two.begin(1, 0).index).toBe(0);
  });
});

describe('an endpoint is ejected', () => {
  it('after three failures in a row, and then gets nothing', () => {
    const rig = new Rig(2);
    rig.fail(0, Verdict.Failed, 2);
    rig.at(0, Verdict.Answered);
    rig.fail(0, Verdict.Failed, 2);
    expect(rig.ejected()).toEqual([false, false]);
    rig.at(0, Verdict.Failed);
    expect(rig.ejected()).toEqual([true, false]);
    expect(rig.share(50)).toEqual([0, 50]);
  });

  it('only after many throttled answers in a row, and not for what was cancelled', () => {
    const rig = new Rig(2);
    rig.fail(0, Verdict.Unknown, 1000);
    rig.fail(0, Verdict.Throttled, FAILURE_LIMIT - 1);
    rig.at(0, Verdict.Answered);
    rig.fail(0, Verdict.Throttled, FAILURE_LIMIT - 1);
    expect(rig.ejected()).toEqual([false, false]);
    rig.at(0, Verdict.Throttled);
    expect(rig.ejected()).toEqual([true, false]);
  });

  it('never as the last one: the one that was out the longest comes in for it', () => {
    const rig = new Rig(3);
    for (const index of [1, 0, 2, 1, 0, 2]) {
      rig.nowMs += 10;
      rig.fail(index);
      expect(rig.ejected().filter((out) => !out).length).toBeGreaterThan(0);
    }
    // 1 and 0 went, 2 went for 1, 1 for 0, 0 for 2, 2 for 1.
    expect(rig.ejected()).toEqual([true, false, true]);
    const one = new Rig(1);
    one.fail(0, Verdict.Failed, 100);
    expect(one.ejected()).toEqual([false]);
    expect(one.begin().index).toBe(0);
  });
});

describe('an endpoint that was ejected', () => {
  it('is probed by one request at a time, after a time that doubles up to the longest', () => {
    const rig = new Rig(2);
    rig.fail(0);
    let backOffMs = EJECT_MS;
    for (let i = 0; i < 8; i++) {
      rig.nowMs += backOffMs - 1;
      expect(rig.share(10)).toEqual([0, 10]);
      rig.nowMs += 1;
      // A retry has waited already.
      expect(rig.begin(1, 1).index).toBe(1);
      const probe = rig.begin();
      expect(probe.index).toBe(0);
      expect(rig.share(10)).toEqual([0, 10]);
      probe.end(Verdict.Failed);
      backOffMs = Math.min(MAX_EJECT_MS, backOffMs * 2);
    }
    expect(backOffMs).toBe(MAX_EJECT_MS);
    expect(rig.ejected()).toEqual([true, false]);
  });

  it('is probed again when the probe was cancelled, and waits no longer when it was throttled', () => {
    const rig = new Rig(2);
    rig.fail(0);
    rig.nowMs += EJECT_MS;
    const cancelled = rig.begin();
    cancelled.end(Verdict.Unknown);
    const throttled = rig.begin();
    throttled.end(Verdict.Throttled);
    expect([cancelled.index, throttled.index]).toEqual([0, 0]);
    expect(rig.begin().index).toBe(1);
    rig.nowMs += EJECT_MS;
    expect(rig.begin().index).toBe(0);
  });

  it('is not let in by what began before, nor put out again', () => {
    const rig = new Rig(2);
    const before = Array.from({ length: 10 }, () => rig.begin()).filter(({ index }) => index === 0);
    rig.nowMs += 1;
    rig.fail(0);
    before.pop()!.end(Verdict.Answered);
    expect(rig.ejected()).toEqual([true, false]);
    rig.nowMs += EJECT_MS;
    const probe = rig.begin();
    before.pop()!.end(Verdict.Failed);
    probe.end(Verdict.Answered);
    for (const { end } of before) end(Verdict.Failed);
    expect(rig.ejected()).toEqual([false, false]);
  });

  it('comes in again with a success, little by little', () => {
    const rig = new Rig(2);
    rig.fail(0);
    rig.nowMs += EJECT_MS;
    rig.begin().end(Verdict.Answered);
    expect(rig.ejected()).toEqual([false, false]);
    expect(rig.share(100)).toEqual([2, 98]);
    for (let i = 0; i < 10; i++) rig.at(0, Verdict.Answered);
    expect(rig.share(100)).toEqual([12, 88]);
    for (let i = 0; i < 60; i++) rig.at(0, Verdict.Answered);
    expect(rig.share(100)).toEqual([50, 50]);
  });
});

describe('what is in flight', () => {
  it('is nothing when all has ended, and one endpoint is always in, whatever happened in between', () => {
    const verdicts = Object.values(Verdict);
    for (let seed = 0; seed < 200; seed++) {
      const below = randomOf(seed);
      const rig = new Rig(1 + below(4));
      const live: { index: number; bytes: number; end: (verdict: Verdict) => void }[] = [];
      // Whole endpoints that are down for a while make runs of failures.
      let down = -1;
      for (let step = 0; step < 400; step++) {
        rig.nowMs += below(300);
        if (below(40) === 0) down = below(rig.count + 1) - 1;
        if (live.length === 0 || below(2) === 0) {
          const bytes = below(MIB);
          const avoid = below(rig.count + 1) - 1;
          live.push({ ...rig.begin(bytes, avoid), bytes });
        } else {
          const [one] = live.splice(below(live.length), 1);
          one!.end(one!.index === down ? Verdict.Failed : verdicts[below(verdicts.length)]!);
        }
        expect(rig.ejected()).toContain(false);
        for (let i = 0; i < rig.count; i++) {
          const here = live.filter(({ index }) => index === i);
          const { inFlight, outstandingBytes } = rig.set.view(i, rig.nowMs);
          expect(inFlight).toBe(here.length);
          expect(outstandingBytes).toBe(here.reduce((sum, { bytes }) => sum + bytes, 0));
        }
      }
      for (const { end } of live) end(Verdict.Unknown);
      for (let i = 0; i < rig.count; i++)
        expect(rig.set.view(i, rig.nowMs)).toMatchObject({ inFlight: 0, outstandingBytes: 0 });
    }
  });

  it('is served by every endpoint again when all of them are well, whatever happened before', () => {
    for (let seed = 0; seed < 50; seed++) {
      const below = randomOf(seed);
      const rig = new Rig(3);
      for (let step = 0; step < 300; step++) {
        rig.nowMs += below(200);
        rig.begin().end(below(3) === 0 ? Verdict.Answered : Verdict.Failed, below(50));
      }
      for (let step = 0; step < 600; step++) {
        rig.nowMs += 1_000;
        const begun = Array.from({ length: 6 }, () => rig.begin());
        for (const { end } of begun) end(Verdict.Answered, 1);
      }
      expect(rig.share(90)).toEqual([30, 30, 30]);
    }
  });
});

import { describe, expect, it } from 'vitest';
import { afterRunning } from '../../../dist/actors/supervisor/late.js';

/** Timers that a test fires at any time that it likes. */
function createClock() {
  const waiting: { readonly ms: number; readonly fn: () => void }[] = [];
  const clock = { nowMs: 5000, fired: 0 };
  const context = {
    now: () => clock.nowMs,
    after: (ms: number, fn: () => void) => {
      const timer = { ms, fn };
      waiting.push(timer);
      return () => void waiting.splice(waiting.indexOf(timer), 1);
    },
  };
  const cancel = afterRunning(context, 3000, () => void (clock.fired += 1));
  /** The timer fires so long after it was set. */
  const ring = (ms: number): void => {
    clock.nowMs += ms;
    waiting.shift()!.fn();
  };
  return { clock, cancel, ring, waits: () => waiting.map(({ ms }) => ms) };
}

describe('a wait in which the process is to have run', () => {
  it('ends when its timer comes, be it a little late', () => {
    for (const ms of [3000, 3500]) {
      const { clock, ring, waits } = createClock();
      ring(ms);
      expect([clock.fired, waits()]).toEqual([1, []]);
    }
  });

  it('begins anew when its timer comes much too late, as often as that happens', () => {
    const { clock, ring, waits } = createClock();
    for (const ms of [3501, 3_600_000]) {
      ring(ms);
      expect([clock.fired, waits()]).toEqual([0, [3000]]);
    }
    ring(3000);
    expect([clock.fired, waits()]).toEqual([1, []]);
  });

  it('is taken back, also after it began anew', () => {
    const { clock, ring, cancel, waits } = createClock();
    ring(9000);
    cancel();
    expect([clock.fired, waits()]).toEqual([0, []]);
  });
});

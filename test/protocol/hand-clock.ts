/** Time that stands still until the test moves it, and a count of the timers that wait for it. */
import type { TokenClock } from '../../dist/protocol/token.js';

export interface HandClock extends TokenClock {
  /** Moves the time, and fires what is due on the way, in order. */
  advance(ms: number): void;
  /** Timers that wait. */
  readonly timers: number;
}

/** `longestMs`: a timer fires after that at the latest, as Node's do after 2^31 ms. */
export function handClock(longestMs = Infinity): HandClock {
  let now = 1000;
  const waiting = new Set<{ readonly at: number; readonly fn: () => void }>();
  return {
    now: () => now,
    after: (ms, fn) => {
      const timer = { at: now + Math.min(ms, longestMs), fn };
      waiting.add(timer);
      return () => waiting.delete(timer);
    },
    advance: (ms) => {
      const end = now + ms;
      for (;;) {
        const [next] = [...waiting].sort((a, b) => a.at - b.at);
        if (next === undefined || next.at > end) break;
        waiting.delete(next);
        now = Math.max(now, next.at);
        next.fn();
      }
      now = end;
    },
    get timers() {
      return waiting.size;
    },
  };
}

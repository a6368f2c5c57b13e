/**
 * At most so many bytes and calls of a store per second: a bucket of tokens for each.
 *
 * Invariants:
 * 1. Calls go in the order in which they came. Over any time they move no more than a second's worth beyond the rate, and
 *    one call more where that is larger than a second's worth: it waits for a full bucket and leaves a debt.
 * 2. A read is charged what it asks for, and given back what did not come: the object may have been shorter.
 * 3. A wait ends when its signal turns, and nothing was charged then.
 */
import type { TurnSignal } from '../protocol/context.js';
import type { AsyncStore } from '../protocol/store.js';
import { TokenBucket } from '../protocol/token-bucket.js';
import { hasTurned } from '../protocol/stop.js';
import { type DecoratorClock, REAL_CLOCK } from './clock.js';
import { gated } from './gate.js';
import { createPermits } from './limit.js';
import { checkThrottle, type ThrottleOptions } from './options.js';

/** @throws MillraceError InvalidArgument */
export function throttle(
  store: AsyncStore,
  options: ThrottleOptions,
  clock: DecoratorClock = REAL_CLOCK,
): AsyncStore {
  const { bytesPerSecond = Infinity, requestsPerSecond = Infinity } = checkThrottle(options, 'throttle');
  const bytes = bucketOf(bytesPerSecond, clock);
  const requests = bucketOf(requestsPerSecond, clock);
  const turn = createPermits(1);
  /** Whoever is first in the row and waits for tokens, to be woken when some come back. */
  let wake = (): void => {};
  const enter = async (count: number, stop: TurnSignal): Promise<boolean> => {
    if (!(await turn.take(stop))) return false;
    try {
      for (;;) {
        const nowMs = clock.now();
        const ms = Math.max(bytes?.waitMs(count, nowMs) ?? 0, requests?.waitMs(1, nowMs) ?? 0);
        if (hasTurned(stop)) return false;
        if (ms === 0) break;
        await clock.sleep(
          ms,
          wokenToo(stop, (fn) => (wake = fn)),
        );
      }
      bytes?.take(count);
      requests?.take(1);
      return true;
    } finally {
      turn.give();
    }
  };
  return gated(store, {
    enter: async (count, stop) => {
      if (!(await enter(count, stop))) return null;
      return (moved) => {
        if (moved >= count) return;
        bytes?.giveBack(count - moved);
        wake();
      };
    },
  });
}

function bucketOf(perSecond: number, clock: DecoratorClock): TokenBucket | null {
  return perSecond === Infinity ? null : new TokenBucket(perSecond, clock.now());
}

/** A signal that turns with `stop`, or when what `link` is given is called. */
function wokenToo(stop: TurnSignal, link: (wake: () => void) => void): TurnSignal {
  return {
    get state() {
      return stop.state;
    },
    onStop: (fn) => stop.onStop(fn),
    onTurn: (fn) => {
      link(fn);
      const unlink = stop.onTurn(fn);
      return () => {
        link(() => {});
        unlink();
      };
    },
  };
}

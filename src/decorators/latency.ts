/** A delay before each call of a store: a service that is far away, for tests and for trying settings out. */
import { seededRandom } from '../protocol/seeded.js';
import type { AsyncStore } from '../protocol/store.js';
import { hasTurned } from '../protocol/stop.js';
import { type DecoratorClock, REAL_CLOCK } from './clock.js';
import { gated } from './gate.js';
import { checkLatency, type LatencyOptions } from './options.js';

const nothing = (): void => {};

/**
 * Delays each call by `ms`, and up to `jitterMs` more: call number n by the same each time, for the same seed.
 * @throws MillraceError InvalidArgument
 */
export function latency(
  store: AsyncStore,
  options: LatencyOptions,
  clock: DecoratorClock = REAL_CLOCK,
): AsyncStore {
  const { ms, jitterMs = 0, seed = 0 } = checkLatency(options, 'latency');
  const random = seededRandom(seed, 'latency');
  return gated(store, {
    enter: async (_bytes, stop) => {
      // Drawn before anything is waited for: the order of the calls decides, not that of the delays.
      const delayMs = ms + jitterMs * random();
      if (delayMs > 0 && !hasTurned(stop)) await clock.sleep(delayMs, stop);
      return hasTurned(stop) ? null : nothing;
    },
  });
}

/** At most so many calls of a store at the same time; the others wait in the order in which they came. */
import type { TurnSignal } from '../protocol/context.js';
import type { AsyncStore } from '../protocol/store.js';
import { hasTurned } from '../protocol/stop.js';
import { gated } from './gate.js';
import { checkLimit, type LimitOptions } from './options.js';

/**
 * Invariants: no more permits are out than there are; one that is given back goes to the first who still waits; a wait
 * ends when its signal turns, and holds nothing then.
 */
export interface Permits {
  /** False when the signal turned first. */
  take(stop: TurnSignal): Promise<boolean>;
  give(): void;
}

export function createPermits(count: number): Permits {
  let free = count;
  /** In order of arrival: a set keeps it, and lets anyone leave. */
  const waiting = new Set<() => void>();
  return {
    take: (stop) => {
      if (hasTurned(stop)) return Promise.resolve(false);
      if (free > 0) {
        free -= 1;
        return Promise.resolve(true);
      }
      return new Promise((resolve) => {
        let unlink = (): void => {};
        const given = (): void => {
          unlink();
          resolve(true);
        };
        waiting.add(given);
        unlink = stop.onTurn(() => {
          if (!waiting.delete(given)) return;
          unlink();
          resolve(false);
        });
        // A signal may call back at once, before there is anything to unlink.
        if (!waiting.has(given)) unlink();
      });
    },
    give: () => {
      const [next] = waiting;
      if (next === undefined) free += 1;
      else {
        waiting.delete(next);
        next();
      }
    },
  };
}

/** @throws MillraceError InvalidArgument */
export function limit(store: AsyncStore, options: LimitOptions): AsyncStore {
  const permits = createPermits(checkLimit(options, 'limit').concurrency);
  return gated(store, {
    enter: async (_bytes, stop) => ((await permits.take(stop)) ? () => permits.give() : null),
  });
}

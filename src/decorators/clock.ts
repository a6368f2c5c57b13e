/** What decorators wait with: a clock that a test can hold in its hand, and waits that end when their call is stopped. */
import { sleep } from '../protocol/sleep.js';
import type { TurnSignal } from '../protocol/context.js';
import type { StopSignal } from '../protocol/stop.js';

export interface DecoratorClock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Ends early, without an error, when the signal turns (drains or is cancelled). */
  sleep(ms: number, stop: TurnSignal): Promise<void>;
}

export const REAL_CLOCK: DecoratorClock = {
  now: () => performance.now(),
  sleep,
};

/** Workers give a signal that tells of a drain too; one that does not, turns when it is cancelled. */
export function turning(stop: StopSignal): TurnSignal {
  if ('onTurn' in stop && typeof stop.onTurn === 'function') return stop as TurnSignal;
  return {
    get state() {
      return stop.state;
    },
    onStop: (fn) => stop.onStop(fn),
    onTurn: (fn) => stop.onStop(fn),
  };
}

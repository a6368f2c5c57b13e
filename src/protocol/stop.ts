/**
 * The smallest view of a cancellation token: what an actor, a store and the transport look at.
 *
 * Invariants:
 * 1. `state` only grows: live, draining, cancelled.
 * 2. A callback given to `onStop` runs at most once, at the moment the token is cancelled, or at once if it already is.
 * 3. The function that `onStop` returns unlinks the callback; a wait that has ended always calls it, so a token that
 *    lives for months holds nothing of waits that are over.
 */

export const StopState = {
  /** Go on. */
  Live: 0,
  /** Start nothing new; finish or hand back what is in flight. */
  Draining: 1,
  /** Give up every wait now. */
  Cancelled: 2,
} as const;
export type StopState = (typeof StopState)[keyof typeof StopState];

export interface StopSignal {
  readonly state: StopState;
  /** Calls `fn` once when the state becomes cancelled (at once if it is). Returns the function that unlinks it. */
  onStop(fn: () => void): () => void;
}

/** Whether it drains or is cancelled. A function, as `isCancelled` is. */
export function hasTurned(stop: StopSignal): boolean {
  return stop.state !== StopState.Live;
}

/** A function, because the compiler would take a state that it has seen for one that stays. */
export function isCancelled(stop: StopSignal): boolean {
  return stop.state === StopState.Cancelled;
}

const nothing = (): void => {};

/** A signal that never stops anything: the cost of having no token. */
export const NEVER: StopSignal = { state: StopState.Live, onStop: () => nothing };

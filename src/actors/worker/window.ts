/**
 * Pure core: how many attempts at one origin a worker makes at the same time. Synchronous, no clock and no dice.
 *
 * It begins with a few, doubles with each round of answers (slow start), and from the first sign of trouble on adds one
 * per round; "slow down" takes three tenths of it away, answers that have become slow a tenth. The decrease of 0.7 is that
 * of CUBIC and of the adaptive mode of the AWS SDKs; the comparison with a slowly moving mean of the latency is that of
 * Netflix's Gradient2, with more tolerance, since what limits an object store is mostly told by it.
 *
 * Invariants:
 * 1. `1 <= limit <= max`; slow answers alone take it to a quarter of `max` at the least.
 * 2. What began before the latest decrease takes nothing away again, and adds nothing.
 * 3. It grows only while it is used: who has asked for little has learnt nothing about more.
 * 4. What was entered and has not left is what is in flight: zero when everything has ended.
 */
import { newLatency, noteLatency, type LatencyState } from './latency.js';

/** What a fresh worker begins with. The ramp from there to 32 takes three rounds of answers. */
export const FIRST_LIMIT = 4;
const THROTTLED_FACTOR = 0.7;
const SLOW_FACTOR = 0.9;
const SLOW_FLOOR = 1 / 4;

export interface WindowState {
  readonly max: number;
  /** False: `limit` is `max` for ever. */
  readonly adaptive: boolean;
  limit: number;
  /** Below it the window doubles, above it adds. */
  threshold: number;
  inFlight: number;
  /** Grows with each decrease. */
  epoch: number;
  /** Null where latencies tell nothing of the service. */
  readonly latency: LatencyState | null;
  /** Whether the latest round was slow. */
  slow: boolean;
}

export interface WindowOptions {
  readonly max: number;
  readonly adaptive: boolean;
  readonly latency: boolean;
}

export function newWindow({ max, adaptive, latency }: WindowOptions): WindowState {
  return {
    max,
    adaptive,
    limit: adaptive ? Math.min(max, FIRST_LIMIT) : max,
    threshold: max,
    inFlight: 0,
    epoch: 0,
    latency: adaptive && latency ? newLatency() : null,
    slow: false,
  };
}

export function hasRoom({ inFlight, limit }: WindowState): boolean {
  return inFlight + 1 <= limit;
}

/** The origin was closed and serves again: as in the beginning. */
export function restart(state: WindowState): void {
  if (!state.adaptive) return;
  state.limit = Math.min(state.max, FIRST_LIMIT);
  state.threshold = state.max;
  state.epoch += 1;
  state.slow = false;
}

/** An attempt that began in `epoch` was served: so many bytes were asked for, and it took so many ms. */
export function noteServed(state: WindowState, epoch: number, ms: number, bytes: number): void {
  if (!state.adaptive) return;
  const growing = state.limit < Math.min(state.threshold, state.max);
  if (state.latency !== null) {
    const slow = noteLatency(state.latency, { ms, bytes, growing, round: state.limit });
    if (slow !== null) noteRound(state, slow);
  }
  if (epoch !== state.epoch || state.slow || state.inFlight * 2 < state.limit) return;
  state.limit = Math.min(state.max, state.limit + (growing ? 1 : 1 / state.limit));
}

/** An attempt that began in `epoch` was told to slow down. */
export function noteThrottled(state: WindowState, epoch: number): void {
  if (!state.adaptive || epoch !== state.epoch) return;
  decrease(state, Math.max(1, state.limit * THROTTLED_FACTOR));
}

function noteRound(state: WindowState, slow: boolean): void {
  state.slow = slow;
  const floor = Math.max(1, state.max * SLOW_FLOOR);
  if (slow && state.limit > floor) decrease(state, Math.max(floor, state.limit * SLOW_FACTOR));
}

function decrease(state: WindowState, limit: number): void {
  state.limit = limit;
  state.threshold = limit;
  state.epoch += 1;
}

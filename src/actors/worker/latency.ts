/**
 * Pure core: whether attempts take longer than they used to. No clock of its own.
 *
 * Invariants:
 * 1. An attempt is compared with the mean of those of about its size, so a change of the sizes is no change of the latency.
 *    What moves no bytes from or to here is compared with its like alone.
 * 2. A verdict is about a round of attempts, and most of it has to be slow. A few slow answers say nothing, however slow
 *    they are; nor does a machine that is short of CPU, which delays some answers and not others.
 * 3. The baseline moves slowly to what there is: a service that has become slower for good is given up being held to what
 *    it was after some hundred attempts.
 */

/** Bytes from which on an attempt is of the next size class; beyond the last one transfer time is all there is. */
const CLASSES = [16 * 1024, 128 * 1024, 1024 * 1024, 4 * 1024 * 1024];
/**
 * What stands for the bytes of an attempt that moves none. How long it takes goes by what it asks for: a page of keys is no
 * head, and an upload that is put together is no deletion.
 */
export const UNSIZED = {
  head: -1,
  list: -2,
  begin: -3,
  complete: -4,
  abort: -5,
  copy: -6,
  delete: -7,
  uploads: -8,
} as const;
/** An attempt that took so many times the baseline is slow. Queueing doubles a latency long before it hurts throughput. */
const TOLERANCE = 2;
/**
 * A delay of less is not held against a service: an origin nearby answers within a few ms, and a busy machine alone makes
 * several times that of it.
 */
const LEAST_DELAY_MS = 50;
/** Where the times of answers are distributed exponentially, 13 % are beyond twice the mean; at five times the mean, 67 %. */
const SLOW_SHARE = 0.6;
/** What one attempt counts for in the baseline, at most. */
const MAX_RATIO = 8;
/** Attempts in a round, at least. */
const MIN_ROUND = 16;
/** Attempts over which the baseline is a mean. */
const MEMORY = 256;
/** While a window grows its latencies grow with it: the baseline follows at once. */
const GROWING_MEMORY = 4;

export interface LatencyState {
  /** By class, those of sizes first: the baseline in ms, and from how many attempts it is. */
  readonly baselines: Float64Array;
  readonly counts: Float64Array;
  /** Of the present round. */
  slow: number;
  samples: number;
}

export function newLatency(): LatencyState {
  const classes = CLASSES.length + 1 + Object.keys(UNSIZED).length;
  return {
    baselines: new Float64Array(classes),
    counts: new Float64Array(classes),
    slow: 0,
    samples: 0,
  };
}

/**
 * Notes an attempt that was served. True when it ends a round that was slow, false when it ends one that was not, null
 * within a round.
 */
export function noteLatency(
  state: LatencyState,
  { ms, bytes, growing, round }: { ms: number; bytes: number; growing: boolean; round: number },
): boolean | null {
  const size = classOf(bytes);
  const baseline = state.baselines[size]!;
  const memory = growing ? GROWING_MEMORY : MEMORY;
  const count = Math.min(state.counts[size]!, memory - 1);
  // Less than a tenth of a millisecond cannot be told from the loop's own turn.
  const took = Math.max(0.1, ms);
  const ratio = count === 0 ? 1 : Math.min(MAX_RATIO, took / baseline);
  state.counts[size] = count + 1;
  state.baselines[size] = count === 0 ? took : baseline + (ratio * baseline - baseline) / (count + 1);
  if (growing) {
    state.slow = 0;
    state.samples = 0;
    return null;
  }
  if (ratio > TOLERANCE && took - baseline > LEAST_DELAY_MS) state.slow += 1;
  state.samples += 1;
  if (state.samples < Math.max(MIN_ROUND, round)) return null;
  const slow = state.slow / state.samples > SLOW_SHARE;
  state.slow = 0;
  state.samples = 0;
  return slow;
}

function classOf(bytes: number): number {
  if (bytes < 0) return CLASSES.length - bytes;
  let size = 0;
  while (size < CLASSES.length && bytes > CLASSES[size]!) size += 1;
  return size;
}

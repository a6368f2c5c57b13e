/** Pure helpers of the service figures: quantiles, seeded chance, and the arithmetic of event-loop delays. */

/** @typedef {{count: number, p50: number, p99: number, max: number}} Spread */

/**
 * Nearest rank: the value that at least a share `q` of all are not above. NaN of nothing.
 * @param {readonly number[]} values @param {number} q
 */
export function quantile(values, q) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

/** @param {readonly number[]} values @returns {Spread} rounded to microseconds where the values are milliseconds */
export function spread(values) {
  const rounded = (/** @type {number} */ q) => round(quantile(values, q), 3);
  return { count: values.length, p50: rounded(0.5), p99: rounded(0.99), max: rounded(1) };
}

/** @param {number} value @param {number} digits */
export function round(value, digits) {
  return Number(value.toFixed(digits));
}

/** Numbers from 0 to 1 (mulberry32): the moments of the cancels are the same in every run. @param {number} seed */
export function dice(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let hash = Math.imul(state ^ (state >>> 15), state | 1);
    hash ^= hash + Math.imul(hash ^ (hash >>> 7), hash | 61);
    return ((hash ^ (hash >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Resolution of the histogram of event-loop delays. */
export const RESOLUTION_MS = 1;

/**
 * Delays in ms. The histogram holds the time between two turns of its timer, of which `RESOLUTION_MS` was asked for.
 * @param {Pick<import('node:perf_hooks').IntervalHistogram, 'percentile' | 'max'>} histogram
 */
export function delays(histogram) {
  const delay = (/** @type {number} */ ns) => round(Math.max(0, ns / 1e6 - RESOLUTION_MS), 3);
  return {
    p50Ms: delay(histogram.percentile(50)),
    p99Ms: delay(histogram.percentile(99)),
    maxMs: delay(histogram.max),
  };
}

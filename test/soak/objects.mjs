/** What there is at the origin: families of objects whose bytes are the pattern of their key, and an empty bucket to write to. */
const KIB = 1024;
const MIB = 1024 * KIB;

export const BUCKET = 'soak';
/** Written to; its keys are used again and again, so that the origin does not grow. */
export const SCRATCH_BUCKET = 'scratch';
/** Keys that answer 403. */
export const FORBIDDEN = '^forbidden/';

export const MEMORY_BUDGET = 64 * MIB;
export const MAX_CONNECTIONS = 16;
export const PART_BYTES = 4 * MIB;

/**
 * @typedef {{prefix: string, count: number, sizes: number[]}} Family
 */

/** Mostly 4 KiB; an empty one, one of a byte, and odd ones in between. @type {Family} */
export const SMALL = { prefix: 'small/', count: 1000, sizes: [4096, 4096, 4096, 0, 4096, 1, 4096, 3001] };
/** @type {Family} */
export const MIDDLE = { prefix: 'middle/', count: 64, sizes: [256 * KIB, 255 * KIB + 1] };
/** Comes in parts. @type {Family} */
export const LARGE = { prefix: 'large/', count: 2, sizes: [24 * MIB, 24 * MIB - 777] };
/** @type {Family} */
export const FORBIDDEN_ONES = { prefix: 'forbidden/', count: 4, sizes: [100] };

export const FAMILIES = [SMALL, MIDDLE, LARGE, FORBIDDEN_ONES];

/** Key of the i-th object of a family, as the origin numbers them. @param {Family} family @param {number} i */
export function keyOf({ prefix, count }, i) {
  return prefix + String(i).padStart(String(count - 1).length, '0');
}

/** @param {Family} family @param {number} i */
export function sizeOf({ sizes }, i) {
  return sizes[i % sizes.length];
}

/** @param {string} key */
export function numberOf(key) {
  return Number(key.slice(key.lastIndexOf('/') + 1));
}

/** @param {string} key */
export function uriOf(key) {
  return `s3://${BUCKET}/${key}`;
}

/** Options of `startOrigin`. */
export function originOptions() {
  return {
    objects: FAMILIES.map((family) => ({ bucket: BUCKET, ...family })),
    buckets: [SCRATCH_BUCKET],
    forbidden: [FORBIDDEN],
    // What happened is told by counters; the log is for tests that look at single requests.
    logLimit: 1000,
  };
}

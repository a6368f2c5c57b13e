/**
 * Pure core: how long attempts at reads take, by store and size, and from when on one of them is slow.
 *
 * Invariants:
 * 1. Nothing is slow before so many attempts of its kind have come back as are asked for, however long it takes.
 * 2. What is noted costs no memory: counts in buckets that grow by a quarter of an octave, so a quantile is a fifth too
 *    long at most.
 * 3. Older attempts count for less and less: at `MOST_SAMPLES` all counts are halved.
 */
import type { SlowSpec } from '../../protocol/messages.js';

/** More is the past: a store that was fast an hour ago does not make it slow for good. */
const MOST_SAMPLES = 2048;
const PER_OCTAVE = 4;
/** Up to 2^17 ms, which is longer than any time-out of one attempt. */
const BUCKETS = 17 * PER_OCTAVE + 1;
/** Each holds what is up to four times as long as the shortest in it; below 64 KiB the size hardly matters. */
const SIZE_CLASSES = 8;
/** What is younger is more often held up by our own event loop than by the service. */
const LEAST_SLOW_MS = 20;
/** A second attempt takes about as long as the median: one that begins earlier than this mostly comes second. */
const LEAST_MEDIANS = 2;

interface Histogram {
  readonly counts: Int32Array;
  total: number;
}

export class Latencies {
  /** By store and size class; a hole where nothing came back. */
  readonly #histograms: (Histogram | undefined)[] = [];

  /** An attempt at so many bytes came back, or was given up after that time. */
  note(store: number, bytes: number, ms: number): void {
    const at = indexOf(store, bytes);
    const histogram = (this.#histograms[at] ??= { counts: new Int32Array(BUCKETS), total: 0 });
    histogram.counts[bucketOf(ms)]! += 1;
    histogram.total += 1;
    if (histogram.total >= MOST_SAMPLES) age(histogram);
  }

  /** Milliseconds after which an attempt at so many bytes is slow; Infinity while too little is known. */
  slowAfterMs(store: number, bytes: number, { percentile, leastSamples }: SlowSpec): number {
    const histogram = this.#histograms[indexOf(store, bytes)];
    if (histogram === undefined || histogram.total < leastSamples) return Infinity;
    const median = quantile(histogram, 50);
    return Math.max(LEAST_SLOW_MS, LEAST_MEDIANS * median, quantile(histogram, percentile));
  }
}

function indexOf(store: number, bytes: number): number {
  const doublings = 32 - Math.clz32(Math.min(bytes, 2 ** 31) >>> 16);
  return store * SIZE_CLASSES + Math.min(SIZE_CLASSES - 1, (doublings + 1) >> 1);
}

function bucketOf(ms: number): number {
  return ms <= 1 ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log2(ms) * PER_OCTAVE));
}

/** The longest time in the bucket where the percentile lies. */
function quantile({ counts, total }: Histogram, percentile: number): number {
  const rank = Math.ceil((total * percentile) / 100);
  let seen = 0;
  let bucket = -1;
  while (seen < rank && bucket < BUCKETS - 1) seen += counts[(bucket += 1)]!;
  return 2 ** (bucket / PER_OCTAVE);
}

function age(histogram: Histogram): void {
  histogram.total = 0;
  for (const [bucket, count] of histogram.counts.entries()) {
    histogram.counts[bucket] = count >> 1;
    histogram.total += count >> 1;
  }
}

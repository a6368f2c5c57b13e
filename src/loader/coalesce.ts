/**
 * Pure core of `getRanges`: which reads bring many ranges, and where in them each range lies.
 *
 * Invariants:
 * 1. Reads are in the order of their first bytes, disjoint, and cover every byte of every range.
 * 2. A range lies in one read, so that it is one view; ranges that overlap lie in the same one.
 * 3. Ranges that do not overlap share a read only across gaps of at most `coalesceBytes`, and only while the read has at
 *    most `maxCoalescedBytes`.
 *
 * It costs one sort of the ranges. The idea and the default gap are those of Rust's `object_store` (`coalesce_ranges`).
 */
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { isOutside, placeRange, type RangeForm } from './range-forms.js';

/** Bytes of an object. */
export interface Span {
  readonly start: number;
  readonly length: number;
}

/** Where a range is: the index of its read, the first byte in that, and how many. */
export interface Place {
  readonly read: number;
  readonly offset: number;
  readonly length: number;
}

export interface CoalesceOptions {
  /** Unwanted bytes between two ranges that may be read along with them. */
  readonly coalesceBytes: number;
  /** How long a read may become by that. */
  readonly maxCoalescedBytes: number;
}

export interface CoalescedPlan {
  readonly reads: readonly Span[];
  /** In the order of the ranges. */
  readonly places: readonly Place[];
  /** Bytes of the reads that belong to no range. */
  readonly gapBytes: number;
}

/**
 * The reads for these ranges of an object of `size` bytes; -1 where that is not known, which only ranges with a first
 * byte and a length allow.
 * @throws MillraceError RangeRejected for the first range that begins behind the end
 */
export function planCoalesced(
  ranges: readonly RangeForm[],
  size: number,
  options: CoalesceOptions,
): CoalescedPlan {
  const spans = size < 0 ? ranges : ranges.map((range) => placeRange(range, size));
  if (size >= 0) for (const [i, { start }] of spans.entries()) checkStart(i, start, size);
  const order = spans.map((_, i) => i).sort((a, b) => spans[a]!.start - spans[b]!.start);
  const clusters = clustersOf(order, spans);
  const reads: { start: number; length: number }[] = [];
  /** Read of each cluster. */
  const readOf: number[] = [];
  let gapBytes = 0;
  for (const { start, length } of clusters) {
    const last = reads.at(-1);
    const gap = last === undefined ? 0 : start - (last.start + last.length);
    const merged = last === undefined ? 0 : start + length - last.start;
    if (last !== undefined && gap <= options.coalesceBytes && merged <= options.maxCoalescedBytes) {
      last.length = merged;
      gapBytes += gap;
    } else reads.push({ start, length });
    readOf.push(reads.length - 1);
  }
  const places: Place[] = [];
  places.length = spans.length;
  let cluster = 0;
  for (const i of order) {
    const { start, length } = spans[i]!;
    // An empty range, of an empty object, lies in the first cluster, which begins with it.
    while (start >= clusters[cluster]!.start + clusters[cluster]!.length && length > 0) cluster += 1;
    const read = readOf[cluster]!;
    places[i] = { read, offset: start - reads[read]!.start, length };
  }
  return { reads, places, gapBytes };
}

/** What ranges that overlap cover together, in order. Ranges that only touch do not. */
function clustersOf(order: readonly number[], spans: readonly RangeForm[]): readonly Span[] {
  const clusters: { start: number; length: number }[] = [];
  for (const i of order) {
    const { start, length } = spans[i]!;
    const last = clusters.at(-1);
    if (last === undefined || (start >= last.start + last.length && length > 0)) {
      clusters.push({ start, length });
    } else last.length = Math.max(last.length, start + length - last.start);
  }
  return clusters;
}

/** @throws MillraceError RangeRejected when a range begins behind the end */
export function checkStart(index: number, start: number, size: number): void {
  if (!isOutside(start, size)) return;
  throw new MillraceError(
    ErrorCode.RangeRejected,
    `ranges[${index}] begins at byte ${start}; the object ends after ${size} bytes`,
    { phase: 'plan' },
  );
}

/**
 * The reads of one `getRanges`: planned when the stream asks for them, and looked at when they are there.
 *
 * Invariant: a place is counted from a size that the reads turn out to have, or from none.
 */
import { isLarge } from '../actors/supervisor/parts.js';
import type { PlanEntry, StreamHandle, SupervisorHandle } from '../actors/supervisor/types.js';
import { pageAlign } from '../protocol/arena.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { formatBytes } from '../protocol/sizes.js';
import type { ObjectInfo } from '../protocol/store.js';
import { checkStart, type CoalescedPlan, type Place, planCoalesced } from './coalesce.js';
import { otherSize } from './direct.js';
import { needsSize, type RangeForm } from './range-forms.js';
import type { RangesFacts, ReadResult } from './ranges-result.js';
import { createResolver } from './references.js';
import type { EntrySource } from './sources.js';

/** A call whose arguments were looked at. */
export interface Wanted {
  readonly uri: string;
  readonly version: string | undefined;
  readonly forms: readonly RangeForm[];
  readonly size: number | undefined;
  readonly coalesceBytes: number;
  /** Null: what suits the scheme. */
  readonly maxCoalescedBytes: number | null;
  readonly checked: boolean;
}

/** What the plan turned out to be, when it was asked for. */
export interface Planned {
  readonly plan: CoalescedPlan;
  readonly store: number;
  /** Size that the places were counted with, or -1. */
  readonly size: number;
  readonly asked: boolean;
}

export interface ReadSource extends EntrySource {
  /** Null before the plan was asked for. */
  readonly planned: Planned | null;
}

/** The reads, planned when they are asked for: with the size of the object, where that takes a question. */
export function createReadSource(
  supervisor: SupervisorHandle,
  wanted: Wanted,
  stream: () => StreamHandle,
): ReadSource {
  const { stores } = supervisor;
  let planned: Planned | null = null;
  let entry: PlanEntry | null = null;
  let at = 0;
  const plan = async (): Promise<PlanEntry> => {
    const { uri, version, forms } = wanted;
    let object = await createResolver({ stores, stream })({ uri, version }, () => 'uri', 0);
    const { store } = object;
    const asked = wanted.size === undefined && forms.some(needsSize);
    if (asked) object = pinned(object, await stream().head(store, object.key));
    const size = wanted.size ?? object.size;
    const { coalesceBytes, maxCoalescedBytes } = wanted;
    const most = maxCoalescedBytes ?? stores.defaults(store).partBytes;
    const coalesced = planCoalesced(forms, size, { coalesceBytes, maxCoalescedBytes: most });
    checkBudget(supervisor, uri, forms.length, coalesced);
    planned = { plan: coalesced, store, size, asked };
    return object;
  };
  return {
    get planned() {
      return planned;
    },
    next: async (limit) => {
      entry ??= await plan();
      const { reads } = planned!.plan;
      if (at >= reads.length) return null;
      const entries: PlanEntry[] = [];
      for (; at < reads.length && entries.length < limit; at += 1) {
        const { start, length } = reads[at]!;
        // An empty object has no range that could be asked for: it is read as a whole.
        entries.push({ ...entry, size: planned!.size, start, length: length === 0 ? -1 : length });
      }
      return entries;
    },
    close: () => {},
  };
}

/** The object as it is now; a version that the user asked for stays, and the reads tell when it is another. */
function pinned(object: PlanEntry, { size, version }: ObjectInfo): PlanEntry {
  if (object.pinned || version === null) return { ...object, size };
  return { ...object, size, version, pinned: true };
}

function checkBudget(
  { arena }: SupervisorHandle,
  uri: string,
  count: number,
  { reads, gapBytes }: CoalescedPlan,
): void {
  let bytes = 0;
  for (const { length } of reads) bytes += pageAlign(Math.max(1, length));
  if (bytes <= arena.usableBytes) return;
  throw new MillraceError(
    ErrorCode.BudgetTooSmall,
    `${count} ranges of ${uri} take ${formatBytes(bytes)} at the same time (${formatBytes(gapBytes)} of it lie between them), ` +
      `more than the memory budget of ${formatBytes(arena.budgetBytes)}: ask for fewer at a time, ` +
      'lower coalesceBytes, or raise memoryBudget',
    { phase: 'grant', uri },
  );
}

/** @throws MillraceError unless all reads are of one version, and of the size that their places were counted with */
export async function factsOf(
  supervisor: SupervisorHandle,
  stream: StreamHandle,
  { store, size: expected, asked }: Planned,
  reads: readonly ReadResult[],
  { uri }: Wanted,
): Promise<RangesFacts> {
  const { version, size } = reads[0]!.item;
  if (expected >= 0 && size !== expected) throw otherSize(uri, expected, size);
  if (reads.length > 1 && version === null) {
    throw new MillraceError(
      ErrorCode.Unsupported,
      `${uri}: its store gives no version, so ${reads.length} reads could be of several: read each range with getRange, ` +
        'or all by one read, with coalesceBytes and maxCoalescedBytes as large as the object',
      { phase: 'head', uri },
    );
  }
  const { splitThreshold, partBytes, maxPartsPerObject } = supervisor.stores.defaults(store);
  const ranges = { splitThreshold, partBytes, maxPerObject: maxPartsPerObject };
  const { retries } = await stream.finish('completed');
  let requests = retries + (asked ? 1 : 0);
  let bytesRead = 0;
  for (const { item } of reads) {
    if (item.version !== version || item.size !== size) throw mixed(uri);
    requests += isLarge(item.byteLength, ranges) ? Math.ceil(item.byteLength / partBytes) : 1;
    bytesRead += item.byteLength;
  }
  return { uri, size, version, requests, bytesRead };
}

function mixed(uri: string): MillraceError {
  const message = `${uri} was replaced while ranges of it were read: they are of several versions`;
  return new MillraceError(ErrorCode.VersionChanged, message, { phase: 'body', uri });
}

/** The places, cut where the object ends: before the reads that may not have been known. */
export function cutPlaces(plan: CoalescedPlan, reads: readonly ReadResult[], size: number): readonly Place[] {
  return plan.places.map((place, i) => {
    const { byteLength, start } = reads[place.read]!.item;
    if (place.offset + place.length <= byteLength) return place;
    checkStart(i, start + place.offset, size < 0 ? start + byteLength : size);
    return { ...place, length: Math.max(0, byteLength - place.offset) };
  });
}

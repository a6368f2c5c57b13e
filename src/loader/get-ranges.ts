/**
 * Many ranges of one object at once: near ones are read together, all of them in parallel, as one stream.
 *
 * Invariants:
 * 1. All bytes are of one version: that which was asked for, or was answered with the size, or else the one that every
 *    read turns out to have. Where they have not, it is an error and no bytes.
 * 2. A call settles only when nothing of it is in flight, and one that fails holds no memory.
 * 3. Nothing is made per range but its place and its view: no promise, no request of its own.
 */
import { isLarge } from '../actors/supervisor/parts.js';
import type { PlanEntry, StreamHandle, StreamOptions, SupervisorHandle } from '../actors/supervisor/types.js';
import { pageAlign } from '../protocol/arena.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { formatBytes, parseBytes } from '../protocol/sizes.js';
import type { ObjectInfo } from '../protocol/store.js';
import { Batch, createBatchWorld } from './batch.js';
import { checkStart, type CoalescedPlan, type Place, planCoalesced } from './coalesce.js';
import type { ByteRange } from './datasets.js';
import {
  directStream,
  type DirectStream,
  headObject,
  missing,
  openDirect,
  otherSize,
  STOP_NAMES,
  withStream,
} from './direct.js';
import { leakWatchOf } from './leaks.js';
import { checkRange, needsSize, type RangeForm } from './range-forms.js';
import { type RangesFacts, RangesResult, type ReadResult } from './ranges-result.js';
import { createResolver } from './references.js';
import { checkNames, flag, invalidOption, whole } from './schema.js';
import type { EntrySource } from './sources.js';
import { checkStop, type StopOptions } from './stop-options.js';

export interface GetRangesOptions extends StopOptions {
  /** ETag or generation that the object must have. */
  readonly version?: string | undefined;
  /**
   * Size of the object, where it is known: saves a question when ranges are counted from the end or go up to it. When
   * the object has another one, that is `VersionChanged`.
   */
  readonly size?: number | undefined;
  /** Unwanted bytes between two ranges that are read along with them, rather than by two requests. @default '1MiB' */
  readonly coalesceBytes?: number | string | undefined;
  /** How long a read may become by that. @default the scheme's part size, so that reads still go in parallel */
  readonly maxCoalescedBytes?: number | string | undefined;
  /** @default 5 */
  readonly maxAttempts?: number | undefined;
  /** Bytes in memory of their own that is detached on release. @default false */
  readonly checked?: boolean | undefined;
}

/** What reading on costs at 50 to 100 MB/s, 10 to 20 ms, is what a request costs; the default of `object_store`. */
const COALESCE_BYTES = 2 ** 20;
const NAMES = [
  ...STOP_NAMES,
  'version',
  'size',
  'coalesceBytes',
  'maxCoalescedBytes',
  'maxAttempts',
  'checked',
];

/** A call whose arguments were looked at. */
interface Wanted {
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
interface Planned {
  readonly plan: CoalescedPlan;
  readonly store: number;
  /** Size that the places were counted with, or -1. */
  readonly size: number;
  readonly asked: boolean;
}

/**
 * These ranges of an object, each cut where the object ends, in their order. The caller releases the result once.
 * @throws MillraceError (rejects) InvalidArgument; RangeRejected, naming the range that begins behind the end;
 * VersionChanged when the object is replaced meanwhile; BudgetTooSmall when all reads together do not fit; Unsupported
 * where the store gives no version and it takes more than one read; otherwise as `getObject`
 */
export async function getRanges(
  supervisor: SupervisorHandle,
  uri: string,
  ranges: readonly ByteRange[],
  options: GetRangesOptions = {},
): Promise<RangesResult> {
  const wanted = check(uri, ranges, options);
  const stop = { token: options.token, signal: options.signal };
  checkStop(stop);
  supervisor.stores.locate(uri);
  const leaks = leakWatchOf(supervisor);
  if (ranges.length === 0) {
    const facts = {
      uri,
      size: options.size ?? -1,
      version: options.version ?? null,
      requests: 0,
      bytesRead: 0,
    };
    return new RangesResult(facts, [], [], leaks);
  }
  const source = createReadSource(supervisor, wanted, () => direct.stream);
  const direct: DirectStream = openDirect(supervisor, streamOf(supervisor, wanted, options), source, stop);
  try {
    return await withStream(direct, async (stream) => {
      const reads = await readAll(supervisor, stream, source, wanted);
      try {
        const facts = await factsOf(supervisor, stream, source.planned!, reads, wanted);
        const places = cutPlaces(source.planned!.plan, reads, facts.size);
        return new RangesResult(facts, reads, places, leaks);
      } catch (thrown) {
        releaseAll(reads);
        throw thrown;
      }
    });
  } catch (thrown) {
    throw await explained(supervisor, wanted, stop, thrown);
  }
}

function check(uri: unknown, ranges: unknown, options: GetRangesOptions): Wanted {
  checkNames(NAMES, options, 'getRanges');
  if (typeof uri !== 'string') throw invalidOption('uri', 'a text such as "s3://bucket/key"', uri);
  if (!Array.isArray(ranges))
    throw invalidOption('ranges', 'an array such as [{start: 0, length: 8}]', ranges);
  const { version, size, coalesceBytes = COALESCE_BYTES, maxCoalescedBytes, checked = false } = options;
  return {
    uri,
    version,
    forms: ranges.map((range: unknown, i) => checkRange(range, `ranges[${i}]`)),
    size: size === undefined ? undefined : whole(0)(size, 'size'),
    coalesceBytes: parseBytes(coalesceBytes, 'coalesceBytes'),
    maxCoalescedBytes:
      maxCoalescedBytes === undefined ? null : parseBytes(maxCoalescedBytes, 'maxCoalescedBytes'),
    checked: flag(checked, 'checked'),
  };
}

/** All reads are one batch, which is handed over when the last of them is there. */
function streamOf(supervisor: SupervisorHandle, { forms }: Wanted, options: GetRangesOptions): StreamOptions {
  const most = forms.length;
  return {
    ...directStream(supervisor, options),
    batchSize: most,
    windowObjects: most,
    maxConcurrentObjects: most,
  };
}

interface ReadSource extends EntrySource {
  /** Null before the plan was asked for. */
  readonly planned: Planned | null;
}

/** The reads, planned when they are asked for: with the size of the object, where that takes a question. */
function createReadSource(
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

/** All reads in the order of the plan. Where others are short of memory, they come in more than one batch. */
async function readAll(
  supervisor: SupervisorHandle,
  stream: StreamHandle,
  source: ReadSource,
  { uri, checked }: Wanted,
): Promise<readonly ReadResult[]> {
  const world = createBatchWorld(supervisor, stream, { checked, ordered: true });
  const reads: ReadResult[] = [];
  try {
    for (let record = await stream.next(); record !== null; record = await stream.next()) {
      const batch = new Batch(record, world);
      batch.ack();
      for (const item of batch) reads.push({ item, batch });
    }
    if (source.planned === null || reads.length < source.planned.plan.reads.length)
      throw missing(stream, uri);
    return reads;
  } catch (thrown) {
    releaseAll(reads);
    throw thrown;
  }
}

function releaseAll(reads: readonly ReadResult[]): void {
  for (const { batch } of reads) if (!batch.released) batch.release();
}

/** @throws MillraceError unless all reads are of one version, and of the size that their places were counted with */
async function factsOf(
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
function cutPlaces(plan: CoalescedPlan, reads: readonly ReadResult[], size: number): readonly Place[] {
  return plan.places.map((place, i) => {
    const { byteLength, start } = reads[place.read]!.item;
    if (place.offset + place.length <= byteLength) return place;
    checkStart(i, start + place.offset, size < 0 ? start + byteLength : size);
    return { ...place, length: Math.max(0, byteLength - place.offset) };
  });
}

/** A read that a service refused is asked for what the ranges are, with the size, so that the error names one of them. */
async function explained(
  supervisor: SupervisorHandle,
  { uri, forms, coalesceBytes }: Wanted,
  stop: StopOptions,
  thrown: unknown,
): Promise<unknown> {
  if (!(thrown instanceof MillraceError) || thrown.code !== ErrorCode.RangeRejected) return thrown;
  if (thrown.uri === undefined) return thrown.with({ uri });
  try {
    const { size } = await headObject(supervisor, uri, stop);
    planCoalesced(forms, size, { coalesceBytes, maxCoalescedBytes: coalesceBytes });
  } catch (better) {
    const named = better instanceof MillraceError && better.code === ErrorCode.RangeRejected;
    return named ? better.with({ uri, cause: thrown }) : thrown;
  }
  return thrown;
}

/**
 * Many ranges of one object at once: near ones are read together, all of them in parallel, as one stream.
 *
 * Invariants:
 * 1. All bytes are of one version: that which was asked for, or was answered with the size, or else the one that every
 *    read turns out to have. Where they have not, it is an error and no bytes.
 * 2. A call settles only when nothing of it is in flight, and one that fails holds no memory.
 * 3. Nothing is made per range but its place and its view: no promise, no request of its own.
 */
import type { StreamHandle, StreamOptions, SupervisorHandle } from '../actors/supervisor/types.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { parseBytes } from '../protocol/sizes.js';
import { Batch, createBatchWorld } from './batch.js';
import { planCoalesced } from './coalesce.js';
import type { ByteRange } from './datasets.js';
import {
  directStream,
  type DirectStream,
  headObject,
  missing,
  openDirect,
  STOP_NAMES,
  withStream,
} from './direct.js';
import { leakWatchOf } from './leaks.js';
import { checkRange } from './range-forms.js';
import { createReadSource, cutPlaces, factsOf, type ReadSource, type Wanted } from './range-reads.js';
import { RangesResult, type ReadResult } from './ranges-result.js';
import { locate } from './references.js';
import { checkNames, flag, invalidOption, whole } from './schema.js';
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
  const leaks = leakWatchOf(supervisor);
  if (ranges.length === 0) {
    locate(supervisor.stores, uri, () => 'uri');
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

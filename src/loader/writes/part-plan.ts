/**
 * Pure core: whether an object is put by one request or in parts, and of how many bytes.
 *
 * Invariant: the parts that it plans are within what the service allows and the memory budget holds, or it says why there can
 * be none.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { formatBytes } from '../../protocol/sizes.js';
import type { WriteLimits } from '../../protocol/writes.js';

/** Of the memory budget, what one part may take: so that several are under way and the loaders beside them go on. */
const BUDGET_SHARE = 8;

/** Objects of more bytes than this go in parts. */
export function thresholdOf(limits: WriteLimits, budgetBytes: number): number {
  return Math.min(
    limits.multipartThreshold,
    Math.max(limits.partBytes, Math.floor(budgetBytes / BUDGET_SHARE)),
  );
}

/**
 * Bytes of each part but the last of an object of `size` bytes, or of one whose size is not known (-1).
 * @throws MillraceError InvalidArgument when the object is larger than the service takes
 */
export function partBytesOf(
  size: number,
  limits: WriteLimits,
  given: number | undefined,
  uri: string,
): number {
  const { partBytes, partAlignment, maxPartBytes, maxParts, maxObjectBytes } = limits;
  const most = Math.min(maxObjectBytes, maxPartBytes * maxParts);
  if (size > most) {
    const what = `${uri} would have ${formatBytes(size)}; this service takes objects of at most ${formatBytes(most)}`;
    throw new MillraceError(ErrorCode.InvalidArgument, what, { phase: 'write', uri });
  }
  const needed = size < 0 ? 0 : Math.ceil(size / maxParts);
  const wanted = Math.max(given ?? partBytes, needed);
  return Math.min(alignUp(wanted, partAlignment), maxPartBytes);
}

/** The memory that parts go through. */
export interface PartMemory {
  readonly budgetBytes: number;
  /** What of the budget is not lost to stuck workers. */
  readonly usableBytes: number;
}

/**
 * Looks whether there can ever be memory for a part: asked before an upload is begun, which could only be aborted.
 * @param size as for `partBytesOf`, which has given `partBytes`
 * @throws MillraceError BudgetTooSmall
 */
export function checkMemory(
  size: number,
  partBytes: number,
  limits: WriteLimits,
  { budgetBytes, usableBytes }: PartMemory,
  uri: string,
): void {
  const atOnce = size < 0 ? partBytes : Math.min(size, partBytes);
  if (atOnce <= usableBytes) return;
  const lost = usableBytes < budgetBytes ? ` (${formatBytes(usableBytes)} of it can be used)` : '';
  const isGiven = partBytesOf(size, limits, undefined, uri) <= usableBytes;
  throw new MillraceError(
    ErrorCode.BudgetTooSmall,
    `${uri} would go in parts of ${formatBytes(atOnce)}, each larger than the memory budget of ${formatBytes(budgetBytes)}${lost}: ` +
      `raise memoryBudget${isGiven ? ', or give smaller partBytes' : ''}`,
    { phase: 'write', uri },
  );
}

/**
 * Looks whether a stream of which `size` bytes have come still fits into as many parts of `partBytes` as there may be: the
 * service would say so only when all before was sent.
 * @throws MillraceError InvalidArgument
 */
export function checkRoom(size: number, partBytes: number, limits: WriteLimits, uri: string): void {
  const { maxParts, maxObjectBytes } = limits;
  const mostBytes = Math.min(maxObjectBytes, maxParts * partBytes);
  if (size <= mostBytes) return;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `${uri}: the stream has more than ${formatBytes(mostBytes)}, which is ${maxParts} parts of ${formatBytes(partBytes)} or all that an object may have: ` +
      'give larger partBytes',
    { phase: 'write', uri },
  );
}

function alignUp(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

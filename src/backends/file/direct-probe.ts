/**
 * What a device asks of a direct read, and how memory lies: found by reads, since Node.js has neither statx nor the
 * address of a buffer. A read that is not aligned is refused with EINVAL at once, within a microsecond, and changes
 * nothing; each answer costs one read that goes through.
 *
 * Invariant: what comes out was seen to work by a read, or is -1 or null.
 */
import { systemCode } from '../../protocol/errors.js';

/** A read of `length` bytes at the file's first byte, into the memory at `offset`; how many came. Throws as read does. */
export type TryRead = (offset: number, length: number) => number;

/** What direct reads of one device have to keep to. */
export interface Alignment {
  /** Of offsets in the file and of lengths. */
  readonly blockBytes: number;
  /** Of addresses. */
  readonly memoryBytes: number;
  /** How far behind its beginning the bounce memory is aligned. */
  readonly bouncePad: number;
}

/** No device has a smaller sector; where less would do (NFS, tmpfs), more is read into the bounce buffer and no harm done. */
const MIN_BLOCK_BYTES = 512;
/** The largest block of a Linux filesystem. */
const MAX_BLOCK_BYTES = 64 * 1024;
/** The longest read that is made to find something out. */
export const MAX_PROBE_BYTES = 3 * MAX_BLOCK_BYTES;
/** Alignments of addresses that devices ask for: 4 (NVMe) to a page. */
const MIN_MEMORY_BYTES = 4;
export const MAX_MEMORY_BYTES = 4096;
/** Every allocator gives memory that is aligned so far. */
const ALLOCATOR_BYTES = 16;
/**
 * Where large allocations begin in their first page with the allocators of glibc and musl: behind a head of 16 bytes.
 * Tried first, because a device that asks for less than a page also takes what is aligned to less.
 */
export const USUAL_PAD = MAX_MEMORY_BYTES - ALLOCATOR_BYTES;

/** How far behind its beginning memory is aligned, as `accepts` has it; -1 when it takes no offset. */
export function findPad(accepts: (pad: number) => boolean): number {
  if (accepts(USUAL_PAD)) return USUAL_PAD;
  for (let pad = 0; pad < MAX_MEMORY_BYTES; pad += ALLOCATOR_BYTES) if (accepts(pad)) return pad;
  return -1;
}

/**
 * The alignment of the device behind a file that has at least one byte; null when it takes no read, however aligned.
 * Needs room for `MAX_PROBE_BYTES` behind twice `MAX_MEMORY_BYTES`.
 */
export function findAlignment(tryRead: TryRead): Alignment | null {
  for (let blockBytes = MIN_BLOCK_BYTES; blockBytes <= MAX_BLOCK_BYTES; blockBytes *= 2) {
    const length = probeBytes(blockBytes);
    const bouncePad = findPad((pad) => accepted(tryRead, pad, length));
    if (bouncePad === -1) continue;
    let memoryBytes = MIN_MEMORY_BYTES;
    while (memoryBytes < MAX_MEMORY_BYTES && !accepted(tryRead, bouncePad + memoryBytes, length))
      memoryBytes *= 2;
    return { blockBytes, memoryBytes, bouncePad };
  }
  return null;
}

/**
 * The address of a buffer's first byte modulo `memoryBytes`, found by reads into a view of it of which the first
 * `roomBytes` may be overwritten; -1 when there is not room enough to find out.
 * @param byteOffset of the view in its buffer
 */
export function findPhase(
  tryRead: TryRead,
  { blockBytes, memoryBytes }: Alignment,
  byteOffset: number,
  roomBytes: number,
): number {
  const first = (ALLOCATOR_BYTES - (byteOffset % ALLOCATOR_BYTES)) % ALLOCATOR_BYTES;
  const length = probeBytes(blockBytes);
  const last = Math.min(first + memoryBytes, roomBytes - length);
  for (let at = first; at <= last; at += ALLOCATOR_BYTES) {
    if (!accepted(tryRead, at, length)) continue;
    return (memoryBytes - ((byteOffset + at) % memoryBytes)) % memoryBytes;
  }
  return -1;
}

/**
 * The least multiple of a block that is longer than a page and no multiple of two blocks. Linux from 6.18 on does not
 * look at the address of a read that stays within one page, and would take it for aligned.
 */
function probeBytes(blockBytes: number): number {
  return blockBytes < MAX_MEMORY_BYTES ? MAX_MEMORY_BYTES + blockBytes : 3 * blockBytes;
}

function accepted(tryRead: TryRead, offset: number, length: number): boolean {
  try {
    tryRead(offset, length);
    return true;
  } catch (thrown) {
    if (systemCode(thrown) === 'EINVAL') return false;
    throw thrown;
  }
}

/**
 * Which reads bring the bytes of a range past the page cache: a pure function of the range, of what the device asks
 * for, and of where the target lies in memory.
 *
 * Invariants:
 * 1. Every read begins at a multiple of `blockBytes` in the file, has a length that is one, and goes to memory that is
 *    aligned: straight into the target, or into a bounce buffer where the target is not, or where the range covers a
 *    block only in part.
 * 2. A read into the target lies wholly within the range, so that not one byte beside it is written.
 * 3. `take` is at least 1: whoever makes the reads in turn comes to the end.
 *
 * The last block of a file may be incomplete. The read of it is a whole block long, and the kernel gives less.
 */

/** The range, and what is known of the device and of the target. */
export interface Layout {
  /** Offsets and lengths in the file are multiples of this; a power of two. */
  readonly blockBytes: number;
  /** Addresses are multiples of this; a power of two. */
  readonly memoryBytes: number;
  /** The address of the target's first byte, modulo `memoryBytes`; -1 where it is not known. */
  readonly phase: number;
  /** The bytes `[start, end)` of the file belong into the target, from its first byte on. */
  readonly start: number;
  readonly end: number;
}

/** One read. */
export interface Piece {
  /** Whether it goes into a bounce buffer, from which `take` bytes behind the first `skip` are then copied. */
  readonly bounced: boolean;
  /** In the file. */
  readonly position: number;
  readonly length: number;
  readonly skip: number;
  readonly take: number;
}

/**
 * The longest read, and the grain of a cancel: a read that is under way cannot be called back. A disk of 150 MB/s
 * takes 27 ms for it, an NVMe device 2. Pieces of 1 MiB cost half as much user CPU again, and larger ones gain nothing.
 */
export const PIECE_BYTES = 4 * 1024 * 1024;
/** Copying it takes 50 us, less than a device takes for it. */
export const BOUNCE_BYTES = 512 * 1024;
/** Up to here one read and a copy of 10 us are faster than a read for the aligned middle and one for each end. */
const ONE_READ_BYTES = 128 * 1024;

/** The read that comes next when everything before `at` (in the file, within the range) has landed. */
export function nextPiece(layout: Layout, at: number): Piece {
  const { end, blockBytes } = layout;
  const first = firstAligned(layout, at);
  const lastBlock = end - (end % blockBytes);
  const hasMiddle = first !== -1 && first < lastBlock;
  const isAllAligned = hasMiddle && first === at && lastBlock === end;
  if (!hasMiddle || (end - at <= ONE_READ_BYTES && !isAllAligned)) return bouncedPiece(at, end, blockBytes);
  if (first > at) return bouncedPiece(at, first, blockBytes);
  const length = Math.min(PIECE_BYTES, lastBlock - at);
  return { bounced: false, position: at, length, skip: 0, take: length };
}

/** Where, from `at` on, the file's offset and the target's address are aligned at the same time; -1 for nowhere. */
function firstAligned({ start, phase, blockBytes, memoryBytes }: Layout, at: number): number {
  if (phase === -1) return -1;
  // The address of the byte at `x` is `phase + x - start`: aligned where x is this, modulo memoryBytes.
  const wanted = modulo(start - phase, memoryBytes);
  // Of two powers of two one divides the other: the smaller one's condition follows from the larger one's, or never holds.
  if (wanted % Math.min(blockBytes, memoryBytes) !== 0) return -1;
  const grain = Math.max(blockBytes, memoryBytes);
  return at + modulo((memoryBytes > blockBytes ? wanted : 0) - at, grain);
}

function bouncedPiece(at: number, to: number, blockBytes: number): Piece {
  const skip = at % blockBytes;
  const position = at - skip;
  const length = Math.min(BOUNCE_BYTES, Math.ceil((to - position) / blockBytes) * blockBytes);
  return { bounced: true, position, length, skip, take: Math.min(to - at, length - skip) };
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}

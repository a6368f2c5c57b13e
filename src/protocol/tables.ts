/**
 * Packed tables: many jobs, or many results, in one message of two buffers (integers and one blob) that are
 * transferred, not cloned. A message to a worker costs about the same whatever it holds, so many small objects share
 * one; and the number of JavaScript objects per message does not grow with the number of rows.
 *
 * Integers are float64, because offsets into an arena or a 5 TB object need more than 32 bits.
 */

import { algorithms, type ChecksumAlgorithm, isAlgorithm } from './checksums/algorithms.js';

export interface PackedTable {
  readonly count: number;
  readonly cells: Float64Array<ArrayBuffer>;
  readonly blob: Uint8Array<ArrayBuffer>;
}

/** Columns of a table of fetch jobs. */
export const Job = {
  /** Unique per dispatch, so that a late answer to an earlier dispatch is recognised. */
  Id: 0,
  Store: 1,
  BlobStart: 2,
  KeyLength: 3,
  /** The version follows the key in the blob; 0 for none. */
  VersionLength: 4,
  /** Where in the arena this job may write, and how much. */
  Offset: 5,
  Capacity: 6,
  /** The bytes of the object that are wanted. */
  Start: 7,
  Length: 8,
  Flags: 9,
  /** Bytes that landed elsewhere, to be copied to right before `Offset`: where they are, and how many; 0 for none. */
  CopyOffset: 10,
  CopyLength: 11,
} as const;
export const JOB_STRIDE = 12;

export const JobFlag = {
  /** `Length` is believed to be the whole object. */
  Whole: 1,
  /** Apply the stream's transform, or its sink, to what landed. */
  Transform: 2,
  /** Look at the checksum of what landed: of the cheap kinds, or of any with `VerifyAlways`. */
  Verify: 4,
  /** The object's size is not known: `Length` is what is asked for at first. */
  First: 8,
  /** The bytes are there: only their checksum is to be looked at, or the transform to be applied, or both. */
  Landed: 16,
  VerifyAlways: 32,
  /** A worker was lost with it, which may have written it to the sink. */
  Again: 64,
  /** Tell when an attempt takes longer than most do. */
  Watched: 128,
  /** A second attempt at what another job asks for: it goes before what waits, and is not tried again. */
  Hedge: 256,
} as const;

/** Columns of a table of results. */
export const Done = {
  Id: 0,
  Status: 1,
  /** Bytes that landed from the lease's first byte on. */
  Landed: 2,
  /** The object's size, or -1. */
  Size: 3,
  BlobStart: 4,
  VersionLength: 5,
  /** Attempts beyond the first. */
  Retries: 6,
  /** The checksum that was found right: its place in `CHECKSUMS`, plus one; 0 for none. */
  Verified: 7,
  /** Answers that told it to slow down. */
  Throttled: 8,
} as const;
export const DONE_STRIDE = 9;

/** The order is that of the cells of `Done.Verified`. */
export const CHECKSUMS: readonly ChecksumAlgorithm[] = Object.keys(algorithms).filter(isAlgorithm);

export const DoneStatus = {
  Ok: 0,
  /** The row has an entry in `errors`. */
  Failed: 1,
  /** The token was cancelled; nothing more is written. */
  Cancelled: 2,
  /** Not begun, or begun and given up, because of a drain: may be fetched again. */
  Left: 3,
  /** The object has another size than the plan said; `Size` is the true one. */
  SizeChanged: 4,
  /** The object was replaced between two parts. */
  VersionChanged: 5,
} as const;
export type DoneStatus = (typeof DoneStatus)[keyof typeof DoneStatus];

/** Collects rows and blob bytes; `take` gives the table away and begins a new one. */
export class TableBuilder {
  readonly #stride: number;
  #cells: Float64Array<ArrayBuffer>;
  #blob: Buffer<ArrayBuffer>;
  #count = 0;
  #blobLength = 0;

  constructor(stride: number, rows = 64, blobBytes = 4096) {
    this.#stride = stride;
    this.#cells = new Float64Array(rows * stride);
    this.#blob = Buffer.allocUnsafeSlow(blobBytes);
  }

  get count(): number {
    return this.#count;
  }

  /** Adds a row of zeros; returns the index of its first cell. */
  addRow(): number {
    const base = this.#count * this.#stride;
    if (base + this.#stride > this.#cells.length) {
      const larger = new Float64Array(this.#cells.length * 2);
      larger.set(this.#cells);
      this.#cells = larger;
    }
    // The cells are used again after `take`: what an earlier row left must not be read as this one's.
    this.#cells.fill(0, base, base + this.#stride);
    this.#count += 1;
    return base;
  }

  set(cell: number, value: number): void {
    this.#cells[cell] = value;
  }

  /** Appends bytes; returns where they begin. */
  addBytes(bytes: Uint8Array): number {
    const start = this.#blobLength;
    this.#makeRoom(bytes.length);
    this.#blob.set(bytes, start);
    this.#blobLength += bytes.length;
    return start;
  }

  /** Appends text as UTF-8, without an array of its own (0.4 us); returns where it begins. It ends at `blobLength`. */
  addText(text: string): number {
    const start = this.#blobLength;
    // No character takes more than three bytes.
    this.#makeRoom(text.length * 3);
    this.#blobLength += this.#blob.write(text, start, 'utf8');
    return start;
  }

  /** Bytes that were appended. */
  get blobLength(): number {
    return this.#blobLength;
  }

  take(): PackedTable {
    const table: PackedTable = {
      count: this.#count,
      cells: this.#cells.slice(0, this.#count * this.#stride),
      blob: new Uint8Array(this.#blob.subarray(0, this.#blobLength)),
    };
    this.#count = 0;
    this.#blobLength = 0;
    return table;
  }

  #makeRoom(bytes: number): void {
    const end = this.#blobLength + bytes;
    if (end <= this.#blob.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(end, this.#blob.length * 2));
    larger.set(this.#blob.subarray(0, this.#blobLength));
    this.#blob = larger;
  }
}

/** What to hand over as the transfer list of a message with this table. */
export function tableTransfer(table: PackedTable): ArrayBuffer[] {
  return [table.cells.buffer, table.blob.buffer];
}

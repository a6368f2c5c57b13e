/** The system calls of a direct read, as a seam: tests put a device of their own behind it. */
import { constants, read, readSync } from 'node:fs';

export type ReadCallback = (error: NodeJS.ErrnoException | null, bytes: number) => void;

export interface Disk {
  /** What open is given beside the flags of every read; 0 where the system has no direct reads. */
  readonly flags: number;
  readonly readSync: (
    fd: number,
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ) => number;
  /** Calls `done` later, once, and writes nothing more from then on. */
  readonly read: (
    fd: number,
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
    done: ReadCallback,
  ) => void;
}

/** Linux alone has O_DIRECT; elsewhere the constant is missing. */
export const DIRECT_FLAG: number = (constants as { readonly O_DIRECT?: number }).O_DIRECT ?? 0;

export const systemDisk: Disk = { flags: DIRECT_FLAG, readSync, read };

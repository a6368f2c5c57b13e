/** What tests of direct reads share: a directory whose filesystem has them, and a device that minds alignment. */
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDirectStore } from '../../../dist/backends/file/direct-data.js';
import type { DirectCounters } from '../../../dist/backends/file/direct-counters.js';
import { type Disk, systemDisk } from '../../../dist/backends/file/disk.js';
import type { Store } from '../../../dist/protocol/store.js';

/** Where `O_DIRECT` is looked for: what tests usually write to, the checkout, and what is seldom in memory. */
const PLACES = [tmpdir(), process.cwd(), '/var/tmp'];

function hasDirectReads(place: string): boolean {
  const directory = mkdtempSync(join(place, '.millrace-direct-'));
  try {
    writeFileSync(`${directory}/a`, new Uint8Array(8192));
    const fd = openSync(`${directory}/a`, constants.O_RDONLY | constants.O_DIRECT);
    try {
      // A filesystem in memory takes every read and so proves nothing of alignment.
      readSync(fd, new Uint8Array(new SharedArrayBuffer(8192)), 1, 511, 1);
      return false;
    } catch {
      return true;
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function findPlace(): string | null {
  for (const place of PLACES) if (hasDirectReads(place)) return place;
  return null;
}

const place = findPlace();

/** For `describe.skipIf(skipUnless(directAvailable()))`. */
export function directAvailable(): string | null {
  return place === null ? `no filesystem with O_DIRECT at ${PLACES.join(', ')}` : null;
}

/** A new directory on a filesystem with direct reads; with a trailing slash. The caller removes it. */
export function makeDirectDirectory(): string {
  return `${realpathSync(mkdtempSync(join(place ?? tmpdir(), '.millrace-direct-')))}/`;
}

/** A store over the root with counters of its own. */
export function directStore(
  root: string,
  fallback: 'error' | 'buffered' = 'error',
  disk: Disk = systemDisk,
): { store: Store; counters: DirectCounters } {
  const counters = { bouncedBytes: 0, bufferedBytes: 0 };
  const snapshot = { version: 1, expiresAtMs: null, config: { root, fallback } };
  return { store: createDirectStore(snapshot, disk, counters), counters };
}

export interface DeviceTraits {
  readonly blockBytes: number;
  readonly memoryBytes: number;
  /** Where buffers begin in their page. */
  readonly baseAddress?: number;
  /** Files are opened with this flag; 0 is a system without direct reads. Any other is harmless here. */
  readonly flags?: number;
}

/** One read that was asked for, as the device saw it. */
export interface SeenRead {
  readonly offset: number;
  readonly length: number;
  readonly position: number;
}

export interface FakeDisk extends Disk {
  /** Asynchronous reads, in order. */
  readonly seen: SeenRead[];
  readonly probes: SeenRead[];
  /** Asynchronous reads that have not ended. */
  readonly pending: (() => void)[];
  /** While true a read ends only when its entry of `pending` is called. */
  held: boolean;
  /** Runs before a read ends; what it returns is how many bytes it brings at most. */
  onRead: ((read: SeenRead) => number | NodeJS.ErrnoException | void) | null;
  traits: DeviceTraits;
}

export function einval(): NodeJS.ErrnoException {
  return Object.assign(new Error('EINVAL: invalid argument, read'), { code: 'EINVAL' });
}

/** Reads of real files that are refused where the device that `traits` describes would refuse them. */
export function fakeDisk(first: DeviceTraits): FakeDisk {
  const disk: FakeDisk = {
    flags: first.flags ?? constants.O_NOCTTY,
    seen: [],
    probes: [],
    pending: [],
    held: false,
    onRead: null,
    traits: first,
    readSync(fd, into, offset, length, position) {
      disk.probes.push({ offset, length, position });
      if (isRefused(disk.traits, into, offset, length, position)) throw einval();
      return readSync(fd, into, offset, length, position);
    },
    read(fd, into, offset, length, position, done) {
      const read = { offset, length, position };
      disk.seen.push(read);
      const finish = (): void => {
        disk.pending.splice(disk.pending.indexOf(finish), 1);
        if (isRefused(disk.traits, into, offset, length, position)) return done(einval(), 0);
        const most = disk.onRead?.(read) ?? length;
        if (typeof most !== 'number') return done(most, 0);
        done(null, readSync(fd, into, offset, Math.min(most, length), position));
      };
      disk.pending.push(finish);
      if (!disk.held) setImmediate(finish);
    },
  };
  return disk;
}

function isRefused(
  { blockBytes, memoryBytes, baseAddress = 16 }: DeviceTraits,
  into: Uint8Array,
  offset: number,
  length: number,
  position: number,
): boolean {
  const address = baseAddress + into.byteOffset + offset;
  return address % memoryBytes !== 0 || length % blockBytes !== 0 || position % blockBytes !== 0;
}

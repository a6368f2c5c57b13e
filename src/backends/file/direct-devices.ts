/**
 * What is known of the devices that a worker reads past the page cache from, learnt with the first read of each.
 *
 * Invariants:
 * 1. A device is probed once, not per file; again only when it refused a read that kept to what was found (one
 *    filesystem may lie over several devices).
 * 2. A device is its `st_dev`. What a file that has just become empty says is not kept: its reads prove nothing.
 */
import type { Bounces } from './bounce.js';
import { type Alignment, findAlignment, findPhase, type TryRead } from './direct-probe.js';
import type { Disk } from './disk.js';

/** One device: its alignment, and where it found the buffers of targets to lie. */
export interface Device extends Alignment {
  readonly phases: WeakMap<ArrayBufferLike, number>;
}

export interface Devices {
  /** The device behind an open file that is not empty; null when it takes no direct read, however aligned. */
  of(fd: number, dev: number): Device | null;
  /** The same, after it refused a read that kept to what was known. */
  again(fd: number, dev: number): Device | null;
  /**
   * Address of the target's first byte modulo `memoryBytes`, or -1 where that is not known. May read into the first
   * `room` bytes of the target.
   */
  phaseOf(device: Device, fd: number, target: Uint8Array, room: number): number;
}

/** Below this all of a read goes through one bounce buffer, unless the device has met the target's memory before. */
const PROBED_ROOM_BYTES = 256 * 1024;

export function createDevices(disk: Disk, bounces: Bounces): Devices {
  const known = new Map<number, Device | null>();
  const probe = (fd: number, dev: number): Device | null => {
    let seen = 0;
    const tryRead: TryRead = (offset, length) =>
      (seen = disk.readSync(fd, bounces.memory, bounces.probeOffset + offset, length, 0));
    const alignment = findAlignment(tryRead);
    if (alignment === null) {
      known.set(dev, null);
      return null;
    }
    const device = { ...alignment, phases: new WeakMap<ArrayBufferLike, number>() };
    if (seen > 0) known.set(dev, device);
    return device;
  };
  return {
    of: (fd, dev) => {
      const device = known.get(dev);
      return device === undefined ? probe(fd, dev) : device;
    },
    again: probe,
    phaseOf(device, fd, target, room) {
      const { memoryBytes, phases } = device;
      let base = phases.get(target.buffer);
      if (base === undefined) {
        if (room < PROBED_ROOM_BYTES) return -1;
        const tryRead: TryRead = (offset, length) => disk.readSync(fd, target, offset, length, 0);
        base = findPhase(tryRead, device, target.byteOffset, room);
        if (base === -1) return -1;
        phases.set(target.buffer, base);
      }
      return (base + target.byteOffset) % memoryBytes;
    },
  };
}

/**
 * The worker's half of the direct store: reads past the page cache; all else is that of the file store.
 *
 * What is written goes into the page cache and from there to the device: direct writes would wait for each of theirs, and
 * ends that are no multiple of a block could not be written so at all.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { Store, StoreSnapshot } from '../../protocol/store.js';
import { createBounces } from './bounce.js';
import { type FileConfig, localStore, rootOf } from './data.js';
import { type DirectCounters, directCounters } from './direct-counters.js';
import { type DirectFiles, readDirect } from './direct-read.js';
import { createDevices } from './direct-devices.js';
import { type Disk, systemDisk } from './disk.js';
import { createPace } from './pace.js';
import { createRoot } from './root.js';

/** What is done where O_DIRECT is refused: an error, or reads through the page cache, which are counted. */
export type DirectFallback = 'error' | 'buffered';

export interface DirectConfig extends FileConfig {
  readonly fallback: DirectFallback;
}

/**
 * Keys are paths relative to the root.
 * @throws MillraceError InvalidArgument when the snapshot is not one of the direct scheme
 */
export function createStore(snapshot: StoreSnapshot): Store {
  return createDirectStore(snapshot, systemDisk, directCounters);
}

export function createDirectStore(snapshot: StoreSnapshot, disk: Disk, counters: DirectCounters): Store {
  const root = createRoot(rootOf(snapshot), 'direct');
  const pace = createPace();
  const bounces = createBounces();
  const devices = createDevices(disk, bounces);
  const buffered = fallbackIn(snapshot) === 'buffered';
  const files: DirectFiles = { root, pace, disk, devices, bounces, counters, buffered };
  return localStore(root, pace, (request, target, stop, done) =>
    readDirect(files, request, target, stop, done),
  );
}

function fallbackIn(snapshot: StoreSnapshot): DirectFallback {
  const { fallback } = snapshot.config as Partial<DirectConfig>;
  if (fallback === 'error' || fallback === 'buffered') return fallback;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `not a snapshot of the direct scheme: expected a fallback of 'error' or 'buffered'`,
    { phase: 'configure' },
  );
}

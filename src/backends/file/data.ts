/**
 * The worker's half of the file store: one attempt per call, by synchronous calls in the worker's own thread.
 *
 * Nothing is kept open between calls, so `update` and `close` have next to nothing to do. Files have no checksum that
 * the service gives, so `verify` changes nothing here; the version is what is looked at.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { type StopSignal, StopState } from '../../protocol/stop.js';
import {
  CANCELLED,
  type Answer,
  type ObjectInfo,
  Outcome,
  type Store,
  type StoreSnapshot,
} from '../../protocol/store.js';
import { regularStats } from './attempt.js';
import { failureOf } from './failures.js';
import { listFiles } from './list.js';
import { createPace, type Pace } from './pace.js';
import { readFile } from './read.js';
import { closeRead, createRoot, factsOf, type Root } from './root.js';
import { createSavedWalks } from './saved-walks.js';
import { writeFile } from './write.js';

/** What the control half sends: the root as a latin1 string of path bytes, absolute, with a trailing slash. */
export interface FileConfig {
  readonly root: string;
}

/**
 * Keys are paths relative to the root.
 * @throws MillraceError InvalidArgument when the snapshot is not one of the file scheme
 */
export function createStore(snapshot: StoreSnapshot): Store {
  const root = createRoot(rootOf(snapshot));
  const pace = createPace();
  return localStore(root, pace, (request, target, stop, done) =>
    readFile(root, pace, request, target, stop, done),
  );
}

/** A store of local files: all but how their bytes are read. */
export function localStore(root: Root, pace: Pace, read: Store['read']): Store {
  const saved = createSavedWalks();
  return {
    read,
    head: (key, stop) => headFile(root, pace, key, stop),
    list: (request, stop) => listFiles(root, pace, saved, request, stop),
    write: (request, stop) => writeFile(root, pace, request, stop),
    update: () => {},
    close: () => {
      saved.clear();
    },
  };
}

/** Opens the file as a read would, so that it answers as a read would, and no path can be asked about that cannot be read. */
async function headFile(
  root: Root,
  pace: Pace,
  key: Uint8Array,
  stop: StopSignal,
): Promise<Answer<ObjectInfo>> {
  const name = Buffer.from(key).toString('latin1');
  let fd = -1;
  try {
    const path = root.pathOf(name);
    if (pace.due()) await pace.turn();
    if (stop.state === StopState.Cancelled) {
      return CANCELLED;
    }
    fd = root.open(path);
    const { size, version, modifiedMs } = factsOf(regularStats(fd, root, name));
    const value = { size, version, lastModifiedMs: modifiedMs, contentType: null };
    return { outcome: Outcome.Complete, value, error: null, retryAfterMs: 0 };
  } catch (thrown) {
    const { outcome, error } = failureOf(thrown, 'open', { phase: 'head', uri: root.uriOf(name) });
    return { outcome, value: null, error, retryAfterMs: 0 };
  } finally {
    if (fd !== -1) closeRead(fd);
  }
}

/** @throws MillraceError InvalidArgument when the snapshot is not one of this room's schemes */
export function rootOf(snapshot: StoreSnapshot): string {
  const config = snapshot.config as Partial<FileConfig> | null;
  const root = config?.root;
  if (typeof root === 'string' && root.startsWith('/') && root.endsWith('/')) return root;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    'not a snapshot of the file scheme: expected {root} with an absolute path that ends with a slash',
    { phase: 'configure' },
  );
}

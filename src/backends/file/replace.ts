/**
 * The moment in which what was written becomes the object: one rename or link, which the filesystem makes in one step.
 *
 * Invariants:
 * 1. Who opens the key before or after this moment reads the whole old or the whole new object. Who has the old one open
 *    goes on reading that.
 * 2. `ifAbsent` is decided by the filesystem itself: of any number of writers, anywhere, one wins.
 * 3. `ifVersion` is looked at right before the rename, without a lock: of another writer between the two, which takes
 *    some 10 us, nothing is seen, and what it wrote is lost. Filesystems have no word for it.
 * 4. Only regular files and symbolic links to none or to such are replaced: never a directory, a device, a FIFO. Of a link
 *    it is the link that is replaced, not what it leads to.
 *
 * Nothing is flushed to the device (fsync), as in cp, rclone and object_store: it would keep a worker for 1 to 10 ms per
 * object. What was written survives the process, but not a loss of power in the half minute after it, which may leave an
 * object that is empty or not there. Who needs more runs `sync -f` before relying on it.
 */
import { linkSync, renameSync, type Stats, statSync, unlinkSync } from 'node:fs';
import { ErrorCode, systemCode } from '../../protocol/errors.js';
import type { WriteCondition } from '../../protocol/writes.js';
import { type Entered, kindOf, versionOf } from './root.js';
import { objectError, type Place, type Work } from './work.js';

/** What link says on filesystems that have no hard links, such as FAT and many of FUSE. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** Makes the file `from` the object. Afterwards nothing is left at `from`, unless this throws. */
export function replace(
  work: Work,
  folder: Entered,
  place: Place,
  from: Buffer,
  condition: WriteCondition,
): void {
  const to = folder.at(place.name);
  const there = replaceable(work, folder, place);
  if (condition.ifVersion !== null) checkVersion(work, place, there, condition.ifVersion);
  if (!condition.ifAbsent) return renameSync(from, to);
  try {
    linkSync(from, to);
  } catch (thrown) {
    throw linkFailure(work, place, thrown);
  }
  unlinkSync(from);
}

/** What the key names now, or undefined; throws `Unsupported` for what cannot be an object. */
export function replaceable(work: Work, folder: Entered, { key, name }: Place): Stats | undefined {
  const there = statSync(folder.at(name), { throwIfNoEntry: false });
  if (there === undefined || there.isFile()) return there;
  const what = `is not a regular file but ${kindOf(there)}, which no object replaces: choose another key, or remove it`;
  throw objectError(work, key, ErrorCode.Unsupported, what);
}

/** Throws `VersionChanged` unless the object is there and has that version. */
export function checkVersion(work: Work, { key }: Place, there: Stats | undefined, version: string): void {
  const now = there === undefined ? null : versionOf(there);
  if (now === version) return;
  const what =
    now === null ? `is not there, so not version ${version}` : `has the version ${now}, not ${version}`;
  throw objectError(work, key, ErrorCode.VersionChanged, what);
}

function linkFailure(work: Work, { key }: Place, thrown: unknown): unknown {
  const errno = systemCode(thrown) ?? '';
  if (errno === 'EEXIST') return objectError(work, key, ErrorCode.AlreadyExists, 'is there already');
  if (!NO_LINKS.has(errno)) return thrown;
  const what = `is on a filesystem without hard links (${errno}), which cannot create a file only where there is none: leave out ifAbsent`;
  return objectError(work, key, ErrorCode.Unsupported, what);
}

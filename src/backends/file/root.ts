/**
 * The directory that a file store shows, and how nothing outside of it is opened.
 *
 * Invariants:
 * 1. A key is relative to the root and is its file's only spelling: no empty, `.` or `..` segment.
 * 2. Below a root other than `/`, what was opened is checked, not what was asked for: the kernel tells where the open
 *    descriptor lies, symbolic links resolved, and that must be inside the root. A link that is swapped between a
 *    check and an open therefore gains nothing.
 * 3. A descriptor that is refused is closed and not a byte is read from it.
 * 4. Names that begin with `RESERVED` are what writes are prepared under, and no objects.
 *
 * With the root `/` there is nothing to leave, and links are followed wherever they lead: data sets that are trees of
 * links into a cache beside them are common. Who serves names that strangers choose sets a root.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { RESERVED } from './reserved.js';
import { type LocalScheme, uriFromPath } from './uri.js';

/** The bytes of a path, or the text where they are ASCII and both are the same. */
export type FilePath = Buffer | string;

export interface Root {
  /** Absolute, with a trailing slash, as a latin1 string of bytes. */
  readonly path: string;
  /** False for `/`. */
  readonly confined: boolean;
  /** The key's path; throws `InvalidArgument` where the key is not the only spelling of a file below the root. */
  pathOf(key: string): FilePath;
  uriOf(key: string): string;
  /** Opens for reading, never waits for the other end of a FIFO; throws `AccessDenied` for what lies outside. */
  open(path: FilePath, flags?: number): number;
  /** Opens a directory; throws as `open` does. */
  enter(path: FilePath): Entered;
  /** Opens a directory with `use`, under a name that is that directory, whatever happens to its path, until it returns. */
  withDirectory<T>(path: Buffer, use: (name: Buffer) => T): T;
  /** Whether the path, symbolic links resolved, lies inside. Throws as realpath does. */
  holds(path: Buffer): boolean;
}

/** A directory that is open. */
export interface Entered {
  /** Path of an entry, which stays in that directory whatever happens to the directory's own path. */
  at(name: string): Buffer;
  close(): void;
}

/**
 * O_NONBLOCK: opening a FIFO returns at once instead of blocking the thread for ever, where nothing could end it.
 * O_NOCTTY: a terminal does not become the process's own.
 */
const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
/** Linux, and not a container that was given no /proc. */
export const HAS_PROC = process.platform === 'linux' && existsSync('/proc/self/fd');
/** An empty, `.` or `..` segment. */
const ODD_SEGMENT = /(?:^|\/)\.{0,2}(?:\/|$)/;
const IS_ASCII = /^[\x01-\x7f]*$/;
/** Is in every key that has an odd or reserved segment, a NUL, or a byte that is not ASCII. */
const ODD_OR_NOT_ASCII = /(?:^|\/)\.(?:\.?(?:\/|$)|millrace-upload-)|(?:^|\/)(?:\/|$)|[\0\x80-\xff]/;
const RESERVED_SEGMENT = new RegExp(`(?:^|/)${RESERVED.replace('.', '\\.')}`);

/** @param scheme of the URIs that it makes */
export function createRoot(path: string, scheme: LocalScheme = 'file'): Root {
  const confined = path !== '/';
  let real = '';
  const isInside = (where: string): boolean => {
    if (real !== '' && `${where}/`.startsWith(real)) return true;
    // The root may itself be a link that has been pointed elsewhere since.
    const fresh = realpathSync.native(latin1Buffer(path), 'latin1');
    real = fresh.endsWith('/') ? fresh : `${fresh}/`;
    return `${where}/`.startsWith(real);
  };
  const isAscii = IS_ASCII.test(path);
  const open = (file: FilePath, flags = 0): number => {
    const fd = openSync(file, READ_FLAGS | flags);
    if (!confined) return fd;
    let inside = false;
    try {
      inside = isInside(whereIs(fd, file));
    } finally {
      if (!inside) closeRead(fd);
    }
    if (!inside) throw outside(file, path, scheme);
    return fd;
  };
  return {
    path,
    confined,
    pathOf: (key) => {
      // One look at nearly every key, and no Buffer for it: 0.1 us per file instead of 0.25.
      if (isAscii && !ODD_OR_NOT_ASCII.test(key)) return path + key;
      checkKey(key);
      return latin1Buffer(path + key);
    },
    uriOf: (key) => uriFromPath(path + key, scheme),
    open,
    enter: (directory) => {
      const fd = open(directory, constants.O_DIRECTORY);
      const name = HAS_PROC ? `/proc/self/fd/${fd}` : textOf(directory);
      return { at: (entry) => latin1Buffer(`${name}/${entry}`), close: () => closeRead(fd) };
    },
    withDirectory: (directory, use) => {
      if (!confined) return use(directory);
      const fd = open(directory, constants.O_DIRECTORY);
      try {
        return use(HAS_PROC ? latin1Buffer(`/proc/self/fd/${fd}`) : directory);
      } finally {
        closeRead(fd);
      }
    },
    holds: (file) => !confined || isInside(realpathSync.native(file, 'latin1')),
  };
}

/**
 * Closes what was open for reading. An error of close speaks of bytes that were not written; here there are none, and
 * the descriptor is gone in any case.
 */
export function closeRead(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    return;
  }
}

/** What a file is, and its version: seconds and microseconds of its last change, its size and its inode. */
export interface FileFacts {
  readonly size: number;
  readonly version: string;
  readonly modifiedMs: number;
}

/**
 * A change within one tick of the filesystem's clock (4 ms on most kernels) that keeps the size goes unseen, as it
 * does for every tool that looks at the time of change. The double that `mtimeMs` is keeps a quarter of a
 * microsecond; a bigint stat would keep more than the clock gives, for a third more time per call.
 */
export function versionOf(stats: Stats): string {
  const changedUs = Math.round(stats.mtimeMs * 1000);
  const changedS = Math.floor(changedUs / 1e6);
  // Two small numbers: the text of one that does not fit into 31 bits takes 0.15 us.
  return `${changedS}.${changedUs - changedS * 1e6}-${stats.size}-${stats.ino}`;
}

export function factsOf(stats: Stats): FileFacts {
  return { size: stats.size, version: versionOf(stats), modifiedMs: stats.mtimeMs };
}

/** What something that is not a regular file is, in words. */
export function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a FIFO';
  if (stats.isSocket()) return 'a socket';
  if (stats.isCharacterDevice()) return 'a character device';
  if (stats.isBlockDevice()) return 'a block device';
  return 'something else';
}

/** @throws MillraceError InvalidArgument */
export function checkKey(key: string): void {
  if (RESERVED_SEGMENT.test(key)) {
    throw new MillraceError(
      ErrorCode.InvalidArgument,
      `not the key of an object: ${JSON.stringify(key)}: names that begin with "${RESERVED}" are kept for what is being written`,
    );
  }
  if (!ODD_SEGMENT.test(key) && !key.includes('\0')) return;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `not the key of a file: ${JSON.stringify(key)}: expected a path relative to the root without empty, "." and ".." ` +
      'segments and without NUL, such as "data/a.bin"',
  );
}

function textOf(path: FilePath): string {
  return typeof path === 'string' ? path : path.toString('latin1');
}

export function latin1Buffer(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1');
}

/**
 * The real path of what is open. On Linux the kernel says so for the descriptor itself, and no race is left.
 * Elsewhere the path is resolved again and must still name the same inode; only somebody who exchanges directories
 * three times between three calls could pass that, with a file that the process may read anyway.
 */
function whereIs(fd: number, path: FilePath): string {
  if (HAS_PROC) return readlinkSync(`/proc/self/fd/${fd}`, 'latin1');
  const real = realpathSync.native(path, 'latin1');
  const found = statSync(latin1Buffer(real));
  const opened = fstatSync(fd);
  return found.ino === opened.ino && found.dev === opened.dev ? real : '';
}

function outside(path: FilePath, root: string, scheme: LocalScheme): MillraceError {
  const name = uriFromPath(textOf(path), scheme);
  return new MillraceError(
    ErrorCode.AccessDenied,
    `${name} leads outside of the root ${uriFromPath(root, scheme)}: only what lies inside ` +
      'can be used; copy or bind-mount what is needed, or choose a root that holds both',
  );
}

/**
 * The entries of one directory, sorted, without keeping the thread: a directory may have a million of them.
 *
 * Invariants:
 * 1. A directory's name ends with a slash and a file's does not, so that comparing names compares keys: `a.b` comes
 *    before everything in `a/`, and `a0` after it, as in a listing of S3.
 * 2. The order is that of the names' bytes, which for UTF-8 is the order of code points; names are latin1 strings.
 * 3. Between two looks at `pace` there are at most a thousand entries; only the names of a directory whose types are not
 *    told come at once.
 * 4. A type that the filesystem does not tell with the name is looked up, inside of the open directory and under the
 *    name's exact bytes. An entry that has gone by then is left out alone, never the directory that it was in.
 */
import { type Dir, type Dirent, lstatSync, opendirSync, type Stats } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { systemCode } from '../../protocol/errors.js';
import type { Pace } from './pace.js';
import type { Root } from './root.js';

/** Entries that the kernel's answer is taken in with, and the length of a run that is sorted in one go: about 1 ms. */
const RUN_ENTRIES = 1024;
const CHUNK_ENTRIES = 512;

export interface Walking {
  readonly root: Root;
  readonly pace: Pace;
  /** Gives the event loop a turn; throws when the token was cancelled. */
  turn(): Promise<void>;
}

/**
 * Names of the regular files, symbolic links and directories (not links to them) in `path` that are wanted. Throws the
 * error of opendir.
 */
export async function sortedEntries(
  walking: Walking,
  path: Buffer,
  wanted: (name: string) => boolean,
): Promise<string[]> {
  const runs = (await toldEntries(walking, path, wanted)) ?? (await lookedUpEntries(walking, path, wanted));
  return mergeRuns(runs, walking);
}

/** How many of the sorted names come before `name`, or are it when `including`. */
export function rankOf(names: readonly string[], name: string, including: boolean): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareNames(names[middle] as string, name);
    if (order < 0 || (including && order === 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Sorted runs of the wanted names; null where the filesystem does not tell the type of every entry. */
async function toldEntries(
  walking: Walking,
  path: Buffer,
  wanted: (name: string) => boolean,
): Promise<string[][] | null> {
  const runs = createRuns();
  const options = { encoding: 'latin1', bufferSize: CHUNK_ENTRIES } as const;
  const directory = walking.root.withDirectory(path, (name) => opendirSync(name, options));
  try {
    let seen = 0;
    for (let entry = readTold(directory); entry !== null; entry = readTold(directory)) {
      if (entry === undefined) return null;
      const name = sortName(entry.name, entry);
      if (name !== '' && wanted(name)) runs.add(name);
      seen += 1;
      if (seen % CHUNK_ENTRIES === 0 && walking.pace.due()) await walking.turn();
    }
  } finally {
    directory.closeSync();
  }
  return runs.finish();
}

/** The next entry; null at the end, undefined where one of the entries that were read has a type that is not told. */
function readTold(directory: Dir): Dirent | null | undefined {
  try {
    return directory.readSync();
  } catch (error) {
    // Node looks such a type up on its own and, where that fails, drops the rest of what it has read. With a path of
    // bytes and a name of text it always fails, and before the kernel is asked: a descriptor in the path is closed by
    // now, or another file's.
    const isUntold = systemCode(error) === 'ERR_INVALID_ARG_TYPE';
    if (isUntold || (error as NodeJS.ErrnoException).syscall === 'lstat') return undefined;
    throw error;
  }
}

/**
 * The same where types are not told: NFS that does not read them with the names (which it stops doing as directories
 * grow), XFS made without them, some of FUSE. Node gives names without types only all at once: read off the thread, a
 * million of them keep it for some tenths of a second, and take the memory that they would take in the runs.
 */
async function lookedUpEntries(
  walking: Walking,
  path: Buffer,
  wanted: (name: string) => boolean,
): Promise<string[][]> {
  const runs = createRuns();
  const directory = walking.root.enter(path);
  try {
    // Not `.`, which would need the right to search the directory besides the right to read it.
    for (const entry of await readdir(directory.at(''), 'latin1')) {
      // A look may be a request to a server, so that a prefix saves nearly all of them.
      if (wanted(entry) || wanted(`${entry}/`)) {
        const name = lookedUpName(directory.at(entry), entry);
        if (name !== '' && wanted(name)) runs.add(name);
      }
      if (walking.pace.due()) await walking.turn();
    }
  } finally {
    directory.close();
  }
  return runs.finish();
}

/** Empty as that of `sortName`, and for what has gone. */
function lookedUpName(path: Buffer, name: string): string {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return stats === undefined ? '' : sortName(name, stats);
  } catch (error) {
    const errno = systemCode(error);
    // Whoever needs more than the name is refused again, and then the error names the entry, as with a type that is told.
    if (errno === 'EACCES' || errno === 'EPERM') return name;
    throw error;
  }
}

/** Empty for what is neither a file, a link nor a directory: no key. */
function sortName(name: string, type: Dirent | Stats): string {
  if (type.isFile() || type.isSymbolicLink()) return name;
  return type.isDirectory() ? `${name}/` : '';
}

interface Runs {
  add(name: string): void;
  finish(): string[][];
}

/** Names in the order that they come in, as runs that are sorted. */
function createRuns(): Runs {
  const runs: string[][] = [];
  let run: string[] = [];
  const close = (): void => {
    runs.push(run.sort(compareNames));
    run = [];
  };
  return {
    add: (name) => {
      if (run.push(name) === RUN_ENTRIES) close();
    },
    finish: () => {
      if (run.length > 0) close();
      return runs;
    },
  };
}

function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function mergeRuns(runs: string[][], walking: Walking): Promise<string[]> {
  let level = runs;
  while (level.length > 1) {
    const next: string[][] = [];
    for (let at = 0; at < level.length; at += 2) {
      const right = level[at + 1];
      next.push(
        right === undefined ? (level[at] as string[]) : await merge(level[at] as string[], right, walking),
      );
    }
    level = next;
  }
  return level[0] ?? [];
}

async function merge(left: readonly string[], right: readonly string[], walking: Walking): Promise<string[]> {
  const merged: string[] = [];
  let l = 0;
  let r = 0;
  while (l < left.length || r < right.length) {
    const fromLeft = r >= right.length || (l < left.length && (left[l] as string) < (right[r] as string));
    merged.push((fromLeft ? left[l++] : right[r++]) as string);
    if (merged.length % RUN_ENTRIES === 0 && walking.pace.due()) await walking.turn();
  }
  return merged;
}

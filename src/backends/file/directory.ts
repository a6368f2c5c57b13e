/**
 * The entries of one directory, sorted, without keeping the thread: a directory may have a million of them.
 *
 * Invariants:
 * 1. A directory's name ends with a slash and a file's does not, so that comparing names compares keys: `a.b` comes
 *    before everything in `a/`, and `a0` after it, as in a listing of S3.
 * 2. The order is that of the names' bytes, which for UTF-8 is the order of code points; names are latin1 strings.
 * 3. Between two looks at `pace` there are at most a thousand entries.
 */
import { type Dirent, opendirSync } from 'node:fs';
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
  const runs: string[][] = [];
  let run: string[] = [];
  const options = { encoding: 'latin1', bufferSize: CHUNK_ENTRIES } as const;
  const directory = walking.root.withDirectory(path, (name) => opendirSync(name, options));
  try {
    let seen = 0;
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      const name = sortName(entry);
      if (name !== '' && wanted(name)) run.push(name);
      if (run.length === RUN_ENTRIES) {
        runs.push(run.sort(compareNames));
        run = [];
      }
      seen += 1;
      if (seen % CHUNK_ENTRIES === 0 && walking.pace.due()) await walking.turn();
    }
  } finally {
    directory.closeSync();
  }
  if (run.length > 0) runs.push(run.sort(compareNames));
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

/** Empty for what is neither a file, a link nor a directory: no key. */
function sortName(entry: Dirent): string {
  if (entry.isFile() || entry.isSymbolicLink()) return entry.name;
  return entry.isDirectory() ? `${entry.name}/` : '';
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

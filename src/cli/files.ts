/**
 * Files that appear under their name when they are whole, and not before.
 *
 * Invariants:
 * 1. Bytes go to a temporary file beside the target; `commit` renames it, `discard` removes it. One of the two is
 *    called for every file, and a process that is ended by a second signal removes what is open.
 * 2. No directory on the way below the root is a symbolic link, so nothing is written outside of the root.
 * 3. Only regular files are replaced, and links to them: the link is, and what it points to stays. Devices, pipes and
 *    the names of streams (`/dev/stdout`) stay what they are.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readlink, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ErrorCode, MillraceError } from '../index.js';

export interface PartialFile {
  /** Writes all bytes at that place of the file. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Gives the file its name; replaces a file that has it. */
  commit(): Promise<void>;
  /** Removes what was written. Idempotent, and nothing after `commit`. */
  discard(): Promise<void>;
}

export interface FileWriterOptions {
  /** Whether `commit` waits for the disk. */
  readonly fsync: boolean;
  /** Registers what is to be done before a sudden end; returns what takes it back. */
  readonly beforeDeath: (fn: () => void) => () => void;
}

/** The place of this one file is taken by something else, or its name is too long here: others may have theirs. */
export class PlaceRefused extends MillraceError {}

/** Directories that are remembered as made; more than that are looked at again. */
const MAX_KNOWN = 10_000;
const TOO_LONG = 'ENAMETOOLONG';

export interface FileWriter {
  /** Opens a temporary file for `root/segments...`. Rejects with a `MillraceError` Filesystem, or its `PlaceRefused`. */
  create(segments: readonly string[]): Promise<PartialFile>;
}

export function createFileWriter(root: string, options: FileWriterOptions): FileWriter {
  const known = new Set<string>();
  return {
    create: async (segments) => {
      const directory = await makeDirectories(root, segments.slice(0, -1), known);
      const target = join(directory, segments.at(-1) ?? '');
      await refuseOthers(target);
      const temporary = join(directory, temporaryName());
      const handle = await open(temporary, 'wx').catch((error: unknown) => {
        throw failure(`cannot write into ${JSON.stringify(directory)}`, error);
      });
      return partialFile(handle, temporary, target, options);
    },
  };
}

/**
 * By chance as well: in a container every process may have the same id, and one that was killed leaves its file behind.
 * Nobody can tell the name beforehand and put something in its place either.
 */
function temporaryName(): string {
  return `.millrace-${process.pid}-${randomBytes(8).toString('hex')}.part`;
}

function partialFile(
  handle: FileHandle,
  temporary: string,
  target: string,
  { fsync, beforeDeath }: FileWriterOptions,
): PartialFile {
  const unlink = beforeDeath(() => rmSync(temporary, { force: true }));
  let over = false;
  const discard = async (): Promise<void> => {
    if (over) return;
    over = true;
    await handle.close().catch(() => {});
    await rm(temporary, { force: true }).catch(() => {});
    unlink();
  };
  return {
    discard,
    write: async (bytes, position) => {
      let done = 0;
      while (done < bytes.length) {
        const { bytesWritten } = await handle
          .write(bytes, done, bytes.length - done, position + done)
          .catch((error: unknown) => {
            throw failure(`cannot write ${JSON.stringify(target)}`, error);
          });
        done += bytesWritten;
      }
    },
    commit: async () => {
      try {
        if (fsync) await handle.sync();
        await handle.close();
        await rename(temporary, target);
      } catch (error) {
        await discard();
        throw failure(`cannot write ${JSON.stringify(target)}`, error);
      }
      over = true;
      unlink();
    },
  };
}

/** Makes the directories one by one, so that a link on the way is seen before anything is made behind it. */
async function makeDirectories(
  root: string,
  segments: readonly string[],
  known: Set<string>,
): Promise<string> {
  let path = root;
  for (const segment of segments) {
    path = join(path, segment);
    if (known.has(path)) continue;
    await mkdir(path).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') {
        throw failure(`cannot make the directory ${JSON.stringify(path)}`, error);
      }
    });
    const found = await lstat(path);
    if (!found.isDirectory()) {
      const what = found.isSymbolicLink() ? 'a symbolic link, which may lead elsewhere' : 'a file';
      throw refused(`${JSON.stringify(path)} is needed as a directory and is ${what}`);
    }
    if (known.size >= MAX_KNOWN) known.clear();
    known.add(path);
  }
  return path;
}

/** Refuses what `rename` would refuse at the end, or would replace though it is no file. */
async function refuseOthers(target: string): Promise<void> {
  // Followed, so that a link to a device is one. What is not there, such as the end of a dangling link, is no obstacle.
  const found = await stat(target).catch((error: unknown) => {
    // Told now: the temporary file's shorter name might be taken, and `rename` would fail when all bytes are there.
    if (codeOf(error) === TOO_LONG) throw failure(`cannot make the file ${JSON.stringify(target)}`, error);
    return null;
  });
  if (found === null || (found.isFile() && !(await namesStream(target)))) return;
  if (found.isDirectory()) throw refused(`${JSON.stringify(target)} is needed as a file and is a directory`);
  throw refused(
    `${JSON.stringify(target)} is needed as a file and is a device, a pipe or a socket; "millrace cat" writes to such`,
  );
}

/** `/dev/stdout` is a link that leads to a regular file where the shell has put one there. */
async function namesStream(target: string): Promise<boolean> {
  const link = await readlink(target).catch(() => null);
  return link !== null && /^\/(?:dev|proc)\//.test(resolve(target, '..', link));
}

function failure(message: string, cause?: unknown): MillraceError {
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  const kind = codeOf(cause) === TOO_LONG ? PlaceRefused : MillraceError;
  return new kind(ErrorCode.Filesystem, `${message}${reason}`, { phase: 'deliver', cause });
}

function refused(message: string): PlaceRefused {
  return new PlaceRefused(ErrorCode.Filesystem, message, { phase: 'deliver' });
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

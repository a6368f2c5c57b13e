/**
 * Uploads that were begun and have not ended, and what killed processes have left of puts and copies.
 *
 * Invariants:
 * 1. An upload is told with the key that it is for, from the name of the file in it. A put or copy is told with the key
 *    of its own file, since nothing else is known of it: one that is under way, or, where it has not been written to for
 *    long, one that nobody will end.
 * 2. All directories below the prefix are gone through for each page; the order is that of the names, so that the last
 *    name of a page is enough to go on from.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { UnfinishedUpload, UploadsRequest, WriteResult } from '../../protocol/writes.js';
import { sortedEntries, type Walking } from './directory.js';
import { idIn, isReserved } from './reserved.js';
import { checkKey, latin1Buffer } from './root.js';
import { isGone, pause, type Work } from './work.js';

/** As S3 has it. */
const PAGE_UPLOADS = 1000;

export async function listUploads(work: Work, request: UploadsRequest): Promise<Partial<WriteResult>> {
  const { root, pace } = work;
  const prefix = latin1Of(request.prefix);
  const base = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (base !== '') checkKey(base.slice(0, -1));
  const after = request.continuation === null ? '' : nameIn(request.continuation);
  const walking = { root, pace, turn: () => pause(work) };
  const uploads: UnfinishedUpload[] = [];
  let last = '';
  // What is still to be looked at, the next at the end: in the order of a listing, which is that of the paths' bytes.
  const ahead = [base];
  for (let path = ahead.pop(); path !== undefined; path = ahead.pop()) {
    await pause(work);
    const place = reservedPlace(path);
    if (place === null) {
      const begin = path === base ? prefix.slice(base.length) : '';
      const wanted = (name: string): boolean =>
        isReserved(name) || (name.endsWith('/') && name.startsWith(begin));
      const names = await entriesOf(walking, path, wanted);
      for (const name of names.toReversed()) ahead.push(path + name);
    } else if (path > after) {
      const upload = uploadAt(work, place);
      if (upload === null || !latin1Of(upload.key).startsWith(prefix)) continue;
      if (uploads.length === PAGE_UPLOADS) return { uploads, next: latin1Buffer(last).toString('base64url') };
      uploads.push(upload);
      last = path;
    }
  }
  return { uploads };
}

interface ReservedPlace {
  readonly path: string;
  readonly directory: string;
  readonly id: string;
}

/** Null for a directory that is none of ours. */
function reservedPlace(path: string): ReservedPlace | null {
  const slash = path.lastIndexOf('/', path.length - 2) + 1;
  const id = idIn(path.slice(slash));
  return id === null ? null : { path, directory: path.slice(0, slash), id };
}

/** Null for one that has ended meanwhile, or of which nothing is there yet but its directory. */
function uploadAt({ root }: Work, { path, directory, id }: ReservedPlace): UnfinishedUpload | null {
  const where = latin1Buffer(root.path + path);
  try {
    const { mtimeMs } = lstatSync(where);
    if (!path.endsWith('/')) return { key: keyOf(path), upload: id, startedMs: mtimeMs };
    // The directory was last changed when the file was made in it, by whatever parts that was written to since.
    const [name] = readdirSync(where, 'latin1');
    return name === undefined ? null : { key: keyOf(directory + name), upload: id, startedMs: mtimeMs };
  } catch (thrown) {
    if (isGone(thrown)) return null;
    throw thrown;
  }
}

/** A directory that has gone since its name was read has nothing in it; nor has one that a prefix only guesses. */
async function entriesOf(
  walking: Walking,
  directory: string,
  wanted: (name: string) => boolean,
): Promise<string[]> {
  try {
    return await sortedEntries(walking, latin1Buffer(walking.root.path + directory), wanted);
  } catch (thrown) {
    if (directory !== '' && isGone(thrown)) return [];
    throw thrown;
  }
}

function nameIn(continuation: string): string {
  const bytes = Buffer.from(continuation, 'base64url');
  const name = bytes.toString('latin1');
  if (reservedPlace(name) !== null && bytes.toString('base64url') === continuation) return name;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `not the continuation of this listing: ${JSON.stringify(continuation)}; expected the "next" of a page`,
  );
}

function latin1Of(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}

/** Memory of its own, since a Buffer may be a window of Node's pool, which must not be sent between threads. */
function keyOf(path: string): Uint8Array {
  return Uint8Array.from(latin1Buffer(path));
}

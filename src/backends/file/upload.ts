/**
 * Uploads in parts: a directory beside the target, and in it one file that has the target's name and takes the parts.
 *
 * Invariants:
 * 1. Parts are written at their place, in any order and by any number of workers and processes; each opens the file anew,
 *    so that an upload outlives the worker that began it.
 * 2. It is completed only when its receipts cover every byte of the object once, and the file has that length.
 * 3. An upload that was completed or aborted is gone, and what comes later for it is `NotFound`.
 */
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  statSync,
  truncateSync,
  unlinkSync,
} from 'node:fs';
import { ErrorCode, type MillraceError } from '../../protocol/errors.js';
import type {
  AbortRequest,
  BeginRequest,
  CompleteRequest,
  PartRequest,
  WriteResult,
} from '../../protocol/writes.js';
import { createFile } from './draft.js';
import { enterMade } from './folder.js';
import { replace, replaceable } from './replace.js';
import { isId, newId, reservedName } from './reserved.js';
import { checkKey, closeRead, type Entered, latin1Buffer, versionOf } from './root.js';
import {
  enterOf,
  isGone,
  objectError,
  type Place,
  placeOf,
  splitKey,
  type Work,
  writeBytes,
} from './work.js';

type Written = Partial<WriteResult>;

/** The condition is not looked at: what counts is the moment of `complete`. */
export function beginUpload(work: Work, { key }: BeginRequest): Written {
  const place = placeOf(key);
  const folder = enterMade(work.root, place.directory);
  try {
    // A directory could not be replaced in the end: better told before all parts were sent.
    replaceable(work, folder, place);
    const upload = newId();
    const made = reservedName(upload);
    mkdirSync(folder.at(made));
    try {
      closeSync(createFile(folder.at(`${made}/${place.name}`)));
    } catch (thrown) {
      rmdirSync(folder.at(made));
      throw thrown;
    }
    return { upload };
  } finally {
    folder.close();
  }
}

export async function writePart(work: Work, request: PartRequest): Promise<Written> {
  const place = placeOf(request.key);
  const inside = enterUpload(work, place, request.upload);
  try {
    const fd = openPart(work, place, inside);
    try {
      await writeBytes(work, fd, request.body, request.start);
    } catch (thrown) {
      closeRead(fd);
      throw thrown;
    }
    // Network filesystems may tell only now that there was no room.
    closeSync(fd);
    return { part: receiptOf(request.start, request.body.length) };
  } finally {
    inside.close();
  }
}

export function completeUpload(work: Work, request: CompleteRequest): Written {
  const place = placeOf(request.key);
  const inside = enterUpload(work, place, request.upload);
  try {
    const from = inside.at(place.name);
    checkReceipts(work, place, request);
    checkLength(work, place, from, request.size);
    const folder = enterOf(work, place);
    try {
      const version = versionOf(statSync(from));
      replace(work, folder, place, from, request);
      removeEmpty(folder.at(reservedName(request.upload)));
      return { version };
    } finally {
      folder.close();
    }
  } catch (thrown) {
    throw isGone(thrown) ? noUpload(work, place) : thrown;
  } finally {
    inside.close();
  }
}

/** Also takes away what a put or a copy has left whose process was killed: `uploads` tells it as an upload. */
export function abortUpload(work: Work, { key, upload }: AbortRequest): Written {
  const place = splitKey(key);
  if (place.directory !== '') checkKey(place.directory.slice(0, -1));
  if (!isId(upload)) return {};
  try {
    const folder = enterOf(work, place);
    try {
      const name = reservedName(upload);
      const path = folder.at(name);
      if (!lstatSync(path).isDirectory()) unlinkSync(path);
      else {
        for (const entry of readdirSync(path, 'latin1')) unlinkSync(folder.at(`${name}/${entry}`));
        rmdirSync(path);
      }
    } finally {
      folder.close();
    }
  } catch (thrown) {
    if (!isGone(thrown)) throw thrown;
  }
  return {};
}

/** The upload's own directory, which is inside the root like every other that is opened. */
function enterUpload(work: Work, place: Place, upload: string): Entered {
  if (!isId(upload)) throw noUpload(work, place);
  const path = work.root.path + place.directory + reservedName(upload);
  try {
    return work.root.enter(latin1Buffer(path));
  } catch (thrown) {
    throw isGone(thrown) ? noUpload(work, place) : thrown;
  }
}

function openPart(work: Work, place: Place, inside: Entered): number {
  try {
    return openSync(inside.at(place.name), constants.O_WRONLY | constants.O_NOFOLLOW);
  } catch (thrown) {
    throw isGone(thrown) ? noUpload(work, place) : thrown;
  }
}

function noUpload(work: Work, { key }: Place): MillraceError {
  const what = 'has no such upload: it was aborted or completed by somebody else';
  return objectError(work, key, ErrorCode.NotFound, what);
}

/** What a part leaves to be counted: where its bytes begin, and how many they are. */
function receiptOf(start: number, length: number): string {
  return `${start}+${length}`;
}

function checkReceipts(work: Work, { key }: Place, { parts, size }: CompleteRequest): void {
  let at = 0;
  for (const receipt of parts) {
    const length = Number(receipt.slice(receipt.indexOf('+') + 1));
    if (receipt !== receiptOf(at, length)) break;
    at += length;
  }
  if (at === size) return;
  const what = `cannot be completed: its parts are without a gap up to byte ${at}, and it is to have ${size} bytes`;
  throw objectError(work, key, ErrorCode.InvalidArgument, what);
}

/** A part that was longer when it was sent before has left its end behind; fewer bytes than were written are an error. */
function checkLength(work: Work, { key }: Place, path: Buffer, size: number): void {
  const found = lstatSync(path).size;
  if (found > size) return truncateSync(path, size);
  if (found === size) return;
  const what = `cannot be completed: ${found} of ${size} bytes are there`;
  throw objectError(work, key, ErrorCode.ShortBody, what);
}

function removeEmpty(path: Buffer): void {
  try {
    rmdirSync(path);
  } catch {
    // The object is there, and that is what counts; `abort` takes away what is left.
    return;
  }
}

/**
 * What every write is given, and how it pauses.
 *
 * Invariant: between two steps of a write lies at most one slice of `pace`, and a look at the token.
 */
import { writeSync } from 'node:fs';
import { type ErrorCode, MillraceError, systemCode } from '../../protocol/errors.js';
import { isCancelled, type StopSignal } from '../../protocol/stop.js';
import type { Pace } from './pace.js';
import { PIECE_BYTES } from './read.js';
import { checkKey, type Entered, latin1Buffer, type Root } from './root.js';

export interface Work {
  readonly root: Root;
  readonly pace: Pace;
  readonly stop: StopSignal;
}

/** Thrown out of a write whose token was cancelled; what it had begun is taken away by those that it passes. */
export class CancelledWork extends Error {}

/** Before each step: gives the event loop a turn when the slice is used up. Throws `CancelledWork`. */
export async function pause({ pace, stop }: Work): Promise<void> {
  if (pace.due()) await pace.turn();
  if (isCancelled(stop)) throw new CancelledWork();
}

/** Writes all of it from byte `at` of the file on, in pieces as a read takes them. */
export async function writeBytes(work: Work, fd: number, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; done += PIECE_BYTES) {
    await pause(work);
    writePiece(fd, bytes.subarray(done, done + PIECE_BYTES), at + done);
  }
}

/** Without a pause. */
export function writePiece(fd: number, bytes: Uint8Array, at: number): void {
  // A disk that is nearly full takes a part, and refuses the rest.
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, at + done);
}

/** Where an object is: its directory, empty or with a slash at its end, and its name in there; bytes as latin1. */
export interface Place {
  readonly key: string;
  readonly directory: string;
  readonly name: string;
}

/** Throws `InvalidArgument` for what is no key of an object. */
export function placeOf(bytes: Uint8Array): Place {
  const place = splitKey(bytes);
  checkKey(place.key);
  return place;
}

export function splitKey(bytes: Uint8Array): Place {
  const key = Buffer.from(bytes).toString('latin1');
  const slash = key.lastIndexOf('/') + 1;
  return { key, directory: key.slice(0, slash), name: key.slice(slash) };
}

/** The directory that an object is in. Throws as `enter` of the root. */
export function enterOf({ root }: Work, { directory }: Place): Entered {
  return root.enter(latin1Buffer(root.path + directory));
}

/** An error about this very object. */
export function objectError({ root }: Work, key: string, code: ErrorCode, what: string): MillraceError {
  const uri = root.uriOf(key);
  return new MillraceError(code, `${uri} ${what}`, { phase: 'write', uri });
}

/** Whether a call failed because what its path names is not there. */
export function isGone(thrown: unknown): boolean {
  const errno = systemCode(thrown);
  return errno === 'ENOENT' || errno === 'ENOTDIR';
}

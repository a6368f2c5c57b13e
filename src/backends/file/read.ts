/**
 * One attempt at the bytes of one file: positional synchronous reads straight into the target.
 *
 * Synchronous, because the four threads of the libuv pool are shared by all workers of the process, while a worker
 * has a thread of its own; and because a read in the pool cannot be called back, so its target would have to stay
 * reserved after a cancel. What a synchronous read must not do is keep the thread: it is cut into pieces, looks at
 * the token before each, and gives the event loop a turn when its slice is used up.
 *
 * Invariants:
 * 1. When the promise resolves nothing is written into the target any more, and the file is closed.
 * 2. The bytes of a `complete` answer are of one version: size, inode and time of change are the same before the
 *    first byte and after the last.
 * 3. A file that holds less than its size says is an error, not a short success; so is one that says 0 and holds more
 *    (files of /proc and /sys do either).
 */
import { fstatSync, readSync } from 'node:fs';
import { ErrorCode, type ErrorContext, MillraceError } from '../../protocol/errors.js';
import { type StopSignal, StopState } from '../../protocol/stop.js';
import { Outcome, type ReadAnswer, type ReadRequest } from '../../protocol/store.js';
import { failureOf } from './failures.js';
import type { Pace } from './pace.js';
import { closeRead, type FileFacts, factsOf, kindOf, type Root } from './root.js';

/**
 * One call of the kernel, and the grain of a cancel. From the page cache it takes 0.1 ms, from a disk of 150 MB/s
 * 7 ms; a 64 KiB piece costs a quarter of the throughput in calls, and 16 MiB gain only 5 % more than 1 MiB.
 */
export const PIECE_BYTES = 1024 * 1024;

/** What an attempt has learnt so far; it goes into every answer. */
interface Progress {
  landed: number;
  size: number;
  version: string | null;
}

export async function readFile(
  root: Root,
  pace: Pace,
  request: ReadRequest,
  target: Uint8Array,
  stop: StopSignal,
): Promise<ReadAnswer> {
  const progress: Progress = { landed: 0, size: -1, version: null };
  const key = Buffer.from(request.key).toString('latin1');
  let fd = -1;
  let action = 'open';
  try {
    checkRequest(request, target);
    const path = root.pathOf(key);
    if (stop.state === StopState.Cancelled) return cancelled(progress);
    if (pace.due()) {
      await pace.turn();
      if (isCancelled(stop)) return cancelled(progress);
    }
    fd = root.open(path);
    const before = regularFacts(fd, root, key);
    progress.size = before.size;
    progress.version = before.version;
    const objection = objectionTo(request, before);
    if (objection !== null) return failed(objection, progress, contextOf(root, key, request, 'head'));
    action = 'read';
    const wanted = wantedBytes(request, before);
    if (!(await readPieces(fd, wanted, request, target, progress, pace, stop))) return cancelled(progress);
    const after = factsOf(fstatSync(fd));
    if (after.version !== before.version) {
      progress.size = after.size;
      progress.version = after.version;
      progress.landed = 0;
      return failed(
        changedMeanwhile(request, before, after),
        progress,
        contextOf(root, key, request, 'body'),
      );
    }
    const short = shortness(fd, wanted, progress);
    if (short !== null) return failed(short, progress, contextOf(root, key, request, 'body'));
    return answer(Outcome.Complete, progress, null);
  } catch (thrown) {
    const phase = action === 'open' ? 'request' : 'body';
    const failure = failureOf(thrown, action, contextOf(root, key, request, phase));
    const interrupted = failure.outcome === Outcome.Transient && progress.landed > 0;
    return answer(interrupted ? Outcome.Interrupted : failure.outcome, progress, failure.error);
  } finally {
    if (fd !== -1) closeRead(fd);
  }
}

/** The facts of an open regular file; throws `Unsupported` for everything else. */
export function regularFacts(fd: number, root: Root, key: string): FileFacts {
  const stats = fstatSync(fd);
  if (stats.isFile()) return factsOf(stats);
  throw new MillraceError(
    ErrorCode.Unsupported,
    `${root.uriOf(key)} is not a regular file but ${kindOf(stats)}: only regular files have a size and can be read at a position`,
    { phase: 'head' },
  );
}

/** Reads until `wanted` bytes are there, or the file ends; false when the token was cancelled. */
async function readPieces(
  fd: number,
  wanted: number,
  request: ReadRequest,
  target: Uint8Array,
  progress: Progress,
  pace: Pace,
  stop: StopSignal,
): Promise<boolean> {
  while (progress.landed < wanted) {
    if (isCancelled(stop)) return false;
    const { landed } = progress;
    const read = readSync(fd, target, landed, Math.min(PIECE_BYTES, wanted - landed), request.start + landed);
    // The file ends earlier than it did at the start; the comparison of versions says so.
    if (read === 0) return true;
    progress.landed += read;
    if (progress.landed < wanted && pace.due()) await pace.turn();
  }
  return true;
}

interface Objection {
  readonly outcome: Outcome;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Why the file is not the one, or does not have the range, that was asked for. */
function objectionTo(request: ReadRequest, facts: FileFacts): Objection | null {
  if (request.version !== null && request.version !== facts.version) {
    return {
      outcome: Outcome.VersionChanged,
      code: ErrorCode.VersionChanged,
      message: `has the version ${facts.version}, not ${request.version}: it was changed or replaced`,
    };
  }
  if (request.whole) {
    if (facts.size === request.length) return null;
    return {
      outcome: Outcome.SizeChanged,
      code: ErrorCode.VersionChanged,
      message: `has ${facts.size} bytes, not ${request.length}`,
    };
  }
  if (request.start === 0 || request.start < facts.size) return null;
  return {
    outcome: Outcome.Refused,
    code: ErrorCode.RangeRejected,
    message: `has ${facts.size} bytes, so nothing can be read from byte ${request.start} on`,
  };
}

function changedMeanwhile(request: ReadRequest, before: FileFacts, after: FileFacts): Objection {
  const resized = request.whole && after.size !== before.size;
  return {
    outcome: resized ? Outcome.SizeChanged : Outcome.VersionChanged,
    code: ErrorCode.VersionChanged,
    message: `was written to while it was read (${before.size} bytes before, ${after.size} after)`,
  };
}

/** Whether an unchanged file held another number of bytes than its size says. */
function shortness(fd: number, wanted: number, progress: Progress): Objection | null {
  const { landed, size } = progress;
  if (landed < wanted) {
    const message = `ended after ${landed} of ${wanted} bytes although its size of ${size} did not change`;
    return { outcome: Outcome.Interrupted, code: ErrorCode.ShortBody, message };
  }
  if (size > 0 || readSync(fd, new Uint8Array(1), 0, 1, 0) === 0) return null;
  const message = 'says that it is empty and is not: files that the kernel makes up have no size to read by';
  return { outcome: Outcome.Refused, code: ErrorCode.Unsupported, message };
}

function checkRequest(request: ReadRequest, target: Uint8Array): void {
  const { start, length, whole } = request;
  const isWhole = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  if (isWhole(start) && isWhole(length) && length <= target.length && (!whole || start === 0)) return;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `not a range: start ${start}, length ${length}, whole ${whole}; expected whole numbers from 0 on, a target of at ` +
      `least that length (it has ${target.length}) and the start 0 for a whole object`,
  );
}

function wantedBytes(request: ReadRequest, facts: FileFacts): number {
  return Math.max(0, Math.min(request.length, facts.size - request.start));
}

/** A function, because the compiler would take a state that it has seen for one that stays. */
function isCancelled(stop: StopSignal): boolean {
  return stop.state === StopState.Cancelled;
}

function contextOf(
  root: Root,
  key: string,
  request: ReadRequest,
  phase: 'request' | 'head' | 'body',
): ErrorContext {
  const range = { range: [request.start, request.start + request.length - 1] as const };
  return { phase, uri: root.uriOf(key), ...(request.length > 0 ? range : {}) };
}

function failed(objection: Objection, progress: Progress, context: ErrorContext): ReadAnswer {
  const error = new MillraceError(objection.code, `${context.uri} ${objection.message}`, context);
  return answer(objection.outcome, progress, error);
}

function cancelled(progress: Progress): ReadAnswer {
  return answer(Outcome.Cancelled, progress, null);
}

function answer(outcome: Outcome, progress: Progress, error: MillraceError | null): ReadAnswer {
  const { landed, size, version } = progress;
  return { outcome, landed, size, version, error, retryAfterMs: 0 };
}

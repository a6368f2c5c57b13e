/**
 * What every attempt at the bytes of a file has in common, however they are read: opening it and finding out whether it
 * is what was asked for, looking whether it changed meanwhile, and making the answer.
 *
 * Invariants:
 * 1. A `complete` answer is given only after `changeOf` found the file unchanged since it was opened.
 * 2. The target is not touched before `openAttempt` had no objection.
 */
import { fstatSync, type Stats } from 'node:fs';
import { ErrorCode, type ErrorContext, MillraceError } from '../../protocol/errors.js';
import { Outcome, type ReadAnswer, type ReadRequest } from '../../protocol/store.js';
import { failureOf } from './failures.js';
import { kindOf, type Root, versionOf } from './root.js';

/** Room for the longest path that Linux takes. */
const scratch = Buffer.allocUnsafeSlow(4096);

/** One attempt on its way: what is known of its file, and what of it has landed. */
export interface Attempt {
  readonly root: Root;
  readonly request: ReadRequest;
  readonly target: Uint8Array;
  /** -1 while it is not open. */
  fd: number;
  /** What the file was before its first byte was read. */
  before: Stats | null;
  /** How many of the bytes that were asked for it has. */
  wanted: number;
  /** The next three go into the answer. */
  landed: number;
  size: number;
  version: string | null;
}

/**
 * Opens the file and learns what it is; the answer when it is not the one, or does not have the range, that was asked
 * for. Throws as open does.
 * @param flags of open, beside those of every read
 */
export function openAttempt(attempt: Attempt, flags = 0): ReadAnswer | null {
  const { root, request, target } = attempt;
  checkRequest(request, target);
  const key = keyOf(request);
  attempt.fd = root.open(root.pathOf(key), flags);
  const before = regularStats(attempt.fd, root, key);
  attempt.before = before;
  attempt.size = before.size;
  attempt.version = versionOf(before);
  attempt.wanted = Math.max(0, Math.min(request.length, before.size - request.start));
  const objection = objectionTo(request, attempt.size, attempt.version);
  return objection === null ? null : failed(objection, attempt, 'head');
}

/** A file name is bytes: one character each. By way of memory that is there already, 50 ns less than by a new Buffer. */
export function keyOf({ key }: ReadRequest): string {
  if (key.length > scratch.length) return Buffer.from(key).toString('latin1');
  scratch.set(key);
  return scratch.toString('latin1', 0, key.length);
}

/** Of an open regular file; throws `Unsupported` for everything else. */
export function regularStats(fd: number, root: Root, key: string): Stats {
  const stats = fstatSync(fd);
  if (stats.isFile()) return stats;
  throw new MillraceError(
    ErrorCode.Unsupported,
    `${root.uriOf(key)} is not a regular file but ${kindOf(stats)}: only regular files have a size and can be read at a position`,
    { phase: 'head' },
  );
}

export interface Objection {
  readonly outcome: Outcome;
  readonly code: ErrorCode;
  readonly message: string;
}

function objectionTo(request: ReadRequest, size: number, version: string): Objection | null {
  if (request.version !== null && request.version !== version) {
    return {
      outcome: Outcome.VersionChanged,
      code: ErrorCode.VersionChanged,
      message: `has the version ${version}, not ${request.version}: it was changed or replaced`,
    };
  }
  if (request.whole) {
    if (size === request.length) return null;
    return {
      outcome: Outcome.SizeChanged,
      code: ErrorCode.VersionChanged,
      message: `has ${size} bytes, not ${request.length}`,
    };
  }
  if (request.start === 0 || request.start < size) return null;
  return {
    outcome: Outcome.Refused,
    code: ErrorCode.RangeRejected,
    message: `has ${size} bytes, so nothing can be read from byte ${request.start} on`,
  };
}

/** Whether the file was written to since it was opened: then what landed may be of two versions, and counts for nothing. */
export function changeOf(attempt: Attempt): Objection | null {
  // A look costs 1 us, and one less would be worth 5 % of a small file: a stamp older than the beginning of the read
  // proves as much only on filesystems that this machine's clock stamps, and the bytes would have to be copied, since
  // a file that is not the one that was asked for leaves the target as it was.
  const after = fstatSync(attempt.fd);
  const before = attempt.before as Stats;
  // Numbers, since the text of a version is only made to be shown or sent.
  if (after.mtimeMs === before.mtimeMs && after.size === before.size && after.ino === before.ino) return null;
  attempt.landed = 0;
  attempt.size = after.size;
  attempt.version = versionOf(after);
  const resized = attempt.request.whole && after.size !== before.size;
  return {
    outcome: resized ? Outcome.SizeChanged : Outcome.VersionChanged,
    code: ErrorCode.VersionChanged,
    message: `was written to while it was read (${before.size} bytes before, ${after.size} after)`,
  };
}

/** Whether an unchanged file held fewer bytes than its size says. */
export function shortnessOf({ landed, wanted, size }: Attempt): Objection | null {
  if (landed === wanted) return null;
  const message = `ended after ${landed} of ${wanted} bytes although its size of ${size} did not change`;
  return { outcome: Outcome.Interrupted, code: ErrorCode.ShortBody, message };
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

type Phase = 'request' | 'head' | 'body';

function contextOf({ root, request }: Attempt, phase: Phase): ErrorContext {
  const range = { range: [request.start, request.start + request.length - 1] as const };
  return { phase, uri: root.uriOf(keyOf(request)), ...(request.length > 0 ? range : {}) };
}

export function failed(objection: Objection, attempt: Attempt, phase: Phase): ReadAnswer {
  const context = contextOf(attempt, phase);
  const error = new MillraceError(objection.code, `${context.uri} ${objection.message}`, context);
  return answerOf(objection.outcome, attempt, error);
}

export function answerToThrown(attempt: Attempt, thrown: unknown): ReadAnswer {
  const [action, phase] =
    attempt.before === null ? (['open', 'request'] as const) : (['read', 'body'] as const);
  const failure = failureOf(thrown, action, contextOf(attempt, phase));
  const interrupted = failure.outcome === Outcome.Transient && attempt.landed > 0;
  return answerOf(interrupted ? Outcome.Interrupted : failure.outcome, attempt, failure.error);
}

export function answerOf(outcome: Outcome, attempt: Attempt, error: MillraceError | null = null): ReadAnswer {
  const { landed, size, version } = attempt;
  return { outcome, landed, size, version, error, retryAfterMs: 0 };
}

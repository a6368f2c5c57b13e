/**
 * One attempt at the bytes of one file: positional synchronous reads straight into the target.
 *
 * Synchronous, because the four threads of the libuv pool are shared by all workers of the process, while a worker
 * has a thread of its own; and because a read in the pool cannot be called back, so its target would have to stay
 * reserved after a cancel. What a synchronous read must not do is keep the thread: it is cut into pieces, looks at
 * the token before each, and gives the event loop a turn when its slice is used up.
 *
 * Invariants:
 * 1. When `done` is called nothing is written into the target any more, and the file is closed.
 * 2. The bytes of a `complete` answer are of one version: size, inode and time of change are the same before the
 *    first byte and after the last.
 * 3. A file that holds less than its size says is an error, not a short success; so is one that says 0 and holds more
 *    (files of /proc and /sys do either).
 */
import { fstatSync, readSync, type Stats } from 'node:fs';
import { ErrorCode, type ErrorContext, MillraceError } from '../../protocol/errors.js';
import { isCancelled, type StopSignal } from '../../protocol/stop.js';
import { Outcome, type ReadAnswer, type ReadRequest } from '../../protocol/store.js';
import { failureOf } from './failures.js';
import type { Pace } from './pace.js';
import { closeRead, kindOf, type Root, versionOf } from './root.js';

/**
 * One call of the kernel, and the grain of a cancel. From the page cache it takes 0.1 ms, from a disk of 150 MB/s
 * 7 ms; a 64 KiB piece costs a quarter of the throughput in calls, and 16 MiB gain only 5 % more than 1 MiB.
 */
export const PIECE_BYTES = 1024 * 1024;

/** Room for the longest path that Linux takes. */
const scratch = Buffer.allocUnsafeSlow(4096);

/** One attempt on its way: all that is kept of it while the event loop has a turn. */
interface Reading {
  readonly root: Root;
  readonly pace: Pace;
  readonly request: ReadRequest;
  readonly target: Uint8Array;
  readonly stop: StopSignal;
  readonly done: (answer: ReadAnswer) => void;
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
 * Calls `done` exactly once, with the answer: before it returns, unless the slice of `pace` is used up meanwhile. So a
 * small file makes no promise and takes no turn of the microtask queue: 0.3 us of the 7.7 that 4 KiB take with them.
 */
export function readFile(
  root: Root,
  pace: Pace,
  request: ReadRequest,
  target: Uint8Array,
  stop: StopSignal,
  done: (answer: ReadAnswer) => void,
): void {
  const reading: Reading = {
    root,
    pace,
    request,
    target,
    stop,
    done,
    fd: -1,
    before: null,
    wanted: 0,
    landed: 0,
    size: -1,
    version: null,
  };
  if (pace.due()) goOnLater(reading);
  else goOn(reading);
}

function goOnLater(reading: Reading): void {
  reading.pace.later(() => goOn(reading));
}

function goOn(reading: Reading): void {
  let answer: ReadAnswer | null;
  try {
    answer = advance(reading);
  } catch (thrown) {
    answer = answerToThrown(reading, thrown);
  }
  if (answer === null) return goOnLater(reading);
  if (reading.fd !== -1) closeRead(reading.fd);
  // Not within the try above: what `done` throws is no failure of this file.
  reading.done(answer);
}

/** Goes on to the answer, or until the slice is used up: null. */
function advance(reading: Reading): ReadAnswer | null {
  const { request, target, stop, pace } = reading;
  if (reading.before === null) {
    if (isCancelled(stop)) return answerOf(Outcome.Cancelled, reading);
    const objection = open(reading);
    if (objection !== null) return failed(objection, reading, 'head');
  }
  const { fd, wanted } = reading;
  while (reading.landed < wanted) {
    if (isCancelled(stop)) return answerOf(Outcome.Cancelled, reading);
    const { landed } = reading;
    const read = readSync(fd, target, landed, Math.min(PIECE_BYTES, wanted - landed), request.start + landed);
    // The file ends earlier than it did at the start; the comparison with what it was says so.
    if (read === 0) break;
    reading.landed += read;
    if (reading.landed < wanted && pace.due()) return null;
  }
  const change = changeOf(reading) ?? shortness(reading);
  return change === null ? answerOf(Outcome.Complete, reading) : failed(change, reading, 'body');
}

/** Opens the file and learns what it is; says why it is not the one, or does not have the range, that was asked for. */
function open(reading: Reading): Objection | null {
  const { root, request, target } = reading;
  checkRequest(request, target);
  const key = keyOf(request);
  reading.fd = root.open(root.pathOf(key));
  const before = regularStats(reading.fd, root, key);
  reading.before = before;
  reading.size = before.size;
  reading.version = versionOf(before);
  reading.wanted = Math.max(0, Math.min(request.length, before.size - request.start));
  return objectionTo(request, reading.size, reading.version);
}

/** A file name is bytes: one character each. By way of memory that is there already, 50 ns less than by a new Buffer. */
function keyOf({ key }: ReadRequest): string {
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

interface Objection {
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
function changeOf(reading: Reading): Objection | null {
  // A look costs 1 us, and one less would be worth 5 % of a small file: a stamp older than the beginning of the read
  // proves as much only on filesystems that this machine's clock stamps, and the bytes would have to be copied, since
  // a file that is not the one that was asked for leaves the target as it was.
  const after = fstatSync(reading.fd);
  const before = reading.before as Stats;
  // Numbers, since the text of a version is only made to be shown or sent.
  if (after.mtimeMs === before.mtimeMs && after.size === before.size && after.ino === before.ino) return null;
  reading.landed = 0;
  reading.size = after.size;
  reading.version = versionOf(after);
  const resized = reading.request.whole && after.size !== before.size;
  return {
    outcome: resized ? Outcome.SizeChanged : Outcome.VersionChanged,
    code: ErrorCode.VersionChanged,
    message: `was written to while it was read (${before.size} bytes before, ${after.size} after)`,
  };
}

/** Whether an unchanged file held another number of bytes than its size says. */
function shortness({ fd, wanted, landed, size }: Reading): Objection | null {
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

type Phase = 'request' | 'head' | 'body';

function contextOf({ root, request }: Reading, phase: Phase): ErrorContext {
  const range = { range: [request.start, request.start + request.length - 1] as const };
  return { phase, uri: root.uriOf(keyOf(request)), ...(request.length > 0 ? range : {}) };
}

function failed(objection: Objection, reading: Reading, phase: Phase): ReadAnswer {
  const context = contextOf(reading, phase);
  const error = new MillraceError(objection.code, `${context.uri} ${objection.message}`, context);
  return answerOf(objection.outcome, reading, error);
}

function answerToThrown(reading: Reading, thrown: unknown): ReadAnswer {
  const [action, phase] =
    reading.before === null ? (['open', 'request'] as const) : (['read', 'body'] as const);
  const failure = failureOf(thrown, action, contextOf(reading, phase));
  const interrupted = failure.outcome === Outcome.Transient && reading.landed > 0;
  return answerOf(interrupted ? Outcome.Interrupted : failure.outcome, reading, failure.error);
}

function answerOf(outcome: Outcome, reading: Reading, error: MillraceError | null = null): ReadAnswer {
  const { landed, size, version } = reading;
  return { outcome, landed, size, version, error, retryAfterMs: 0 };
}

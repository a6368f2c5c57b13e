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
import { readSync } from 'node:fs';
import { ErrorCode } from '../../protocol/errors.js';
import { isCancelled, type StopSignal } from '../../protocol/stop.js';
import { Outcome, type ReadAnswer, type ReadRequest } from '../../protocol/store.js';
import {
  answerOf,
  answerToThrown,
  type Attempt,
  changeOf,
  failed,
  type Objection,
  openAttempt,
  shortnessOf,
} from './attempt.js';
import type { Pace } from './pace.js';
import { closeRead, type Root } from './root.js';

/**
 * One call of the kernel, and the grain of a cancel. From the page cache it takes 0.1 ms, from a disk of 150 MB/s
 * 7 ms; a 64 KiB piece costs a quarter of the throughput in calls, and 16 MiB gain only 5 % more than 1 MiB.
 */
export const PIECE_BYTES = 1024 * 1024;

/** One attempt on its way: all that is kept of it while the event loop has a turn. */
interface Reading extends Attempt {
  readonly pace: Pace;
  readonly stop: StopSignal;
  readonly done: (answer: ReadAnswer) => void;
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
    const objection = openAttempt(reading);
    if (objection !== null) return objection;
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
  const change = changeOf(reading) ?? shortnessOf(reading) ?? hiddenBytesOf(reading);
  return change === null ? answerOf(Outcome.Complete, reading) : failed(change, reading, 'body');
}

/** Whether a file that says 0 holds something all the same. */
function hiddenBytesOf({ fd, size }: Reading): Objection | null {
  if (size > 0 || readSync(fd, new Uint8Array(1), 0, 1, 0) === 0) return null;
  const message = 'says that it is empty and is not: files that the kernel makes up have no size to read by';
  return { outcome: Outcome.Refused, code: ErrorCode.Unsupported, message };
}

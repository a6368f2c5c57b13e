/**
 * One attempt at the bytes of one file, past the page cache: asynchronous reads by libuv's threads, the aligned ones
 * straight into the target.
 *
 * Asynchronous, unlike reads of the file store, because each of them waits for the device: a worker whose thread
 * waited along would keep one read under way, and devices want many. One attempt has one read under way; parts and
 * other objects beside it make the rest, up to the threads of libuv (UV_THREADPOOL_SIZE, of the whole process).
 *
 * Invariants:
 * 1. When `done` is called no read of this attempt is under way, and the file is closed. A read cannot be called back,
 *    so a cancel is seen when the one that is under way has ended.
 * 2. Nothing is written into the target behind the range that was asked for, nor behind the end of the file.
 * 3. The bytes of a `complete` answer are of one version, as with the file store, and so is a file that is shorter
 *    than it says. One that says it is empty is believed: files that the kernel makes up refuse direct reads.
 * 4. A bounce slot is given back before the attempt goes on, however its read ended.
 */
import { copyBytes } from '../../protocol/copy.js';
import { ErrorCode, MillraceError, systemCode } from '../../protocol/errors.js';
import { isCancelled, type StopSignal } from '../../protocol/stop.js';
import { Outcome, type ReadAnswer, type ReadRequest } from '../../protocol/store.js';
import {
  answerOf,
  answerToThrown,
  type Attempt,
  changeOf,
  failed,
  keyOf,
  openAttempt,
  regularStats,
  shortnessOf,
} from './attempt.js';
import type { Bounces } from './bounce.js';
import type { DirectCounters } from './direct-counters.js';
import type { Device, Devices } from './direct-devices.js';
import { nextPiece, type Piece } from './direct-plan.js';
import type { Disk } from './disk.js';
import type { Pace } from './pace.js';
import { readFile } from './read.js';
import { closeRead, type Root } from './root.js';

/** What all attempts of one store share. */
export interface DirectFiles {
  readonly root: Root;
  readonly pace: Pace;
  readonly disk: Disk;
  readonly devices: Devices;
  readonly bounces: Bounces;
  readonly counters: DirectCounters;
  /** Whether files that refuse direct reads are read through the page cache. */
  readonly buffered: boolean;
}

interface Reading extends Attempt {
  readonly files: DirectFiles;
  readonly stop: StopSignal;
  readonly done: (answer: ReadAnswer) => void;
  device: Device | null;
  phase: number;
  /** Whether a device that refused what it took before was asked again. */
  probedAgain: boolean;
  /** Whether a read brought nothing new: the end of the file, since before it the kernel gives whole blocks. */
  ended: boolean;
}

/** A filesystem, or a single file of it, takes no direct reads. */
class DirectRefused extends Error {}

/** Calls `done` exactly once, with the answer: for what fails or is empty perhaps before it returns. */
export function readDirect(
  files: DirectFiles,
  request: ReadRequest,
  target: Uint8Array,
  stop: StopSignal,
  done: (answer: ReadAnswer) => void,
): void {
  const reading: Reading = {
    root: files.root,
    files,
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
    device: null,
    phase: -1,
    probedAgain: false,
    ended: false,
  };
  if (files.pace.due()) files.pace.later(() => goOn(reading));
  else goOn(reading);
}

/** From one read to the next. */
function goOn(reading: Reading): void {
  let answer: ReadAnswer | null;
  try {
    answer = advance(reading);
  } catch (thrown) {
    if (thrown instanceof DirectRefused) return refused(reading);
    answer = answerToThrown(reading, thrown);
  }
  if (answer !== null) end(reading, answer);
}

function end(reading: Reading, answer: ReadAnswer): void {
  if (reading.fd !== -1) closeRead(reading.fd);
  // Not within a try: what `done` throws is no failure of this file.
  reading.done(answer);
}

/** The answer, or null when a read is under way. */
function advance(reading: Reading): ReadAnswer | null {
  const { request, files, stop } = reading;
  if (isCancelled(stop)) return answerOf(Outcome.Cancelled, reading);
  if (reading.before === null) {
    const objection = open(reading);
    if (objection !== null) return objection;
  }
  if (reading.landed < reading.wanted && !reading.ended) {
    const { phase } = reading;
    const { blockBytes, memoryBytes } = reading.device as Device;
    const { start } = request;
    const layout = { blockBytes, memoryBytes, phase, start, end: start + reading.wanted };
    const piece = nextPiece(layout, start + reading.landed);
    if (piece.bounced) files.bounces.take((slot) => readBounced(reading, piece, slot));
    else readAligned(reading, piece);
    return null;
  }
  const change = changeOf(reading) ?? shortnessOf(reading);
  return change === null ? answerOf(Outcome.Complete, reading) : failed(change, reading, 'body');
}

function open(reading: Reading): ReadAnswer | null {
  const { disk, devices } = reading.files;
  if (disk.flags === 0) throw new DirectRefused();
  let objection: ReadAnswer | null;
  try {
    objection = openAttempt(reading, disk.flags);
  } catch (thrown) {
    // Also the answer of FIFOs, directories and the files of /proc; what it is, the ordinary open finds out.
    if (reading.fd === -1 && systemCode(thrown) === 'EINVAL') throw new DirectRefused();
    throw thrown;
  }
  if (objection === null && reading.wanted > 0) {
    const { fd, before } = reading;
    learn(reading, devices.of(fd, before?.dev ?? 0));
  }
  return objection;
}

function learn(reading: Reading, device: Device | null): void {
  const { fd, target, landed, wanted, files } = reading;
  if (device === null) throw new DirectRefused();
  reading.device = device;
  // What has landed stays as it is.
  reading.phase = landed > 0 ? -1 : files.devices.phaseOf(device, fd, target, wanted);
}

function readAligned(reading: Reading, { position, length }: Piece): void {
  const { fd, target, landed } = reading;
  reading.files.disk.read(fd, target, landed, length, position, (error, bytes) => {
    if (error !== null) return broke(reading, error);
    reading.landed += bytes;
    reading.ended = bytes === 0;
    goOn(reading);
  });
}

function readBounced(reading: Reading, { position, length, skip, take }: Piece, slot: number): void {
  const { bounces, disk, counters } = reading.files;
  // It may have waited for its slot.
  if (isCancelled(reading.stop)) {
    bounces.giveBack(slot);
    return end(reading, answerOf(Outcome.Cancelled, reading));
  }
  const at = slot + (reading.device as Device).bouncePad;
  disk.read(reading.fd, bounces.memory, at, length, position, (error, bytes) => {
    if (error === null) {
      const came = Math.min(take, bytes - skip);
      if (came > 0) {
        const from = at + skip;
        copyBytes(bounces.memory.subarray(from, from + came), reading.target, reading.landed);
        reading.landed += came;
        counters.bouncedBytes += came;
      }
      reading.ended = came <= 0;
    }
    bounces.giveBack(slot);
    if (error !== null) return broke(reading, error);
    goOn(reading);
  });
}

/** A read failed. One that was aligned as the device wants it may lie on another device of the same filesystem. */
function broke(reading: Reading, error: NodeJS.ErrnoException): void {
  if (error.code !== 'EINVAL' || reading.probedAgain) return end(reading, answerToThrown(reading, error));
  reading.probedAgain = true;
  try {
    learn(reading, reading.files.devices.again(reading.fd, reading.before?.dev ?? 0));
  } catch (thrown) {
    if (thrown instanceof DirectRefused) return refused(reading);
    return end(reading, answerToThrown(reading, thrown));
  }
  goOn(reading);
}

/** Reads through the page cache where that was asked for; else says what can be done. */
function refused(reading: Reading): void {
  const { files, request, target, stop, done } = reading;
  if (reading.fd !== -1) closeRead(reading.fd);
  reading.fd = -1;
  if (!files.buffered) return end(reading, refusal(reading));
  readFile(files.root, files.pace, request, target, stop, (answer) => {
    files.counters.bufferedBytes += answer.landed;
    done(answer);
  });
}

function refusal(reading: Reading): ReadAnswer {
  const { root, request } = reading;
  try {
    const key = keyOf(request);
    reading.fd = root.open(root.pathOf(key));
    regularStats(reading.fd, root, key);
    const message =
      'cannot be read past the page cache: its filesystem refuses O_DIRECT. Read it as a file: URI, or set ' +
      `stores: {direct: {fallback: 'buffered'}} to have such files read through the page cache`;
    const error = new MillraceError(ErrorCode.Unsupported, `${root.uriOf(key)} ${message}`);
    return answerToThrown(reading, error);
  } catch (thrown) {
    return answerToThrown(reading, thrown);
  }
}

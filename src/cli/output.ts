/**
 * Standard output and standard error of the command.
 *
 * Invariants:
 * 1. A write is over when the system has taken it: a slow reader slows the command down, and memory stays constant.
 * 2. A reader that has gone (`| head`) is `OutputClosed`, which ends the command quietly.
 * 3. A wait for the reader ends when the token is cancelled.
 * 4. A write to a file is over when all of its bytes are in it. Node's own stream does not look at how many bytes the
 *    system took, so on a full disk it would lose the rest without an error.
 */
import { fstatSync, write as writeFd } from 'node:fs';
import type { Writable } from 'node:stream';
import type { CancellationToken } from '../index.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { failureOf, isDrained } from './failures.js';

/** Nobody reads the output any more. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

export interface Output {
  readonly isTerminal: boolean;
  /** Resolves when the system has taken the bytes: only then may their memory be used again. */
  write(chunk: string | Uint8Array): Promise<void>;
}

const EPIPE = new Set(['EPIPE', 'ERR_STREAM_DESTROYED', 'ECONNRESET']);

/** A stream of the process; one without a descriptor is written to as a stream. */
export type OutputStream = Writable & { readonly isTTY?: boolean; readonly fd?: number };

/**
 * @param token a cancel ends a wait for the reader with the token's error
 * @throws MillraceError Filesystem, from `write`, when a file does not take all bytes
 */
export function createOutput(stream: OutputStream, token: CancellationToken): Output {
  const fd = stream.fd;
  if (fd !== undefined && stream.isTTY !== true && !hasReader(fd)) {
    return {
      isTerminal: false,
      write: (chunk) => writeWhole(fd, typeof chunk === 'string' ? Buffer.from(chunk) : chunk),
    };
  }
  // Without a listener, an error of the stream would end the process; each write is told of it by its own callback.
  stream.on('error', () => {});
  return {
    isTerminal: stream.isTTY === true,
    write: (chunk) =>
      new Promise<void>((resolve, reject) => {
        const unlink = token.onStop(() => reject(token.error()));
        stream.write(chunk, (error) => {
          unlink();
          if (error === null || error === undefined) resolve();
          else if (EPIPE.has((error as NodeJS.ErrnoException).code ?? '')) reject(new OutputClosed());
          else reject(error);
        });
      }),
  };
}

/** Whether somebody at the other end takes the bytes: there Node's stream waits, and counts them. */
function hasReader(fd: number): boolean {
  const stat = fstatSync(fd);
  return stat.isFIFO() || stat.isSocket();
}

/** At the place where the descriptor stands, so that `>>` appends. */
async function writeWhole(fd: number, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    done += await writeSome(fd, bytes, done);
  }
}

/** How many bytes the system took: fewer than there are when the disk is full or a limit is reached. */
function writeSome(fd: number, bytes: Uint8Array, from: number): Promise<number> {
  // Wait ends: with the call of the system, as for every file; nobody at another end is waited for.
  return new Promise((resolve, reject) => {
    writeFd(fd, bytes, from, bytes.length - from, null, (error, taken) => {
      if (error === null && taken > 0) resolve(taken);
      else reject(notTaken(error));
    });
  });
}

function notTaken(cause: Error | null): MillraceError {
  const reason = cause === null ? 'the system took no bytes' : cause.message;
  return new MillraceError(ErrorCode.Filesystem, `cannot write standard output: ${reason}`, {
    phase: 'deliver',
    cause,
  });
}

/** Lines that are brought together into larger writes. */
export interface Lines {
  line(text: string): Promise<void>;
  flush(): Promise<void>;
}

const FLUSH_CHARS = 32_768;
/** A listing that comes in slowly is shown as it comes. */
const FLUSH_AFTER_MS = 100;

export function createLines(output: Output, now: () => number = () => performance.now()): Lines {
  let pending: string[] = [];
  let chars = 0;
  let flushedAt = now();
  const flush = async (): Promise<void> => {
    flushedAt = now();
    if (chars === 0) return;
    const text = pending.join('');
    pending = [];
    chars = 0;
    await output.write(text);
  };
  return {
    flush,
    line: async (text) => {
      pending.push(text, '\n');
      chars += text.length + 1;
      if (chars >= FLUSH_CHARS || now() - flushedAt >= FLUSH_AFTER_MS) await flush();
    },
  };
}

/**
 * Runs what prints lines, and prints those that are left, however it ended: what was found before a failure is not lost
 * with it. Returns the first failure, or null; a drain is none, the signal that asked for it is the exit code.
 */
export async function endOf(lines: Lines, work: () => Promise<void>): Promise<unknown> {
  const error = await failureOf(work);
  const unprinted = await failureOf(() => lines.flush());
  return (isDrained(error) ? null : error) ?? unprinted;
}

/**
 * Standard output and standard error of the command.
 *
 * Invariants:
 * 1. A write is over when the system has taken it: a slow reader slows the command down, and memory stays constant.
 * 2. A reader that has gone (`| head`) is `OutputClosed`, which ends the command quietly.
 * 3. A wait for the reader ends when the token is cancelled.
 */
import type { Writable } from 'node:stream';
import type { CancellationToken } from '../index.js';

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

/** @param token a cancel ends a wait for the reader with the token's error */
export function createOutput(stream: Writable & { isTTY?: boolean }, token: CancellationToken): Output {
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

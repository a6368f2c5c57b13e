/** A bound on waits for things that are not ours: the SDK, a user's function, a socket. */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';

/**
 * Settles as `work` does, or rejects with `TimedOut` after `timeoutMs`. What `work` does later is ignored: neither
 * the SDK nor a user's function can be stopped.
 */
export function bounded<T>(work: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(
        new MillraceError(ErrorCode.TimedOut, `${what} took longer than ${timeoutMs} ms`, {
          phase: 'configure',
        }),
      );
    }, timeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/**
 * Lets a stream go on when it is told to stop while its plan waits for a user's own code: an iterator, an `at(i)`, a
 * store that does not open. What comes of that wait later is not looked at.
 *
 * Invariant: once the token has turned, a pull settles at once, with no entries; the plan is not said to be at its end.
 */
import type { PlanEntry, StreamHandle } from '../actors/supervisor/types.js';
import { StopState } from '../protocol/stop.js';
import type { CancellationToken } from '../protocol/token.js';
import type { EntrySource } from './sources.js';

/** `stream` is called at the first pull, not before. */
export function createStoppableSource(
  source: EntrySource,
  stream: () => Pick<StreamHandle, 'token'>,
): EntrySource {
  return {
    next: async (limit) => {
      // The stream may ask before the call that opened it has returned.
      await Promise.resolve();
      const { token } = stream();
      if (token.state !== StopState.Live) return [];
      return await new Promise<readonly PlanEntry[] | null>((resolve, reject) => {
        const unlink = token.onChange(() => {
          unlink();
          resolve([]);
        });
        source.next(limit).then(resolve, reject).finally(unlink);
      });
    },
    close: () => source.close(),
  };
}

/** Settles as `work` does, or rejects when the token has been cancelled. What the work does later is not looked at. */
export function stopped<T>(work: Promise<T>, token: CancellationToken): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const unlink = token.onStop(() => reject(token.error()));
    work.then(resolve, reject).finally(unlink);
  });
}

/**
 * Settles as `work` does, or rejects as soon as one of the tokens has turned, be it to a drain: for waits before anything
 * is begun. What the work does later is not looked at.
 */
export function untilTurned<T>(work: Promise<T>, tokens: readonly CancellationToken[]): Promise<T> {
  const turned = tokens.find((token) => token.state !== StopState.Live);
  if (turned !== undefined) {
    work.catch(() => {});
    return Promise.reject(turned.error());
  }
  return new Promise<T>((resolve, reject) => {
    const links = tokens.map((token) => token.onChange(() => reject(token.error())));
    work.then(resolve, reject).finally(unlink);
    function unlink(): void {
      for (const each of links) each();
    }
  });
}

/**
 * Works through items, a bounded number at a time.
 *
 * Invariant: it settles when nothing runs any more; after a failure, or once the token has turned, no item is begun.
 */
import type { CancellationToken } from '../index.js';
import { StopState } from '../protocol/stop.js';

/** Rejects with the first failure of `work`. */
export async function inLanes<T>(
  items: Iterable<T>,
  lanes: number,
  token: CancellationToken,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const lane = async (): Promise<void> => {
    while (failures.length === 0 && token.state === StopState.Live) {
      const step = iterator.next();
      if (step.done === true) return;
      await work(step.value).catch((error: unknown) => void failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  if (failures.length > 0) throw failures[0];
}

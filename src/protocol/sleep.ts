/** The wait of real time that a stop cuts short. */
import type { TurnSignal } from './context.js';

/** A timer of Node fires at once when it is to wait for longer than this. */
const LONGEST_MS = 2 ** 31 - 1;

/** Resolves after `ms`, or at once when the signal turns. Never rejects, and leaves neither timer nor listener. */
export function sleep(ms: number, stop: TurnSignal): Promise<void> {
  return new Promise((resolve) => {
    let unlink = (): void => {};
    let ended = false;
    const end = (): void => {
      ended = true;
      clearTimeout(timer);
      unlink();
      resolve();
    };
    const timer = setTimeout(end, Math.min(ms, LONGEST_MS));
    unlink = stop.onTurn(end);
    // A signal that has turned calls back at once, before there is anything to unlink.
    if (ended) unlink();
  });
}

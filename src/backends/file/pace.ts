/**
 * When synchronous work gives the event loop a turn, so that a cancel message can be seen.
 *
 * Invariants:
 * 1. Work of one store that asks `due` between its steps keeps the thread for no longer than one slice and one step of
 *    each that waits for its turn, also when it is spread over many calls: a worker that reads thousands of small files
 *    in a row never returns to the event loop by itself, because a read that did not wait is done before its call
 *    returns. A slice of its own for each that waits would keep the thread for 130 ms with 32 of them.
 * 2. After a turn the caller takes at least one step before it asks again, so that of several readers none starves.
 */
import { performance } from 'node:perf_hooks';

export interface Pace {
  /** Whether the slice is used up. */
  due(): boolean;
  /** Calls `go` after one turn of the event loop: what has arrived is handled. A new slice begins. */
  later(go: () => void): void;
  /** The same turn, as a promise. */
  turn(): Promise<void>;
}

/** A slice of a few ms: a cancel is seen soon, and a turn (a few us) costs a thousandth of it. */
export const SLICE_MS = 4;

export function createPace(
  sliceMs: number = SLICE_MS,
  now: () => number = performance.now.bind(performance),
): Pace {
  let since = now();
  let waiting: (() => void)[] = [];
  const turn = (): void => {
    const going = waiting;
    waiting = [];
    since = now();
    for (const go of going) go();
  };
  const later = (go: () => void): void => {
    if (waiting.push(go) === 1) setImmediate(turn);
  };
  return {
    due: () => now() - since >= sliceMs,
    later,
    turn: () => new Promise(later),
  };
}

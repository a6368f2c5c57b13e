/**
 * A store whose calls go through a gate: what limits, throttles and delays have in common.
 *
 * Invariants:
 * 1. Once the signal of a call has turned, the store is not asked: the answer is `cancelled`, and nothing was written.
 * 2. Whoever was let in is let out once, however its call ended.
 */
import type { TurnSignal } from '../protocol/context.js';
import { hasTurned, type StopSignal } from '../protocol/stop.js';
import { CANCELLED, Outcome, type AsyncStore, type ReadAnswer } from '../protocol/store.js';
import type { WriteRequest } from '../protocol/writes.js';
import { turning } from './clock.js';

/** Called with the bytes that the call has moved. */
export type Leave = (movedBytes: number) => void;

export interface Gate {
  /**
   * Waits until a call that may move so many bytes can be made. Null when the signal turned first: then the call is not
   * made, and nothing is held.
   */
  enter(bytes: number, stop: TurnSignal): Promise<Leave | null>;
}

const CANCELLED_READ: ReadAnswer = {
  outcome: Outcome.Cancelled,
  landed: 0,
  size: -1,
  version: null,
  error: null,
  retryAfterMs: 0,
};

/** Reads and writes move the bytes of their objects; heads and listings count as calls without bytes. */
export function gated(store: AsyncStore, gate: Gate): AsyncStore {
  const through = async <T>(
    bytes: number,
    stop: StopSignal,
    cancelled: T,
    call: () => T | Promise<T>,
    moved: (answer: T) => number,
  ): Promise<T> => {
    const leave = await gate.enter(bytes, turning(stop));
    if (leave === null) return cancelled;
    let movedBytes = 0;
    try {
      if (hasTurned(stop)) return cancelled;
      const answer = await call();
      movedBytes = moved(answer);
      return answer;
    } finally {
      leave(movedBytes);
    }
  };
  const none = (): number => 0;
  const write = store.write?.bind(store);
  return {
    read: (request, target, stop) =>
      through<ReadAnswer>(
        request.length,
        stop,
        CANCELLED_READ,
        () => store.read(request, target, stop),
        ({ landed }) => landed,
      ),
    head: (key, stop) => through(0, stop, CANCELLED, () => store.head(key, stop), none),
    list: (request, stop) => through(0, stop, CANCELLED, () => store.list(request, stop), none),
    ...(write === undefined
      ? {}
      : {
          write: (request, stop) => {
            const bytes = bodyBytes(request);
            return through(
              bytes,
              stop,
              CANCELLED,
              () => write(request, stop),
              () => bytes,
            );
          },
        }),
    update: (snapshot) => store.update(snapshot),
    close: () => store.close(),
  };
}

function bodyBytes(request: WriteRequest): number {
  return request.kind === 'put' || request.kind === 'part' ? request.body.length : 0;
}

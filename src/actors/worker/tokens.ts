/**
 * A worker's view of the tokens that live on the service thread: a word in shared memory to look at, and a control
 * message that wakes whoever waits.
 *
 * Invariant: a token is here only while a stream of this worker uses it, and every wait unlinks itself when it ends.
 */
import type { TurnSignal } from '../../protocol/context.js';
import { StopState, type StopSignal } from '../../protocol/stop.js';
import { DoneStatus } from '../../protocol/tables.js';
import { readToken } from '../../protocol/words.js';

export class LocalToken implements TurnSignal {
  readonly slot: number;
  readonly epoch: number;
  readonly #words: Int32Array;
  readonly #onTurn = new Set<() => void>();
  readonly #joined = new Set<{ turned(): void }>();

  constructor(words: Int32Array, slot: number, epoch: number) {
    this.#words = words;
    this.slot = slot;
    this.epoch = epoch;
  }

  get state(): StopState {
    return readToken(this.#words, this.slot, this.epoch);
  }

  /** `signal` is this token, or one that goes by it and may be further. */
  onTurn(fn: () => void, signal: StopSignal = this): () => void {
    if (signal.state !== StopState.Live) {
      fn();
      return () => {};
    }
    const listener = (): void => {
      if (signal.state !== StopState.Live) fn();
    };
    this.#onTurn.add(listener);
    return () => this.#onTurn.delete(listener);
  }

  onStop(fn: () => void, signal: StopSignal = this): () => void {
    if (signal.state === StopState.Cancelled) {
      fn();
      return () => {};
    }
    // A drain turns the token without stopping it, so the look at the state is what counts.
    const listener = (): void => {
      if (signal.state !== StopState.Cancelled) return;
      this.#onTurn.delete(listener);
      fn();
    };
    this.#onTurn.add(listener);
    return () => this.#onTurn.delete(listener);
  }

  /** `signal` is told of turns until it leaves. */
  join(signal: { turned(): void }): void {
    this.#joined.add(signal);
  }

  leave(signal: { turned(): void }): void {
    this.#joined.delete(signal);
  }

  /** The control message came, or something that goes by this token was stopped: everybody who waits looks again. */
  turned(): void {
    for (const signal of this.#joined) signal.turned();
    for (const fn of this.#onTurn) fn();
  }

  get listeners(): number {
    return this.#onTurn.size;
  }
}

/** Why a job that the token's turn kept from being done was not. */
export function givenUp(token: TurnSignal): DoneStatus {
  return token.state === StopState.Cancelled ? DoneStatus.Cancelled : DoneStatus.Left;
}

/** A signal that turns with `token`, or when `subscribe`'s callback is called. */
export function wokenBy(token: TurnSignal, subscribe: (wake: () => void) => () => void): TurnSignal {
  return {
    get state() {
      return token.state;
    },
    onStop: (fn) => token.onStop(fn),
    onTurn: (fn) => {
      const fromToken = token.onTurn(fn);
      const fromEvent = subscribe(fn);
      return () => {
        fromToken();
        fromEvent();
      };
    },
  };
}

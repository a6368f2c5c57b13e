/**
 * The stop signal of one lane: its stream's token, or the message that somebody else has fetched what the lane fetches.
 *
 * Invariants:
 * 1. What is revoked stays so; nobody else of the stream is stopped.
 * 2. A first listener for a stop, which is what an attempt has, is kept here: each attempt of each lane would else put one into
 *    the token's set, and take it out again. Further ones are the token's.
 */
import type { TurnSignal } from '../../protocol/context.js';
import { StopState } from '../../protocol/stop.js';
import type { LocalToken } from './tokens.js';

export class Revocable implements TurnSignal {
  readonly token: LocalToken;
  #revoked = false;
  #onStop: (() => void) | null = null;

  /** The token tells it of its turns until it is left. */
  constructor(token: LocalToken) {
    this.token = token;
    token.join(this);
  }

  get revoked(): boolean {
    return this.#revoked;
  }

  get state(): StopState {
    return this.#revoked ? StopState.Cancelled : this.token.state;
  }

  onTurn(fn: () => void): () => void {
    return this.token.onTurn(fn, this);
  }

  onStop(fn: () => void): () => void {
    if (this.#onStop !== null || this.state === StopState.Cancelled) return this.token.onStop(fn, this);
    this.#onStop = fn;
    return () => {
      // Who takes it back late must not take away what the next attempt has put there.
      if (this.#onStop === fn) this.#onStop = null;
    };
  }

  /** Everybody who waits for the token looks again, and this one's find that they are stopped. */
  revoke(): void {
    this.#revoked = true;
    this.token.turned();
  }

  /** The token may have turned. */
  turned(): void {
    if (this.state !== StopState.Cancelled) return;
    const fn = this.#onStop;
    this.#onStop = null;
    fn?.();
  }

  get listeners(): number {
    return this.token.listeners + (this.#onStop === null ? 0 : 1);
  }
}

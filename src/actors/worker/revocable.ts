/**
 * The stop signal of one lane: its stream's token, or the message that somebody else has fetched what the lane fetches.
 *
 * Invariants:
 * 1. What is revoked stays so; nobody else of the stream is stopped.
 * 2. Its listeners are the token's: a lane costs its stream nothing but this object, made when the lane changes streams.
 */
import type { TurnSignal } from '../../protocol/context.js';
import { StopState } from '../../protocol/stop.js';
import type { LocalToken } from './tokens.js';

export class Revocable implements TurnSignal {
  readonly token: LocalToken;
  #revoked = false;

  constructor(token: LocalToken) {
    this.token = token;
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
    return this.token.onStop(fn, this);
  }

  /** Everybody who waits for the token looks again, and this one's find that they are stopped. */
  revoke(): void {
    this.#revoked = true;
    this.token.turned();
  }

  get listeners(): number {
    return this.token.listeners;
  }
}

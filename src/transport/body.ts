/**
 * Moves the bytes of one response body to where they belong. Pure but for its target: it knows no socket.
 *
 * Invariants:
 * 1. Bytes land in order and without a gap: `[0, at)` of the destination is good at any moment.
 * 2. `view()` never reaches beyond this body nor beyond the limit, and is never empty.
 * 3. Nothing is written after `release()`: the target is forgotten.
 */
import { copyBytes } from '../protocol/copy.js';
import { BodyMode, refused, tooLong } from './framing.js';
import type { BodyPlan, Refusal } from './framing.js';
import { ChunkedFraming } from './chunked.js';
import { MIN_DIRECT_BYTES } from './limits.js';

export const BodyState = {
  More: 0,
  Done: 1,
  /** The body is longer than the limit, and that is an error. */
  Overflow: 2,
  /** The first part is kept, the rest was not read. */
  CutOff: 3,
  /** The chunks break their grammar. */
  Bad: 4,
} as const;
export type BodyState = (typeof BodyState)[keyof typeof BodyState];

/**
 * What a body that has come to its end is worth: `short` when what landed is good, but is not all that was promised or
 * asked for.
 */
export function judgeBody(plan: BodyPlan, state: BodyState, bytes: number): 'good' | 'short' | Refusal {
  if (state === BodyState.Bad) return refused('the chunks of the body break their grammar');
  if (plan.promised >= 0 && (state === BodyState.Overflow || bytes > plan.promised)) {
    return refused('the body is longer than its Content-Range');
  }
  if (state === BodyState.Overflow) return tooLong(`the body has more than ${plan.limit} bytes`);
  return plan.withheld || bytes < plan.promised ? 'short' : 'good';
}

const EMPTY = new Uint8Array(0);
const FIRST_CAPACITY_BYTES = 4096;

export class BodyReader {
  state: BodyState = BodyState.Done;
  /** Bytes that are in the destination. */
  at = 0;

  private destination: Uint8Array = EMPTY;
  private mode: BodyMode = BodyMode.None;
  private limit = 0;
  /** Bytes that are still to come, in mode `Length`. */
  private left = 0;
  private growing = false;
  private landing = false;
  private keepFirstPart = false;
  private readonly chunks = new ChunkedFraming();

  begin(plan: BodyPlan): void {
    this.mode = plan.mode;
    this.limit = plan.limit;
    this.keepFirstPart = plan.keepFirstPart;
    this.at = 0;
    this.left = plan.mode === BodyMode.Length ? plan.length : 0;
    this.landing = plan.target !== null;
    this.growing = !this.landing && plan.mode !== BodyMode.Length;
    if (plan.target !== null) this.destination = plan.target;
    else this.destination = this.left > 0 ? new Uint8Array(Math.min(this.left, this.limit)) : EMPTY;
    if (this.mode === BodyMode.Chunked) this.chunks.reset();
    this.state = BodyState.More;
    if (this.mode === BodyMode.None || this.mode === BodyMode.Length) this.look();
  }

  /** Takes bytes that were read elsewhere; returns the place after what belongs to this body. */
  accept(bytes: Uint8Array, from: number, to: number): number {
    if (this.mode === BodyMode.Chunked) return this.acceptChunked(bytes, from, to);
    if (this.state !== BodyState.More) return from;
    const offered = this.mode === BodyMode.Length ? Math.min(this.left, to - from) : to - from;
    const taken = this.copy(bytes, from, offered);
    if (this.mode === BodyMode.Length) this.left -= taken;
    this.look();
    if (taken < offered) this.overflow();
    return from + taken;
  }

  /** Where the next read may write, straight into the destination; null when it has to go through the scratch. */
  view(): Uint8Array | null {
    if (this.state !== BodyState.More || this.growing) return null;
    const wanted = this.mode === BodyMode.Length ? this.left : this.chunks.remaining;
    if (this.mode === BodyMode.Chunked && wanted < MIN_DIRECT_BYTES) return null;
    const room = Math.min(wanted, this.limit - this.at);
    return room > 0 ? this.destination.subarray(this.at, this.at + room) : null;
  }

  /** `count` bytes were written into the last `view()`. */
  wrote(count: number): void {
    this.at += count;
    if (this.mode === BodyMode.Length) {
      this.left -= count;
      this.look();
    } else {
      this.chunks.take(count);
    }
  }

  /** The connection has ended; true if that is how this body was meant to end. */
  endOfStream(): boolean {
    if (this.mode === BodyMode.UntilClose && this.state === BodyState.More) this.state = BodyState.Done;
    return this.state === BodyState.Done;
  }

  /** Bytes in the target (0 when the body was collected). */
  get landed(): number {
    return this.landing ? this.at : 0;
  }

  /** What was collected, or null where the body was landed. */
  collected(): Uint8Array | null {
    if (this.landing) return null;
    return this.growing ? this.destination.slice(0, this.at) : this.destination.subarray(0, this.at);
  }

  release(): void {
    this.destination = EMPTY;
    this.state = BodyState.Done;
  }

  private acceptChunked(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to && this.state === BodyState.More) {
      if (this.chunks.remaining === 0) {
        at = this.chunks.advance(bytes, at, to);
        if (this.chunks.bad) this.state = BodyState.Bad;
        else if (this.chunks.done) this.state = BodyState.Done;
        else if (this.chunks.remaining > this.limit - this.at && !this.keepFirstPart) this.overflow();
        continue;
      }
      const offered = Math.min(this.chunks.remaining, to - at);
      const taken = this.copy(bytes, at, offered);
      this.chunks.take(taken);
      at += taken;
      if (taken < offered) this.overflow();
    }
    return at;
  }

  /** Copies as much as the limit allows; returns how much that was. */
  private copy(bytes: Uint8Array, from: number, count: number): number {
    const taken = Math.min(count, this.limit - this.at);
    if (taken === 0) return 0;
    if (this.growing) this.grow(this.at + taken);
    copyBytes(bytes.subarray(from, from + taken), this.destination, this.at);
    this.at += taken;
    return taken;
  }

  private grow(needed: number): void {
    if (needed <= this.destination.length) return;
    const doubled = Math.max(needed, this.destination.length * 2, FIRST_CAPACITY_BYTES);
    const larger = new Uint8Array(Math.min(doubled, this.limit));
    larger.set(this.destination.subarray(0, this.at));
    this.destination = larger;
  }

  private look(): void {
    if (this.mode === BodyMode.UntilClose) return;
    if (this.left === 0) this.state = BodyState.Done;
    else if (this.at === this.limit) this.overflow();
  }

  private overflow(): void {
    this.state = this.keepFirstPart ? BodyState.CutOff : BodyState.Overflow;
  }
}

/**
 * Pure cores: the two caps that a runtime may have, on the bytes that it moves and on the processor time of its workers.
 *
 * Invariants:
 * 1. Over any time no more bytes are asked for than the rate, `BURST_MS` of it, and one row more. A row that is larger than
 *    that goes all the same, and leaves a debt.
 * 2. What the workers' threads use while work is with them stays, on average over time, below its cap, whatever a row
 *    costs: what was used beyond it is owed.
 * 3. No cap stops the work for ever: debts are paid by time, and where something burns on and never ends, one more row goes
 *    every `STALLED_MS`.
 */
import { TokenBucket } from '../../protocol/token-bucket.js';

/** What may go at once: longer than a timer of a busy thread is late, shorter than what others notice. */
const BURST_MS = 250;
/** What has to be there again before work goes on, so that small objects still travel many in a message. */
const TURN_MS = 50;
/**
 * What may be asked for and not be there yet: a service that was slow and is fast again then sends no more than this at
 * once. Long enough that slow connections, with parts of 8 MiB under way, still come to the cap.
 */
const MAX_IN_FLIGHT_MS = 4000;
/** A transform that burns and never ends must not keep other loaders waiting for ever. */
const STALLED_MS = 30_000;
/** In flight before it is known what a row costs: a few small objects, or one part. */
const FIRST_WEIGHT = 256 * 1024;
/** How much the latest rows count in what a row costs. */
const LATEST_SHARE = 0.3;

const SECOND_MS = 1000;

/** Bytes per second. */
export class BandwidthCap {
  readonly #bucket: TokenBucket;
  readonly #turnBytes: number;
  readonly #maxInFlight: number;
  #closed = false;

  constructor(perSecond: number, nowMs: number) {
    this.#bucket = new TokenBucket(perSecond, nowMs, (perSecond * BURST_MS) / SECOND_MS);
    this.#turnBytes = (perSecond * TURN_MS) / SECOND_MS;
    this.#maxInFlight = (perSecond * MAX_IN_FLIGHT_MS) / SECOND_MS;
  }

  /** Milliseconds until another row may go; 0 for now, Infinity for when something has come back. */
  waitMs(nowMs: number, inFlight: number): number {
    if (inFlight >= this.#maxInFlight) return Infinity;
    this.#closed = this.#bucket.waitMs(this.#closed ? this.#turnBytes : 1, nowMs) > 0;
    return this.#closed ? this.#bucket.waitMs(this.#turnBytes, nowMs) : 0;
  }

  take(bytes: number): void {
    this.#bucket.take(bytes);
  }

  /** A row came back that moved another number of bytes than it was charged for. */
  correct(chargedBytes: number, movedBytes: number): void {
    if (movedBytes > chargedBytes) this.#bucket.take(movedBytes - chargedBytes);
    else if (movedBytes < chargedBytes) this.#bucket.giveBack(chargedBytes - movedBytes);
  }
}

/** Milliseconds of processor time per second. */
export class CpuCap {
  readonly #bucket: TokenBucket;
  /** The time that what is in flight may cost. */
  readonly #burstMs: number;
  /** Milliseconds per unit of weight; 0 while not known. */
  #cost = 0;
  /** Used, and brought to an end, since the cost was last looked at. */
  #usedMs = 0;
  #doneWeight = 0;
  /** When a row last began or ended. */
  #movedAtMs: number;

  constructor(cores: number, nowMs: number) {
    const perSecond = cores * SECOND_MS;
    this.#burstMs = cores * BURST_MS;
    this.#bucket = new TokenBucket(perSecond, nowMs, this.#burstMs);
    this.#movedAtMs = nowMs;
  }

  /** Whether nothing is owed; what a question needs, which weighs nothing. */
  isOpen(nowMs: number, inFlight: number): boolean {
    return this.#bucket.waitMs(1, nowMs) === 0 || this.#isStalled(nowMs, inFlight);
  }

  /** Whether another row may go. What keeps it passes with a result, or by the next sample. */
  admits(nowMs: number, inFlight: number): boolean {
    if (!this.isOpen(nowMs, inFlight)) return false;
    const limit = this.#cost === 0 ? FIRST_WEIGHT : this.#burstMs / this.#cost;
    return inFlight < limit || this.#isStalled(nowMs, inFlight);
  }

  began(nowMs: number): void {
    this.#movedAtMs = nowMs;
  }

  done(weight: number): void {
    this.#doneWeight += weight;
  }

  /** So much was used since the last sample. */
  sample(usedMs: number, nowMs: number, inFlight: number): void {
    // A thread that starts, or one that was given up and burns on, does none of the work that waits here.
    if (inFlight === 0 && this.#doneWeight === 0) return;
    this.#bucket.waitMs(0, nowMs);
    this.#bucket.take(usedMs);
    this.#usedMs += usedMs;
    if (this.#doneWeight === 0) return;
    const cost = this.#usedMs / this.#doneWeight;
    this.#cost = this.#cost === 0 ? cost : this.#cost + (cost - this.#cost) * LATEST_SHARE;
    this.#usedMs = 0;
    this.#doneWeight = 0;
    this.#movedAtMs = nowMs;
  }

  #isStalled(nowMs: number, inFlight: number): boolean {
    return inFlight > 0 && nowMs - this.#movedAtMs >= STALLED_MS;
  }
}

/**
 * The shared words of a runtime: what every thread may look at without a message.
 *
 * Invariants:
 * 1. A token word holds `epoch << 2 | state`; it is written by the service thread alone, and its state only grows
 *    within one epoch. A job that carries an older epoch than the word is cancelled: its stream is gone.
 * 2. The retry budget never goes below zero nor above its capacity, whoever spends or refunds at the same time.
 */
import { ErrorCode, MillraceError } from './errors.js';
import { StopState } from './stop.js';

/** Tokens that can be in use at the same time in one runtime (loaders and direct calls with a token of their own). */
export const TOKEN_SLOTS = 4096;
const BUDGET_WORD = TOKEN_SLOTS;
/** Where the words of the origins begin; see `origin-words.ts`. */
export const ORIGIN_WORDS_AT = TOKEN_SLOTS + 1;
/** Stores with words of their own; one with a higher id shares those of another, and waits with it. */
export const ORIGIN_SLOTS = 512;
export const ORIGIN_STRIDE = 8;
const RUNTIME_WORDS = ORIGIN_WORDS_AT + ORIGIN_SLOTS * ORIGIN_STRIDE;

export function createRuntimeWords(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(RUNTIME_WORDS * Int32Array.BYTES_PER_ELEMENT));
}

const EPOCH_MASK = 0x1fff_ffff;

export function writeToken(words: Int32Array, slot: number, epoch: number, state: StopState): void {
  Atomics.store(words, slot, ((epoch & EPOCH_MASK) << 2) | state);
}

/** The state that a job of `epoch` has to obey. */
export function readToken(words: Int32Array, slot: number, epoch: number): StopState {
  const word = Atomics.load(words, slot);
  if (word >> 2 !== ((epoch & EPOCH_MASK) << 2) >> 2) return StopState.Cancelled;
  return (word & 3) as StopState;
}

/**
 * One retry budget for all workers, as a bucket in shared memory: a retry takes `RETRY_COST`, a first attempt that
 * succeeds puts one back. The figures are those of the AWS SDKs' standard retry mode (500, 5 and 1): an outage costs
 * a hundred retries in all and then fails fast, instead of multiplying the load of a service that is down.
 */
export const RETRY_CAPACITY = 500;
export const RETRY_COST = 5;

export function fillRetryBudget(words: Int32Array, capacity = RETRY_CAPACITY): void {
  Atomics.store(words, BUDGET_WORD, capacity);
}

/** Takes the cost of one retry, or returns false and takes nothing. */
export function spendRetry(words: Int32Array): boolean {
  for (;;) {
    const left = Atomics.load(words, BUDGET_WORD);
    if (left < RETRY_COST) return false;
    if (Atomics.compareExchange(words, BUDGET_WORD, left, left - RETRY_COST) === left) return true;
  }
}

export function refundRetry(words: Int32Array, amount: number, capacity = RETRY_CAPACITY): void {
  for (;;) {
    const left = Atomics.load(words, BUDGET_WORD);
    if (left >= capacity) return;
    if (Atomics.compareExchange(words, BUDGET_WORD, left, Math.min(capacity, left + amount)) === left) return;
  }
}

/** Part of the budget that an origin brings back when it serves again: twenty retries, whatever was spent on the storm. */
const REFILL = 100;

/** Makes sure that there is some budget again. */
export function refillRetryBudget(words: Int32Array): void {
  const left = Atomics.load(words, BUDGET_WORD);
  if (left < REFILL) refundRetry(words, REFILL - left);
}

/** Hands out token slots; lives on the service thread. */
export class TokenSlots {
  readonly words: Int32Array;
  readonly #epochs = new Int32Array(TOKEN_SLOTS);
  readonly #inUse = new Uint8Array(TOKEN_SLOTS);
  readonly #free: number[] = [];
  #next = 0;

  constructor(words: Int32Array) {
    this.words = words;
  }

  /** A live slot of a new epoch, or null when all are in use. */
  acquire(): { slot: number; epoch: number } | null {
    const slot = this.#free.pop() ?? (this.#next < TOKEN_SLOTS ? this.#next++ : -1);
    if (slot < 0) return null;
    const epoch = (this.#epochs[slot]! + 1) & EPOCH_MASK;
    this.#epochs[slot] = epoch;
    this.#inUse[slot] = 1;
    writeToken(this.words, slot, epoch, StopState.Live);
    return { slot, epoch };
  }

  /** @throws MillraceError Internal when it is not in use: two streams would share it */
  release(slot: number): void {
    if (this.#inUse[slot] !== 1)
      throw new MillraceError(ErrorCode.Internal, `token slot ${slot} is not in use`);
    this.#inUse[slot] = 0;
    // From here on, whoever still carries the epoch finds itself cancelled.
    writeToken(this.words, slot, this.#epochs[slot]!, StopState.Cancelled);
    this.#free.push(slot);
  }

  get inUse(): number {
    return this.#next - this.#free.length;
  }
}

/**
 * Bounded message ports.
 *
 * `postMessage` has no back-pressure of its own, so each direction has one credit word in shared memory: the number
 * of messages that were sent and not yet taken. A sender adds one before it posts and is refused at the capacity.
 *
 * Invariants:
 * 1. At most `capacity` messages are between a sender and its receiver at any time.
 * 2. Closing is one `Atomics.exchange` on the very word that counts, so it returns the exact number in flight: a
 *    separate "closed" flag lost messages that were sent between the two looks.
 * 3. A sender that waits has set the waiting word *before* its last look at the credit word, and the receiver looks
 *    at the waiting word *after* it gave a credit back: whichever came second sees the other (no lost wake-up).
 * 4. Nothing here blocks a thread.
 */
import { StopState, type StopSignal } from './stop.js';

/** An unbounded, ordered, one-to-one message pipe as a runtime provides it (MessagePort or simulated). */
export interface Channel {
  post(message: unknown, transfer?: readonly ArrayBufferLike[]): void;
  /** Sets the only listener; messages that came before are delivered to it. */
  onMessage(fn: (message: unknown) => void): void;
  /** Takes what has arrived and was not delivered yet; only for a channel whose other side is dead. */
  takePending(): unknown[];
  close(): void;
}

/** Index of each word of one direction, relative to its base. */
const IN_FLIGHT = 0;
const WAITING = 1;
/** Words that one direction of a port takes. */
export const PORT_WORDS = 2;

/** Far enough below zero that late decrements cannot bring it back. */
const CLOSED = -0x4000_0000;

/** Posted against the stream of messages when a waiting sender may look again. */
const CREDIT = 'credit';

/** Posted in the place of a message that a close had counted and that could not be sent after all. */
const NOTHING = null;

export type SendResult = 'ok' | 'full' | 'closed';

export class PortSender<T> {
  readonly capacity: number;
  /** How often `trySend` was refused for lack of a credit: the measure of back-pressure. */
  fullCount = 0;
  readonly #channel: Channel;
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #waiters = new Set<() => void>();

  constructor(channel: Channel, words: Int32Array, base: number, capacity: number) {
    this.#channel = channel;
    this.#words = words;
    this.#base = base;
    this.capacity = capacity;
    channel.onMessage(() => this.#wake());
  }

  /** Never blocks, never queues. `full` and `closed` mean that the message was not sent. */
  trySend(message: T, transfer?: readonly ArrayBufferLike[]): SendResult {
    for (;;) {
      const inFlight = Atomics.load(this.#words, this.#base + IN_FLIGHT);
      if (inFlight < 0) return 'closed';
      if (inFlight >= this.capacity) {
        this.fullCount += 1;
        return 'full';
      }
      const seen = Atomics.compareExchange(this.#words, this.#base + IN_FLIGHT, inFlight, inFlight + 1);
      if (seen !== inFlight) continue;
      try {
        this.#channel.post(message, transfer);
      } catch (error) {
        // A message that cannot be cloned was not sent: it must not keep its credit. A receiver that closed in between
        // has counted it, and would wait for it.
        if (Atomics.sub(this.#words, this.#base + IN_FLIGHT, 1) < 0) this.#channel.post(NOTHING);
        throw error;
      }
      return 'ok';
    }
  }

  /** Waits for a credit; ends early with `cancelled` when the token is. A message that was refused was not sent. */
  async send(
    message: T,
    stop: StopSignal,
    transfer?: readonly ArrayBufferLike[],
  ): Promise<'ok' | 'closed' | 'cancelled'> {
    for (;;) {
      if (stop.state === StopState.Cancelled) return 'cancelled';
      const result = this.trySend(message, transfer);
      if (result !== 'full') return result;
      // A credit that came back before the word was written woke nobody: look again once it is.
      Atomics.store(this.#words, this.#base + WAITING, 1);
      if (Atomics.load(this.#words, this.#base + IN_FLIGHT) >= this.capacity) await this.#credit(stop);
    }
  }

  /** Closes from the sending side. Returns how many messages the receiver has still to take. Idempotent (then 0). */
  close(): number {
    const inFlight = Atomics.exchange(this.#words, this.#base + IN_FLIGHT, CLOSED);
    this.#wake();
    return Math.max(0, inFlight);
  }

  /** Messages that may be sent right now without being refused; exact for the only sender. */
  get credits(): number {
    const inFlight = Atomics.load(this.#words, this.#base + IN_FLIGHT);
    return inFlight < 0 ? 0 : Math.max(0, this.capacity - inFlight);
  }

  #credit(stop: StopSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(wake);
        unlink();
        resolve();
      };
      this.#waiters.add(wake);
      const unlink = stop.onStop(wake);
    });
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
  }
}

export class PortReceiver<T> {
  readonly #channel: Channel;
  readonly #words: Int32Array;
  readonly #base: number;
  /** Arrived and not yet taken: never longer than the capacity, because each holds its credit. */
  readonly #inbox: T[] = [];
  #listener: ((message: T) => void) | null = null;
  #wake: (() => void) | null = null;
  #expected = Infinity;

  constructor(channel: Channel, words: Int32Array, base: number) {
    this.#channel = channel;
    this.#words = words;
    this.#base = base;
    channel.onMessage((message) => this.#arrive(message as T | typeof NOTHING));
  }

  /** Hands each message to `fn` as it comes; the credit goes back when `fn` returns. Instead of `receive`. */
  listen(fn: (message: T) => void): void {
    this.#listener = fn;
    for (let message = this.tryReceive(); message !== null; message = this.tryReceive()) fn(message);
  }

  /** The next message if one is there; its credit goes back at once. */
  tryReceive(): T | null {
    const message = this.#inbox.shift();
    if (message === undefined) return null;
    this.#giveBack();
    return message;
  }

  /** Waits for a message. Null when the token was cancelled, `poke` was called, or the port is closed and empty. */
  async receive(stop: StopSignal): Promise<T | null> {
    const ready = this.tryReceive();
    if (ready !== null || stop.state === StopState.Cancelled || this.#expected <= 0) return ready;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#wake = null;
        unlink();
        resolve();
      };
      this.#wake = wake;
      const unlink = stop.onStop(wake);
    });
    return this.tryReceive();
  }

  /** Ends a waiting `receive` early, so that its caller looks at its tokens. */
  poke(): void {
    this.#wake?.();
  }

  /**
   * Refuses further messages. Returns how many are still in flight: they arrive, and `receive` goes on giving them
   * until it returns null. Idempotent (then 0). After the sender's own close only what has arrived is still given.
   */
  close(): number {
    const before = Atomics.exchange(this.#words, this.#base + IN_FLIGHT, CLOSED);
    const inFlight = Math.max(0, before);
    // Closed by us before: the count was in that answer, and what is still on its way is awaited.
    if (before >= 0 || this.#expected === Infinity) this.#expected = inFlight - this.#inbox.length;
    // A sender that waits must look again, and see that the port is closed.
    this.#channel.post(CREDIT);
    if (this.#expected <= 0) this.poke();
    return inFlight;
  }

  /** What a dead sender had posted and nobody took; the port is closed by it. */
  takePending(): T[] {
    Atomics.exchange(this.#words, this.#base + IN_FLIGHT, CLOSED);
    const pending = this.#inbox.splice(0);
    for (const message of this.#channel.takePending()) if (message !== NOTHING) pending.push(message as T);
    return pending;
  }

  #arrive(message: T | typeof NOTHING): void {
    this.#expected -= 1;
    if (message === NOTHING) {
      if (this.#expected <= 0) this.poke();
      return;
    }
    if (this.#listener !== null) {
      this.#listener(message);
      this.#giveBack();
      return;
    }
    this.#inbox.push(message);
    this.poke();
  }

  #giveBack(): void {
    Atomics.sub(this.#words, this.#base + IN_FLIGHT, 1);
    if (Atomics.exchange(this.#words, this.#base + WAITING, 0) === 1) this.#channel.post(CREDIT);
  }
}

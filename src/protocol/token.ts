/**
 * CancellationToken: how a service tells millrace to finish (`drain`) or to give up (`cancel`).
 *
 * Invariants:
 * 1. The state only grows: live, draining, cancelled. The first reason is kept, a parent's too.
 * 2. A child is at least as far as its parent; nothing goes from a child to its parent.
 * 3. A child is linked to its parent, and a deadline has a timer, only while somebody listens: a token that lives as
 *    long as the service holds nothing of the thousands of children that came and went.
 * 4. Listeners run synchronously, each at most once per state, and an exception in one does not keep the others
 *    from running.
 */
import { ErrorCode, messageOf, MillraceError } from './errors.js';
import { shownValue } from './shown-value.js';
import { StopState, type StopSignal } from './stop.js';

/** Where a token gets its time from; the simulation gives its own. */
export interface TokenClock {
  now(): number;
  /** Calls `fn` after `ms`; returns the function that takes it back. Holds no process open. */
  after(ms: number, fn: () => void): () => void;
}

const MAX_TIMER_MS = 0x7fff_ffff;

const systemClock: TokenClock = {
  now: () => performance.now(),
  after: (ms, fn) => {
    const timer = setTimeout(fn, Math.min(ms, MAX_TIMER_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Time that a drain may take before it becomes a cancel: below the 30 s that orchestrators grant by default. */
export const DEFAULT_DRAIN_DEADLINE_MS = 25_000;

export interface DrainOptions {
  /** Milliseconds until the drain becomes a cancel. @default 25000, or 0 and less for at once. */
  readonly deadlineMs?: number;
}

export interface SignalOptions extends DrainOptions {
  /** Where signals come from. @default process */
  readonly source?: Pick<NodeJS.Process, 'on' | 'removeListener'>;
}

type Listener = (state: StopState) => void;

export class CancellationToken implements StopSignal {
  readonly #parent: CancellationToken | null;
  readonly #clock: TokenClock;
  readonly #listeners = new Map<Listener, StopState>();
  #state: StopState = StopState.Live;
  #reason: string | undefined;
  #expired = false;
  #deadlineAt = Infinity;
  #drainDeadlineAt = Infinity;
  #abortSignal: AbortSignal | null = null;
  #cancelTimer: (() => void) | null = null;
  #unlinkParent: (() => void) | null = null;
  #disposers: (() => void)[] = [];

  constructor(options: { parent?: CancellationToken; clock?: TokenClock } = {}) {
    this.#parent = options.parent ?? null;
    this.#clock = options.clock ?? options.parent?.clock ?? systemClock;
  }

  get clock(): TokenClock {
    return this.#clock;
  }

  get state(): StopState {
    if (this.#state === StopState.Cancelled) return this.#state;
    const now = this.#deadlineAt === Infinity && this.#drainDeadlineAt === Infinity ? 0 : this.#clock.now();
    if (now >= this.#deadlineAt) {
      this.#expired = true;
      this.cancel('deadline');
    } else if (now >= this.#drainDeadlineAt) this.cancel(this.#reason);
    const parent = this.#parent === null ? StopState.Live : this.#parent.state;
    return parent > this.#state ? parent : this.#state;
  }

  get cancelled(): boolean {
    return this.state === StopState.Cancelled;
  }

  get draining(): boolean {
    return this.state === StopState.Draining;
  }

  /** The reason given to `drain` or `cancel`, here or further up. */
  get reason(): string | undefined {
    void this.state;
    return this.#reason ?? this.#parent?.reason;
  }

  /** Whether the token ended because a deadline of `withDeadline` passed. */
  get expired(): boolean {
    // A deadline that nobody listens to passes when somebody looks.
    void this.state;
    return this.#expired || (this.#state !== StopState.Cancelled && (this.#parent?.expired ?? false));
  }

  /** A token that ends with this one, and can end before it. */
  child(): CancellationToken {
    return new CancellationToken({ parent: this });
  }

  /**
   * A child that is cancelled after `deadlineMs`; waits on it then fail with `DeadlineExceeded`.
   * @throws MillraceError InvalidArgument for what is no number
   */
  withDeadline(deadlineMs: number): CancellationToken {
    checkDeadline(deadlineMs);
    const child = this.child();
    child.#deadlineAt = this.#clock.now() + deadlineMs;
    return child;
  }

  /**
   * Start nothing new, deliver or hand back what is in flight, and become cancelled after `deadlineMs`. A later drain
   * can only shorten the deadline. Idempotent.
   * @throws MillraceError InvalidArgument for a `deadlineMs` that is no number
   */
  drain(reason = 'drain', options: DrainOptions = {}): void {
    checkDeadline(options.deadlineMs);
    if (this.cancelled) return;
    const deadlineMs = options.deadlineMs ?? DEFAULT_DRAIN_DEADLINE_MS;
    const deadlineAt = this.#clock.now() + deadlineMs;
    if (this.#state === StopState.Live) {
      this.#state = StopState.Draining;
      this.#reason ??= this.#parent?.reason ?? reason;
      this.#notify();
    }
    if (deadlineAt >= this.#drainDeadlineAt) return;
    this.#drainDeadlineAt = deadlineAt;
    if (deadlineMs <= 0) this.cancel(reason);
    else this.#arm();
  }

  /** Give up every wait now. Idempotent. */
  cancel(reason = 'cancelled'): void {
    if (this.#state === StopState.Cancelled) return;
    if (this.#parent?.cancelled === true) {
      this.#expired = this.#parent.expired;
      this.#reason ??= this.#parent.reason;
    }
    this.#state = StopState.Cancelled;
    this.#reason ??= reason;
    this.#disarm();
    this.#notify();
  }

  /** Calls `fn` once when cancelled; at once if it already is. */
  onStop(fn: () => void): () => void {
    if (this.cancelled) {
      fn();
      return () => {};
    }
    const unlink = this.onChange((state) => {
      if (state !== StopState.Cancelled) return;
      unlink();
      fn();
    });
    return unlink;
  }

  /** Calls `fn` at each later change of the state. Returns the function that unlinks it. */
  onChange(fn: (state: StopState) => void): () => void {
    const listener: Listener = (state) => fn(state);
    const first = this.#listeners.size === 0;
    this.#listeners.set(listener, this.state);
    if (first) this.#link();
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#unlink();
    };
  }

  /** The error that a wait on this token ends with. */
  error(): MillraceError {
    if (this.expired)
      return new MillraceError(ErrorCode.DeadlineExceeded, 'the deadline of the token passed');
    if (this.state === StopState.Draining) {
      return new MillraceError(
        ErrorCode.Draining,
        `nothing new is started: draining (${this.reason ?? 'drain'})`,
      );
    }
    return new MillraceError(ErrorCode.Cancelled, `cancelled: ${this.reason ?? 'cancelled'}`);
  }

  throwIfCancelled(): void {
    if (this.cancelled) throw this.error();
  }

  /**
   * An AbortSignal that aborts, with `error()` as its reason, when this token is cancelled; the same one at each call,
   * so that a token which lives as long as the service holds one listener and not one per request. A child's is linked
   * to the parent until either is cancelled, or `dispose()`.
   */
  toAbortSignal(): AbortSignal {
    if (this.#abortSignal !== null) return this.#abortSignal;
    const controller = new AbortController();
    this.#abortSignal = controller.signal;
    const unlink = this.onStop(() => controller.abort(this.error()));
    if (controller.signal.aborted) return controller.signal;
    this.#disposers.push(() => {
      unlink();
      this.#abortSignal = null;
    });
    return controller.signal;
  }

  /**
   * Takes back signal handlers and links to AbortSignals, in both directions: a signal of `toAbortSignal` does not abort
   * any more, unless it has. The state stays.
   */
  dispose(): void {
    for (const dispose of this.#disposers.splice(0)) dispose();
  }

  /** A token that is cancelled when the signal aborts. `dispose()` unlinks it from a signal that lives longer. */
  static fromAbortSignal(signal: AbortSignal): CancellationToken {
    const token = new CancellationToken();
    const onAbort = (): void => {
      const reason: unknown = signal.reason;
      token.#expired = reason instanceof Error && reason.name === 'TimeoutError';
      token.cancel(messageOf(reason));
    };
    if (signal.aborted) onAbort();
    else {
      signal.addEventListener('abort', onAbort, { once: true });
      token.#disposers.push(() => signal.removeEventListener('abort', onAbort));
    }
    return token;
  }

  /**
   * A token that drains at the first of these signals. The handlers are taken back at that moment, so a second signal
   * finds its default action: the process ends at once.
   * @throws MillraceError InvalidArgument for a `deadlineMs` that is no number
   */
  static fromSignals(
    signals: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT'],
    options: SignalOptions = {},
  ): CancellationToken {
    // Now, and not when the signal comes.
    checkDeadline(options.deadlineMs);
    const token = new CancellationToken();
    const source = options.source ?? process;
    const takeBack = (): void => {
      for (const signal of signals) source.removeListener(signal, onSignal);
    };
    const onSignal = (signal: NodeJS.Signals): void => {
      takeBack();
      token.drain(signal, options);
    };
    for (const signal of signals) source.on(signal, onSignal);
    token.#disposers.push(takeBack);
    return token;
  }

  #arm(): void {
    this.#disarm();
    if (this.#state === StopState.Cancelled) return;
    const at = Math.min(this.#deadlineAt, this.#drainDeadlineAt);
    if (at === Infinity || this.#listeners.size === 0) return;
    // Looking at the state is what turns a passed deadline into a cancel; a longer wait than a timer takes is repeated.
    this.#cancelTimer = this.#clock.after(Math.max(0, at - this.#clock.now()), () => {
      if (!this.cancelled) this.#arm();
    });
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #link(): void {
    this.#unlinkParent = this.#parent?.onChange(() => this.#notify()) ?? null;
    this.#arm();
  }

  #unlink(): void {
    this.#unlinkParent?.();
    this.#unlinkParent = null;
    this.#disarm();
  }

  #notify(): void {
    const state = this.state;
    const failures: unknown[] = [];
    for (const [listener, seen] of this.#listeners) {
      if (seen >= state) continue;
      this.#listeners.set(listener, state);
      try {
        listener(state);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** A text, as the environment has it, would be put together with the time and not added to it; with NaN no time ever comes. */
function checkDeadline(deadlineMs: unknown): void {
  if (deadlineMs === undefined || (typeof deadlineMs === 'number' && !Number.isNaN(deadlineMs))) return;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `deadlineMs: expected a number of milliseconds, such as ${DEFAULT_DRAIN_DEADLINE_MS}; given ${shownValue(deadlineMs)}`,
    { phase: 'configure' },
  );
}

/**
 * Tells the supervisor of attempts that take long, by one coarse timer for all lanes.
 *
 * Invariants:
 * 1. The timer runs only while an attempt is under way that somebody wants to be told of, and nothing is made per job.
 * 2. A job is told of at most once.
 * 3. After a turn in which this thread itself was held up nothing is told: what looks old may have been answered.
 */
import type { TurnSignal, WorkerContext } from '../../protocol/context.js';
import type { SlowSpec } from '../../protocol/messages.js';
import { NEVER } from '../../protocol/stop.js';
import type { Latencies } from './latencies.js';

/** Looks of a busy worker: often enough for what is slow, too seldom to be seen in its CPU. */
const LEAST_PAUSE_MS = 10;
const MOST_PAUSE_MS = 100;
/** The part of the time after which an attempt is slow, by which it may be told too late. */
const PAUSE_SHARE = 0.25;

/** The attempt of a lane, as far as it matters here. */
export interface WatchedLane {
  readonly id: number;
  readonly store: number;
  /** Whether somebody wants to be told of it. */
  watched: boolean;
  /** When the attempt began, or -1 when none is under way. */
  readonly attemptAtMs: number;
  /** Bytes that it asks for. */
  readonly attemptBytes: number;
  /** As its stream has it. */
  readonly slow: SlowSpec;
}

export class SlowWatch {
  readonly #context: Pick<WorkerContext, 'now' | 'sleep' | 'control'>;
  readonly #latencies: Latencies;
  readonly #lanes: readonly WatchedLane[];
  #running = false;
  #stopped = false;
  #wake: (() => void) | null = null;
  readonly #signal: TurnSignal;

  constructor(
    context: Pick<WorkerContext, 'now' | 'sleep' | 'control'>,
    latencies: Latencies,
    lanes: readonly WatchedLane[],
  ) {
    this.#context = context;
    this.#latencies = latencies;
    this.#lanes = lanes;
    this.#signal = {
      // Wait ends: with the pause that it is given to, or with `stop`.
      ...NEVER,
      onTurn: (fn) => {
        this.#wake = fn;
        return () => {
          this.#wake = null;
        };
      },
    };
  }

  /** An attempt has begun that somebody wants to be told of. */
  began(): void {
    if (this.#running || this.#stopped) return;
    this.#running = true;
    void this.#run();
  }

  /** Nothing is under way, and nothing will be. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const context = this.#context;
    let pauseMs = LEAST_PAUSE_MS;
    while (this.#running) {
      const due = context.now() + pauseMs;
      // Wait ends: with the pause, or with `stop`.
      await context.sleep(pauseMs, this.#signal);
      if (this.#stopped) return;
      const now = context.now();
      pauseMs = this.#look(now, now - due <= LEAST_PAUSE_MS);
    }
  }

  /** Tells of what is slow; returns the pause until the next look. */
  #look(now: number, telling: boolean): number {
    const slow: WatchedLane[] = [];
    let leastMs = Infinity;
    let slowAfterMs = Infinity;
    let before: WatchedLane | null = null;
    this.#running = false;
    for (const lane of this.#lanes) {
      if (!lane.watched || lane.attemptAtMs < 0) continue;
      this.#running = true;
      // Most lanes do what their neighbour does, and a quantile is the sum of a whole histogram.
      if (before === null || !isAlike(lane, before))
        slowAfterMs = this.#latencies.slowAfterMs(lane.store, lane.attemptBytes, lane.slow);
      before = lane;
      leastMs = Math.min(leastMs, slowAfterMs);
      if (telling && now - lane.attemptAtMs > slowAfterMs) slow.push(lane);
    }
    if (slow.length > 0) {
      slow.sort((a, b) => a.attemptAtMs - b.attemptAtMs);
      for (const lane of slow) lane.watched = false;
      this.#context.control.post({ kind: 'slow', jobs: slow.map(({ id }) => id) });
    }
    return Math.min(MOST_PAUSE_MS, Math.max(LEAST_PAUSE_MS, leastMs * PAUSE_SHARE));
  }
}

function isAlike(a: WatchedLane, b: WatchedLane): boolean {
  return a.store === b.store && a.attemptBytes === b.attemptBytes && a.slow === b.slow;
}

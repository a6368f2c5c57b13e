/**
 * One coarse, unreferenced ticker for all time-outs of a transport.
 *
 * Invariants:
 * 1. A time-out is never early, and about three ticks late at most.
 * 2. Time in which this thread itself was blocked counts as two ticks at most: bytes that waited in the kernel
 *    meanwhile are read before anybody is blamed for silence.
 * 3. There is no timer while nothing is watched, and none ever keeps the process alive.
 */
export class CoarseClock {
  /** Coarse time in ms; only differences mean something. */
  nowMs = 0;
  private timer: NodeJS.Timeout | null = null;
  private lastMs = 0;

  constructor(
    private readonly tickMs: number,
    private readonly now: () => number,
    private readonly onTick: () => void,
  ) {}

  start(): void {
    if (this.timer !== null) return;
    this.lastMs = this.now();
    this.timer = setInterval(() => this.tick(), this.tickMs);
    this.timer.unref();
  }

  stop(): void {
    if (this.timer === null) return;
    clearInterval(this.timer);
    this.timer = null;
  }

  /** Whether `limitMs` have certainly passed since a moment that was noted as `sinceMs`. */
  hasPassed(sinceMs: number, limitMs: number): boolean {
    return this.nowMs - sinceMs > limitMs + 2 * this.tickMs;
  }

  private tick(): void {
    const now = this.now();
    this.nowMs += Math.min(now - this.lastMs, 2 * this.tickMs);
    this.lastMs = now;
    this.onTick();
  }
}

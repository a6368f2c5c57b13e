/**
 * How long the present wait of a connection has gone on, in coarse time, and whether that is too long.
 *
 * Invariants:
 * 1. Progress costs two stores: no timer is touched.
 * 2. The rate is looked at over whole windows only, so a short body is never judged by it; nor is one that is collected:
 *    how fast those come is up to the service's work, and S3 sends white space until it has done it.
 */
import type { ErrorPhase } from '../protocol/errors.js';
import type { TransportLimits } from '../protocol/http.js';
import type { CoarseClock } from './clock.js';

/** Which wait ran out. */
export type Wait = 'connect' | 'send' | 'firstByte' | 'idle' | 'work' | 'rate';

export const PHASE_OF_WAIT: Readonly<Record<Wait, ErrorPhase>> = {
  connect: 'connect',
  send: 'request',
  firstByte: 'head',
  work: 'head',
  idle: 'body',
  rate: 'body',
};

export class Watch {
  private sinceMs: number;
  private windowStartMs = 0;
  private windowBytes = 0;
  private beganMs = 0;
  private afterWork = false;
  private landed = false;

  constructor(
    private readonly limits: TransportLimits,
    private readonly clock: CoarseClock,
  ) {
    this.sinceMs = clock.nowMs;
  }

  /** An exchange begins, the answer of which may come `afterWork` of minutes. */
  begin(afterWork: boolean): void {
    this.afterWork = afterWork;
    this.restart();
    this.beganMs = this.sinceMs;
  }

  /** A piece of the request went out. */
  restart(): void {
    this.sinceMs = this.clock.nowMs;
  }

  /** The body begins; so many bytes of it came with the head. `landed`: it goes into a target, at a rate that is judged. */
  beginBody(bytes: number, landed: boolean): void {
    this.landed = landed;
    this.sinceMs = this.clock.nowMs;
    this.windowStartMs = this.sinceMs;
    this.windowBytes = bytes;
  }

  gotBody(bytes: number): void {
    this.sinceMs = this.clock.nowMs;
    this.windowBytes += bytes;
  }

  /** The wait that ran out, if `wait` (or, within a body, the rate) did. */
  overdue(wait: Exclude<Wait, 'work' | 'rate'>): Wait | null {
    const { limits } = this;
    if (wait === 'connect') return this.passed(limits.connectTimeoutMs) ? wait : null;
    if (this.afterWork && wait !== 'send') return this.passed(limits.workTimeoutMs) ? 'work' : null;
    if (wait === 'firstByte') return this.passed(this.firstByteLimitMs()) ? wait : null;
    if (this.passed(limits.idleTimeoutMs)) return wait;
    return wait === 'idle' && this.landed && this.tooSlow() ? 'rate' : null;
  }

  /** The kernel still sends what it has taken of a body, and at the pace of the rest: where that was slow, it takes longer. */
  private firstByteLimitMs(): number {
    const { firstByteTimeoutMs } = this.limits;
    return firstByteTimeoutMs + Math.min(this.sinceMs - this.beganMs, firstByteTimeoutMs);
  }

  private passed(limitMs: number): boolean {
    return this.clock.hasPassed(this.sinceMs, limitMs);
  }

  private tooSlow(): boolean {
    const { minRateBytesPerSecond, minRateWindowMs } = this.limits;
    if (!this.clock.hasPassed(this.windowStartMs, minRateWindowMs)) return false;
    if (this.windowBytes < (minRateBytesPerSecond * minRateWindowMs) / 1000) return true;
    this.windowStartMs = this.clock.nowMs;
    this.windowBytes = 0;
    return false;
  }
}

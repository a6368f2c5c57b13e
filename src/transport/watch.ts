/**
 * How long the present wait of a connection has gone on, in coarse time, and whether that is too long.
 *
 * Invariants:
 * 1. Progress costs two stores: no timer is touched.
 * 2. The rate is looked at over whole windows only, so a short body is never judged by it.
 */
import type { ErrorPhase } from '../protocol/errors.js';
import type { TransportLimits } from '../protocol/http.js';
import type { CoarseClock } from './clock.js';

/** Which wait ran out. */
export type Wait = 'connect' | 'send' | 'firstByte' | 'idle' | 'rate';

export const PHASE_OF_WAIT: Readonly<Record<Wait, ErrorPhase>> = {
  connect: 'connect',
  send: 'request',
  firstByte: 'head',
  idle: 'body',
  rate: 'body',
};

export class Watch {
  private sinceMs: number;
  private windowStartMs = 0;
  private windowBytes = 0;

  constructor(
    private readonly limits: TransportLimits,
    private readonly clock: CoarseClock,
  ) {
    this.sinceMs = clock.nowMs;
  }

  /** A wait begins, or a piece of the request went out. */
  restart(): void {
    this.sinceMs = this.clock.nowMs;
  }

  /** The body begins; so many bytes of it came with the head. */
  beginBody(bytes: number): void {
    this.sinceMs = this.clock.nowMs;
    this.windowStartMs = this.sinceMs;
    this.windowBytes = bytes;
  }

  gotBody(bytes: number): void {
    this.sinceMs = this.clock.nowMs;
    this.windowBytes += bytes;
  }

  /** The wait that ran out, if `wait` (or, within a body, the rate) did. */
  overdue(wait: Exclude<Wait, 'rate'>): Wait | null {
    const { limits } = this;
    if (wait === 'connect') return this.passed(limits.connectTimeoutMs) ? wait : null;
    if (wait === 'firstByte') return this.passed(limits.firstByteTimeoutMs) ? wait : null;
    if (this.passed(limits.idleTimeoutMs)) return wait;
    return wait === 'idle' && this.tooSlow() ? 'rate' : null;
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

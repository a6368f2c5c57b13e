/**
 * Pure core: whether another row may go to a worker now. It asks the caps and the courtesy, in this order, and says
 * which of them keeps it.
 *
 * Invariants:
 * 1. Every refusal passes by itself: with time (`waitMs`), with a result, or with the next sample.
 * 2. Without limits it is never asked.
 */
import { BandwidthCap, CpuCap } from './caps.js';
import { Courtesy } from './courtesy.js';

export interface AdmissionLimits {
  /** Bytes per second that are read and written together, or null. */
  readonly maxBandwidth: number | null;
  /** Of the cores, or null. */
  readonly maxCpuShare: number | null;
  /** Cores that the process may use. */
  readonly cores: number;
  /** 0: the delay is not watched. */
  readonly maxEventLoopDelayMs: number;
}

export type AdmissionState = 'open' | 'bandwidth' | 'cpu' | 'event-loop';

/** What a sample found, since the one before. */
export interface LoadSample {
  readonly busyMs: number;
  readonly eventLoopDelayMs: number;
}

export class Admission {
  readonly bandwidth: BandwidthCap | null;
  readonly cpu: CpuCap | null;
  readonly courtesy: Courtesy | null;
  /** After a refusal: milliseconds until it is worth to ask again; Infinity for when something else has happened. */
  waitMs = 0;

  constructor({ maxBandwidth, maxCpuShare, cores, maxEventLoopDelayMs }: AdmissionLimits, nowMs: number) {
    this.bandwidth = maxBandwidth === null ? null : new BandwidthCap(maxBandwidth, nowMs);
    this.cpu = maxCpuShare === null ? null : new CpuCap(maxCpuShare * cores, nowMs);
    this.courtesy = maxEventLoopDelayMs === 0 ? null : new Courtesy(maxEventLoopDelayMs);
  }

  /** Whether anything is limited now, so that it has to be asked. */
  get limits(): boolean {
    return this.bandwidth !== null || this.cpu !== null || this.courtesy?.limits === true;
  }

  /** Whether it goes by samples. */
  get samples(): boolean {
    return this.cpu !== null || this.courtesy !== null;
  }

  /** @param inFlight the weight of what workers have been given and have not reported */
  ask(nowMs: number, inFlight: number): AdmissionState {
    this.waitMs = this.bandwidth?.waitMs(nowMs, inFlight) ?? 0;
    if (this.waitMs > 0) return 'bandwidth';
    this.waitMs = Infinity;
    if (this.cpu?.admits(nowMs, inFlight) === false) return 'cpu';
    if (this.courtesy?.admits(inFlight) === false) return 'event-loop';
    this.waitMs = 0;
    return 'open';
  }

  /** A row goes. */
  began(chargedBytes: number, nowMs: number): void {
    this.bandwidth?.take(chargedBytes);
    this.cpu?.began(nowMs);
  }

  /** A row came back. */
  ended(chargedBytes: number, movedBytes: number, weight: number): void {
    this.bandwidth?.correct(chargedBytes, movedBytes);
    this.cpu?.done(weight);
  }

  sample({ busyMs, eventLoopDelayMs }: LoadSample, nowMs: number, inFlight: number): void {
    this.cpu?.sample(busyMs, nowMs, inFlight);
    this.courtesy?.sample(eventLoopDelayMs, nowMs, inFlight);
  }
}

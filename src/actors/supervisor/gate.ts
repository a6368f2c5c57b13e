/**
 * The shell around admission: brings it the time, the samples and the results, and wakes the supervisor when what was
 * refused may go.
 *
 * Invariants:
 * 1. While nothing is limited, asking costs one look at a flag.
 * 2. There is at most one timer for the next look and one for the next sample; neither when there is no stream.
 * 3. What ends by a stop is not asked here: a drain or a cancel never waits for a gate.
 */
import type { LoadWatch, SupervisorContext } from '../../protocol/context.js';
import { Admission, type AdmissionLimits, type AdmissionState } from './admission.js';
import type { FetchJobRecord, RowResult } from './jobs.js';
import { Meter } from './meter.js';
import type { Part } from './parts.js';
import type { Stream } from './stream.js';
import { Turns } from './turns.js';

/** Often enough that work goes on and off for less than a person notices. */
const SAMPLE_MS = 100;
const NO_LIMITS: AdmissionLimits = {
  maxBandwidth: null,
  maxCpuShare: null,
  cores: 1,
  maxEventLoopDelayMs: 0,
};

export interface GateDeps {
  readonly context: SupervisorContext;
  readonly limits: AdmissionLimits | null;
  /** The weight of what is with workers; above 0 while anything is. */
  readonly inFlight: () => number;
  /** Whether there is anybody who may want to work. */
  readonly busy: () => boolean;
  readonly poke: () => void;
}

/** What a runtime did in the last second. */
export interface GateStats {
  /** Of objects that were read or written, as they were reported. */
  readonly bytesPerSecond: number;
  /** Of the cores, by the workers' threads; null where nobody watches. */
  readonly cpuShare: number | null;
  /** The longest; null where nobody watches. */
  readonly eventLoopDelayMs: number | null;
  /** What keeps work from going to workers now. */
  readonly admission: AdmissionState;
}

export class Gate {
  /** Whether `admits` has to be asked before a row goes. */
  limits: boolean;
  readonly #deps: GateDeps;
  readonly #limits: AdmissionLimits;
  readonly #admission: Admission;
  readonly #turns = new Turns<Stream>();
  readonly #bytes = new Meter();
  readonly #busy = new Meter();
  readonly #delays = new Meter();
  /** As of this turn, and what it has given out since. */
  #nowMs = 0;
  #inFlight = 0;
  #state: AdmissionState = 'open';
  #movedBytes = 0;
  /** Of the service's own thread, since the last sample. */
  #ownMs = 0;
  #watch: LoadWatch | null = null;
  #busyMs = 0;
  #cancelSample: (() => void) | null = null;
  #cancelWake: (() => void) | null = null;

  constructor(deps: GateDeps) {
    this.#deps = deps;
    this.#limits = deps.limits ?? NO_LIMITS;
    this.#admission = new Admission(this.#limits, deps.context.now());
    this.limits = this.#admission.limits;
  }

  /** A stream was opened: samples are taken from now on. */
  opened(): void {
    if (!this.#admission.samples || this.#watch !== null) return;
    this.#watch = this.#deps.context.watchLoad();
    this.#busyMs = this.#watch.read().busyMs;
    this.#sampleLater();
  }

  beginTurn(): void {
    this.limits = this.#admission.limits;
    this.#state = 'open';
    if (!this.limits) return;
    this.#nowMs = this.#deps.context.now();
    this.#inFlight = this.#deps.inFlight();
  }

  /** The streams, whoever was given least first. */
  turns(streams: Iterable<Stream>): Stream[] {
    return this.#turns.order(streams);
  }

  /** Whether another row may go. If not, the supervisor is woken when that may have changed. */
  admits(): boolean {
    this.#state = this.#admission.ask(this.#nowMs, this.#inFlight);
    if (this.#state === 'open') return true;
    const { waitMs } = this.#admission;
    if (waitMs < Infinity) this.#wakeAfter(waitMs);
    return false;
  }

  /** Whether a listing, a head or a write without bytes may go: only the processor's time is theirs to wait for. */
  admitsQuestion(): boolean {
    const isOpen = this.#admission.cpu?.isOpen(this.#nowMs, this.#inFlight) ?? true;
    if (isOpen) this.#admission.began(0, this.#nowMs);
    else this.#state = 'cpu';
    return isOpen;
  }

  /** A row goes to a worker. */
  began(stream: Stream, part: Part, weight: number): void {
    if (!this.limits) return;
    const charged = chargeOf(stream, part);
    this.#inFlight += weight;
    this.#admission.began(charged, this.#nowMs);
    this.#turns.served(stream, this.#admission.bandwidth === null ? weight : charged);
  }

  /** A row came back. */
  ended({ stream, part, weight }: FetchJobRecord, row: RowResult): void {
    const moved = movedBytes(stream, part, row);
    this.#movedBytes += moved;
    this.#admission.ended(chargeOf(stream, part), moved, weight);
  }

  /** A message of results was taken. */
  reported(): void {
    if (this.#movedBytes === 0) return;
    this.#bytes.add(this.#movedBytes, this.#deps.context.now());
    this.#movedBytes = 0;
  }

  /** Calls `work`, whose time on the service's own thread counts as the runtime's. */
  timed(work: () => void): void {
    if (this.#admission.cpu === null) return work();
    const { context } = this.#deps;
    const beganAtMs = context.now();
    work();
    this.#ownMs += context.now() - beganAtMs;
  }

  stats(): GateStats {
    const nowMs = this.#deps.context.now();
    const { samples } = this.#admission;
    return {
      bytesPerSecond: this.#bytes.sum(nowMs),
      cpuShare: samples ? this.#busy.sum(nowMs) / 1000 / this.#limits.cores : null,
      eventLoopDelayMs: samples ? this.#delays.max(nowMs) : null,
      admission: this.#state,
    };
  }

  stop(): void {
    this.#cancelSample?.();
    this.#cancelWake?.();
    this.#watch?.stop();
    this.#watch = null;
  }

  #sampleLater(): void {
    this.#cancelSample = this.#deps.context.after(SAMPLE_MS, () => this.#sample());
  }

  #sample(): void {
    const { context, inFlight, busy, poke } = this.#deps;
    const { busyMs, eventLoopDelayMs } = this.#watch!.read();
    const nowMs = context.now();
    const usedMs = busyMs - this.#busyMs + this.#ownMs;
    this.#busyMs = busyMs;
    this.#ownMs = 0;
    this.#busy.add(usedMs, nowMs);
    this.#delays.note(eventLoopDelayMs, nowMs);
    this.#admission.sample({ busyMs: usedMs, eventLoopDelayMs }, nowMs, inFlight());
    if (this.#state !== 'open') poke();
    if (busy()) return this.#sampleLater();
    this.#watch!.stop();
    this.#watch = null;
  }

  #wakeAfter(ms: number): void {
    // One that wakes too early asks again, and what came back meanwhile has woken the supervisor itself.
    if (this.#cancelWake !== null) return;
    this.#cancelWake = this.#deps.context.after(ms, () => {
      this.#cancelWake = null;
      this.#deps.poke();
    });
  }
}

/** Bytes that a job is taken to move, when it goes: what is read, or what is written of bytes that are there. */
function chargeOf({ hasSink }: Stream, part: Part): number {
  if (!part.landed) return part.length;
  return hasSink ? part.length : 0;
}

/** Bytes that it did move. Without a version to hold on to each attempt begins from the first byte again. */
function movedBytes({ hasSink }: Stream, part: Part, row: RowResult): number {
  const { landed, retries } = row;
  // The version is looked at last: it is text that has to be made.
  const attempts = retries > 0 && row.version === null ? 1 + retries : 1;
  const read = part.landed ? 0 : landed * attempts;
  return hasSink && row.outputs !== null ? read + landed : read;
}

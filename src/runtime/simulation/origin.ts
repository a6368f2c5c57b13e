/**
 * A simulated storage service: its objects, the faults it is told to have, and a record of what was asked of it.
 * All workers of a simulation share one.
 *
 * Invariant: a fault is used as often as it says, by the first reads that it applies to; which reads come first is for
 * the seed to say.
 */
import type { MillraceError } from '../../protocol/errors.js';
import type { Outcome, ReadRequest } from '../../protocol/store.js';
import type { StopSignal, StopState } from '../../protocol/stop.js';
import type { WriteRequest } from '../../protocol/writes.js';
import type { SimCallFault } from './faults.js';
import type { ErrorCode } from '../../protocol/errors.js';
import { drawCallFault, drawReadFault } from './drawn-faults.js';
import type { SimObject, SimUpload, SimWritten } from './objects.js';
import type { Oracle } from './oracle.js';
import type { FaultSites } from './sites.js';

export type { SimObject } from './objects.js';

/** What goes wrong with one read. */
export type SimFaultKind =
  /** The connection breaks when so many bytes of the answer have landed. */
  | { readonly kind: 'reset'; readonly afterBytes: number; readonly code?: ErrorCode }
  /** A kept connection turns out to be dead. */
  | { readonly kind: 'stale-connection' }
  /** 503. */
  | { readonly kind: 'throttle'; readonly retryAfterMs: number }
  /** The credentials are refused, whatever snapshot the worker has. */
  | { readonly kind: 'stale-credentials' }
  | { readonly kind: 'clock-skew' }
  /** The object is replaced just before it is read; the read itself meets what is there now. */
  | { readonly kind: 'replace'; readonly object: SimObject }
  /** So many bytes land, and then nothing ever comes: only a stop ends the read. */
  | { readonly kind: 'silence'; readonly afterBytes: number }
  /** So many bytes land, then nothing for so long, then the transport gives up. */
  | { readonly kind: 'stall'; readonly afterBytes: number; readonly forMs: number }
  /** All bytes land, and the answer's end comes so much later. */
  | { readonly kind: 'slow'; readonly forMs: number }
  /** One byte at a time, until the transport finds that too slow. */
  | { readonly kind: 'drip'; readonly bytes: number; readonly everyMs: number }
  /** Another range than was asked for is announced: none of it lands. */
  | { readonly kind: 'wrong-range' }
  /** All bytes land, and one of them is not the object's. */
  | { readonly kind: 'corrupt'; readonly atByte: number }
  /** A permanent refusal. */
  | { readonly kind: 'refuse'; readonly error: MillraceError };

export type SimFault = SimFaultKind & {
  /** Only reads of this key. @default every read */
  readonly key?: string;
  /** Only reads that begin at this byte or behind it. @default 0 */
  readonly fromByte?: number;
  /** How many reads it spoils. @default 1 */
  readonly times?: number;
};

/** A time, in virtual ms, at which the service answers 503 to everybody. */
export interface SimStorm {
  readonly fromMs: number;
  readonly untilMs: number;
  /** @default 0 */
  readonly retryAfterMs?: number;
}

export interface SimOriginOptions {
  readonly objects: ReadonlyMap<string, SimObject>;
  /** Shortest and longest time between two events of one read. @default [1, 20] */
  readonly latencyMs?: readonly [least: number, most: number];
  /** A body lands in at most so many pieces. @default 4 */
  readonly maxPieces?: number;
  readonly faults?: readonly SimFault[];
  /** Times at which it tells everybody to slow down. @default none */
  readonly storms?: readonly SimStorm[];
  /** What goes wrong with heads and writes. */
  readonly callFaults?: readonly SimCallFault[];
  /** Whether heads tell a checksum, and whole objects are looked at as they land. @default false */
  readonly checksums?: boolean;
  /** Whether it copies objects by itself. @default true */
  readonly copies?: boolean;
  /** Parts of an upload that it takes at the same time; 1: only in their order. @default Infinity */
  readonly partsInFlight?: number;
  /** Most keys on a page of a listing, whatever is asked for. @default as asked for */
  readonly pageKeys?: number;
  /** Reads with an older snapshot are refused as stale credentials. @default 0 */
  readonly leastSnapshot?: number;
  /** Whether bytes of pieces arrive wrong too, where whoever asks for them means to look. @default false */
  readonly corruptsPieces?: boolean;
  /**
   * True: a cancelled read resolves only when the piece that was under way has landed, like a read of a disk, which
   * cannot be taken back. @default false: at once, and the piece is not written
   */
  readonly slowCancel?: boolean;
  /** Faults that are drawn, beside those that are scripted. @default none */
  readonly drawn?: { readonly sites: FaultSites; readonly oracle: Oracle };
  /** What a drawn change of version puts in the object's place; null for an object that stays. */
  readonly replacement?: (key: string) => SimObject | null;
}

/** One read, as the service saw it. */
export interface SimRead {
  readonly worker: string;
  readonly key: string;
  readonly start: number;
  readonly length: number;
  readonly version: string | null;
  readonly beganAtMs: number;
  /** What its stop signal said when it began: nothing may begin once that has turned. */
  readonly stateAtStart: StopState;
  /** Where in its arena the target begins. */
  readonly offset: number;
  /** The signal it was given: for tests that look for listeners left behind. */
  readonly stop: StopSignal;
  /** Bytes written so far. */
  landed: number;
  /** Null while it is under way. */
  outcome: Outcome | null;
  /** When it resolved. */
  endedAtMs: number;
  /** How long its answer asked to be left alone for. */
  retryAfterMs: number;
  /** A byte of it arrived wrong. */
  corrupted: boolean;
}

/** One head or page of a listing, as the service saw it. */
export interface SimQuestion {
  readonly worker: string;
  /** What is asked about; null for a listing. */
  readonly key: string | null;
  readonly stateAtStart: StopState;
  /** Null while it is under way. */
  outcome: Outcome | null;
}

/** One write, as the service saw it. */
export interface SimWrite {
  readonly worker: string;
  readonly kind: WriteRequest['kind'];
  readonly key: string;
  readonly beganAtMs: number;
  /** As for a read. */
  readonly stateAtStart: StopState;
  readonly stop: StopSignal;
  /** Whether the service has carried it out, whoever has heard of that. */
  applied: boolean;
  /** What a `begin` made, or the upload that it is about. */
  upload: string | null;
  /** Null while it is under way. */
  outcome: Outcome | null;
}

/** Bytes written by a read. */
export interface SimLanding {
  readonly read: SimRead;
  readonly worker: string;
  readonly key: string;
  readonly offset: number;
  readonly length: number;
}

export class SimOrigin {
  readonly objects: Map<string, SimObject>;
  readonly latencyMs: readonly [least: number, most: number];
  readonly maxPieces: number;
  readonly slowCancel: boolean;
  readonly sites: FaultSites | null;
  readonly oracle: Oracle | null;
  readonly replacement: ((key: string) => SimObject | null) | null;
  readonly checksums: boolean;
  readonly copies: boolean;
  readonly corruptsPieces: boolean;
  readonly partsInFlight: number;
  readonly storms: readonly SimStorm[];
  readonly pageKeys: number;
  /** Pages of listings that were answered. */
  pages = 0;
  /** Uploads that were begun and have not ended. */
  readonly uploads = new Map<string, SimUpload>();
  /** Uploads that were ever begun. */
  begun = 0;
  /** Every object that was ever written, in order. */
  readonly written: SimWritten[] = [];
  /** Every write that was ever begun, in order. */
  readonly writes: SimWrite[] = [];
  /** Every head and page that was ever asked for, in order. */
  readonly questions: SimQuestion[] = [];
  /** Every read that was ever begun, in order. */
  readonly reads: SimRead[] = [];
  /** Called for each piece that lands, just after it was written. */
  onLanding: (landing: SimLanding) => void = () => {};
  /** Called for each write that has arrived, just after it was carried out or was not. */
  onWrite: (write: SimWrite) => void = () => {};
  leastSnapshot: number;
  /** Stores that are open. */
  open = 0;
  readonly #faults: { readonly fault: SimFault; left: number }[];
  readonly #callFaults: { readonly fault: SimCallFault; left: number }[];

  constructor(options: SimOriginOptions) {
    this.objects = new Map(options.objects);
    this.latencyMs = options.latencyMs ?? [1, 20];
    this.maxPieces = options.maxPieces ?? 4;
    this.slowCancel = options.slowCancel ?? false;
    this.sites = options.drawn?.sites ?? null;
    this.oracle = options.drawn?.oracle ?? null;
    this.replacement = options.replacement ?? null;
    this.leastSnapshot = options.leastSnapshot ?? 0;
    this.checksums = options.checksums ?? false;
    this.copies = options.copies ?? true;
    this.corruptsPieces = options.corruptsPieces ?? false;
    this.storms = options.storms ?? [];
    this.pageKeys = options.pageKeys ?? Infinity;
    this.partsInFlight = options.partsInFlight ?? Infinity;
    this.#callFaults = (options.callFaults ?? []).map((fault) => ({ fault, left: fault.times ?? 1 }));
    this.#faults = (options.faults ?? []).map((fault) => ({ fault, left: fault.times ?? 1 }));
  }

  /** Reads that have not resolved; those of a dead worker stay among them. */
  get underWay(): readonly SimRead[] {
    return this.reads.filter((read) => read.outcome === null);
  }

  /** The faults that were not met yet. */
  get unusedFaults(): readonly SimFault[] {
    return this.#faults.filter(({ left }) => left > 0).map(({ fault }) => fault);
  }

  /** The storm that a request meets which arrives now, if there is one. */
  stormAt(nowMs: number): SimStorm | null {
    return this.storms.find(({ fromMs, untilMs }) => nowMs >= fromMs && nowMs < untilMs) ?? null;
  }

  addFault(fault: SimFault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 });
  }

  /** Takes the fault that this read meets, if there is one. */
  takeFault(key: string, request: ReadRequest): SimFaultKind | null {
    const found = this.#faults.find(
      ({ fault, left }) =>
        left > 0 && (fault.key === undefined || fault.key === key) && request.start >= (fault.fromByte ?? 0),
    );
    if (found === undefined) return drawReadFault(this, key, request);
    found.left -= 1;
    return found.fault;
  }

  /** Takes the fault that this head or write meets, if there is one. */
  takeCallFault(on: SimCallFault['on'], key: string): SimCallFault | null {
    const found = this.#callFaults.find(
      ({ fault, left }) => left > 0 && fault.on === on && (fault.key === undefined || fault.key === key),
    );
    if (found === undefined) return drawCallFault(this, on);
    found.left -= 1;
    return found.fault;
  }
}

export function createSimOrigin(options: SimOriginOptions): SimOrigin {
  return new SimOrigin(options);
}

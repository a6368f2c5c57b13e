/**
 * Pure core: which of several endpoints with the same data serves the next request. No clock and no dice of its own.
 *
 * Invariants:
 * 1. What an endpoint has in flight is what was begun there and has not ended, in requests and in bytes: both are zero when
 *    everything has ended, however it did.
 * 2. The next request goes to the endpoint with the least in flight; where several have the same, to the one that was
 *    fastest of late.
 * 3. An endpoint that fails `FAILURE_LIMIT` in a row is ejected for a time that doubles from one ejection to the next. After it one
 *    request probes the endpoint, and only a success lets it in again. What began before an ejection has no say about it.
 * 4. One endpoint is always in. When the last one is about to be ejected, the one that has been out the longest comes in for
 *    it: in an outage of all of them each is tried in turn.
 * 5. An endpoint that comes in again is given a request more at a time with each success, not all that the others have more.
 */

/** What the end of a request says about the endpoint that served it. */
export const Verdict = {
  /** It answered, whatever it said: what is missing or forbidden is so everywhere. */
  Answered: 'answered',
  /** No connection, a time-out, a broken body, a 5xx. */
  Failed: 'failed',
  /** It asks to slow down. One hot key is enough for that, so many in a row are needed to count. */
  Throttled: 'throttled',
  /** Nothing: it was cancelled, or never sent. */
  Unknown: 'unknown',
} as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

/** What a failure counts for, and how much is too much: 3 failures in a row (HAProxy's `fall 3`), or 24 throttled answers. */
const FAILED = 8;
const THROTTLED = 1;
export const FAILURE_LIMIT = 24;
/** The first ejection; a restart of a server takes a few of these. */
export const EJECT_MS = 1_000;
/** The longest one: every probe of a dead endpoint costs some object a retry. */
export const MAX_EJECT_MS = 30_000;
/** What a request weighs beside its bytes, so that many tiny ones are spread by their number. */
const REQUEST_BYTES = 16 * 1024;
/** Share of a new measurement in the mean. */
const NEW_SHARE = 0.2;
/** The mean halves in this time without a request, so that one slow answer is not held against an endpoint for ever. */
const HALF_LIFE_MS = 10_000;
/** Requests at a time that an endpoint is given after a probe of it went well. */
const FIRST_ALLOWED = 2;
/** From so many requests at a time on, an endpoint that came in again is one like the others. */
const WARM = 64;

/** One endpoint, as it is reported. */
export interface EndpointView {
  readonly inFlight: number;
  readonly outstandingBytes: number;
  readonly ejected: boolean;
  /** Mean time of an answer with its body, of late; 0 where nothing is known. */
  readonly latencyMs: number;
  /** Requests that have ended with an answer, and those that failed. */
  readonly answered: number;
  readonly failed: number;
}

interface Endpoint {
  inFlight: number;
  bytes: number;
  latencyMs: number;
  latencyAtMs: number;
  /** Of failures since the last success. */
  badness: number;
  /** Ejections and failed probes since it was well. */
  ejections: number;
  out: boolean;
  /** When it was last ejected: what began until then is of no importance. */
  outAtMs: number;
  probeAtMs: number;
  probing: boolean;
  /** Requests that it may have at a time while it comes in again. */
  allowed: number;
  answered: number;
  failed: number;
}

export class EndpointSet {
  readonly #endpoints: Endpoint[];
  #next: number;

  /** `first` is where the choice begins as long as all are alike; another one in every thread. */
  constructor(count: number, first = 0) {
    this.#endpoints = Array.from({ length: count }, fresh);
    this.#next = first % count;
  }

  /** The endpoint for the next request; not `avoid`, where there is another one. -1 avoids none. */
  choose(nowMs: number, avoid = -1): number {
    const count = this.#endpoints.length;
    let best = -1;
    for (let i = 0; i < count; i++) {
      const index = (this.#next + i) % count;
      const endpoint = this.#endpoints[index]!;
      if (endpoint.out) {
        // A retry is no probe: its object has waited already.
        if (avoid >= 0 || endpoint.probing || nowMs < endpoint.probeAtMs) continue;
        endpoint.probing = true;
        return index;
      }
      if (best < 0 || this.#isBetter(index, best, avoid, nowMs)) best = index;
    }
    this.#next = (best + 1) % count;
    return best;
  }

  begun(index: number, bytes: number): void {
    const endpoint = this.#endpoints[index]!;
    endpoint.inFlight += 1;
    endpoint.bytes += bytes;
  }

  /** The end of what `begun` counted, with the same bytes. It was begun `latencyMs` before `nowMs`. */
  ended(index: number, bytes: number, verdict: Verdict, latencyMs: number, nowMs: number): void {
    const endpoint = this.#endpoints[index]!;
    endpoint.inFlight -= 1;
    endpoint.bytes -= bytes;
    if (verdict === Verdict.Answered) endpoint.answered += 1;
    else if (verdict === Verdict.Failed) endpoint.failed += 1;
    if (nowMs - latencyMs <= endpoint.outAtMs) return;
    if (verdict === Verdict.Answered) this.#good(endpoint, latencyMs, nowMs);
    else if (verdict === Verdict.Unknown) endpoint.probing = false;
    else this.#bad(endpoint, verdict === Verdict.Failed ? FAILED : THROTTLED, nowMs);
  }

  view(index: number, nowMs: number): EndpointView {
    const endpoint = this.#endpoints[index]!;
    const { inFlight, bytes, out, answered, failed } = endpoint;
    const latencyMs = latencyOf(endpoint, nowMs);
    return { inFlight, outstandingBytes: bytes, ejected: out, latencyMs, answered, failed };
  }

  #isBetter(index: number, than: number, avoid: number, nowMs: number): boolean {
    if (than === avoid || index === avoid) return than === avoid;
    const a = this.#endpoints[index]!;
    const b = this.#endpoints[than]!;
    const full = Number(a.inFlight >= a.allowed) - Number(b.inFlight >= b.allowed);
    if (full !== 0) return full < 0;
    const load = a.bytes - b.bytes + (a.inFlight - b.inFlight) * REQUEST_BYTES;
    return load < 0 || (load === 0 && latencyOf(a, nowMs) < latencyOf(b, nowMs));
  }

  #good(endpoint: Endpoint, latencyMs: number, nowMs: number): void {
    const { latencyMs: mean } = endpoint;
    endpoint.latencyMs = mean === 0 ? latencyMs : mean + (latencyMs - mean) * NEW_SHARE;
    endpoint.latencyAtMs = nowMs;
    endpoint.badness = 0;
    if (endpoint.out) {
      endpoint.out = false;
      endpoint.probing = false;
      endpoint.allowed = FIRST_ALLOWED;
    } else if (endpoint.allowed < Infinity) {
      endpoint.allowed = endpoint.allowed < WARM ? endpoint.allowed + 1 : Infinity;
    } else endpoint.ejections = 0;
  }

  #bad(endpoint: Endpoint, weight: number, nowMs: number): void {
    if (endpoint.out) {
      // A probe that was told to slow down shows neither that the endpoint is well nor that it is worse than before.
      if (weight === FAILED) endpoint.ejections += 1;
      return eject(endpoint, nowMs);
    }
    endpoint.badness += weight;
    if (endpoint.badness < FAILURE_LIMIT || !this.#anotherIsIn(endpoint)) return;
    endpoint.ejections += 1;
    eject(endpoint, nowMs);
  }

  /** Whether one is in beside this one, or could be let in for it. */
  #anotherIsIn(endpoint: Endpoint): boolean {
    let longest: Endpoint | null = null;
    for (const other of this.#endpoints) {
      if (other === endpoint) continue;
      if (!other.out) return true;
      if (longest === null || other.outAtMs < longest.outAtMs) longest = other;
    }
    if (longest === null) return false;
    longest.out = false;
    longest.probing = false;
    longest.allowed = Infinity;
    return true;
  }
}

function eject(endpoint: Endpoint, nowMs: number): void {
  endpoint.out = true;
  endpoint.probing = false;
  endpoint.badness = 0;
  endpoint.outAtMs = nowMs;
  endpoint.probeAtMs = nowMs + Math.min(MAX_EJECT_MS, EJECT_MS * 2 ** Math.min(endpoint.ejections - 1, 16));
}

function fresh(): Endpoint {
  return {
    inFlight: 0,
    bytes: 0,
    latencyMs: 0,
    latencyAtMs: 0,
    badness: 0,
    ejections: 0,
    out: false,
    outAtMs: -Infinity,
    probeAtMs: 0,
    probing: false,
    allowed: Infinity,
    answered: 0,
    failed: 0,
  };
}

function latencyOf({ latencyMs, latencyAtMs }: Endpoint, nowMs: number): number {
  return latencyMs === 0 ? 0 : latencyMs * 2 ** ((latencyAtMs - nowMs) / HALF_LIFE_MS);
}

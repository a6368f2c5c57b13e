/**
 * What all workers of a runtime know of one origin (a store): whether it is open or closed, and when a closed one may be
 * probed.
 *
 * An origin closes when it has answered nothing but "slow down" for a row of answers, or when it answers that and the
 * retry budget is used up. Then one request goes there per interval, over all workers, and everybody else waits; the first
 * one that ends with anything but "slow down" opens it.
 *
 * Invariants:
 * 1. The generation is even while the origin is open and odd while it is closed; each change is one compare-and-exchange
 *    of it, so of many threads that see the same answers one closes it and one opens it.
 * 2. What began before the latest change neither closes nor opens it.
 * 3. A probe is claimed by one compare-and-exchange that moves the next one ahead: one per interval, and the death of
 *    whoever claimed it delays the next one by no more than that.
 *
 * Times are the low 32 bits of the milliseconds that `now()` of every thread tells.
 */
import { ORIGIN_SLOTS, ORIGIN_STRIDE, ORIGIN_WORDS_AT, refillRetryBudget } from './words.js';

const Word = {
  Generation: 0,
  ProbeAt: 1,
  /** "Slow down" in a row since the last other answer. */
  Row: 2,
  /** Probes since it was closed. */
  Probes: 3,
  ClosedAt: 4,
  /** When it last said "slow down" while it was closed. */
  RefusedAt: 5,
} as const;

/**
 * So many in a row close it. Half of that is in flight when a storm begins; by chance, a service that refuses half of
 * what it is asked does it once in four thousand million answers.
 */
export const CLOSE_AFTER = 32;
/** The first interval between probes, longer than a burst above a rate limit takes to be forgotten. */
export const FIRST_PROBE_MS = 500;
/** The longest that we choose: it is what a recovery may go unnoticed. */
export const LAST_PROBE_MS = 5_000;
/** The longest that a service may ask for, as between retries. */
export const MAX_PROBE_WAIT_MS = 60_000;

/** When "slow down" came, what wait in ms it asks for (0: none), and a number of [0, 1) for ours. */
export interface Refusal {
  readonly nowMs: number;
  readonly retryAfterMs: number;
  readonly random: number;
}

function baseOf(store: number): number {
  return ORIGIN_WORDS_AT + (store % ORIGIN_SLOTS) * ORIGIN_STRIDE;
}

/** Which opening or closing the origin is in. */
export function generationOf(words: Int32Array, store: number): number {
  return Atomics.load(words, baseOf(store) + Word.Generation);
}

export function isClosed(generation: number): boolean {
  return (generation & 1) === 1;
}

/** An answer other than "slow down" to a request that began in `generation`. */
export function noteServed(words: Int32Array, store: number, generation: number): void {
  const base = baseOf(store);
  if (Atomics.load(words, base + Word.Row) !== 0) Atomics.store(words, base + Word.Row, 0);
  if (!isClosed(generation)) return;
  const next = (generation + 1) | 0;
  if (Atomics.compareExchange(words, base + Word.Generation, generation, next) === generation) {
    refillRetryBudget(words);
  }
}

/** "Slow down" to a request that began in `generation`; the service's own wish is in ms, or 0. */
export function noteThrottled(
  words: Int32Array,
  store: number,
  generation: number,
  { nowMs, retryAfterMs, random }: Refusal,
): void {
  const base = baseOf(store);
  if (Atomics.load(words, base + Word.Generation) !== generation) return;
  if (!isClosed(generation)) {
    const row = Atomics.add(words, base + Word.Row, 1) + 1;
    if (row >= CLOSE_AFTER) closeOrigin(words, store, generation, { nowMs, retryAfterMs, random });
    return;
  }
  Atomics.store(words, base + Word.RefusedAt, nowMs | 0);
  const probes = Atomics.load(words, base + Word.Probes);
  postpone(words, base, nowMs, Math.max(waitAfter(probes, random), asked(retryAfterMs)));
}

/** Closes the origin, if it is still in the open `generation`. */
export function closeOrigin(
  words: Int32Array,
  store: number,
  generation: number,
  { nowMs, retryAfterMs, random }: Refusal,
): void {
  const base = baseOf(store);
  if (isClosed(generation) || Atomics.load(words, base + Word.Generation) !== generation) return;
  // Before the generation: whoever sees it closed must not take an old time for that of the first probe.
  Atomics.store(words, base + Word.Row, 0);
  Atomics.store(words, base + Word.Probes, 0);
  Atomics.store(words, base + Word.ClosedAt, nowMs | 0);
  Atomics.store(words, base + Word.RefusedAt, nowMs | 0);
  const waitMs = Math.max(waitAfter(0, random), asked(retryAfterMs));
  Atomics.store(words, base + Word.ProbeAt, (nowMs + waitMs) | 0);
  Atomics.compareExchange(words, base + Word.Generation, generation, (generation + 1) | 0);
}

/** How long a closed origin is not to be asked; 0 when it may be now. */
export function probeWaitMs(words: Int32Array, store: number, nowMs: number): number {
  const wait = since(nowMs, Atomics.load(words, baseOf(store) + Word.ProbeAt));
  return wait >= 0 || wait < -MAX_PROBE_WAIT_MS ? 0 : -wait;
}

/** Takes the one probe of this interval; false when it is not time yet, or somebody else has it. */
export function claimProbe(words: Int32Array, store: number, nowMs: number, random: number): boolean {
  const base = baseOf(store);
  const at = Atomics.load(words, base + Word.ProbeAt);
  if (probeWaitMs(words, store, nowMs) > 0) return false;
  const probes = Atomics.load(words, base + Word.Probes);
  const next = (nowMs + waitAfter(probes + 1, random)) | 0;
  if (Atomics.compareExchange(words, base + Word.ProbeAt, at, next) !== at) return false;
  Atomics.add(words, base + Word.Probes, 1);
  return true;
}

/** How long it has been closed. */
export function closedForMs(words: Int32Array, store: number, nowMs: number): number {
  return since(nowMs, Atomics.load(words, baseOf(store) + Word.ClosedAt));
}

/** Whether it has said "slow down" at that time or since. */
export function refusedSince(words: Int32Array, store: number, atMs: number): boolean {
  return since(Atomics.load(words, baseOf(store) + Word.RefusedAt), atMs) >= 0;
}

/** From three quarters of the interval to all of it: runtimes that were refused together do not come back together. */
function waitAfter(probes: number, random: number): number {
  const interval = Math.min(LAST_PROBE_MS, FIRST_PROBE_MS * 2 ** Math.min(probes, 16));
  return interval * (0.75 + random / 4);
}

function asked(retryAfterMs: number): number {
  return Math.min(retryAfterMs, MAX_PROBE_WAIT_MS);
}

/** Never makes the wait shorter: another answer may have asked for more. */
function postpone(words: Int32Array, base: number, nowMs: number, waitMs: number): void {
  const at = (nowMs + waitMs) | 0;
  const known = Atomics.load(words, base + Word.ProbeAt);
  if (since(at, known) > 0) Atomics.compareExchange(words, base + Word.ProbeAt, known, at);
}

/** From `b` to `a`, in ms, of which the low 32 bits are known: right for 24 days to either side. */
function since(a: number, b: number): number {
  return ((a | 0) - (b | 0)) | 0;
}

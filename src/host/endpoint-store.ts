/**
 * Several stores with the same objects, one for each endpoint, made into one: for each call the `EndpointSet` chooses which of
 * them makes the attempt, and is told how it ended.
 *
 * Invariants:
 * 1. An attempt that was begun is ended in the set exactly once: when the store answers, whatever it answers.
 * 2. The attempt after one that failed is made at another endpoint, if one is in; after one that taught a store the service's
 *    time, at the same, which alone has learnt it.
 *
 * Which attempts belong together is seen from the key: a worker gives the very same array again when it tries again, and
 * another one for the next object.
 */
import { ErrorCode, type MillraceError } from '../protocol/errors.js';
import type { EndpointStats } from '../protocol/messages.js';
import type { StopSignal } from '../protocol/stop.js';
import {
  Outcome,
  type Answer,
  type ReadAnswer,
  type ReadRequest,
  type Store,
  type StoreSnapshot,
} from '../protocol/store.js';
import type { WriteRequest } from '../protocol/writes.js';
import { EndpointSet, Verdict } from './endpoints.js';

export interface NamedStore {
  /** For reports: no credentials in it. */
  readonly name: string;
  readonly store: Store;
}

export interface EndpointStoreDeps {
  /** Monotonic time in ms. */
  now(): number;
  /** Where the choice begins: another endpoint in each thread. */
  readonly first: number;
}

/** Snapshots for the data halves of a store: one for each endpoint, or the store's own. */
export function endpointSnapshots(snapshot: StoreSnapshot): readonly StoreSnapshot[] {
  const { version, expiresAtMs, endpoints } = snapshot;
  return endpoints?.map(({ config }) => ({ version, expiresAtMs, config })) ?? [snapshot];
}

/** What the end of an attempt says about the endpoint, for any service. */
export function verdictOf(outcome: Outcome, error: MillraceError | null): Verdict {
  switch (outcome) {
    case Outcome.Complete:
    case Outcome.SizeChanged:
    case Outcome.VersionChanged:
    case Outcome.ClockSkew:
    case Outcome.StaleCredentials:
      return Verdict.Answered;
    case Outcome.Interrupted:
    case Outcome.Transient:
      return Verdict.Failed;
    case Outcome.Throttled:
      return Verdict.Throttled;
    case Outcome.Refused:
      if (error?.status !== undefined) return Verdict.Answered;
      // A certificate that is not accepted; anything else without an answer was not even sent.
      return error?.code === ErrorCode.ConnectionFailed ? Verdict.Failed : Verdict.Unknown;
    case Outcome.StaleConnection:
    case Outcome.Cancelled:
      return Verdict.Unknown;
  }
}

export class EndpointStore implements Store {
  readonly #endpoints: readonly NamedStore[];
  readonly #deps: EndpointStoreDeps;
  readonly #set: EndpointSet;
  /** Where the next attempt at a key goes: `-1 - i` is not to endpoint i, `i` is to it. */
  readonly #leads = new WeakMap<Uint8Array, number>();
  /** Records of reads that are over, to be used again: there are millions of reads. */
  readonly #spare: Reading[] = [];

  constructor(endpoints: readonly NamedStore[], deps: EndpointStoreDeps) {
    this.#endpoints = endpoints;
    this.#deps = deps;
    this.#set = new EndpointSet(endpoints.length, deps.first);
  }

  read(request: ReadRequest, target: Uint8Array, stop: StopSignal, done: (answer: ReadAnswer) => void): void {
    const nowMs = this.#deps.now();
    const index = this.#choose(request.key, nowMs);
    const reading = this.#spare.pop() ?? new Reading((ended, answer) => this.#readEnded(ended, answer));
    reading.index = index;
    reading.bytes = request.length;
    reading.begunMs = nowMs;
    reading.key = request.key;
    reading.done = done;
    this.#set.begun(index, request.length);
    this.#endpoints[index]!.store.read(request, target, stop, reading.answered);
  }

  head(key: Uint8Array, stop: StopSignal): ReturnType<Store['head']> {
    return this.#ask(key, 0, (store) => store.head(key, stop));
  }

  list(request: Parameters<Store['list']>[0], stop: StopSignal): ReturnType<Store['list']> {
    return this.#ask(request.prefix, 0, (store) => store.list(request, stop));
  }

  write(request: WriteRequest, stop: StopSignal): ReturnType<Store['write']> {
    const bytes = 'body' in request ? request.body.length : 0;
    return this.#ask(keyOf(request), bytes, (store) => store.write(request, stop));
  }

  update(snapshot: StoreSnapshot): void {
    const snapshots = endpointSnapshots(snapshot);
    for (const [i, { store }] of this.#endpoints.entries()) store.update(snapshots[i]!);
  }

  close(): void {
    for (const { store } of this.#endpoints) store.close();
  }

  stats(store: string): EndpointStats[] {
    const nowMs = this.#deps.now();
    return this.#endpoints.map(({ name }, i) => ({ store, endpoint: name, ...this.#set.view(i, nowMs) }));
  }

  #choose(key: Uint8Array, nowMs: number): number {
    const lead = this.#leads.get(key);
    if (lead === undefined) return this.#set.choose(nowMs);
    return lead >= 0 ? lead : this.#set.choose(nowMs, -1 - lead);
  }

  #readEnded(reading: Reading, answer: ReadAnswer): void {
    const { index, bytes, begunMs, key, done } = reading;
    reading.key = NO_KEY;
    reading.done = NOBODY;
    this.#spare.push(reading);
    this.#ended(index, bytes, begunMs, key, answer);
    done(answer);
  }

  async #ask<T>(
    key: Uint8Array,
    bytes: number,
    attempt: (store: Store) => Promise<Answer<T>>,
  ): Promise<Answer<T>> {
    const begunMs = this.#deps.now();
    const index = this.#choose(key, begunMs);
    this.#set.begun(index, bytes);
    // Never rejects: a store says so of itself.
    const answer = await attempt(this.#endpoints[index]!.store);
    this.#ended(index, bytes, begunMs, key, answer);
    return answer;
  }

  #ended(
    index: number,
    bytes: number,
    begunMs: number,
    key: Uint8Array,
    { outcome, error }: Pick<ReadAnswer, 'outcome' | 'error'>,
  ): void {
    const nowMs = this.#deps.now();
    const verdict = verdictOf(outcome, error);
    this.#set.ended(index, bytes, verdict, nowMs - begunMs, nowMs);
    if (outcome === Outcome.ClockSkew) this.#leads.set(key, index);
    else if (verdict === Verdict.Failed || verdict === Verdict.Throttled) this.#leads.set(key, -1 - index);
  }
}

/** What the attempts at one write have in common. */
function keyOf(request: WriteRequest): Uint8Array {
  if (request.kind === 'delete') return request.keys[0] ?? NO_KEY;
  return request.kind === 'uploads' ? request.prefix : request.key;
}

const NO_KEY = new Uint8Array(0);
const NOBODY = (): void => {};

/** One read on its way. */
class Reading {
  index = 0;
  bytes = 0;
  begunMs = 0;
  key: Uint8Array = NO_KEY;
  done: (answer: ReadAnswer) => void = NOBODY;
  /** Made once for all its reads. */
  readonly answered: (answer: ReadAnswer) => void;

  constructor(ended: (reading: Reading, answer: ReadAnswer) => void) {
    this.answered = (answer) => ended(this, answer);
  }
}

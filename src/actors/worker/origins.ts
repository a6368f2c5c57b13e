/**
 * The origins (stores) of one worker: how many attempts each may have at a time, and whether it is closed.
 *
 * Invariants:
 * 1. An attempt is made from a place of its origin's window, which is given back exactly once: when it is answered, or
 *    when it is not made after all.
 * 2. Nobody who can wait is let in to a closed origin but for its probe.
 */
import type { WorkerContext } from '../../protocol/context.js';
import type { OriginStats, StoreSpec } from '../../protocol/messages.js';
import {
  claimProbe,
  closedForMs,
  closeOrigin,
  generationOf,
  isClosed,
  noteServed as noteOriginServed,
  noteThrottled as noteOriginThrottled,
  probeWaitMs,
  type Refusal,
  refusedSince,
} from '../../protocol/origin-words.js';
import { Outcome } from '../../protocol/store.js';
import { hasRoom, newWindow, noteServed, noteThrottled, restart, type WindowState } from './window.js';

/** How often a worker that waits looks whether another one's probe has opened the origin. */
const LOOK_MS = 250;

/** One attempt, from its place to its answer. */
export interface Ticket {
  /** Whether there is a place that is not given back yet. */
  held: boolean;
  epoch: number;
  generation: number;
  begunMs: number;
  bytes: number;
}

export function newTicket(): Ticket {
  return { held: false, epoch: 0, generation: 0, begunMs: 0, bytes: 0 };
}

/** Who waits for a closed origin, and for how long. */
export interface Patient {
  /** 0: not at all. */
  readonly patienceMs: number;
  /** When its stream came to this worker. @default always */
  readonly streamSinceMs?: number | undefined;
}

/** What an attempt's end says of its origin. */
export interface AttemptEnd {
  readonly outcome: Outcome;
  readonly error: { readonly status?: number | undefined } | null;
  readonly retryAfterMs: number;
}

interface Origin {
  readonly name: string;
  readonly window: WindowState;
  /** The one that was last seen. */
  generation: number;
  throttled: number;
}

export class Origins {
  readonly #context: Pick<WorkerContext, 'now' | 'random' | 'words'>;
  readonly #max: number;
  readonly #onRoom: () => void;
  readonly #origins: (Origin | undefined)[] = [];

  /** `onRoom` is called whenever a place was given back with an answer. */
  constructor(context: Pick<WorkerContext, 'now' | 'random' | 'words' | 'concurrency'>, onRoom: () => void) {
    this.#context = context;
    this.#max = context.concurrency;
    this.#onRoom = onRoom;
  }

  /** The times of a store with decorators tell of what was declared, not of the service. */
  add({ id, name, adaptive = true, decorators }: Pick<StoreSpec, 'id' | 'name' | 'adaptive' | 'decorators'>) {
    if (this.#origins[id] !== undefined) return;
    const latency = decorators === undefined || decorators.length === 0;
    this.#origins[id] = {
      name,
      window: newWindow({ max: this.#max, adaptive, latency }),
      generation: generationOf(this.#context.words, id),
      throttled: 0,
    };
  }

  /** Takes a place, or says that there is none now. `patient`: waits while the origin is closed. */
  enter(store: number, patient: boolean): boolean {
    const { window } = this.#see(store);
    if (patient && this.isClosed(store)) {
      const context = this.#context;
      if (!claimProbe(context.words, store, context.now(), context.random())) return false;
    } else if (!hasRoom(window)) return false;
    window.inFlight += 1;
    return true;
  }

  /** Gives back a place from which no attempt was made. */
  leave(store: number, ticket: Ticket): void {
    if (!ticket.held) return;
    ticket.held = false;
    this.#of(store).window.inFlight -= 1;
  }

  /** An attempt begins from the ticket's place. `bytes`: what it asks for, or one of `UNSIZED`. */
  begun(store: number, ticket: Ticket, bytes: number): void {
    const { window, generation } = this.#see(store);
    ticket.epoch = window.epoch;
    ticket.generation = generation;
    ticket.begunMs = window.latency === null ? 0 : this.#context.now();
    ticket.bytes = bytes;
  }

  /** It was answered, or it is known that it will not be. */
  ended(store: number, ticket: Ticket, { outcome, error, retryAfterMs }: AttemptEnd): void {
    const origin = this.#of(store);
    const { window } = origin;
    const { words } = this.#context;
    if (outcome === Outcome.Throttled) {
      origin.throttled += 1;
      noteThrottled(window, ticket.epoch);
      noteOriginThrottled(words, store, ticket.generation, this.#refusal(retryAfterMs));
    } else if (outcome === Outcome.Complete) {
      const tookMs = window.latency === null ? 0 : this.#context.now() - ticket.begunMs;
      noteServed(window, ticket.epoch, tookMs, ticket.bytes);
      noteOriginServed(words, store, ticket.generation);
    } else if (
      ANSWERED.has(outcome) ||
      (FAILED.has(outcome) && (error?.status !== undefined || isClosed(ticket.generation)))
    ) {
      noteOriginServed(words, store, ticket.generation);
    }
    this.leave(store, ticket);
    this.#onRoom();
  }

  /** It was told to slow down, and there is no budget for a retry: closed, unless something has changed since. */
  close(store: number, { generation }: Ticket, retryAfterMs: number): void {
    closeOrigin(this.#context.words, store, generation, this.#refusal(retryAfterMs));
  }

  nameOf(store: number): string {
    return this.#of(store).name;
  }

  isClosed(store: number): boolean {
    return isClosed(generationOf(this.#context.words, store));
  }

  generation(store: number): number {
    return generationOf(this.#context.words, store);
  }

  /** When to look at a closed origin again, in ms. */
  lookAfterMs(store: number): number {
    const waitMs = probeWaitMs(this.#context.words, store, this.#context.now());
    return waitMs === 0 ? LOOK_MS : Math.min(LOOK_MS, waitMs);
  }

  /**
   * Whether a closed origin has refused everything for as long as that one has patience, and since it waits there too. Its
   * stream's jobs have it together, each window of them not anew; what refused others before that stream was there is no
   * matter of its own.
   */
  hasRunOut(store: number, { patienceMs, streamSinceMs = 0 }: Patient, sinceMs: number): boolean {
    if (patienceMs === 0 || !this.isClosed(store)) return false;
    const { words } = this.#context;
    const nowMs = this.#context.now();
    const refusedForMs = Math.min(closedForMs(words, store, nowMs), nowMs - streamSinceMs);
    return refusedForMs >= patienceMs && refusedSince(words, store, sinceMs);
  }

  stats(): OriginStats[] {
    const stats: OriginStats[] = [];
    for (const [store, origin] of this.#origins.entries()) {
      if (origin === undefined) continue;
      const { name, window, throttled } = origin;
      const { limit, inFlight, slow } = window;
      stats.push({
        store: name,
        limit: Math.floor(limit),
        inFlight,
        throttled,
        slow,
        closed: this.isClosed(store),
      });
    }
    return stats;
  }

  #refusal(retryAfterMs: number): Refusal {
    return { nowMs: this.#context.now(), retryAfterMs, random: this.#context.random() };
  }

  /** A job for a store that nobody has told of is let in, and fails when it looks for the store. */
  #of(store: number): Origin {
    const origin = this.#origins[store];
    if (origin !== undefined) return origin;
    this.add({ id: store, name: `store ${store}` });
    return this.#origins[store]!;
  }

  /** With what other workers have found out meanwhile. */
  #see(store: number): Origin {
    const origin = this.#of(store);
    const generation = generationOf(this.#context.words, store);
    if (generation !== origin.generation) {
      origin.generation = generation;
      restart(origin.window);
    }
    return origin;
  }
}

/** Answers of a service that did not say "slow down". */
const ANSWERED: ReadonlySet<Outcome> = new Set<Outcome>([
  Outcome.Interrupted,
  Outcome.SizeChanged,
  Outcome.VersionChanged,
  Outcome.ClockSkew,
  Outcome.StaleCredentials,
]);
/**
 * Answers too, where they have a status. A probe that had none opens the origin all the same: a service that is down is for
 * the attempts and the retry budget to find out, as always; at one probe per interval each job would do so by itself.
 */
const FAILED: ReadonlySet<Outcome> = new Set<Outcome>([Outcome.Transient, Outcome.Refused]);

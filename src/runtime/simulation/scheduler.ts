/**
 * What happens next in a simulation, and what time it is.
 *
 * Invariants:
 * 1. One thing happens per step, among what could happen now, as the oracle decides; the same tape and the same inputs
 *    give the same events.
 * 2. A queue is first in, first out; there is no order between two queues. Timers of one actor fire in the order of
 *    their times.
 * 3. Time moves only to the next timer: when nothing else can happen, or, within a small window, because a timer
 *    overtakes the messages that are under way.
 * 4. Nothing happens to an actor that does not turn: what is meant for it waits, or is forgotten with it.
 */
import type { Oracle } from './oracle.js';
import type { Candidate, Policy } from './policies.js';

/** Whoever things happen to: an actor's thread, or a device that works for it. */
export interface Party {
  readonly name: string;
  /** False while it is hung, and for good once it is dead. */
  turning: boolean;
  /** What to do with an exception that came out of one of its callbacks. */
  thrown(error: unknown): void;
}

interface Queued {
  readonly label: string;
  readonly payload: unknown;
  readonly order: number;
}

/** What waits for one listener, in order. */
export interface SimQueue {
  readonly name: string;
  readonly party: Party;
  /** Null until somebody listens: what comes before is kept. */
  deliver: ((payload: unknown) => void) | null;
  readonly waiting: readonly string[];
  push(label: string, payload: unknown): void;
  /** Nothing of it is delivered for so long. */
  hold(ms: number): void;
  /** Takes everything out. */
  take(): unknown[];
}

interface Timer extends Candidate {
  readonly at: number;
  readonly order: number;
  readonly name: string;
  readonly party: Party;
  readonly fn: () => void;
  overtakes: boolean;
}

interface Queue extends SimQueue, Candidate {
  readonly entries: Queued[];
  readonly party: Party;
  readonly overtakes: false;
  heldUntil: number;
}

/** One thing that happened. */
interface SimEvent {
  readonly at: number;
  readonly name: string;
  /** What of a queue's, or null for a timer. */
  readonly label: string | null;
}

/** How far ahead a timer may be that overtakes messages, and for how long a message may be passed over by such. */
const OVERTAKE_WINDOW_MS = 50;

/** Of FNV-1a, which takes one word after the other. */
const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Times are sums of fractions: two runs that differ by less of a millisecond differ by nothing. */
const TICKS = 1024;

export class Scheduler {
  /** Virtual milliseconds; does not begin at zero, so that nobody takes the first moment for "never". */
  now = 1;
  /** Steps taken. */
  steps = 0;
  /** Called whenever time has moved. */
  onAdvance: () => void = () => {};
  /** Changes with each event, by its time and its words: two runs with the same hash went the same way. */
  hash = FNV_BASIS;
  readonly #oracle: Oracle;
  readonly #policy: Policy;
  readonly #queues: Queue[] = [];
  readonly #events: SimEvent[] = [];
  /** The hash of each name and label. */
  readonly #names = new Map<string, number>();
  /** Whom each step happened to, for choosing; cleared for each. */
  readonly #ready: (Queue | Timer)[] = [];
  #timers: Timer[] = [];
  #order = 0;
  /** The order of what could happen and was posted first, and since when it is that. */
  #eldest = -1;
  #eldestSince = 0;

  constructor(oracle: Oracle, policy: Policy) {
    this.#oracle = oracle;
    this.#policy = policy;
  }

  /** One line per step: `step @time what`. */
  get trace(): readonly string[] {
    return this.#events.map(
      ({ at, name, label }, step) => `${step} @${at} ${label === null ? name : `${name}: ${label}`}`,
    );
  }

  queue(name: string, party: Party): SimQueue {
    const entries: Queued[] = [];
    const queue: Queue = {
      name,
      party,
      overtakes: false,
      deliver: null,
      entries,
      heldUntil: 0,
      get waiting() {
        return entries.map((entry) => entry.label);
      },
      push: (label, payload) => {
        entries.push({ label, payload, order: this.#order++ });
      },
      hold: (ms) => {
        queue.heldUntil = this.now + ms;
        // Time has to get there, whatever else happens.
        this.after(WIRE, `${name} is late`, ms, () => {});
      },
      take: () => entries.splice(0).map((entry) => entry.payload),
    };
    this.#queues.push(queue);
    return queue;
  }

  /** Calls `fn` after `delayMs` as a step of its own. Returns the function that takes it back. */
  after(party: Party, name: string, delayMs: number, fn: () => void): () => void {
    const at = this.now + Math.max(0, delayMs);
    const timer: Timer = { at, order: this.#order++, name, party, fn, overtakes: false };
    const timers = this.#timers;
    let place = timers.length;
    while (place > 0 && timers[place - 1]!.at > at) place -= 1;
    timers.splice(place, 0, timer);
    return () => {
      const found = this.#timers.indexOf(timer);
      if (found >= 0) this.#timers.splice(found, 1);
    };
  }

  /** Takes back everything that was to happen to this party. */
  forget(party: Party): void {
    this.#timers = this.#timers.filter((timer) => timer.party !== party);
    for (let i = this.#queues.length - 1; i >= 0; i -= 1) {
      if (this.#queues[i]!.party === party) this.#queues.splice(i, 1);
    }
  }

  /** One step. False when nothing can happen. */
  step(): boolean {
    const chosen = this.#choose();
    if (chosen === null) return false;
    const entry = 'entries' in chosen ? chosen.entries.shift()! : null;
    if (!('entries' in chosen)) {
      this.#timers.splice(this.#timers.indexOf(chosen), 1);
      if (chosen.at > this.now) this.#advance(chosen.at);
    }
    this.#note(chosen.name, entry === null ? null : entry.label);
    this.steps += 1;
    try {
      if ('entries' in chosen) chosen.deliver!(entry!.payload);
      else chosen.fn();
    } catch (error) {
      chosen.party.thrown(error);
    }
    return true;
  }

  /** Time passes in which nothing happens, as in a machine that was asleep. */
  leap(ms: number): void {
    this.#note('time leaps', null);
    this.#advance(this.now + ms);
  }

  /** What waits, for whoever has to explain why nothing comes to an end. */
  pending(): string[] {
    const queues = this.#queues
      .filter((queue) => queue.entries.length > 0)
      .map((queue) => {
        const why = queue.party.turning
          ? queue.deliver === null
            ? ' (nobody listens)'
            : ''
          : ` (${queue.party.name} does not turn)`;
        return `${queue.name}${why}: ${queue.waiting.join(', ')}`;
      });
    const timers = this.#timers.map(
      (timer) => `${timer.name} at ${timer.at}${timer.party.turning ? '' : ' (does not turn)'}`,
    );
    return [...queues, ...timers];
  }

  #advance(to: number): void {
    this.now = to;
    this.onAdvance();
  }

  #choose(): Queue | Timer | null {
    const ready = this.#ready;
    ready.length = 0;
    this.#addQueues(ready);
    const next = this.#addTimers(ready);
    if (ready.length === 0) return next;
    if (ready.length > 1) ready.sort((a, b) => orderOf(a) - orderOf(b));
    const eldest = orderOf(ready[0]!);
    if (eldest !== this.#eldest) [this.#eldest, this.#eldestSince] = [eldest, this.now];
    if (next !== null && next.at - this.#eldestSince <= OVERTAKE_WINDOW_MS) {
      next.overtakes = true;
      ready.push(next);
    }
    if (ready.length === 1) return ready[0]!;
    const proposal = this.#policy.pick(ready, this.steps);
    return ready[this.#oracle.decide(ready.length, 'what happens next', proposal)]!;
  }

  #addQueues(ready: (Queue | Timer)[]): void {
    for (const queue of this.#queues) {
      if (queue.entries.length === 0 || queue.deliver === null || !queue.party.turning) continue;
      if (queue.heldUntil <= this.now) ready.push(queue);
    }
  }

  /** The first timer of each party that is due; returns the first that is not. */
  #addTimers(ready: (Queue | Timer)[]): Timer | null {
    const queues = ready.length;
    for (const timer of this.#timers) {
      const { party } = timer;
      if (!party.turning) continue;
      timer.overtakes = false;
      if (timer.at > this.now) return timer;
      let first = true;
      for (let i = queues; i < ready.length; i += 1) if (ready[i]!.party === party) first = false;
      if (first) ready.push(timer);
    }
    return null;
  }

  #note(name: string, label: string | null): void {
    this.#events.push({ at: this.now, name, label });
    let { hash } = this;
    for (const word of [
      this.#hashOf(name),
      label === null ? -1 : this.#hashOf(label),
      (this.now * TICKS) | 0,
    ])
      hash = Math.imul(hash ^ word, FNV_PRIME) ^ (hash >>> 15);
    this.hash = hash;
  }

  /** There are few names and many events: each name is gone through once. */
  #hashOf(name: string): number {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    let hash = FNV_BASIS;
    for (let i = 0; i < name.length; i += 1) hash = Math.imul(hash ^ name.charCodeAt(i), FNV_PRIME);
    this.#names.set(name, hash);
    return hash;
  }
}

function orderOf(candidate: Queue | Timer): number {
  return 'entries' in candidate ? candidate.entries[0]!.order : candidate.order;
}

const WIRE: Party = {
  name: 'wire',
  turning: true,
  thrown: (error) => {
    throw error;
  },
};

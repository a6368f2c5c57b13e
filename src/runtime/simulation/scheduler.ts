/**
 * The order of a simulation: which message, which timer comes next, and what time it is.
 *
 * Invariants:
 * 1. One thing happens per step, chosen by the seed among what could happen now; the same seed and the same inputs
 *    give the same trace.
 * 2. A queue is first in, first out; there is no order between two queues. Timers of one actor fire in the order of
 *    their times.
 * 3. Time moves only to the next timer: when nothing else can happen, or, within a small window, because the seed
 *    lets a timer overtake the messages that are under way.
 * 4. Nothing happens to an actor that does not turn: what is meant for it waits, or is forgotten with it.
 */
import { between, seededRandom } from '../../protocol/seeded.js';

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
}

/** What waits for one listener, in order. */
export interface SimQueue {
  readonly name: string;
  readonly party: Party;
  /** Null until somebody listens: what comes before is kept. */
  deliver: ((payload: unknown) => void) | null;
  readonly waiting: readonly string[];
  push(label: string, payload: unknown): void;
  /** Takes everything out. */
  take(): unknown[];
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly name: string;
  readonly party: Party;
  readonly fn: () => void;
}

interface Queue extends SimQueue {
  readonly entries: Queued[];
}

interface Choice {
  readonly label: string;
  readonly party: Party;
  /** Time moves to it. */
  readonly at: number;
  readonly happen: () => void;
}

/** How often a timer is let past messages that are under way, and how far ahead it may be. */
const OVERTAKE_CHANCE = 0.25;
const OVERTAKE_WINDOW_MS = 50;

export class Scheduler {
  /** Virtual milliseconds; does not begin at zero, so that nobody takes the first moment for "never". */
  now = 1;
  /** Steps taken. */
  steps = 0;
  /** One line per step. */
  readonly trace: string[] = [];
  /** Called whenever time has moved. */
  onAdvance: () => void = () => {};
  readonly #random: () => number;
  readonly #queues: Queue[] = [];
  #timers: Timer[] = [];
  #order = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed, 'order of deliveries');
  }

  queue(name: string, party: Party): SimQueue {
    const entries: Queued[] = [];
    const queue: Queue = {
      name,
      party,
      deliver: null,
      entries,
      get waiting() {
        return entries.map((entry) => entry.label);
      },
      push: (label, payload) => {
        entries.push({ label, payload });
      },
      take: () => entries.splice(0).map((entry) => entry.payload),
    };
    this.#queues.push(queue);
    return queue;
  }

  /** Calls `fn` after `delayMs` as a step of its own. Returns the function that takes it back. */
  after(party: Party, name: string, delayMs: number, fn: () => void): () => void {
    const order = this.#order;
    this.#order += 1;
    const timer: Timer = { at: this.now + Math.max(0, delayMs), order, name, party, fn };
    const later = this.#timers.findIndex((other) => other.at > timer.at);
    if (later < 0) this.#timers.push(timer);
    else this.#timers.splice(later, 0, timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
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
    const choice = this.#choose();
    if (choice === null) return false;
    const advanced = choice.at > this.now;
    if (advanced) this.now = choice.at;
    this.trace.push(`${this.steps} @${this.now} ${choice.label}`);
    this.steps += 1;
    if (advanced) this.onAdvance();
    try {
      choice.happen();
    } catch (error) {
      choice.party.thrown(error);
    }
    return true;
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
        return `${queue.name}${why}: ${queue.entries.map((entry) => entry.label).join(', ')}`;
      });
    const timers = this.#timers.map(
      (timer) => `${timer.name} at ${timer.at}${timer.party.turning ? '' : ' (does not turn)'}`,
    );
    return [...queues, ...timers];
  }

  #choose(): Choice | null {
    const ready = this.#readyQueues();
    const timed = new Set<Party>();
    let next: Timer | null = null;
    for (const timer of this.#timers) {
      if (!timer.party.turning || timed.has(timer.party)) continue;
      if (timer.at > this.now) {
        next ??= timer;
        break;
      }
      timed.add(timer.party);
      ready.push(this.#fire(timer));
    }
    if (ready.length === 0) return next === null ? null : this.#fire(next);
    const overtakes = this.#random() < OVERTAKE_CHANCE;
    if (next !== null && overtakes && next.at - this.now <= OVERTAKE_WINDOW_MS) return this.#fire(next);
    return ready[between(this.#random, 0, ready.length - 1)]!;
  }

  #readyQueues(): Choice[] {
    const ready: Choice[] = [];
    for (const queue of this.#queues) {
      const { deliver, entries, party } = queue;
      if (deliver === null || entries.length === 0 || !party.turning) continue;
      const happen = (): void => deliver(entries.shift()!.payload);
      ready.push({ label: `${queue.name}: ${entries[0]!.label}`, party, at: this.now, happen });
    }
    return ready;
  }

  #fire(timer: Timer): Choice {
    const happen = (): void => {
      this.#timers.splice(this.#timers.indexOf(timer), 1);
      timer.fn();
    };
    return { label: timer.name, party: timer.party, at: Math.max(this.now, timer.at), happen };
  }
}

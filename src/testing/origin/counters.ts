/**
 * What an origin counts, and who waits for a count.
 *
 * Invariant: a waiter is looked at after every change, so nobody needs to poll.
 */
import type { Condition, OriginStats } from './records.js';

/** What is counted: all numbers of the stats that are not of a dialect. */
export type CounterName = keyof typeof FRESH;
type Values = Record<CounterName, number>;

const FRESH = {
  requests: 0,
  answered: 0,
  aborted: 0,
  inFlight: 0,
  maxInFlight: 0,
  stalled: 0,
  connections: 0,
  maxConnections: 0,
  opened: 0,
  bytesSent: 0,
  faults: 0,
  logDropped: 0,
} satisfies Partial<OriginStats>;

const WAITABLE: Readonly<Record<keyof Condition, true>> = {
  inFlight: true,
  requests: true,
  stalled: true,
  connections: true,
  opened: true,
  answered: true,
  aborted: true,
  bytesSent: true,
  faults: true,
};

const isWaitable = (name: string): name is keyof Condition => Object.hasOwn(WAITABLE, name);

export class Counters {
  #values: Values = { ...FRESH };
  readonly #waiters = new Set<() => void>();

  of(name: CounterName): number {
    return this.#values[name];
  }

  all(): Values {
    return { ...this.#values };
  }

  /** Several at once are one change: no waiter sees the middle of it. */
  add(changes: Partial<Values>): void {
    const values = this.#values;
    for (const name of Object.keys(changes) as CounterName[]) values[name] += changes[name] ?? 0;
    if (values.inFlight > values.maxInFlight) values.maxInFlight = values.inFlight;
    if (values.connections > values.maxConnections) values.maxConnections = values.connections;
    for (const look of this.#waiters) look();
  }

  /** Forgets the totals. What is there now stays: connections, and what they are in the middle of. */
  restart(): void {
    const { inFlight, stalled, connections, opened } = this.#values;
    this.#values = { ...FRESH, inFlight, stalled, connections, opened };
    this.#values.maxInFlight = inFlight;
    this.#values.maxConnections = connections;
  }

  /** Resolves when every counter named has at least that value; a 0 means exactly 0. Throws where one has no such name. */
  waitFor(condition: Condition): Promise<void> {
    const wanted = Object.entries(condition).map(([name, least]) => {
      if (!isWaitable(name))
        throw new Error(`waitFor: ${name} is none of ${Object.keys(WAITABLE).join(', ')}`);
      if (!Number.isSafeInteger(least) || least < 0)
        throw new Error(`waitFor: ${name} is a count from 0 on, not ${String(least)}`);
      return { name, least };
    });
    const holds = (): boolean =>
      wanted.every(({ name, least }) => (least === 0 ? this.of(name) === 0 : this.of(name) >= least));
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return;
        this.#waiters.delete(look);
        resolve();
      };
      this.#waiters.add(look);
    });
  }
}

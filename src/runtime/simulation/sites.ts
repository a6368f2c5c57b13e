/**
 * The places at which something can go wrong in a simulation, by name: whether each is on in this run, whether it strikes
 * here and now, and how often it has.
 *
 * Invariants:
 * 1. A place is off for a whole run or on at one rate: with all of them on a little, no run would see one alone.
 * 2. From `endsAtMs` on nothing strikes any more, so that whoever has not come to an end then never will.
 */
import type { Oracle } from './oracle.js';

export const FAULTS = [
  // A service
  'store.503',
  'store.503-retry-after',
  'store.429',
  'store.storm',
  'store.reset-before',
  'store.reset-after',
  'store.reset-within',
  'store.stale-connection',
  'store.stall',
  'store.slow',
  'store.short-body',
  'store.corrupt',
  'store.wrong-range',
  'store.drip',
  'store.version-change',
  'store.token-expired',
  'store.clock-skew',
  'list.page-repeated',
  'list.page-skipped',
  'write.lost',
  'write.lost-applied',
  // A port
  'port.delay',
  'port.credit-late',
  'port.full',
  'port.close',
  'reply.late',
  'reply.lost',
  // A thread
  'worker.crash',
  'worker.crash-loop',
  // A crash whose cause is a heap that is full.
  'worker.heap',
  'worker.stall',
  'worker.zombie',
  'worker.slow-start',
  'worker.poison',
  // A task
  'task.cancel',
  'task.cancel-at-await',
  'task.cancel-at-delivery',
  'task.cancel-twice',
  'task.cancel-after-end',
  'task.deadline-now',
  'task.drain',
  'task.finish',
  'task.slow-transform',
  'task.plan-fails',
  'runtime.drain',
  'runtime.cancel',
  'runtime.close',
  // A machine
  'clock.leap',
  'machine.late-loop',
  'machine.busy',
] as const;
export type FaultName = (typeof FAULTS)[number];

const ON_SHARE = 0.15;
const RATES = [0.02, 0.1, 0.3] as const;

export interface SitesOptions {
  readonly oracle: Oracle;
  readonly now: () => number;
  /** Virtual time from which on nothing strikes. @default Infinity */
  readonly endsAtMs?: number;
  /** Places that can be on. @default all */
  readonly allowed?: (name: FaultName) => boolean;
}

export class FaultSites {
  /** How often each has struck. */
  readonly counts = new Map<FaultName, number>();
  readonly #options: SitesOptions;
  readonly #rates = new Map<FaultName, number>();
  #over = false;

  constructor(options: SitesOptions) {
    this.#options = options;
  }

  /** Whether it strikes here and now; counted if it does. */
  strikes(name: FaultName): boolean {
    const rate = this.#rateOf(name);
    if (rate === 0 || this.over || !this.#options.oracle.chance(rate, name)) return false;
    this.struck(name);
    return true;
  }

  /** Counts one that was brought about by somebody else. */
  struck(name: FaultName): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  get over(): boolean {
    return this.#over || this.#options.now() >= (this.#options.endsAtMs ?? Infinity);
  }

  /** Nothing strikes from now on. */
  end(): void {
    this.#over = true;
  }

  #rateOf(name: FaultName): number {
    const known = this.#rates.get(name);
    if (known !== undefined) return known;
    const { oracle, allowed = () => true } = this.#options;
    const on = allowed(name) && oracle.chance(ON_SHARE, `${name} is on`);
    const rate = on ? oracle.of(RATES, `rate of ${name}`) : 0;
    this.#rates.set(name, rate);
    return rate;
  }
}

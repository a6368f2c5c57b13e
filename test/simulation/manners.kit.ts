/**
 * What the requests that a service sees tell of the workers: how often they try, how long they wait in between, how many
 * they have under way, and whether they keep to the limits that they were given.
 *
 * It looks at requests alone, and at the words and figures that a worker shows to everybody.
 */
import { generationOf, isClosed } from '../../dist/protocol/origin-words.js';
import { StopState } from '../../dist/protocol/stop.js';
import { Outcome } from '../../dist/protocol/store.js';
import type { SimOrigin, SimQuestion, SimRead } from '../../dist/runtime/simulation/origin.js';
import { SIM_STORE } from '../../dist/testing/simulated-runtime.js';
import { LOSSES } from './pardon.kit.js';
import type { Draw } from './scenario.kit.js';
import type { World } from './world.kit.js';

export interface MannersOptions {
  /** Attempts that each request of a stream has, at the most. */
  readonly maxAttempts: (slot: number, epoch: number) => number;
  /** Whether everybody waits while the service tells all requests to slow down. */
  readonly patient: boolean;
}

/** The shortest wait before what failed is tried again. */
const LEAST_RETRY_MS = 50;
/** The longest that a service may ask for. */
const MOST_RETRY_MS = 60_000;
/** Three quarters of the first interval between probes. */
const LEAST_PROBE_MS = 375;
/** A place that was taken before the service was closed may be used so long after that. */
const CLOSING_MS = 1000;
const MOST_WRONG = 5;
/** A read that is not wanted any more is over so long after that, and a few answers of the service. */
const STOPPED_MS = 300;
/** What may go at once under a cap, and the share of a second that it is. */
const BURST_SHARE = 0.25;

/** What the question for a checksum may fail with, or its answer. */
const NOT_VERIFIED = [
  'store.corrupt',
  'store.clock-skew',
  'store.token-expired',
  'store.503',
  'store.429',
  'store.storm',
  // Of any question.
  'write.lost',
];

/** What counts as an attempt that has failed. */
const COUNTED: ReadonlySet<Outcome> = new Set<Outcome>([Outcome.Transient, Outcome.Interrupted]);
/** What is tried again without being counted. */
const FREE: ReadonlySet<Outcome> = new Set<Outcome>([
  Outcome.Throttled,
  Outcome.StaleConnection,
  Outcome.StaleCredentials,
  Outcome.ClockSkew,
]);

/** The attempts at one job, one after the other. */
interface Chain {
  latest: SimRead;
  failures: number;
}

/** Looks after each step; what is wrong goes into `wrong`. */
export function watchManners(world: World, draw: Draw, options: MannersOptions, wrong: string[]): void {
  const manners = new Manners(world, draw, options);
  world.sim.afterEachStep(() => {
    for (const line of manners.look()) if (wrong.length < MOST_WRONG) wrong.push(line);
  });
}

class Manners {
  readonly #world: World;
  readonly #draw: Draw;
  readonly #options: MannersOptions;
  readonly #chains = new Map<string, Chain>();
  readonly #tokens = new Map<object, number>();
  readonly #served = new Set<string>();
  readonly #throttled = new Set<string>();
  /** Reads of what has come by another one, and when they have to be over at the latest. */
  #losers: { readonly read: SimRead; readonly winner: SimRead; readonly dueAtMs: number }[] = [];
  #underWay: SimRead[] = [];
  #seen = 0;
  #movedBytes = 0;
  #closedAtMs = Infinity;
  #probedAtMs = -Infinity;
  #wrong: string[] = [];

  constructor(world: World, draw: Draw, options: MannersOptions) {
    this.#world = world;
    this.#draw = draw;
    this.#options = options;
  }

  look(): readonly string[] {
    this.#wrong = [];
    const { reads } = this.#world.origin;
    this.#lookAtOrigin();
    this.#lookAtEnded();
    this.#lookAtLosers();
    for (; this.#seen < reads.length; this.#seen += 1) {
      const read = reads[this.#seen]!;
      this.#underWay.push(read);
      this.#lookAtBegun(read);
    }
    return this.#wrong;
  }

  get #generation(): number {
    return generationOf(this.#world.words, SIM_STORE);
  }

  #lookAtOrigin(): void {
    const closed = isClosed(this.#generation);
    if (!closed) this.#closedAtMs = Infinity;
    else if (this.#closedAtMs === Infinity) {
      this.#closedAtMs = this.#world.sim.now;
      this.#probedAtMs = -Infinity;
      this.#draw.sometimes('the service was left alone');
    }
    this.#draw.sometimes('the service was used again', !closed && this.#generation > 1);
  }

  #lookAtEnded(): void {
    const ended = this.#underWay.filter(({ outcome }) => outcome !== null);
    if (ended.length === 0) return;
    this.#underWay = this.#underWay.filter(({ outcome }) => outcome === null);
    for (const read of ended) {
      if (read.outcome === Outcome.Complete) {
        this.#served.add(read.worker);
        this.#movedBytes += read.landed;
        this.#lookForLosers(read);
      }
      if (read.outcome === Outcome.Throttled) this.#lookAtThrottled(read);
    }
    this.#lookAtBandwidth();
  }

  /** The first "slow down" that a worker hears takes some of its window away. */
  #lookAtThrottled({ worker: name }: SimRead): void {
    const { concurrency = 2 } = this.#world.options;
    if (this.#throttled.has(name) || this.#generation !== 0 || concurrency < 2) return;
    this.#throttled.add(name);
    const origin = this.#originOf(name);
    if (origin !== null && origin.limit >= concurrency)
      this.#wrong.push(`${name} was told to slow down, and still has ${origin.limit} places`);
  }

  #lookAtBandwidth(): void {
    const rate = this.#world.options.admission?.maxBandwidth ?? null;
    if (rate === null) return;
    const most = (rate * this.#world.sim.now) / 1000 + rate * BURST_SHARE + this.#world.largestBytes;
    if (this.#movedBytes > most)
      this.#wrong.push(
        `${this.#movedBytes} bytes came within ${this.#world.sim.now} ms, at ${rate} a second`,
      );
  }

  #lookAtBegun(read: SimRead): void {
    const { concurrency = 2 } = this.#world.options;
    const beside = this.#underWay.filter(({ worker }) => worker === read.worker).length;
    if (beside > concurrency) this.#wrong.push(`${read.worker} has ${beside} reads under way`);
    // What one that was given up still reads is read anew, and cannot be taken back.
    const same = this.#underWay.filter(
      (other) => isSame(other, read) && !this.#world.isGivenUp(other.worker),
    );
    if (same.length > 2 && !this.#isRepeated && !this.#disturbed && !this.#isSlowToCancel)
      this.#wrong.push(`${read.key} is read ${same.length} times over`);
    this.#lookAtWindow(read);
    this.#lookAtProbe(read);
    this.#lookAtAttempt(read);
  }

  /** Whether a listing told of a key more than once, which is read as often then, each time for its own sake. */
  get #isRepeated(): boolean {
    return this.#draw.struck('list.page-repeated') > 0;
  }

  /** Whether a read that was taken back may still be under way while its object, in another size by then, is read anew. */
  get #isSlowToCancel(): boolean {
    return this.#world.options.origin?.slowCancel === true;
  }

  /** Whether threads may have been lost with their reads, or messages be late. */
  get #disturbed(): boolean {
    return this.#draw.struck(...LOSSES, 'port.delay', 'port.credit-late', 'task.slow-transform') > 0;
  }

  #lookForLosers(winner: SimRead): void {
    if (this.#isSlowToCancel || this.#isRepeated || this.#world.isGivenUp(winner.worker)) return;
    const dueAtMs = winner.endedAtMs + this.#stoppedMs;
    for (const read of this.#underWay) if (isSame(read, winner)) this.#losers.push({ read, winner, dueAtMs });
  }

  #lookAtLosers(): void {
    if (this.#losers.length === 0) return;
    const { now } = this.#world.sim;
    const late = this.#losers.filter(({ read, dueAtMs }) => read.outcome === null && dueAtMs < now);
    this.#losers = this.#losers.filter(({ read, dueAtMs }) => read.outcome === null && dueAtMs >= now);
    for (const { read, winner } of this.#disturbed || this.#isDoubtful ? [] : late) {
      // Some orders of events let time pass whose messages wait: it counts from when those are there.
      if (this.#isUnheard(read, winner)) this.#losers.push({ read, winner, dueAtMs: now + this.#stoppedMs });
      else this.#wrong.push(`${read.key} is read on, though it came by another read`);
    }
  }

  /**
   * Whether what came may have been of no use: its bytes were wrong, or nobody could be asked for their checksum, nor is
   * anybody once a stop has come.
   */
  get #isDoubtful(): boolean {
    const asks = this.#world.loads.some(({ options }) => options.verify !== 'never');
    return asks && (this.#world.stops.length > 0 || this.#draw.struck(...NOT_VERIFIED) > 0);
  }

  get #stoppedMs(): number {
    const { latencyMs = [1, 20] } = this.#world.options.origin ?? {};
    return STOPPED_MS + 3 * latencyMs[1];
  }

  /** Whether somebody has still to hear that the one has come, or that the other is not wanted any more. */
  #isUnheard({ worker: loser }: SimRead, { worker }: SimRead): boolean {
    const begins = [`${worker} completions`, `${worker} results -> supervisor`, 'soon -> supervisor'];
    const own = [`${loser} control -> ${loser}`, `${loser} completions`];
    return this.#world.sim
      .waiting()
      .some((line) => [...begins, ...own].some((begin) => line.startsWith(begin)));
  }

  #originOf(name: string): { readonly limit: number; readonly inFlight: number } | null {
    const worker = this.#world.sim.workers.find((each) => each.name === name);
    return worker?.stats?.origins[0] ?? null;
  }

  /** Before anything was served a place may be taken long before it is used: its store is being opened. */
  #lookAtWindow({ worker: name }: SimRead): void {
    if (!this.#served.has(name) || isClosed(this.#generation)) return;
    const origin = this.#originOf(name);
    if (origin === null) return;
    const { limit, inFlight } = origin;
    if (inFlight > limit) this.#wrong.push(`${name} has ${inFlight} requests under way in ${limit} places`);
    if (inFlight < 1) this.#wrong.push(`${name} has ${inFlight} requests under way, and begins one more`);
  }

  #lookAtProbe({ beganAtMs, key }: SimRead): void {
    if (!this.#options.patient || this.#draw.struck('clock.leap', 'worker.') > 0) return;
    if (beganAtMs - this.#closedAtMs < CLOSING_MS || this.#closedAtMs === Infinity) return;
    const { startMs = 20 } = this.#world.options.simulation ?? {};
    const sinceMs = beganAtMs - this.#probedAtMs;
    this.#probedAtMs = beganAtMs;
    if (sinceMs < LEAST_PROBE_MS - startMs)
      this.#wrong.push(`${key} was asked for ${sinceMs} ms after a probe, of a service that is closed`);
  }

  #lookAtAttempt(read: SimRead): void {
    const place = `${read.worker} ${read.key} ${read.offset + read.length} ${this.#numberOf(read.stop)}`;
    const chain = this.#chains.get(place);
    if (chain === undefined) return void this.#chains.set(place, { latest: read, failures: 0 });
    const { latest } = chain;
    chain.latest = read;
    const outcome = latest.outcome!;
    // It goes on where the bytes end that have landed; else it is another job, which has the memory of the one before.
    const landed = outcome === Outcome.Interrupted ? latest.landed : 0;
    const goesOn = landed < latest.length && read.start === latest.start + landed;
    if (!goesOn || !(COUNTED.has(outcome) || FREE.has(outcome))) chain.failures = 0;
    if (!goesOn) return;
    // A second attempt at a slow read is a job of its own, and may land where the first did before.
    if (this.#world.supervisor.stats.hedged > 0) return;
    if (COUNTED.has(outcome)) chain.failures += 1;
    if (chain.failures >= this.#maxAttemptsOf(read.stop))
      this.#wrong.push(`${read.key} was tried again after ${chain.failures} attempts`);
    const waited = COUNTED.has(outcome) || (outcome === Outcome.Throttled && this.#generation === 0);
    const leastMs = Math.max(LEAST_RETRY_MS, Math.min(latest.retryAfterMs, MOST_RETRY_MS));
    const tookMs = read.beganAtMs - latest.endedAtMs;
    // Times are sums of fractions.
    if (waited && tookMs < leastMs - 0.001)
      this.#wrong.push(`${read.key} was tried again after ${tookMs} ms, and not after ${leastMs}`);
  }

  #maxAttemptsOf(stop: object): number {
    const { slot, epoch } = tokenOf(stop);
    return this.#options.maxAttempts(slot, epoch);
  }

  /** Whose reads they are: a worker's token of one stream. */
  #numberOf(stop: object): number {
    const { token = stop } = stop as { readonly token?: object };
    const known = this.#tokens.get(token);
    if (known !== undefined) return known;
    this.#tokens.set(token, this.#tokens.size);
    return this.#tokens.size - 1;
  }
}

/** Whether they are for the same bytes of one stream. */
export function isSame(a: SimRead, b: SimRead): boolean {
  return (
    a.key === b.key && a.start === b.start && a.length === b.length && streamOf(a.stop) === streamOf(b.stop)
  );
}

/** A stream has one slot and epoch in all workers. */
function streamOf(stop: object): string {
  const { slot, epoch } = tokenOf(stop);
  return `${slot}/${epoch}`;
}

/** A worker's token of a stream; that of a single job knows its own. */
function tokenOf(stop: object): { readonly slot: number; readonly epoch: number } {
  const { token = stop } = stop as { readonly token?: object };
  return token as { readonly slot: number; readonly epoch: number };
}

/** Requests of any kind that began although the token that they were given had turned, in words. */
export function lateRequests({ origin }: World): string[] {
  const asked = [
    ...origin.reads.map(({ key, stateAtStart }) => ({ what: key, stateAtStart })),
    ...origin.writes.map(({ kind, key, stateAtStart }) => ({ what: `${kind} ${key}`, stateAtStart })),
    ...origin.questions
      .filter((question) => !endsWrite(origin, question))
      .map(({ key, stateAtStart }) => ({
        what: key === null ? 'list' : `head ${key}`,
        stateAtStart,
      })),
  ];
  return asked
    .filter(({ stateAtStart }) => stateAtStart !== StopState.Live)
    .map(({ what }) => `a request (${what}) began after the token had turned`);
}

/** A drain lets what was begun come to its end: whether a `complete` whose answer was lost went through is looked up by a head. */
function endsWrite({ writes }: SimOrigin, { key, stateAtStart }: SimQuestion): boolean {
  return (
    stateAtStart === StopState.Draining &&
    writes.some((write) => write.kind === 'complete' && write.key === key)
  );
}

/** What is wrong with workers that have nothing to do, in words. */
export function idleFaults(world: World): string[] {
  const wrong: string[] = [];
  for (const { name, stats, abandoned } of world.sim.workers) {
    // One that was given up goes on with what nobody waits for.
    if (abandoned) continue;
    for (const { inFlight, limit } of stats?.origins ?? []) {
      if (inFlight !== 0) wrong.push(`${name} has nothing to do, and ${inFlight} requests under way`);
      if (limit < 1 || limit > (world.options.concurrency ?? 2)) wrong.push(`${name} has ${limit} places`);
    }
  }
  return wrong;
}

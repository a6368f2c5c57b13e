/**
 * A deterministic runtime for the actors: one thread, virtual time, and one oracle for everything that is left open.
 *
 * The very same actor files that run on threads run here. Between two steps every promise that can go on has gone on,
 * so a test that acts just before each step of a scenario has acted at every moment at which the world can change.
 *
 * Invariants:
 * 1. Same tape, same inputs: same trace.
 * 2. A scenario that cannot come to its end fails, and names what waits.
 * 3. While it runs, whoever asks the process for time, timers, dice or the network is told so.
 */
import type {
  LoadReading,
  SupervisorContext,
  TransformFunction,
  WorkerContext,
} from '../../protocol/context.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { StoreSpec, TransformSpec } from '../../protocol/messages.js';
import type { Store } from '../../protocol/store.js';
import type { TokenClock } from '../../protocol/token.js';
import type { Mortal } from './channel.js';
import { banGlobals } from './guard.js';
import { Oracle } from './oracle.js';
import { createPolicy, type Policy } from './policies.js';
import { Scheduler } from './scheduler.js';
import { FaultSites } from './sites.js';
import { SimWorker, type SimChannelName, type SimWorld, type WorkerSetup } from './worker.js';

export interface SimulationOptions {
  readonly seed: number;
  /** Decides what is left open. @default draws it from the seed */
  readonly oracle?: Oracle;
  /** In which order things happen. @default `uniform` */
  readonly policy?: Policy;
  /** What goes wrong with threads and ports. @default nothing */
  readonly sites?: FaultSites;
  readonly runWorker: (context: WorkerContext) => Promise<void>;
  /** Opens a store for one worker; called once per worker and store. What it throws rejects `openStore`. */
  readonly stores: (spec: StoreSpec, world: SimWorld) => Store;
  /** @default none: `loadTransform` rejects */
  readonly transforms?: (spec: TransformSpec, worker: SimWorker) => TransformFunction;
  /** The arena, or where to find it once a worker starts. */
  readonly arena: SharedArrayBuffer | (() => SharedArrayBuffer);
  readonly words: Int32Array;
  /** Jobs that one worker runs at the same time. */
  readonly concurrency: number;
  /** What a refresh of a store's credentials gives. @default it is refused as Unauthenticated */
  readonly refreshStore?: (id: number, staleVersion: number) => StoreSpec;
  /** How busy the threads are, each time that somebody looks. @default they cost nothing and are never late */
  readonly load?: () => LoadReading;
  /** Messages that a port holds, by direction. @default 4 and 8 */
  readonly jobsCapacity?: number;
  readonly resultsCapacity?: number;
  /** Longest time until a thread (or a store, or a transform) is up. @default 20 */
  readonly startMs?: number;
  /** Longest time from a thread's death until its exit is seen. @default 100 */
  readonly exitMs?: number;
  /** Called for each incarnation before it starts: a place to make it crash or hang again and again. */
  readonly onSpawn?: (worker: SimWorker) => void;
}

export interface Simulation {
  /** The supervisor's world. */
  readonly context: SupervisorContext;
  /** Virtual time for tokens. */
  readonly clock: TokenClock;
  readonly now: number;
  /** Steps taken so far. */
  readonly steps: number;
  /** One line per step: `step @time what`. */
  readonly trace: readonly string[];
  /** Two runs with the same one went the same way. */
  readonly hash: number;
  /** Every incarnation that was ever started, in order. */
  readonly workers: readonly SimWorker[];
  /** The latest incarnation of a worker. */
  worker(index: number): SimWorker;
  /**
   * Steps until `until` is true. Rejects with `Internal` when nothing can happen any more, or after `maxSteps` more
   * steps; with what a callback of the supervisor threw.
   */
  run(until: () => boolean, maxSteps: number): Promise<void>;
  /** Calls `fn` just before step `step` (the first step is 0). Never called if the scenario ends before. */
  atStep(step: number, fn: () => void): void;
  /**
   * Calls `fn` while step `step` unfolds: after what happens at once and so many turns of the microtask queue. What
   * another thread writes into shared memory can come between any two of them.
   */
  atAwait(step: number, awaits: number, fn: () => void): void;
  /** Calls `fn` after every step; what it throws ends `run`. Returns the function that takes it back. */
  afterEachStep(fn: () => void): () => void;
  /** The thread dies. What it had sent arrives or is found by `takePending`; its reads write until its exit is seen. */
  crashWorker(index: number, cause?: Error): void;
  /** The thread blocks: no heartbeat, no delivery, until `resumeWorker`. */
  hangWorker(index: number): void;
  resumeWorker(index: number): void;
  /** What either side posts from now on is lost. */
  closeChannel(index: number, channel: SimChannelName): void;
  /** Time passes in which nobody turns, as in a machine that was asleep. */
  leap(ms: number): void;
  /** What waits, for messages. */
  waiting(): string[];
}

/** Lines of the trace that an error shows. */
const SHOWN_LINES = 25;
const REFRESH_MS = 30;
const LATE_REFRESH_MS = 20_000;

interface MidHook {
  readonly awaits: number;
  readonly fn: () => void;
}

export function createSimulation(options: SimulationOptions): Simulation {
  return new World(options);
}

class World implements Simulation {
  readonly context: SupervisorContext;
  readonly clock: TokenClock;
  readonly workers: SimWorker[] = [];
  readonly #scheduler: Scheduler;
  readonly #setup: WorkerSetup;
  readonly #options: SimulationOptions;
  readonly #hooks = new Map<number, (() => void)[]>();
  readonly #midHooks = new Map<number, MidHook[]>();
  readonly #watchers = new Set<() => void>();
  readonly #oracle: Oracle;

  constructor(options: SimulationOptions) {
    this.#options = options;
    const { seed, oracle = new Oracle({ seed }) } = options;
    const { policy = createPolicy('uniform', oracle.dice) } = options;
    this.#oracle = oracle;
    const scheduler = new Scheduler(oracle, policy);
    this.#scheduler = scheduler;
    scheduler.onAdvance = () => {
      for (const worker of this.workers) worker.beat();
    };
    const supervisor: Mortal = { name: 'supervisor', turning: true, dead: false, thrown: rethrow };
    const { arena } = options;
    this.#setup = {
      scheduler,
      oracle,
      sites: options.sites ?? new FaultSites({ oracle, now: () => scheduler.now, allowed: () => false }),
      supervisor,
      service: { name: 'service', turning: true, thrown: rethrow },
      runWorker: options.runWorker,
      stores: options.stores,
      transforms: options.transforms ?? noTransform,
      arena: typeof arena === 'function' ? arena : () => arena,
      words: options.words,
      concurrency: options.concurrency,
      jobsCapacity: options.jobsCapacity ?? 4,
      resultsCapacity: options.resultsCapacity ?? 8,
      startMs: options.startMs ?? 20,
      exitMs: options.exitMs ?? 100,
    };
    this.clock = {
      now: () => scheduler.now,
      after: (ms, fn) => scheduler.after(supervisor, 'token deadline', ms, fn),
    };
    this.context = this.#createContext(supervisor);
  }

  get now(): number {
    return this.#scheduler.now;
  }
  get steps(): number {
    return this.#scheduler.steps;
  }
  get trace(): readonly string[] {
    return this.#scheduler.trace;
  }
  get hash(): number {
    return this.#scheduler.hash;
  }

  worker(index: number): SimWorker {
    const latest = this.workers.findLast((worker) => worker.index === index);
    if (latest !== undefined) return latest;
    throw new MillraceError(ErrorCode.InvalidArgument, `worker ${index} was never started`);
  }

  run(until: () => boolean, maxSteps: number): Promise<void> {
    const scheduler = this.#scheduler;
    const end = scheduler.steps + maxSteps;
    const unban = banGlobals();
    // Wait ends: with the run, which is bounded in steps.
    return new Promise<void>((resolve, reject) => {
      const fail = (error: unknown): void =>
        reject(error instanceof Error ? error : new Error(String(error)));
      let stepped = false;
      // Called when every promise that can go on has gone on.
      const turn = (): void => {
        try {
          if (stepped) for (const watch of this.#watchers) watch();
          stepped = false;
          if (this.#runHooks()) return afterAll(turn);
          if (until()) return resolve();
          if (scheduler.steps >= end) throw this.#stuck(`not over after ${maxSteps} steps`);
          if (!scheduler.step()) throw this.#stuck('nothing can happen any more');
          stepped = true;
          const hooks = this.#midHooks.get(scheduler.steps - 1);
          if (hooks === undefined) return afterAll(turn);
          runMidHooks(hooks).then(() => afterAll(turn), fail);
        } catch (thrown) {
          fail(thrown);
        }
      };
      afterAll(turn);
    }).finally(unban);
  }

  atStep(step: number, fn: () => void): void {
    const hooks = this.#hooks.get(step);
    if (hooks === undefined) this.#hooks.set(step, [fn]);
    else hooks.push(fn);
  }

  atAwait(step: number, awaits: number, fn: () => void): void {
    const hooks = [...(this.#midHooks.get(step) ?? []), { awaits, fn }];
    this.#midHooks.set(
      step,
      hooks.sort((a, b) => a.awaits - b.awaits),
    );
  }

  afterEachStep(fn: () => void): () => void {
    this.#watchers.add(fn);
    return () => this.#watchers.delete(fn);
  }

  crashWorker(index: number, cause = new Error('a simulated crash')): void {
    this.worker(index).crash(cause);
  }

  hangWorker(index: number): void {
    this.worker(index).hang();
  }

  resumeWorker(index: number): void {
    this.worker(index).resume();
  }

  closeChannel(index: number, channel: SimChannelName): void {
    this.worker(index).closeChannel(channel);
  }

  leap(ms: number): void {
    this.#scheduler.leap(ms);
  }

  waiting(): string[] {
    const workers = this.workers
      .filter((worker) => worker.state !== 'exited')
      .map((worker) => `${worker.name} is ${worker.state}`);
    return [...workers, ...this.#scheduler.pending()];
  }

  /** Whether there were any. */
  #runHooks(): boolean {
    const { steps } = this.#scheduler;
    const hooks = this.#hooks.get(steps);
    if (hooks === undefined) return false;
    this.#hooks.delete(steps);
    for (const hook of hooks) hook();
    return true;
  }

  #createContext(supervisor: Mortal): SupervisorContext {
    const scheduler = this.#scheduler;
    const oracle = this.#oracle;
    const { sites } = this.#setup;
    const soon = scheduler.queue('soon -> supervisor', supervisor);
    soon.deliver = (fn) => (fn as () => void)();
    const refuse = (id: number): never => {
      throw new MillraceError(ErrorCode.Unauthenticated, `no fresher credentials for store ${id}`);
    };
    const refresh = this.#options.refreshStore ?? refuse;
    return {
      now: () => scheduler.now,
      random: () => oracle.fraction('dice of the supervisor'),
      spawn: (index, incarnation) => {
        const worker = new SimWorker(this.#setup, index, incarnation);
        this.workers.push(worker);
        this.#options.onSpawn?.(worker);
        return worker.link;
      },
      after: (ms, fn) => scheduler.after(supervisor, 'supervisor timer', ms, fn),
      soon: (fn) => soon.push('callback', fn),
      watchLoad: () => ({ read: this.#options.load ?? noLoad, stop: () => {} }),
      refreshStore: (id, staleVersion) =>
        new Promise((resolve, reject) => {
          if (sites.strikes('reply.lost')) return;
          const late = sites.strikes('reply.late') ? LATE_REFRESH_MS : 0;
          const delayMs = late + oracle.between(1, REFRESH_MS, 'fresh credentials');
          scheduler.after(supervisor, `refresh of store ${id}`, delayMs, () => {
            try {
              resolve(refresh(id, staleVersion));
            } catch (error) {
              reject(error instanceof Error ? error : new Error(String(error)));
            }
          });
        }),
    };
  }

  #stuck(what: string): MillraceError {
    const { seed } = this.#options;
    const waiting = this.waiting().map((line) => `  ${line}`);
    const latest = this.trace.slice(-SHOWN_LINES).map((line) => `  ${line}`);
    return new MillraceError(
      ErrorCode.Internal,
      [
        `simulation with seed ${seed}: ${what} (step ${this.steps}, time ${this.now})`,
        waiting.length > 0 ? 'what waits:' : 'nothing waits',
        ...waiting,
        'latest steps:',
        ...latest,
      ].join('\n'),
    );
  }
}

const RESOLVED = Promise.resolve();

/**
 * Calls `fn` when every promise that can go on has gone on. A tick that a microtask asks for comes when the queue of
 * microtasks is empty; one that a tick asks for would come before them. Unlike an immediate it costs no system call, and
 * lets nothing else of the process in between.
 */
function afterAll(fn: () => void): void {
  void RESOLVED.then(() => process.nextTick(fn));
}

async function runMidHooks(hooks: readonly MidHook[]): Promise<void> {
  let turns = 0;
  for (const { awaits, fn } of hooks) {
    for (; turns < awaits; turns += 1) await Promise.resolve();
    fn();
  }
}

function noLoad(): LoadReading {
  return { busyMs: 0, eventLoopDelayMs: 0 };
}

function noTransform(spec: TransformSpec): never {
  throw new MillraceError(ErrorCode.ModuleUnavailable, `the simulation has no transform ${spec.url}`);
}

function rethrow(error: unknown): never {
  throw error;
}

/**
 * The real supervisor and the real workers in the simulation, with as many loads as a test wants.
 *
 * What it keeps true for every test that uses it: each item that a consumer is handed is looked at byte by byte, when
 * it comes and again just before its batch is released; and the end of a world is checked for whatever is left.
 */
import type { AdmissionLimits } from '../../dist/actors/supervisor/admission.js';
import type { RuntimeRecord } from '../../dist/actors/supervisor/types.js';
import type { TransformFunction } from '../../dist/protocol/context.js';
import type { WriteLimits } from '../../dist/protocol/writes.js';
import type { CancellationToken } from '../../dist/protocol/token.js';
import { pageAlign, type Extent } from '../../dist/protocol/arena.js';
import { fillRetryBudget, RETRY_CAPACITY } from '../../dist/protocol/words.js';
import type { SimOriginOptions, SimRead } from '../../dist/runtime/simulation/origin.js';
import type { FaultSites } from '../../dist/runtime/simulation/sites.js';
import type { SimulationOptions } from '../../dist/runtime/simulation/simulation.js';
import { MAX_STEPS } from './scenario.kit.js';
import type { SimWorker } from '../../dist/runtime/simulation/worker.js';
import { SimulatedRuntime } from '../../dist/testing/simulated-runtime.js';
import { CountedToken } from '../kit/counted-token.js';
import { patternObjects } from './kit.js';
import { Load, PAGE, type LoadOptions } from './load.kit.js';

/** Before a worker is started again that keeps dying. */
const LEAST_PAUSE_MS = 50;

export interface WorldOptions {
  readonly seed: number;
  readonly sizes: Readonly<Record<string, number>>;
  readonly arenaBytes?: number;
  readonly workers?: number;
  readonly concurrency?: number;
  readonly transform?: TransformFunction;
  readonly origin?: Omit<SimOriginOptions, 'objects'>;
  /** What the store takes of writes. @default it is read-only */
  readonly writes?: WriteLimits | null;
  readonly simulation?: Partial<SimulationOptions>;
  readonly admission?: AdmissionLimits;
  /** After which a run is not over. @default 30000 */
  readonly maxSteps?: number;
  /** What retries may cost. @default that of a runtime */
  readonly retryBudget?: number;
  /** The key of an object whose transform ends the thread that runs it. */
  readonly poison?: string | null;
  /** How long transforms take, each time, whatever they are told meanwhile. */
  readonly transformMs?: number;
  /** What is drawn to go wrong with tasks. */
  readonly sites?: FaultSites;
}

export interface Stop {
  readonly token: CancellationToken | null;
  readonly atMs: number;
  readonly graceMs: number;
}

/**
 * Notes what is handed out twice at the same time, what is more than the budget, and what is written into memory by a read
 * that began before that was handed out.
 */
function watchArena({ arena, faults, origin, sim }: World): void {
  const allocate = arena.allocate.bind(arena);
  const latest = new WeakMap<SimRead, number>();
  let live: Extent[] = [];
  let generation = 0;
  let seen = 0;
  sim.afterEachStep(() => {
    for (; seen < origin.reads.length; seen += 1) latest.set(origin.reads[seen]!, generation);
  });
  origin.onLanding = ({ read, worker, key, offset, length }) => {
    const known = latest.get(read) ?? generation;
    for (const extent of live) {
      const within = extent.offset < offset + length && offset < extent.offset + extent.length;
      if (within && extent.generation > known && arena.isLive(extent))
        faults.push(`${worker} writes ${key} into memory that was given to somebody else`);
    }
  };
  arena.allocate = (bytes) => {
    const extent = allocate(bytes);
    if (extent === null) return null;
    live = live.filter((each) => arena.isLive(each));
    const end = extent.offset + extent.length;
    if (live.some(({ offset, length }) => offset < end && extent.offset < offset + length))
      faults.push(`bytes ${extent.offset} to ${end} were handed out twice`);
    const { usedBytes, chargedBytes, budgetBytes } = arena.stats();
    if (usedBytes + chargedBytes > budgetBytes)
      faults.push(`${usedBytes} bytes and ${chargedBytes} beside them are in use, of ${budgetBytes}`);
    live.push(extent);
    ({ generation } = extent);
    return extent;
  };
}

export class World {
  readonly options: WorldOptions;
  readonly retryBudget: number;
  readonly poison: string | null;
  /** Bytes of objects that took the place of others, by version. */
  readonly replacedBytes = new Map<string, number>();
  /** Of the largest object that there was at the begin. */
  readonly largestBytes: number;
  readonly origin;
  readonly arena;
  readonly words: Int32Array;
  readonly sim;
  readonly token;
  readonly supervisor;
  readonly loads: Load[] = [];
  /** Tokens for callers. */
  readonly tokens: readonly CountedToken[];
  /** Names of the workers that were made to die: what they held is gone with them. */
  readonly crashed = new Set<string>();
  /** Who was told to stop and when, and how long it was given; a token of null is everybody's. */
  readonly stops: Stop[] = [];
  /** What was wrong with memory that was handed out, and with threads that were started, in words. */
  readonly faults: string[] = [];
  /** Most workers that were fenced at the same time. */
  fenced = 0;
  /** How far time has leaped. */
  leapedMs = 0;
  closed: RuntimeRecord | null = null;
  readonly #spawns: { readonly atMs: number; readonly loops: boolean }[] = [];

  constructor(options: WorldOptions) {
    this.options = options;
    const { seed, sizes, workers = 2, concurrency = 2 } = options;
    this.retryBudget = options.retryBudget ?? RETRY_CAPACITY;
    this.poison = options.poison ?? null;
    const runtime = new SimulatedRuntime({
      seed,
      workers,
      concurrency,
      memoryBudget: options.arenaBytes ?? 64 * PAGE,
      origin: { ...options.origin, objects: patternObjects(sizes) },
      writes: options.writes ?? null,
      token: (sim) => new CountedToken({ clock: sim.clock }),
      supervisor: options.admission === undefined ? {} : { admission: options.admission },
      simulation: {
        ...options.simulation,
        ...(options.transform === undefined
          ? {}
          : { transforms: (_spec: unknown, worker: SimWorker) => this.#transformIn(worker) }),
        onSpawn: (worker) => {
          options.simulation?.onSpawn?.(worker);
          const loops = options.sites?.strikes('worker.crash-loop') === true;
          this.#lookAtSpawn(loops, workers);
          if (!loops) return;
          this.crashed.add(worker.name);
          worker.crash(new Error('a simulated crash at the start'));
        },
      },
    });
    this.largestBytes = Math.max(0, ...Object.values(this.options.sizes));
    this.origin = runtime.origin;
    this.arena = runtime.arena;
    this.words = runtime.words;
    this.sim = runtime.sim;
    watchArena(this);
    this.supervisor = runtime.supervisor;
    this.token = runtime.token as CountedToken;
    fillRetryBudget(this.words, this.retryBudget);
    this.tokens = [0, 1, 2].map(() => new CountedToken({ clock: this.sim.clock }));
    this.sim.afterEachStep(() => {
      if (this.arena.stats().quarantinedBytes > 0) this.fenced += 1;
    });
  }

  /** Reads and writes so far. */
  get requests(): number {
    return this.origin.reads.length + this.origin.writes.length;
  }

  /** Whether each object fits into the budget. */
  get fits(): boolean {
    return pageAlign(this.largestBytes) <= this.arena.budgetBytes;
  }

  /** Bytes of an object, in that version of it. */
  sizeOf(key: string, version: string | null): number {
    return this.replacedBytes.get(version ?? '') ?? this.options.sizes[key]!;
  }

  /** Whether bytes of the object were not its own when they came. */
  arrivedWrong(name: string): boolean {
    return this.origin.reads.some(({ key, corrupted }) => corrupted && key === name);
  }

  /** Whether that worker was given up: what it still does or reports counts for nobody. */
  isGivenUp(worker: string): boolean {
    return this.sim.workers.some(({ name, abandoned }) => name === worker && abandoned);
  }

  load(options: LoadOptions = {}): Load {
    const load = new Load(this, options);
    this.loads.push(load);
    return load;
  }

  run(until: () => boolean): Promise<void> {
    return this.sim.run(until, this.options.maxSteps ?? MAX_STEPS);
  }

  /** The latest incarnation of a worker dies; nothing happens if it has ended. */
  crash(index: number, cause?: Error): void {
    this.end(this.sim.worker(index), cause);
  }

  /** That thread dies, be it given up by now; nothing happens if it has ended. */
  end(worker: SimWorker, cause: Error = new Error('a simulated crash')): void {
    if (worker.state === 'dead' || worker.state === 'exited') return;
    this.crashed.add(worker.name);
    worker.crash(cause);
  }

  /** Steps until every load is over. */
  untilOver(): Promise<void> {
    return this.run(() => this.loads.every((load) => load.over));
  }

  /** Closes the runtime and steps until nothing of it can happen any more. */
  async close(): Promise<void> {
    void this.supervisor.close('close').then((record) => {
      this.closed = record;
    });
    await this.run(() => this.closed !== null);
    await this.run(() => this.sim.waiting().length === 0);
  }

  /** What is left of a world that was closed, in words; nothing, if all is well. */
  leftovers(): string[] {
    const { usedBytes, chargedBytes, quarantinedBytes, extents } = this.arena.stats();
    const left = [...this.sim.waiting(), ...this.faults];
    if ([usedBytes, chargedBytes, quarantinedBytes, extents].some((amount) => amount !== 0)) {
      left.push(`arena: ${usedBytes} used, ${chargedBytes} charged, ${quarantinedBytes} quarantined`);
    }
    if (this.arena.allocate(this.arena.budgetBytes) === null) left.push('arena: it is not whole');
    for (const token of [this.token, ...this.tokens]) {
      if (token.linked > 0) left.push(`${token.linked} listeners of a token of the service`);
    }
    for (const { stop, worker } of [...this.origin.reads, ...this.origin.writes]) {
      const { listeners } = stop as unknown as { readonly listeners: number };
      if (!this.crashed.has(worker) && listeners > 0)
        left.push(`${listeners} listeners of a token in ${worker}`);
    }
    if (this.supervisor.stats.streams > 0) left.push(`${this.supervisor.stats.streams} streams`);
    const { open } = this.origin;
    const dead = this.sim.workers.some(({ name }) => this.crashed.has(name));
    if (open > 0 && !dead) left.push(`${open} stores are open`);
    return left;
  }

  /** The only worker there is, dead on arrival twice in a row, is started again after a pause. */
  #lookAtSpawn(loops: boolean, workers: number): void {
    // The first ones are started before anything of this is there.
    const atMs = this.#spawns.length < workers ? 0 : this.sim.now;
    const [before, latest] = this.#spawns.slice(-2);
    // What one that was given up reports after all counts as a success.
    const alone = workers === 1 && this.fenced === 0;
    if (alone && before?.loops === true && latest?.loops === true && atMs - latest.atMs < LEAST_PAUSE_MS)
      this.faults.push(`a worker was started again ${atMs - latest.atMs} ms after its second death`);
    this.#spawns.push({ atMs, loops });
  }

  #transformIn(worker: SimWorker): TransformFunction {
    const { transform, transformMs = 0, sites } = this.options;
    return async (bytes, info) => {
      if (info.key === this.poison && sites?.over === false) {
        sites.struck('worker.poison');
        this.crashed.add(worker.name);
        worker.crash(new Error('poison'));
        // Nothing runs on a thread that is dead.
        await new Promise(() => {});
      }
      if (transformMs > 0 && sites?.strikes('task.slow-transform') === true) await worker.work(transformMs);
      return await transform!(bytes, info);
    };
  }
}

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
import { CancellationToken } from '../../dist/protocol/token.js';
import type { SimOriginOptions } from '../../dist/runtime/simulation/origin.js';
import type { FaultSites } from '../../dist/runtime/simulation/sites.js';
import type { SimulationOptions } from '../../dist/runtime/simulation/simulation.js';
import { SimulatedRuntime } from '../../dist/testing/simulated-runtime.js';
import { patternObjects } from './kit.js';
import { Load, PAGE, type LoadOptions } from './load.kit.js';

const MAX_STEPS = 30_000;

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
  /** What is drawn to go wrong with tasks. */
  readonly sites?: FaultSites;
}

/** Counts who listens, so that a listener left behind is seen. */
class WatchedToken extends CancellationToken {
  listeners = 0;

  override onChange(fn: Parameters<CancellationToken['onChange']>[0]): () => void {
    this.listeners += 1;
    const unlink = super.onChange(fn);
    let linked = true;
    return () => {
      if (linked) this.listeners -= 1;
      linked = false;
      unlink();
    };
  }
}

export class World {
  readonly options: WorldOptions;
  readonly origin;
  readonly arena;
  readonly words: Int32Array;
  readonly sim;
  readonly token;
  readonly supervisor;
  readonly loads: Load[] = [];
  /** Tokens for callers. */
  readonly tokens: readonly WatchedToken[];
  /** Names of the workers that were made to die: what they held is gone with them. */
  readonly crashed = new Set<string>();
  /** Tokens that were cancelled, and when. */
  readonly stops: { readonly token: CancellationToken; readonly atMs: number }[] = [];
  /** Most workers that were fenced at the same time. */
  fenced = 0;
  /** How far time has leaped. */
  leapedMs = 0;
  closed: RuntimeRecord | null = null;

  constructor(options: WorldOptions) {
    this.options = options;
    const { seed, sizes, workers = 2, concurrency = 2, transform } = options;
    const runtime = new SimulatedRuntime({
      seed,
      workers,
      concurrency,
      memoryBudget: options.arenaBytes ?? 64 * PAGE,
      origin: { ...options.origin, objects: patternObjects(sizes) },
      writes: options.writes ?? null,
      ...(transform === undefined ? {} : { transform }),
      token: (sim) => new WatchedToken({ clock: sim.clock }),
      supervisor: options.admission === undefined ? {} : { admission: options.admission },
      simulation: {
        ...options.simulation,
        onSpawn: (worker) => {
          options.simulation?.onSpawn?.(worker);
          if (options.sites?.strikes('worker.crash-loop') !== true) return;
          this.crashed.add(worker.name);
          worker.crash(new Error('a simulated crash at the start'));
        },
      },
    });
    this.origin = runtime.origin;
    this.arena = runtime.arena;
    this.words = runtime.words;
    this.sim = runtime.sim;
    this.supervisor = runtime.supervisor;
    this.token = runtime.token as WatchedToken;
    this.tokens = [0, 1, 2].map(() => new WatchedToken({ clock: this.sim.clock }));
    this.sim.afterEachStep(() => {
      if (this.arena.stats().quarantinedBytes > 0) this.fenced += 1;
    });
  }

  load(options: LoadOptions = {}): Load {
    const load = new Load(this, options);
    this.loads.push(load);
    return load;
  }

  run(until: () => boolean): Promise<void> {
    return this.sim.run(until, MAX_STEPS);
  }

  /** The latest incarnation of a worker dies; nothing happens if it has ended. */
  crash(index: number, cause: Error = new Error('a simulated crash')): void {
    const worker = this.sim.worker(index);
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
    const left: string[] = this.sim.waiting();
    if (usedBytes + chargedBytes + quarantinedBytes + extents > 0) {
      left.push(`arena: ${usedBytes} used, ${chargedBytes} charged, ${quarantinedBytes} quarantined`);
    }
    if (this.arena.allocate(this.arena.budgetBytes) === null) left.push('arena: it is not whole');
    for (const token of [this.token, ...this.tokens]) {
      if (token.listeners > 0) left.push(`${token.listeners} listeners of a token of the service`);
    }
    for (const { stop, worker } of [...this.origin.reads, ...this.origin.writes]) {
      const { listeners } = stop as unknown as { readonly listeners: number };
      if (!this.crashed.has(worker) && listeners > 0)
        left.push(`${listeners} listeners of a token in ${worker}`);
    }
    if (this.supervisor.stats.streams > 0) left.push(`${this.supervisor.stats.streams} streams`);
    return left;
  }
}

/**
 * A runtime in the deterministic simulation: the very supervisor, workers, ports and loaders, over a service of objects in
 * memory, in virtual time and in an order that a seed or a tape decides.
 *
 * Invariants:
 * 1. The same seed, options and calls give the same run, down to the last event.
 * 2. While `run` goes on the globals have no clock, timers or dice: code under test that asks for them is told so. What was
 *    imported from `node:timers`, `node:crypto` and the like, or taken from the globals before, cannot be caught.
 */
import { Supervisor } from '../actors/supervisor/supervisor.js';
import type { RuntimeRecord, StoreDirectory, SupervisorOptions } from '../actors/supervisor/types.js';
import { runWorker } from '../actors/worker/worker.js';
import type { ByteRange, DatasetLike } from '../loader/datasets.js';
import { getObject, getRange, headObject, type GetOptions } from '../loader/direct.js';
import { getRanges, type GetRangesOptions } from '../loader/get-ranges.js';
import { listObjects, type ListedEntry, type ListOptions } from '../loader/list.js';
import { Loader } from '../loader/loader.js';
import type { ObjectResult } from '../loader/object-result.js';
import type { LoaderOptions } from '../loader/options.js';
import type { RangesResult } from '../loader/ranges-result.js';
import type { StopOptions } from '../loader/stop-options.js';
import { copyObject } from '../loader/writes/copy.js';
import { copyPrefix, type CopiedRow, type CopyPrefixOptions } from '../loader/writes/copy-prefix.js';
import {
  deleteObject,
  deletePrefix,
  type DeletedRow,
  type DeleteOptions,
  type DeletePrefixOptions,
} from '../loader/writes/delete.js';
import type { Chunk, ChunkSource } from '../loader/writes/gather.js';
import type { PutOptions } from '../loader/writes/options.js';
import { putObject, putStream, type WrittenObject } from '../loader/writes/put.js';
import {
  abortUpload,
  listUploads,
  type AbortUploadOptions,
  type UnfinishedUpload,
} from '../loader/writes/uploads.js';
import { Arena } from '../protocol/arena.js';
import type { TransformFunction } from '../protocol/context.js';
import type { StoreSpec } from '../protocol/messages.js';
import type { ObjectInfo, SchemeDefaults } from '../protocol/store.js';
import { CancellationToken } from '../protocol/token.js';
import { createRuntimeWords, fillRetryBudget } from '../protocol/words.js';
import type { WriteLimits } from '../protocol/writes.js';
import { banGlobals } from '../runtime/simulation/guard.js';
import { createSimOrigin, type SimOrigin, type SimOriginOptions } from '../runtime/simulation/origin.js';
import {
  createSimulation,
  type Simulation,
  type SimulationOptions,
} from '../runtime/simulation/simulation.js';
import { createSimStore } from '../runtime/simulation/store.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Id of the only store. */
export const SIM_STORE = 3;
const PAGE_BYTES = 4096;
const DEFAULTS: SchemeDefaults = {
  splitThreshold: 2 * PAGE_BYTES,
  partBytes: PAGE_BYTES,
  maxPartsPerObject: 2,
};
const MAX_STEPS = 100_000;

export interface SimulatedRuntimeOptions {
  readonly seed: number;
  /** The service: its objects, by key, and its faults. They are `sim://key`. */
  readonly origin: SimOriginOptions;
  /** @default 2 */
  readonly workers?: number;
  /** Jobs of one worker at the same time. @default 2 */
  readonly concurrency?: number;
  /** @default 256 KiB */
  readonly memoryBudget?: number;
  /** What the service takes of writes. @default it is read-only */
  readonly writes?: WriteLimits | null;
  /** What takes the place of every transform's module. @default there is none */
  readonly transform?: TransformFunction;
  /** @default a token of its own */
  readonly token?: (sim: Simulation) => CancellationToken;
  readonly simulation?: Partial<SimulationOptions>;
  readonly supervisor?: Partial<SupervisorOptions>;
}

export class SimulatedRuntime {
  readonly origin: SimOrigin;
  readonly arena: Arena;
  /** Tokens, the retry budget and the origins, as all threads see them. */
  readonly words: Int32Array;
  readonly sim: Simulation;
  readonly supervisor: Supervisor;
  readonly token: CancellationToken;

  constructor(options: SimulatedRuntimeOptions) {
    const { seed, workers = 2, concurrency = 2, memoryBudget = 64 * PAGE_BYTES, transform } = options;
    this.origin = createSimOrigin(options.origin);
    this.arena = new Arena(memoryBudget);
    const words = createRuntimeWords();
    this.words = words;
    fillRetryBudget(words);
    this.sim = createSimulation({
      seed,
      runWorker,
      words,
      concurrency,
      arena: this.arena.buffer,
      stores: (spec, world) => createSimStore(world, this.origin, spec.snapshot),
      ...(transform === undefined ? {} : { transforms: () => transform }),
      ...options.simulation,
    });
    this.token = options.token?.(this.sim) ?? new CancellationToken({ clock: this.sim.clock });
    this.supervisor = new Supervisor(this.sim.context, this.arena, words, directoryOf(options), {
      workers,
      concurrency,
      stuckAfterMs: 5000,
      budgetTimeoutMs: 10_000,
      closeTimeoutMs: 3000,
      token: this.token,
      ...options.supervisor,
    });
    this.supervisor.start();
  }

  loader(dataset: DatasetLike, options: LoaderOptions = {}): Loader {
    return new Loader(this.supervisor, dataset, options);
  }

  get(uri: string, options?: GetOptions): Promise<ObjectResult> {
    return getObject(this.supervisor, uri, options);
  }

  getRange(uri: string, range: ByteRange, options?: GetOptions): Promise<ObjectResult> {
    return getRange(this.supervisor, uri, range, options);
  }

  getRanges(uri: string, ranges: readonly ByteRange[], options?: GetRangesOptions): Promise<RangesResult> {
    return getRanges(this.supervisor, uri, ranges, options);
  }

  head(uri: string, options?: StopOptions): Promise<ObjectInfo & { readonly uri: string }> {
    return headObject(this.supervisor, uri, options);
  }

  list(prefix: string, options?: ListOptions): AsyncIterable<ListedEntry> {
    return listObjects(this.supervisor, prefix, options);
  }

  put(uri: string, data: Chunk, options?: PutOptions): Promise<WrittenObject> {
    return putObject(this.supervisor, uri, data, options);
  }

  putStream(uri: string, source: ChunkSource, options?: PutOptions): Promise<WrittenObject> {
    return putStream(this.supervisor, uri, source, options);
  }

  copy(from: string, to: string, options?: PutOptions): Promise<WrittenObject> {
    return copyObject(this.supervisor, from, to, options);
  }

  copyPrefix(from: string, to: string, options?: CopyPrefixOptions): AsyncIterableIterator<CopiedRow> {
    return copyPrefix(this.supervisor, from, to, options);
  }

  delete(uri: string, options?: DeleteOptions): Promise<void> {
    return deleteObject(this.supervisor, uri, options);
  }

  deletePrefix(prefix: string, options?: DeletePrefixOptions): AsyncIterableIterator<DeletedRow> {
    return deletePrefix(this.supervisor, prefix, options);
  }

  uploads(prefix: string, options?: StopOptions): AsyncIterableIterator<UnfinishedUpload> {
    return listUploads(this.supervisor, prefix, options);
  }

  abortUpload(uri: string, upload: string, options?: AbortUploadOptions): Promise<void> {
    return abortUpload(this.supervisor, uri, upload, options);
  }

  /** Virtual time passes. */
  sleep(ms: number): Promise<void> {
    // Wait ends: with the virtual timer.
    return new Promise((resolve) => {
      this.sim.context.after(ms, resolve);
    });
  }

  /**
   * Steps until what `body` returns has settled, and settles likewise. Rejects with `Internal`, naming what waits, when
   * nothing can happen any more or after `maxSteps`.
   */
  async run<T>(body: () => Promise<T>, maxSteps = MAX_STEPS): Promise<T> {
    let over = false;
    const settled = (): void => {
      over = true;
    };
    // What `body` does at once is a part of the run.
    const unban = banGlobals();
    try {
      const result = body();
      result.then(settled, settled);
      await this.sim.run(() => over, maxSteps);
      return await result;
    } finally {
      unban();
    }
  }

  /** Closes it, and steps until nothing of it can happen any more. */
  async close(reason = 'close'): Promise<RuntimeRecord> {
    const record = await this.run(() => this.supervisor.close(reason));
    await this.sim.run(() => this.sim.waiting().length === 0, MAX_STEPS);
    return record;
  }
}

/** How a store of the simulation is told to a worker, with the credentials of that version. */
export function simStoreSpec(version: number): StoreSpec {
  return {
    id: SIM_STORE,
    name: 'sim://bucket',
    dataModule: 'sim:store',
    kind: 'direct',
    snapshot: { version, expiresAtMs: null, config: null },
  };
}

function directoryOf({ writes = null, origin }: SimulatedRuntimeOptions): StoreDirectory {
  const defaults = { ...DEFAULTS, checksums: origin.checksums ?? false };
  return {
    locate: (uri) => ({ store: 'sim:', key: encoder.encode(uri.replace('sim://', '')) }),
    idOf: () => SIM_STORE,
    open: () => Promise.resolve(SIM_STORE),
    uri: (_id, key) => `sim://${decoder.decode(key)}`,
    defaults: () => defaults,
    writes: () => writes,
    schemeOf: () => ({ name: 'sim', defaults }),
    spec: () => simStoreSpec(1),
  };
}

/**
 * The runtime that a service starts once: wires the supervisor to threads, stores and the arena.
 *
 * Invariants:
 * 1. `start` resolves with nothing left behind if it fails.
 * 2. `close` is idempotent and memoised; after it no thread, timer or socket of the runtime is left, but for threads
 *    that are stuck in a call that cannot be ended: those are named in its record.
 */
import { availableParallelism } from 'node:os';
import { padOfPages } from '../backends/file/memory-pad.js';
import { Supervisor } from '../actors/supervisor/supervisor.js';
import type { GateStats } from '../actors/supervisor/gate.js';
import type { HedgeStats } from '../actors/supervisor/hedges.js';
import type { RuntimeRecord as SupervisorRecord } from '../actors/supervisor/types.js';
import { Loader } from '../loader/loader.js';
import { getObject, getRange, headObject, leakCount, type GetOptions } from '../loader/direct.js';
import { getRanges, type GetRangesOptions } from '../loader/get-ranges.js';
import { listObjects, type ListedEntry, type ListOptions } from '../loader/list.js';
import type { ByteRange, DatasetLike } from '../loader/datasets.js';
import type { ObjectResult } from '../loader/object-result.js';
import type { RangesResult } from '../loader/ranges-result.js';
import type { LoaderOptions } from '../loader/options.js';
import {
  loaderEnv,
  resolveRuntimeOptions,
  type ResolvedRuntimeOptions,
  type RuntimeOptions,
} from '../loader/runtime-options.js';
import { type ExplainRow, invalidOption } from '../loader/schema.js';
import { linkStop, type StopOptions } from '../loader/stop-options.js';
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
import { Arena, PAGE_BYTES, type ArenaStats } from '../protocol/arena.js';
import type { WorkerStats } from '../protocol/messages.js';
import type { ObjectInfo } from '../protocol/store.js';
import { CancellationToken, type DrainOptions } from '../protocol/token.js';
import { createRuntimeWords, fillRetryBudget } from '../protocol/words.js';
import { createServiceContext } from '../runtime/threads/service.js';
import { spawnThread } from '../runtime/threads/spawn.js';
import { DEFAULT_TRANSPORT_LIMITS } from '../transport/limits.js';
import { Directory } from './directory.js';
import { createSchemes, explainStores, schemeNames } from './schemes.js';
import type { WorkerSettings } from './worker-entry.js';

export type { Cursor, FailureRecord, TerminalRecord } from '../actors/supervisor/types.js';

const ENTRY = new URL('./worker-entry.js', import.meta.url).href;
/** How long workers may take to come back after a cancel before they are fenced and named. */
const FENCE_AFTER_MS = 5000;

export interface RuntimeRecord extends SupervisorRecord {
  /** Results and retained batches that nobody released, and that were garbage-collected. */
  readonly leaks: number;
}

export interface RuntimeStats extends GateStats, HedgeStats {
  readonly arena: ArenaStats;
  readonly streams: number;
  readonly deaths: number;
  /** By worker name; null for one that did not answer. */
  readonly workers: Readonly<Record<string, WorkerStats | null>>;
}

export class Runtime {
  readonly #supervisor: Supervisor;
  readonly #directory: Directory;
  readonly #options: ResolvedRuntimeOptions;
  readonly #unlinkStop: () => void;
  #closed: Promise<RuntimeRecord> | null = null;

  private constructor(
    supervisor: Supervisor,
    directory: Directory,
    options: ResolvedRuntimeOptions,
    unlinkStop: () => void,
  ) {
    this.#supervisor = supervisor;
    this.#directory = directory;
    this.#options = options;
    this.#unlinkStop = unlinkStop;
  }

  /**
   * Starts the workers. Rejects with `InvalidArgument` for a bad option; credentials are looked at when a store is
   * first used.
   */
  static start(options: RuntimeOptions = {}): Promise<Runtime> {
    return Promise.resolve().then(() => Runtime.#start(options));
  }

  static #start(given: RuntimeOptions): Runtime {
    if (given === null) throw invalidOption('runtime', 'an object', given);
    const cores = availableParallelism();
    const options = resolveRuntimeOptions(given, {
      cores,
      schemes: schemeNames(given.stores),
    });
    const directory = new Directory(
      createSchemes(options.stores),
      options.perWorkerDecorators,
      options.adaptiveConcurrency,
    );
    const arena = createArena(options.memoryBudget, given.memoryBudget);
    const words = createRuntimeWords();
    fillRetryBudget(words);
    const concurrency = options.maxConnections / options.workers;
    const settings: WorkerSettings = { limits: { ...DEFAULT_TRANSPORT_LIMITS, maxConnections: concurrency } };
    const context = createServiceContext({
      spawn: (index, incarnation) =>
        spawnThread({
          entry: ENTRY,
          index,
          incarnation,
          arena: arena.buffer,
          words,
          concurrency,
          settings,
          heapLimitMiB: options.heapLimitMb,
        }),
      refreshStore: (id, staleVersion) => directory.refresh(id, staleVersion),
    });
    // After everything that may be refused: a start that fails leaves no listener on the caller's signal.
    const stop = linkStop(given);
    const supervisor = new Supervisor(context, arena, words, directory, {
      workers: options.workers,
      concurrency,
      stuckAfterMs: options.stuckAfterMs,
      budgetTimeoutMs: options.budgetTimeoutMs,
      closeTimeoutMs: FENCE_AFTER_MS,
      admission: { ...options, cores },
      token: stop.token?.child() ?? new CancellationToken(),
    });
    directory.onRefresh((spec) => supervisor.storeRefreshed(spec));
    supervisor.start();
    return new Runtime(supervisor, directory, options, () => stop.dispose());
  }

  /** The token of the runtime: draining or cancelling it drains or cancels everything that runs. */
  get token(): CancellationToken {
    return this.#supervisor.token;
  }

  /** A loader over a dataset. Throws `InvalidArgument` for options that are unknown or do not fit the dataset. */
  loader(dataset: DatasetLike, options: LoaderOptions = {}): Loader {
    return new Loader(this.#supervisor, dataset, options, loaderEnv(this.#options));
  }

  /** One whole object, in the runtime's memory until `release()`. */
  get(uri: string, options?: GetOptions): Promise<ObjectResult> {
    return getObject(this.#supervisor, uri, options);
  }

  /** Bytes `[start, end)` of an object, all from `start` on, or the last ones; fewer where it ends before. */
  getRange(uri: string, range: ByteRange, options?: GetOptions): Promise<ObjectResult> {
    return getRange(this.#supervisor, uri, range, options);
  }

  /**
   * Many ranges of one object, all of one version, in their order: near ones come by one read, reads in parallel. All of
   * them are held until the result's one `release()`, the bytes between merged ones too.
   */
  getRanges(uri: string, ranges: readonly ByteRange[], options?: GetRangesOptions): Promise<RangesResult> {
    return getRanges(this.#supervisor, uri, ranges, options);
  }

  head(uri: string, options?: StopOptions): Promise<ObjectInfo & { readonly uri: string }> {
    return headObject(this.#supervisor, uri, options);
  }

  /** Objects whose URI begins with `prefix`, in the store's order, page by page as they are asked for. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ListedEntry> {
    return listObjects(this.#supervisor, prefix, options);
  }

  /** Writes an object of bytes, or of a text as UTF-8; in parts where it is large. Visible as a whole or not at all. */
  put(uri: string, data: Chunk, options?: PutOptions): Promise<WrittenObject> {
    return putObject(this.#supervisor, uri, data, options);
  }

  /** Writes an object of the bytes of an iterable, such as a Readable, whose number need not be known. */
  putStream(uri: string, source: ChunkSource, options?: PutOptions): Promise<WrittenObject> {
    return putStream(this.#supervisor, uri, source, options);
  }

  /** Copies an object, inside its service where that can do it, else through the runtime's memory. */
  copy(from: string, to: string, options?: PutOptions): Promise<WrittenObject> {
    return copyObject(this.#supervisor, from, to, options);
  }

  /** Copies every object below `from` to below `to`; a row for each. */
  copyPrefix(from: string, to: string, options?: CopyPrefixOptions): AsyncIterableIterator<CopiedRow> {
    return copyPrefix(this.#supervisor, from, to, options);
  }

  /** Deletes an object; one that is not there is no failure. */
  delete(uri: string, options?: DeleteOptions): Promise<void> {
    return deleteObject(this.#supervisor, uri, options);
  }

  /** Deletes every object whose URI begins with `prefix`; a row for each. */
  deletePrefix(prefix: string, options?: DeletePrefixOptions): AsyncIterableIterator<DeletedRow> {
    return deletePrefix(this.#supervisor, prefix, options);
  }

  /** Uploads of objects below `prefix` that were begun and never ended: their parts are stored, and no listing shows them. */
  uploads(prefix: string, options?: StopOptions): AsyncIterableIterator<UnfinishedUpload> {
    return listUploads(this.#supervisor, prefix, options);
  }

  /** Gives up an unfinished upload and its parts; one that has ended is no failure. */
  abortUpload(uri: string, upload: string, options?: AbortUploadOptions): Promise<void> {
    return abortUpload(this.#supervisor, uri, upload, options);
  }

  /** Each effective option, where its value comes from, and why. */
  explain(): readonly ExplainRow[] {
    const { rows, stores } = this.#options;
    return [...rows, ...explainStores(stores)];
  }

  /** What is going on, asked of every worker. Never rejects. */
  async stats(): Promise<RuntimeStats> {
    const links = [...this.#supervisor.links].map((worker) => worker.link);
    const answers = await Promise.allSettled(links.map((link) => link.stats()));
    const workers: Record<string, WorkerStats | null> = {};
    for (const [i, answer] of answers.entries())
      workers[links[i]!.name] = answer.status === 'fulfilled' ? answer.value : null;
    const { arena, stats } = this.#supervisor;
    return { arena: arena.stats(), ...stats, workers };
  }

  /**
   * Drains what runs, cancels it at the deadline (`closeTimeoutMs` of the runtime by default), and ends the workers.
   * Resolves even when a thread cannot be ended. Rejects with InvalidArgument, and closes nothing, for a deadline that is no number.
   */
  async close(options: DrainOptions & { readonly reason?: string } = {}): Promise<RuntimeRecord> {
    const { reason = 'close', deadlineMs = this.#options.closeTimeoutMs } = options;
    // A second call may shorten the deadline of the first.
    const ended = this.#supervisor.close(reason, deadlineMs);
    this.#closed ??= ended.then((record) => {
      this.#directory.close();
      this.#unlinkStop();
      return { ...record, leaks: leakCount(this.#supervisor) };
    });
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** @throws MillraceError InvalidArgument for a budget that no buffer of this process can be as long as */
function createArena(budgetBytes: number, given: unknown): Arena {
  try {
    return new Arena(Math.max(PAGE_BYTES, budgetBytes), padOfPages);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    const expected = 'no more bytes than one SharedArrayBuffer of this machine can have';
    throw invalidOption('memoryBudget', expected, given ?? budgetBytes);
  }
}

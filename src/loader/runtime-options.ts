/** The options of a runtime, with where each effective value comes from. */
import { type DecoratorSpec, parseDecorators, shareOf } from '../decorators/declared.js';
import { PAGE_BYTES } from '../protocol/arena.js';
import { parseBytes, parseDuration } from '../protocol/sizes.js';
import type { CancellationToken } from '../protocol/token.js';
import type { LoaderEnv } from './options.js';
import {
  checkNames,
  type ExplainRow,
  flag,
  invalidOption,
  type OptionTable,
  readOptions,
  whole,
} from './schema.js';
import { checkStop, parseSignal, parseToken } from './stop-options.js';

/** Options of the schemes, by name; each scheme reads its own. */
export type StoreOptions = Readonly<Record<string, unknown>>;

/** What a user gives to `Runtime.start(options)`. All of it optional. */
export interface RuntimeOptions {
  /** Worker threads. @default one less than the cores, from 1 to 16 */
  readonly workers?: number | undefined;
  /** Bytes of all parts in flight, prefetched batches and batches that consumers hold. @default '512MiB' */
  readonly memoryBudget?: number | string | undefined;
  /** Connections in use of all workers together, to all stores. @default 64 */
  readonly maxConnections?: number | undefined;
  /**
   * Bytes per second that all loaders and calls read and write together, such as `'50MB'`. Kept by what is asked for, a
   * part or a small object at a time. @default no cap
   */
  readonly maxBandwidth?: number | string | undefined;
  /**
   * Share of the cores that the process may use, above 0 and up to 1, that the workers' threads may keep busy, on average
   * over some seconds. @default no cap
   */
  readonly maxCpuShare?: number | undefined;
  /**
   * When timers of the service's own thread are later than this, less work is given to workers, until they are in time
   * again; `false` or 0: never. @default '200ms'
   */
  readonly maxEventLoopDelayMs?: number | string | false | undefined;
  readonly token?: CancellationToken | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A worker that does not answer for so long is fenced and replaced. @default '30s' */
  readonly stuckAfterMs?: number | string | undefined;
  /**
   * How long a consumer waits for memory that only consumers hold, and of which they release none, before the wait ends
   * with `BudgetHeldByConsumer`. @default '60s'
   */
  readonly budgetTimeoutMs?: number | string | undefined;
  /** How long `close()` waits for what is in flight before it cancels. @default '25s' */
  readonly closeTimeoutMs?: number | string | undefined;
  /**
   * Whether each worker finds out how many requests at a time a store bears: few at first, fewer when it answers 503 or
   * 429 or becomes slow. Never for stores without a network (`file:`, `direct:`). @default true
   */
  readonly adaptiveConcurrency?: boolean | undefined;
  /** Options of the schemes, by name. @default {} */
  readonly stores?: StoreOptions | undefined;
  /**
   * What is put around the stores of a scheme, by its name, innermost first: limits, throttles, delays, a prefix. They
   * hold for each store (a bucket) over all workers together. @default {}
   */
  readonly decorators?: Readonly<Record<string, readonly DecoratorSpec[]>> | undefined;
  /** V8 heap of a worker, in MB; bytes of objects do not count. @default what Node chooses */
  readonly heapLimitMb?: number | undefined;
}

/** What defaults of a runtime depend on. */
export interface RuntimeEnv {
  /** `os.availableParallelism()`. */
  readonly cores: number;
  /** Names of the registered schemes. */
  readonly schemes: readonly string[];
}

/** Effective options of a runtime. */
export interface RuntimeValues {
  workers: number;
  memoryBudget: number;
  /** As many as can be open: the same number for each worker. */
  maxConnections: number;
  /** Null for none. */
  maxBandwidth: number | null;
  maxCpuShare: number | null;
  /** 0 for never. */
  maxEventLoopDelayMs: number;
  token: CancellationToken | null;
  signal: AbortSignal | null;
  stuckAfterMs: number;
  budgetTimeoutMs: number;
  closeTimeoutMs: number;
  adaptiveConcurrency: boolean;
  stores: StoreOptions;
  decorators: Readonly<Record<string, readonly DecoratorSpec[]>>;
  heapLimitMb: number | null;
}

export type ResolvedRuntimeOptions = Readonly<RuntimeValues> & {
  readonly rows: readonly ExplainRow[];
  /** What one worker applies. */
  readonly perWorkerDecorators: RuntimeValues['decorators'];
};

const MIB = 2 ** 20;
const MAX_WORKERS = 256;
/** More threads than this have not been seen to fetch faster, and each costs tens of megabytes. */
const DEFAULT_MAX_WORKERS = 16;
const MIN_BUDGET_BYTES = 16 * PAGE_BYTES;
const MIN_HEAP_MB = 16;

export const RUNTIME_OPTIONS: OptionTable<RuntimeValues, RuntimeEnv> = {
  workers: {
    doc: 'Worker threads.',
    parse: whole(1, MAX_WORKERS),
    fallback: ({ cores }) => ({
      value: Math.min(DEFAULT_MAX_WORKERS, Math.max(1, cores - 1)),
      reason: `one core of ${cores} is left to the service's own thread; at most ${DEFAULT_MAX_WORKERS}`,
      origin: 'derived',
    }),
  },
  memoryBudget: {
    doc: 'Bytes of all parts in flight, prefetched batches and batches that consumers hold.',
    parse: (given, name) => whole(MIN_BUDGET_BYTES)(parseBytes(given as number | string, name), name),
    fallback: () => ({
      value: 512 * MIB,
      reason: '64 connections with a part of 8 MiB each; memory is mapped when it is first used',
    }),
  },
  maxConnections: {
    doc: 'Connections in use of all workers together, to all stores.',
    parse: whole(1, 65_536),
    fallback: () => ({
      value: 64,
      reason: 'at 50 to 100 MB/s each they fill 25 Gbit/s; well below the limit of 1024 descriptors',
    }),
  },
  maxBandwidth: {
    doc: 'Bytes per second that are read and written, all loaders and calls together.',
    parse: (given, name) => whole(1)(parseBytes(given as number | string, name), name),
    fallback: () => ({ value: null, reason: 'as fast as stores, network and memory allow' }),
  },
  maxCpuShare: {
    doc: "Share of the cores that the workers' threads may keep busy.",
    parse: (given, name) => {
      if (typeof given === 'number' && given > 0 && given <= 1) return given;
      throw invalidOption(name, 'a number above 0 and up to 1', given);
    },
    fallback: () => ({ value: null, reason: 'the number of workers alone bounds it' }),
  },
  maxEventLoopDelayMs: {
    doc: "How late timers of the service's own thread may be before less work is given to workers; 0 for never.",
    parse: (given, name) => (given === false ? 0 : duration(0)(given, name)),
    fallback: () => ({
      value: 200,
      reason: 'a request takes a few turns of the loop, and probes of orchestrators give up after 1 s',
    }),
  },
  token: {
    doc: 'Drains or cancels everything that the runtime does.',
    parse: parseToken,
    fallback: () => ({ value: null, reason: 'close() alone ends the runtime' }),
  },
  signal: {
    doc: 'Cancels everything that the runtime does when it aborts.',
    parse: parseSignal,
    fallback: () => ({ value: null, reason: 'none' }),
  },
  stuckAfterMs: {
    doc: 'A worker that does not answer for so long is fenced and replaced.',
    parse: duration(100),
    fallback: () => ({ value: 30_000, reason: 'longer than any sane synchronous step of a transform' }),
  },
  budgetTimeoutMs: {
    doc: 'How long a loader waits for memory that consumers hold, and release none of, before it is an error.',
    parse: duration(0),
    fallback: () => ({
      value: 60_000,
      reason: 'longer than a consumer takes over a batch; a deadlock is told',
    }),
  },
  closeTimeoutMs: {
    doc: 'How long close() waits for what is in flight before it cancels.',
    parse: duration(0),
    fallback: () => ({ value: 25_000, reason: 'below the 30 s that orchestrators grant by default' }),
  },
  adaptiveConcurrency: {
    doc: 'Whether workers find out how many requests at a time a store bears.',
    parse: flag,
    fallback: () => ({
      value: true,
      reason:
        'a service that is asked for less answers sooner; off for file: and direct:, whose queue is the kernel’s own',
    }),
  },
  stores: {
    doc: 'Options of the schemes, by name.',
    parse: (given, name) => {
      if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given as StoreOptions;
      throw invalidOption(name, 'an object with an entry per scheme', given);
    },
    fallback: () => ({ value: {}, reason: 'credentials, region and endpoint as the environment says' }),
  },
  decorators: {
    doc: 'What is put around the stores of each scheme, innermost first.',
    parse: (given, name) => {
      if (typeof given !== 'object' || given === null || Array.isArray(given)) {
        throw invalidOption(name, 'an object with a list per scheme', given);
      }
      return eachScheme(given, (specs, scheme) => parseDecorators(specs, `${name}.${scheme}`));
    },
    fallback: () => ({ value: {}, reason: 'stores as they are' }),
  },
  heapLimitMb: {
    doc: 'V8 heap of a worker, in MB.',
    parse: whole(MIN_HEAP_MB),
    fallback: () => ({ value: null, reason: 'what Node chooses; bytes of objects are not in the heap' }),
  },
};

/** @throws MillraceError InvalidArgument for an unknown option, a bad value, or two that exclude each other */
export function resolveRuntimeOptions(given: RuntimeOptions, env: RuntimeEnv): ResolvedRuntimeOptions {
  const { values, rows } = readOptions(RUNTIME_OPTIONS, given, env, 'runtime');
  checkStop(given);
  checkNames(env.schemes, values.stores, 'stores');
  checkNames(env.schemes, values.decorators, 'decorators');
  if (given.maxConnections === undefined && values.maxConnections < values.workers) {
    values.maxConnections = values.workers;
  }
  if (values.maxConnections < values.workers) {
    throw invalidOption(
      'maxConnections',
      `at least one connection for each of ${values.workers} workers`,
      values.maxConnections,
    );
  }
  const asked = values.maxConnections;
  const perWorker = Math.floor(asked / values.workers);
  values.maxConnections = perWorker * values.workers;
  const perWorkerDecorators = eachScheme(values.decorators, (specs, scheme) =>
    shareOf(specs, values.workers, `decorators.${scheme}`),
  );
  return { ...values, perWorkerDecorators, rows: rows.map((row) => shownRow(row, values, asked)) };
}

function eachScheme<T, R>(given: Readonly<Record<string, T>> | object, map: (value: T, scheme: string) => R) {
  const entries = Object.entries(given as Readonly<Record<string, T>>);
  return Object.fromEntries(entries.map(([scheme, value]) => [scheme, map(value, scheme)]));
}

function shownRow(row: ExplainRow, values: RuntimeValues, asked: number): ExplainRow {
  const { option, origin, reason } = row;
  // The options of a scheme may hold credentials: what is printed is their names.
  if (option === 'stores') return { option, origin, reason, value: Object.keys(values.stores) };
  const { maxConnections: value, workers } = values;
  if (option !== 'maxConnections' || row.value === value) return row;
  return {
    option,
    value,
    origin: 'derived',
    reason:
      asked === value
        ? 'one for each worker: the default is less than that'
        : `${value / workers} for each of ${workers} workers: ${asked}, dealt out evenly and rounded down`,
  };
}

/** What a loader's defaults depend on, from the runtime's effective options. */
export function loaderEnv(runtime: ResolvedRuntimeOptions): LoaderEnv {
  const { memoryBudget: budgetBytes, workers, maxConnections: connections } = runtime;
  return { budgetBytes, workers, connections };
}

function duration(minMs: number): (given: unknown, name: string) => number {
  return (given, name) => whole(minMs)(parseDuration(given as number | string, name), name);
}

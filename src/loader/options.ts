/**
 * The options of a loader: PyTorch's words where it has one, each with its default and the reason for it.
 *
 * Invariant: what `explainLoader` prints is what `resolveLoaderOptions` used; both read the same table once.
 */
import type { VerifyPolicy } from '../protocol/checksums/expected.js';
import { DEFAULT_HEDGE } from '../actors/supervisor/hedge.js';
import type { HedgePlan, RangePlan, StreamOptions } from '../actors/supervisor/types.js';
import type { TransformSpec } from '../protocol/messages.js';
import { PAGE_BYTES } from '../protocol/arena.js';
import { formatBytes, parseBytes, parseDuration } from '../protocol/sizes.js';
import type { SchemeDefaults } from '../protocol/store.js';
import type { CancellationToken } from '../protocol/token.js';
import type { Seed } from './samplers/random.js';
import {
  type ExplainRow,
  flag,
  invalidOption,
  type OptionTable,
  oneOf,
  readOptions,
  whole,
} from './schema.js';
import {
  parseHedge,
  parseRanges,
  parseSampler,
  parseSeed,
  parseShuffle,
  parseTransform,
} from './option-values.js';
import { checkStop, parseSignal, parseToken } from './stop-options.js';

/** `false`: plan order. `true`: a full permutation; needs a length. `{buffer}`: for what has no length. */
export type Shuffle = boolean | { readonly buffer: number };

/** Indexes into a map-style dataset, in the order wanted; a function is called once per epoch. */
export type Sampler =
  | Iterable<number>
  | AsyncIterable<number>
  | ((epoch: {
      readonly length: number;
      readonly seed: Seed;
      readonly epoch: number;
    }) => Iterable<number> | AsyncIterable<number>);

export interface RangeOptions {
  /** Parts of one object that may be under way at the same time. */
  readonly maxPerObject?: number;
  /** Objects of more bytes than this are split. */
  readonly splitThreshold?: number | string;
  readonly partBytes?: number | string;
}

export interface HedgeOptions {
  /** A read that takes longer than so many percent of those before it is slow: from 50 to 99.9. @default 98 */
  readonly percentile?: number;
  /** Second requests that each read pays for once it has landed, at most: above 0, up to 1. @default 0.02 */
  readonly maxShare?: number;
}

/** What a user gives to `runtime.loader(dataset, options)`. All of it optional. */
export interface LoaderOptions {
  /** Items per batch. @default 64 */
  readonly batchSize?: number | undefined;
  /** A batch closes before the item that would carry it over so many bytes. @default an eighth of the budget */
  readonly batchBytes?: number | string | undefined;
  /** @default false */
  readonly shuffle?: Shuffle | undefined;
  /** Whole number or text that, with the epoch, decides the order. @default 0 */
  readonly seed?: Seed | undefined;
  /** Number of the first epoch; each further iteration of the loader is the next one. @default 0 */
  readonly epoch?: number | undefined;
  /** Order of a map-style dataset, instead of `shuffle`. @default null */
  readonly sampler?: Sampler | undefined;
  /** Whether a last batch with fewer than `batchSize` items is left out. @default false */
  readonly dropLast?: boolean | undefined;
  /** Batches that may wait, ready, for the consumer. @default 4 */
  readonly prefetchBatches?: number | undefined;
  /** `completion` hands items out as they come: faster, and another order each time. @default 'sequence' */
  readonly order?: 'sequence' | 'completion' | undefined;
  /** Objects that may be with workers at the same time. @default four per connection */
  readonly maxConcurrentObjects?: number | undefined;
  /** How large objects are fetched as parts; `false` for never. @default what suits the scheme */
  readonly ranges?: false | RangeOptions | undefined;
  /** What a failed object does: ends the epoch, or is left out and recorded. @default 'fail' */
  readonly onError?: 'fail' | 'skip' | undefined;
  /** Module whose default export is run on each object, in the worker. @default null */
  readonly transform?: URL | string | { readonly url: URL | string; readonly options?: unknown } | undefined;
  /** How far the service's checksum is looked at, where it gives one: cheap ones, any, none. @default 'auto' */
  readonly verify?: VerifyPolicy | undefined;
  /** Items in memory of their own that is detached on release: finds use after release. @default false */
  readonly checked?: boolean | undefined;
  /** `auto`: asking for the next batch acknowledges the one before. @default 'auto' */
  readonly ack?: 'auto' | 'manual' | undefined;
  /** Attempts at one object or part before it fails. @default 5 */
  readonly maxAttempts?: number | undefined;
  /** Reads that are slow are asked for a second time, and the first answer is taken; `false` for never. @default by scheme */
  readonly hedge?: false | HedgeOptions | undefined;
  /**
   * How long a service may answer 503 or 429 to an object before that fails; it is waited out until then, whatever
   * `maxAttempts` says. 0: such an answer counts as any other failed attempt. @default '5m'
   */
  readonly throttleTimeoutMs?: number | string | undefined;
  readonly token?: CancellationToken | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What defaults depend on. */
export interface LoaderEnv {
  readonly budgetBytes: number;
  readonly workers: number;
  /** Connections of the whole runtime. */
  readonly connections: number;
  /** The scheme of the dataset, where it is known. */
  readonly scheme?: { readonly name: string; readonly defaults: SchemeDefaults } | undefined;
}

interface LoaderValues {
  batchSize: number;
  batchBytes: number;
  shuffle: Shuffle;
  seed: Seed;
  epoch: number;
  sampler: Sampler | null;
  dropLast: boolean;
  prefetchBatches: number;
  order: 'sequence' | 'completion';
  maxConcurrentObjects: number;
  ranges: false | Partial<RangePlan> | null;
  onError: 'fail' | 'skip';
  transform: TransformSpec | null;
  verify: VerifyPolicy;
  checked: boolean;
  ack: 'auto' | 'manual';
  maxAttempts: number;
  hedge: false | HedgePlan | null;
  throttleTimeoutMs: number;
  token: CancellationToken | null;
  signal: AbortSignal | null;
}

/** Effective options: what the stream is given, and what the loader itself goes by. */
export interface ResolvedLoaderOptions {
  readonly stream: StreamOptions;
  readonly shuffle: Shuffle;
  readonly seed: Seed;
  readonly epoch: number;
  readonly sampler: Sampler | null;
  readonly checked: boolean;
  readonly ack: 'auto' | 'manual';
  readonly token: CancellationToken | null;
  readonly signal: AbortSignal | null;
  readonly rows: readonly ExplainRow[];
}

const MIB = 2 ** 20;

/** Requests that may wait at a worker per connection, so that a connection never waits for the service thread. */
const OBJECTS_PER_CONNECTION = 4;
const MAX_BATCH_ITEMS = 1_000_000;

const DEFAULT_THROTTLE_TIMEOUT_MS = 5 * 60_000;

/** Ranges where neither the user nor a scheme says otherwise: those of a network store. */
const NETWORK_RANGES: RangePlan = { splitThreshold: 8 * MIB, partBytes: 8 * MIB, maxPerObject: 32 };

const fixed =
  <T>(value: T, reason: string) =>
  () => ({ value, reason });

export const LOADER_OPTIONS: OptionTable<LoaderValues, LoaderEnv> = {
  batchSize: {
    doc: 'Items per batch.',
    parse: whole(1, MAX_BATCH_ITEMS),
    fallback: fixed(64, 'large enough that the cost per batch is small, small enough to start soon'),
  },
  batchBytes: {
    doc: 'A batch closes before the item that would carry it over so many bytes.',
    parse: (given, name) => whole(1)(parseBytes(given as number | string, name), name),
    fallback: ({ budgetBytes }) => ({
      value: Math.max(PAGE_BYTES, Math.floor(budgetBytes / 8)),
      reason: `an eighth of the memory budget (${formatBytes(budgetBytes)}): the batch in hand and several ready ones fit`,
      origin: 'derived',
    }),
  },
  shuffle: {
    doc: 'false, true (a full permutation; needs a length) or {buffer: n} (for what has no length).',
    parse: parseShuffle,
    fallback: fixed<Shuffle>(false, 'the order of the dataset, as in PyTorch'),
  },
  seed: {
    doc: 'With the epoch, decides the order.',
    parse: parseSeed,
    fallback: fixed<Seed>(0, 'the same order in every process unless another is asked for'),
  },
  epoch: {
    doc: 'Number of the first epoch; each further iteration is the next one.',
    parse: whole(0),
    fallback: fixed(0, 'the first'),
  },
  sampler: {
    doc: 'Indexes into a map-style dataset, in the order wanted.',
    parse: parseSampler,
    fallback: fixed(null, 'shuffle decides the order'),
  },
  dropLast: {
    doc: 'Whether a last batch with fewer than batchSize items is left out.',
    parse: flag,
    fallback: fixed(false, 'nothing is lost unless it is asked for'),
  },
  prefetchBatches: {
    doc: 'Batches that may wait, ready, for the consumer.',
    parse: whole(1, 1024),
    fallback: fixed(4, 'covers a slow object without half of the budget waiting'),
  },
  order: {
    doc: 'sequence: as planned. completion: as they come.',
    parse: oneOf('sequence', 'completion'),
    fallback: fixed<'sequence' | 'completion'>('sequence', 'same seed, same order'),
  },
  maxConcurrentObjects: {
    doc: 'Objects that may be with workers at the same time.',
    parse: whole(1, 1_000_000),
    fallback: concurrentObjects,
  },
  ranges: {
    doc: 'false, or {maxPerObject, splitThreshold, partBytes}.',
    parse: parseRanges,
    fallback: ({ scheme }) => ({
      value: null,
      reason: 'what suits the device behind the URI; what is split, into what, and how many parts at once',
      origin: scheme === undefined ? 'default' : `scheme ${scheme.name}`,
    }),
  },
  onError: {
    doc: 'fail: the first failed object ends the epoch. skip: it is left out and recorded.',
    parse: oneOf('fail', 'skip'),
    fallback: fixed<'fail' | 'skip'>('fail', 'nothing is lost in silence'),
  },
  transform: {
    doc: 'Module whose default export is run on each object, in the worker.',
    parse: parseTransform,
    fallback: fixed(null, 'the bytes as they are'),
  },
  verify: {
    doc: 'auto: the checksum of the service is looked at where it is a cheap one. always: any that it gives. never: none.',
    parse: oneOf('auto', 'always', 'never'),
    fallback: fixed<VerifyPolicy>(
      'auto',
      'a CRC costs less than fetching; other digests cost several times that',
    ),
  },
  checked: {
    doc: 'Items in memory of their own, detached on release.',
    parse: flag,
    fallback: fixed(false, 'costs one copy; for tests and for finding use after release'),
  },
  ack: {
    doc: 'auto: asking for the next batch acknowledges the one before. manual: batch.ack().',
    parse: oneOf('auto', 'manual'),
    fallback: fixed<'auto' | 'manual'>('auto', 'a batch that was gone through is done with'),
  },
  maxAttempts: {
    doc: 'Attempts at one object or part before it fails.',
    parse: whole(1, 100),
    fallback: fixed(5, 'rides out what passes within some ten seconds of back-off'),
  },
  hedge: {
    doc: 'false, or {percentile, maxShare}: which reads are slow, and how many of them are asked for twice.',
    parse: parseHedge,
    fallback: ({ scheme }) => ({
      value: null,
      reason:
        'over a network the slowest reads mostly come at once when they are asked for again; a disk only gets more to do',
      origin: scheme === undefined ? 'default' : `scheme ${scheme.name}`,
    }),
  },
  throttleTimeoutMs: {
    doc: 'How long a service may tell an object to slow down before that fails; 0: counts as any other failed attempt.',
    parse: (given, name) => whole(0)(parseDuration(given as number | string, name), name),
    fallback: fixed(
      DEFAULT_THROTTLE_TIMEOUT_MS,
      'services that scale out under load take minutes to; a load that failed meanwhile would begin again',
    ),
  },
  token: {
    doc: 'Drains or cancels the iteration.',
    parse: parseToken,
    fallback: fixed(null, 'the token of the runtime alone'),
  },
  signal: {
    doc: 'Cancels the iteration when it aborts.',
    parse: parseSignal,
    fallback: fixed(null, 'none'),
  },
};

/** @throws MillraceError InvalidArgument for an unknown option, a bad value, or two that exclude each other */
export function resolveLoaderOptions(given: LoaderOptions, env: LoaderEnv): ResolvedLoaderOptions {
  const { values, rows } = readOptions(LOADER_OPTIONS, given, env, 'loader');
  checkStop(given);
  if (values.batchBytes > env.budgetBytes) {
    throw invalidOption(
      'batchBytes',
      `at most the memory budget (${env.budgetBytes} bytes); raise memoryBudget or lower batchBytes`,
      values.batchBytes,
    );
  }
  if (values.sampler !== null && values.shuffle !== false) {
    throw invalidOption('sampler and shuffle', 'one of the two: a sampler is the order', 'both');
  }
  const ranges = rangePlan(values.ranges, env);
  return {
    stream: {
      order: values.order,
      batchSize: values.batchSize,
      batchBytes: values.batchBytes,
      dropLast: values.dropLast,
      windowObjects: values.batchSize * values.prefetchBatches,
      windowBytes: Math.min(env.budgetBytes, values.batchBytes * values.prefetchBatches),
      maxConcurrentObjects: values.maxConcurrentObjects,
      ranges,
      onError: values.onError,
      transform: values.transform,
      verify: values.verify,
      maxAttempts: values.maxAttempts,
      hedge: values.hedge ?? undefined,
      throttleTimeoutMs: values.throttleTimeoutMs,
    },
    shuffle: values.shuffle,
    seed: values.seed,
    epoch: values.epoch,
    sampler: values.sampler,
    checked: values.checked,
    ack: values.ack,
    token: values.token,
    signal: values.signal,
    rows: [
      ...rows.map((row) => withHedge(withRanges(row, ranges, env), env)),
      ...derivedRows(values, ranges, env),
    ],
  };
}

/** Each effective value of a loader, where it comes from, and why. */
export function explainLoader(given: LoaderOptions, env: LoaderEnv): readonly ExplainRow[] {
  return resolveLoaderOptions(given, env).rows;
}

function concurrentObjects({ connections }: LoaderEnv) {
  const reason = `${OBJECTS_PER_CONNECTION} for each of ${connections} connections: one under way, the others already with the worker`;
  return { value: connections * OBJECTS_PER_CONNECTION, reason, origin: 'derived' } as const;
}

/** Null where the scheme decides; what a user leaves out of `ranges` is filled from the scheme. */
function rangePlan(ranges: LoaderValues['ranges'], env: LoaderEnv): RangePlan | null {
  if (ranges === null) return null;
  const known = schemeRanges(env) ?? NETWORK_RANGES;
  if (ranges === false) return { ...known, splitThreshold: Infinity, maxPerObject: 1 };
  return { ...known, ...ranges };
}

function schemeRanges({ scheme }: LoaderEnv): RangePlan | null {
  if (scheme === undefined) return null;
  const { splitThreshold, partBytes, maxPartsPerObject } = scheme.defaults;
  return { splitThreshold, partBytes, maxPerObject: maxPartsPerObject };
}

/** `ranges` is shown with all of its three parts. */
function withRanges(row: ExplainRow, ranges: RangePlan | null, env: LoaderEnv): ExplainRow {
  if (row.option !== 'ranges' || row.value === false) return row;
  return { ...row, value: ranges ?? schemeRanges(env) ?? 'by scheme' };
}

/** So is `hedge`, where the scheme decides. */
function withHedge(row: ExplainRow, { scheme }: LoaderEnv): ExplainRow {
  if (row.option !== 'hedge' || row.value !== null) return row;
  if (scheme === undefined) return { ...row, value: 'by scheme' };
  return { ...row, value: scheme.defaults.hedge === true && DEFAULT_HEDGE };
}

function derivedRows(values: LoaderValues, ranges: RangePlan | null, env: LoaderEnv): ExplainRow[] {
  const parts = (ranges ?? schemeRanges(env) ?? NETWORK_RANGES).maxPerObject;
  const windowObjects = values.batchSize * values.prefetchBatches;
  const objects = Math.min(values.maxConcurrentObjects, windowObjects);
  return [
    {
      option: 'windowObjects',
      value: windowObjects,
      origin: 'derived',
      reason: 'batchSize x prefetchBatches: admitted and not yet handed out',
    },
    {
      option: 'maxTotalParallelism',
      value: Math.min(env.connections, objects * parts),
      origin: 'derived',
      reason: `requests at the same time: the least of maxConnections (${env.connections}) and ${objects} objects x ${parts} parts`,
    },
  ];
}

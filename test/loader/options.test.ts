import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../dist/protocol/errors.js';
import { CancellationToken } from '../../dist/protocol/token.js';
import {
  explainLoader,
  LOADER_OPTIONS,
  type LoaderOptions,
  resolveLoaderOptions,
} from '../../dist/loader/options.js';
import {
  loaderEnv,
  RUNTIME_OPTIONS,
  resolveRuntimeOptions,
  type RuntimeOptions,
} from '../../dist/loader/runtime-options.js';

const MIB = 2 ** 20;
const ENV = { budgetBytes: 512 * MIB, workers: 4, connections: 64 };
const RUNTIME_ENV = { cores: 8, schemes: ['s3', 'file'] };
const FILE = {
  name: 'file',
  defaults: {
    splitThreshold: 64 * MIB,
    partBytes: 16 * MIB,
    maxPartsPerObject: 4,
  },
};

const thrownBy = (call: () => unknown): MillraceError => {
  try {
    call();
  } catch (thrown) {
    if (thrown instanceof MillraceError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
};

const token = new CancellationToken();
const { signal } = new AbortController();
const sampler = [1, 0];

/** For each option a value that is not its default. */
const LOADER_VALUES: Required<LoaderOptions> = {
  batchSize: 7,
  batchBytes: '1MiB',
  shuffle: true,
  seed: 5,
  epoch: 3,
  sampler,
  dropLast: true,
  prefetchBatches: 2,
  order: 'completion',
  maxConcurrentObjects: 9,
  ranges: { partBytes: '4MiB' },
  onError: 'skip',
  transform: 'file:///transform.js',
  verify: 'always',
  checked: true,
  ack: 'manual',
  maxAttempts: 2,
  hedge: { percentile: 95, maxShare: 0.01 },
  throttleTimeoutMs: '1m',
  token,
  signal,
};

const RUNTIME_VALUES: Required<RuntimeOptions> = {
  workers: 3,
  memoryBudget: '64MiB',
  maxConnections: 14,
  maxBandwidth: '50MB',
  maxCpuShare: 0.5,
  maxEventLoopDelayMs: false,
  token,
  signal,
  stuckAfterMs: '5s',
  budgetTimeoutMs: '7s',
  closeTimeoutMs: '1s',
  adaptiveConcurrency: false,
  stores: { s3: { region: 'eu-west-1' } },
  decorators: { s3: [{ latency: { ms: 20 } }] },
  heapLimitMb: 128,
};

describe('loader options', () => {
  it('are all tried in this file', () => {
    expect(Object.keys(LOADER_VALUES).sort()).toEqual(Object.keys(LOADER_OPTIONS).sort());
    expect(Object.keys(RUNTIME_VALUES).sort()).toEqual(Object.keys(RUNTIME_OPTIONS).sort());
  });

  it.each(Object.entries(LOADER_VALUES))('%s changes what the loader goes by', (name, value) => {
    const { rows: before, ...fallen } = resolveLoaderOptions({}, ENV);
    const { rows: after, ...changed } = resolveLoaderOptions({ [name]: value }, ENV);
    expect(changed).not.toEqual(fallen);
    expect(before.find(({ option }) => option === name)?.origin).not.toBe('given');
    expect(after.find(({ option }) => option === name)?.origin).toBe('given');
  });

  it.each(Object.entries(RUNTIME_VALUES))('%s changes what the runtime goes by', (name, value) => {
    const { rows: before, ...fallen } = resolveRuntimeOptions({}, RUNTIME_ENV);
    const { rows: after, ...changed } = resolveRuntimeOptions({ [name]: value }, RUNTIME_ENV);
    expect(changed).not.toEqual(fallen);
    expect(before.find(({ option }) => option === name)?.origin).not.toBe('given');
    expect(after.find(({ option }) => option === name)?.origin).toBe('given');
  });

  it.each<[unknown, string]>([
    [{ batchsize: 1 }, 'loader: unknown option "batchsize"; did you mean "batchSize"?'],
    [{ prefetch: 1 }, 'loader: unknown option "prefetch"; did you mean "prefetchBatches"?'],
    [{ xyzzy: 1 }, 'loader: unknown option "xyzzy"; known are batchSize, '],
    [{ shufle: true }, 'did you mean "shuffle"?'],
    [{ ranges: { partbytes: 1 } }, 'ranges: unknown option "partbytes"; did you mean "partBytes"?'],
    [{ batchSize: 0 }, 'batchSize: expected a whole number from 1 to 1000000; given 0'],
    [{ batchSize: '64' }, 'given "64"'],
    [{ batchBytes: '64Mb' }, 'batchBytes: expected a whole number of bytes'],
    [{ batchBytes: '1GiB' }, 'at most the memory budget (536870912 bytes)'],
    [{ shuffle: { buffer: 0 } }, 'shuffle.buffer: expected a whole number from 1 to 4294967296; given 0'],
    [{ shuffle: 'yes' }, 'shuffle: expected true, false or {buffer: number of objects}; given "yes"'],
    [{ order: 'random' }, 'order: expected "sequence" or "completion"; given "random"'],
    [{ onError: null }, 'onError: expected "fail" or "skip"; given null'],
    [{ seed: 0.5 }, 'seed: expected a whole number within +-(2^53-1), or a text; given 0.5'],
    [{ sampler: 5 }, 'sampler: expected an iterable of indexes, or a function that returns one; given 5'],
    [{ shuffle: true, sampler }, 'sampler and shuffle: expected one of the two'],
    [{ hedge: { percentil: 90 } }, 'hedge: unknown option "percentil"; did you mean "percentile"?'],
    [{ hedge: true }, 'hedge: expected false or {percentile, maxShare}; given true'],
    [{ hedge: { percentile: 0.98 } }, 'hedge.percentile: expected a number from 50 to 99.9; given 0.98'],
    [{ hedge: { maxShare: 2 } }, 'hedge.maxShare: expected a number above 0, up to 1'],
    [{ ranges: true }, 'ranges: expected false or {maxPerObject, splitThreshold, partBytes}; given true'],
    [{ transform: './t.js' }, `transform: expected the URL of a module`],
    [{ transform: { url: 'file:///t.js', options: () => {} } }, 'can be sent to a thread'],
    [{ dropLast: 1 }, 'dropLast: expected true or false; given 1'],
    [{ token: {} }, 'token: expected a CancellationToken; given an object'],
    [{ token, signal }, 'token and signal: expected one of the two'],
    [null, 'loader: expected an object; given null'],
  ])('%j is refused with what was given and what was expected', (given, message) => {
    const error = thrownBy(() => resolveLoaderOptions(given as LoaderOptions, ENV));
    expect(error.code).toBe('InvalidArgument');
    expect(error.phase).toBe('configure');
    expect(error.message).toContain(message);
  });

  it.each<[unknown, string]>([
    [{ worker: 1 }, 'runtime: unknown option "worker"; did you mean "workers"?'],
    [{ workers: 0 }, 'workers: expected a whole number from 1 to 256; given 0'],
    [{ memoryBudget: '1kB' }, 'memoryBudget: expected a whole number from 65536 on; given 1000'],
    [{ maxBandwidth: '50Mbit' }, 'maxBandwidth: expected a whole number of bytes'],
    [{ maxBandwidth: 0 }, 'maxBandwidth: expected a whole number from 1 on; given 0'],
    [{ maxCpuShare: 1.5 }, 'maxCpuShare: expected a number above 0 and up to 1; given 1.5'],
    [{ maxCpuShare: 0 }, 'given 0'],
    [{ maxEventLoopDelayMs: true }, 'maxEventLoopDelayMs: expected a whole number of milliseconds'],
    [{ stuckAfterMs: '30' }, 'stuckAfterMs: expected a whole number of milliseconds'],
    [{ stores: { S3: {} } }, 'stores: unknown option "S3"; did you mean "s3"?'],
    [{ workers: 8, maxConnections: 4 }, 'at least one connection for each of 8 workers; given 4'],
  ])('%j is refused by the runtime', (given, message) => {
    expect(thrownBy(() => resolveRuntimeOptions(given as RuntimeOptions, RUNTIME_ENV)).message).toContain(
      message,
    );
  });

  it('takes undefined for not given', () => {
    expect(resolveLoaderOptions({ batchSize: undefined }, ENV).stream.batchSize).toBe(64);
  });

  it('leaves ranges to the scheme unless they are given, and fills what is left out from it', () => {
    expect(resolveLoaderOptions({}, ENV).stream.ranges).toBeNull();
    expect(
      resolveLoaderOptions({ ranges: { maxPerObject: 2 } }, { ...ENV, scheme: FILE }).stream.ranges,
    ).toEqual({
      splitThreshold: 64 * MIB,
      partBytes: 16 * MIB,
      maxPerObject: 2,
    });
    expect(resolveLoaderOptions({ ranges: false }, ENV).stream.ranges?.splitThreshold).toBe(Infinity);
  });

  it('gives many workers a connection each', () => {
    const { maxConnections, rows } = resolveRuntimeOptions({ workers: 100 }, RUNTIME_ENV);
    expect(maxConnections).toBe(100);
    expect(rows.find(({ option }) => option === 'maxConnections')).toMatchObject({
      value: 100,
      origin: 'derived',
    });
  });

  it.each([
    [undefined, 15, 60, 'derived', '4 for each of 15 workers: 64, dealt out evenly and rounded down'],
    [31, 8, 24, 'derived', '3 for each of 8 workers: 31, dealt out evenly and rounded down'],
    [undefined, 4, 64, 'default', RUNTIME_OPTIONS.maxConnections.fallback(RUNTIME_ENV).reason],
    [32, 8, 32, 'given', RUNTIME_OPTIONS.maxConnections.doc],
  ])('of %s connections over %i workers shows the %i that can be open', (given, workers, value, ...told) => {
    const resolved = resolveRuntimeOptions({ workers, maxConnections: given }, RUNTIME_ENV);
    const row = resolved.rows.find(({ option }) => option === 'maxConnections')!;
    expect([resolved.maxConnections, row.value, row.origin, row.reason]).toEqual([value, value, ...told]);
    const wide = { batchSize: 1000, ranges: false } as const;
    const parallel = explainLoader(wide, loaderEnv(resolved)).find(
      ({ option }) => option === 'maxTotalParallelism',
    )!;
    expect(parallel.value).toBe(value);
    expect(parallel.reason).toContain(`maxConnections (${value})`);
  });

  it.each([
    [1, 1],
    [2, 1],
    [8, 7],
    [128, 16],
  ])('on %i cores %i workers are the default', (cores, workers) => {
    expect(resolveRuntimeOptions({}, { ...RUNTIME_ENV, cores }).workers).toBe(workers);
  });
});

describe('explain', () => {
  it('prints every option once with its origin and a reason', () => {
    const rows = [...resolveRuntimeOptions({}, RUNTIME_ENV).rows, ...explainLoader({}, ENV)];
    const names = rows.map(({ option }) => option);
    for (const name of Object.keys(RUNTIME_OPTIONS)) expect(names).toContain(name);
    for (const name of Object.keys(LOADER_OPTIONS)) expect(names).toContain(name);
    for (const { reason } of rows) expect(reason.length).toBeGreaterThan(3);
  });

  it('names the scheme where a default comes from it', () => {
    const rows = explainLoader({}, { ...ENV, scheme: FILE });
    expect(rows.find(({ option }) => option === 'ranges')).toMatchObject({
      value: { splitThreshold: 64 * MIB, partBytes: 16 * MIB, maxPerObject: 4 },
      origin: 'scheme file',
    });
  });

  it('says whether slow reads are hedged, as the scheme has it or as it was given', () => {
    const hedgeOf = (given: LoaderOptions, scheme?: typeof FILE) =>
      explainLoader(given, { ...ENV, scheme }).find(({ option }) => option === 'hedge');
    const network = { name: 's3', defaults: { ...FILE.defaults, hedge: true } };
    expect(hedgeOf({}, FILE)).toMatchObject({ value: false, origin: 'scheme file' });
    expect(hedgeOf({}, network)).toMatchObject({
      value: { percentile: 98, maxShare: 0.02 },
      origin: 'scheme s3',
    });
    expect(hedgeOf({})).toMatchObject({ value: 'by scheme', origin: 'default' });
    expect(hedgeOf({ hedge: { maxShare: 0.1 } }, FILE)).toMatchObject({
      value: { percentile: 98, maxShare: 0.1 },
      origin: 'given',
    });
    expect(hedgeOf({ hedge: false }, network)).toMatchObject({ value: false, origin: 'given' });
    expect(resolveLoaderOptions({ hedge: false }, ENV).stream.hedge).toBe(false);
    expect(resolveLoaderOptions({}, ENV).stream.hedge).toBeUndefined();
  });

  it.each([
    [{}, 64],
    [{ maxConcurrentObjects: 2, ranges: { maxPerObject: 3 } }, 6],
    [{ maxConcurrentObjects: 2, ranges: false as const }, 2],
    [{ batchSize: 1, prefetchBatches: 1, ranges: false as const }, 1],
  ])('with %j at most %i requests are made at the same time', (given, parallelism) => {
    const rows = explainLoader(given, ENV);
    expect(rows.find(({ option }) => option === 'maxTotalParallelism')?.value).toBe(parallelism);
  });

  it('prints the names of store options and never their values', () => {
    const text = JSON.stringify(
      resolveRuntimeOptions({ stores: { s3: { secretAccessKey: 'hunter2' } } }, RUNTIME_ENV).rows,
    );
    expect(text).toContain('"s3"');
    expect(text).not.toContain('hunter2');
  });
});

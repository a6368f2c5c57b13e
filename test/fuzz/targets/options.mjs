/**
 * Options as careless or hostile callers give them: either a resolved set that keeps its promises, or `InvalidArgument`
 * that names what was wrong. What a getter of the caller throws comes out as it is; no error of the language does.
 */
import * as fc from 'fast-check';
import { checkOptions as azureOptions } from '../../../dist/backends/azure/options.js';
import { checkOptions as gcsOptions } from '../../../dist/backends/gcs/options.js';
import { checkOptions as s3Options } from '../../../dist/backends/s3/options.js';
import { parseDecorators } from '../../../dist/decorators/declared.js';
import { LOADER_OPTIONS, resolveLoaderOptions } from '../../../dist/loader/options.js';
import { checkRange, placeRange } from '../../../dist/loader/range-forms.js';
import { loaderEnv, resolveRuntimeOptions, RUNTIME_OPTIONS } from '../../../dist/loader/runtime-options.js';
import { PUT_NAMES, readTerms } from '../../../dist/loader/writes/options.js';
import { formatBytes, formatDuration, parseBytes, parseDuration } from '../../../dist/protocol/sizes.js';
import { CancellationToken } from '../../../dist/protocol/token.js';
import { checkLimits, DEFAULT_TRANSPORT_LIMITS } from '../../../dist/transport/limits.js';
import { attempt, claim } from '../lib/claims.mjs';

/** What the getters below throw: it is the caller's, and may come out. */
const BOOM = new Error('boom');
const boom = () => {
  throw BOOM;
};
const SECRET = 'hUnTeR2tOpSeCrEt';

const numbers = fc.oneof(
  fc.constantFrom(
    0,
    -0,
    1,
    -1,
    0.5,
    16,
    100,
    4096,
    65_536,
    2 ** 31,
    2 ** 32,
    2 ** 40,
    Number.MAX_SAFE_INTEGER,
    2 ** 53,
    1e308,
    Number.NaN,
    Infinity,
    -Infinity,
    Number.MIN_VALUE,
  ),
  fc.nat(1000),
  fc.double(),
);
const quantities = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(
        '0',
        '1',
        '5',
        '64',
        '1.5',
        '0.0001',
        '1e3',
        '-1',
        '+1',
        '٣',
        '',
        '9'.repeat(20),
        '0x10',
        '1_000',
        '1,5',
        ' 5',
        '5 ',
      ),
      fc.constantFrom(
        '',
        'B',
        'kB',
        'KB',
        'MiB',
        'GiB',
        'TiB',
        'mb',
        'M',
        ' MiB',
        '  MiB',
        'ms',
        's',
        'm',
        'h',
        'd',
        '\0',
        'MiB\n',
      ),
    )
    .map((parts) => parts.join('')),
  fc.constantFrom(
    'auto',
    'always',
    'never',
    'fail',
    'skip',
    'manual',
    'plan',
    'completion',
    'true',
    'false',
    'text/plain',
    '"etag"',
    'file:///t.mjs',
    `https://u:${SECRET}@h/t.mjs`,
    `https://h/t.mjs?sig=${SECRET}`,
    'é',
    'a\r\nb',
  ),
);
/** Values of no sensible kind. */
const ODD = [
  null,
  true,
  false,
  1n,
  Symbol('s'),
  Object.create(null),
  [],
  [1],
  {},
  new Map(),
  new Date(Number.NaN),
  /x/,
  () => 1,
  Date,
  new Uint8Array(2),
  new Proxy({}, {}),
  new Proxy([], {}),
  Object.create({ batchSize: 1 }),
  { valueOf: boom, toString: boom },
  { [Symbol.toPrimitive]: boom },
  { [Symbol.iterator]: boom },
  Object.create(null, { start: { get: boom, enumerable: true } }),
  new Number(5),
  new String('5MiB'),
  Object.freeze({ length: -1 }),
  new AbortController().signal,
  new CancellationToken(),
  { aborted: true },
  { toJSON: boom },
  new URL('file:///x'),
  Promise.resolve(1),
  new Error(SECRET),
  { url: 'file:///x', options: () => 1 },
  { url: 5 },
  { buffer: 5 },
  { buffer: '5' },
  { s3: null },
  { s3: [] },
  { nope: 1 },
];
// By index: fast-check looks into the constants that it is given, and some of these bite.
const odd = fc.nat(ODD.length - 1).map((at) => ODD[at]);
const nested = fc.oneof(
  fc.dictionary(
    fc.constantFrom(
      'maxPerObject',
      'splitThreshold',
      'partBytes',
      'buffer',
      'start',
      'end',
      'length',
      'suffix',
      'url',
      'options',
      's3',
      'gs',
      'concurrency',
      'ms',
      '__proto__',
      'constructor',
    ),
    fc.oneof(numbers, quantities, odd),
    { maxKeys: 4 },
  ),
  fc.dictionary(
    fc.constantFrom('s3', 'gs', 'az', 'toString'),
    fc.array(
      fc.dictionary(
        fc.constantFrom('limit', 'throttle', 'prefix', 'latency', 'limits'),
        fc.oneof(
          odd,
          quantities,
          fc.dictionary(
            fc.constantFrom('concurrency', 'bytesPerSecond', 'requestsPerSecond', 'ms', 'jitterMs', 'seed'),
            fc.oneof(numbers, quantities, odd),
            { maxKeys: 3 },
          ),
        ),
        { maxKeys: 2 },
      ),
      { maxLength: 2 },
    ),
    { maxKeys: 2 },
  ),
);
const anyValue = fc.oneof(
  { weight: 4, arbitrary: numbers },
  { weight: 3, arbitrary: quantities },
  { weight: 3, arbitrary: odd },
  { weight: 2, arbitrary: nested },
  {
    weight: 1,
    arbitrary: fc.anything({
      withNullPrototype: true,
      withBigInt: true,
      withDate: true,
      withMap: true,
      withTypedArray: true,
    }),
  },
);

/** An object with some of these names, own or inherited, perhaps behind getters. @param {readonly string[]} names */
function optionsOf(names) {
  const name = fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...names) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        'batchsize',
        'worker',
        '',
        '__proto__',
        'constructor',
        'toString',
        'x'.repeat(200),
        '\0',
      ),
    },
  );
  const entry = fc.tuple(name, anyValue, fc.nat(20));
  // One alone is the most likely to be let through, and then to be looked at.
  const entries = fc.oneof(fc.array(entry, { maxLength: 1 }), fc.array(entry, { maxLength: 4 }));
  const object = fc.tuple(entries, fc.nat(12)).map(([pairs, shape]) => {
    const given = Object.create(shape === 0 ? null : shape === 1 ? { inherited: 1 } : Object.prototype);
    for (const [key, value, how] of pairs) {
      Object.defineProperty(
        given,
        key,
        how === 0
          ? { get: boom, enumerable: true, configurable: true }
          : { value, enumerable: how !== 1, configurable: true, writable: true },
      );
    }
    return shape === 2 ? new Proxy(given, {}) : given;
  });
  return fc.oneof({ weight: 20, arbitrary: object }, { weight: 1, arbitrary: anyValue });
}

/**
 * The value, or null where it was refused as it should be; throws what does not hold.
 * @template T @param {() => T} call @param {unknown} given @param {readonly string[]} says one of these is in a refusal
 */
function read(call, given, says) {
  try {
    const got = attempt(call, ['InvalidArgument']);
    if ('value' in got) return got.value;
    const { message } = got.refusal;
    if (message.includes(SECRET)) throw new TypeError(`it tells a secret: ${message}`);
    if (message.length > 1500) throw new TypeError(`an endless message: ${message.slice(0, 100)}`);
    const names = typeof given === 'object' && given !== null ? Object.getOwnPropertyNames(given) : [];
    if ([...says, ...names].some((word) => word !== '' && message.includes(word))) return null;
    throw new TypeError(`it does not say which: ${message}`);
  } catch (thrown) {
    if (thrown === BOOM) return null;
    throw thrown;
  }
}

const whole = (/** @type {unknown} */ value, /** @type {number} */ least) =>
  Number.isSafeInteger(value) && /** @type {number} */ (value) >= least;
const ENV = { cores: 4, schemes: ['s3', 'gs', 'az', 'file'] };

const runtime = claim('options of a runtime', optionsOf(Object.keys(RUNTIME_OPTIONS)), (given) => {
  const got = read(() => resolveRuntimeOptions(given, ENV), given, [
    'runtime',
    ...Object.keys(RUNTIME_OPTIONS),
  ]);
  if (got === null) return null;
  const {
    workers,
    memoryBudget,
    maxConnections,
    stuckAfterMs,
    budgetTimeoutMs,
    closeTimeoutMs,
    heapLimitMb,
    rows,
  } = got;
  if (
    !whole(workers, 1) ||
    !whole(memoryBudget, 65_536) ||
    !whole(stuckAfterMs, 100) ||
    !whole(budgetTimeoutMs, 0) ||
    !whole(closeTimeoutMs, 0)
  )
    return 'a value out of bounds';
  if (!whole(maxConnections, workers) || maxConnections % workers !== 0)
    return `${maxConnections} connections of ${workers} workers`;
  if (heapLimitMb !== null && !whole(heapLimitMb, 16)) return 'a heap out of bounds';
  if (rows.length !== Object.keys(RUNTIME_OPTIONS).length) return 'an option that is not explained';
  const loader = resolveLoaderOptions({}, loaderEnv(got));
  return loader.stream.batchBytes <= memoryBudget ? null : 'defaults of a loader that do not fit';
});

const loader = claim('options of a loader', optionsOf(Object.keys(LOADER_OPTIONS)), (given) => {
  const got = read(
    () => resolveLoaderOptions(given, { budgetBytes: 2 ** 29, workers: 3, connections: 64 }),
    given,
    ['loader', ...Object.keys(LOADER_OPTIONS)],
  );
  if (got === null) return null;
  const { stream, shuffle, sampler } = got;
  if (
    !whole(stream.batchSize, 1) ||
    !whole(stream.batchBytes, 1) ||
    !whole(stream.maxConcurrentObjects, 1) ||
    !whole(stream.maxAttempts, 1)
  )
    return 'a value out of bounds';
  if (stream.batchBytes > 2 ** 29 || !(stream.windowBytes <= 2 ** 29)) return 'more than the budget';
  if (sampler !== null && shuffle !== false) return 'a sampler and a shuffle';
  if (!(stream.windowObjects >= stream.batchSize)) return `a window of ${stream.windowObjects}`;
  const { ranges } = stream;
  if (ranges === null) return null;
  return ranges.partBytes >= 4096 && ranges.splitThreshold >= 0 && ranges.maxPerObject >= 1
    ? null
    : 'a plan of ranges out of bounds';
});

const write = claim('options of a write', optionsOf(PUT_NAMES), (given) => {
  const got = read(() => readTerms(given, PUT_NAMES, 'put'), given, ['put', ...PUT_NAMES]);
  if (got === null) return null;
  if (
    !whole(got.maxPartsInFlight, 1) ||
    !whole(got.maxAttempts, 1) ||
    (got.partBytes !== undefined && !whole(got.partBytes, 1))
  )
    return 'a value out of bounds';
  for (const text of [got.ifVersion, got.contentType])
    if (text !== null && !/^[\x20-\x7e]+$/.test(text)) return 'a text that no header can hold';
  return got.ifAbsent && got.ifVersion !== null ? 'two conditions' : null;
});

const range = claim(
  'a range',
  fc.tuple(
    fc.oneof(
      optionsOf(['start', 'end', 'length', 'suffix']),
      fc.record({ start: fc.nat(3), end: fc.nat(3) }),
      fc.record({ suffix: fc.nat(3) }),
    ),
    fc.oneof(fc.nat(20_000), fc.maxSafeNat()),
  ),
  ([given, size]) => {
    const got = read(() => checkRange(given, 'ranges[0]'), given, ['ranges[0]']);
    if (got === null) return null;
    if (!Number.isSafeInteger(got.start) || !Number.isSafeInteger(got.length) || got.length === 0)
      return JSON.stringify(got);
    const { start, length } = placeRange(got, size);
    return start >= 0 && length >= 0 && (length === 0 || start + length <= size)
      ? null
      : `${start}+${length} of ${size}`;
  },
);

const decorators = claim('decorators', fc.oneof(fc.array(nested, { maxLength: 3 }), anyValue), (given) => {
  read(() => parseDecorators(given, 'decorators.s3'), given, ['decorators.s3']);
  return null;
});

const SCHEMES = {
  s3: {
    check: s3Options,
    names: [
      'region',
      'endpoint',
      'endpoints',
      'credentials',
      'profile',
      'anonymous',
      'ca',
      'forcePathStyle',
      'expectedBucketOwner',
    ],
  },
  az: {
    check: azureOptions,
    names: [
      'accountKey',
      'sasToken',
      'connectionString',
      'credential',
      'endpoint',
      'apiVersion',
      'ca',
      'anonymous',
    ],
  },
  gs: { check: gcsOptions, names: ['credentials', 'hmac', 'endpoint', 'userProject', 'ca', 'anonymous'] },
};
const schemes = claim(
  'options of a scheme',
  fc
    .constantFrom(.../** @type {(keyof typeof SCHEMES)[]} */ (Object.keys(SCHEMES)))
    .chain((name) => fc.tuple(fc.constant(name), optionsOf(SCHEMES[name].names))),
  ([name, given]) => {
    const { check, names } = SCHEMES[name];
    // The host looks at that itself.
    if (typeof given !== 'object' || given === null) return null;
    read(() => check(/** @type {any} */ (given)), given, [`${name} option`, `${name} scheme`, ...names]);
    return null;
  },
);

const LIMITS = Object.keys(DEFAULT_TRANSPORT_LIMITS);
const limits = claim(
  'limits of a transport',
  fc.dictionary(fc.constantFrom(...LIMITS), anyValue, { maxKeys: 3 }),
  (given) => {
    read(() => checkLimits({ ...DEFAULT_TRANSPORT_LIMITS, ...given }), given, LIMITS);
    return null;
  },
);

const sizes = claim('sizes and durations', fc.oneof(numbers, quantities, odd, fc.string()), (given) => {
  for (const parse of [parseBytes, parseDuration]) {
    const got = read(() => parse(/** @type {any} */ (given), 'limit'), given, ['limit']);
    if (got !== null && !whole(got, 0)) return `${String(given)} is ${got}`;
    if (got !== null && typeof given === 'number' && got !== given) return `${given} is ${got}`;
  }
  return null;
});

const written = claim(
  'a whole number of milliseconds is written so that it reads back',
  fc.oneof(
    fc.nat(100_000),
    fc.nat(1000).map((n) => n * 60_000),
    fc.maxSafeNat(),
  ),
  (ms) => {
    const text = formatDuration(ms);
    // Beyond 2^53 tenths of a millisecond are not exact; nobody waits for 28,000 years.
    if (ms <= 2 ** 53 / 10 && parseDuration(text) !== ms) return `${ms} is written ${text}`;
    if (ms > 2 ** 52) return null;
    const bytes = formatBytes(ms);
    const back = parseBytes(bytes);
    return Math.abs(back - ms) <= Math.max(1, ms * 0.06)
      ? null
      : `${ms} is written ${bytes}, which is ${back}`;
  },
);

/** @type {import('../lib/claims.mjs').Claim<any>[]} */
export const options = [runtime, loader, write, range, decorators, schemes, limits, sizes, written];

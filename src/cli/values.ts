/**
 * Option values as the library wants them. Pure but for the PEM file that `--ca` names.
 *
 * What can be told from the text alone is a `UsageError` that names the option; seeds, names and what depends on other
 * options are handed on, and the library's messages tell what was expected.
 */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { MillraceError, parseBytes } from '../index.js';
import type { OptionValues } from './args.js';
import { UsageError } from './args.js';

/** Bytes of an object, as `--range` gives them. */
export type ByteRange = { readonly start: number; readonly end: number | null } | { readonly suffix: number };

export interface RangeValues {
  maxPerObject?: number;
  splitThreshold?: number;
  partBytes?: number;
}

export function text(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

export function flag(values: OptionValues, name: string): boolean {
  return values[name] === true;
}

/** @throws UsageError unless it is a whole number of at least 1 */
export function count(values: OptionValues, name: string): number | undefined {
  const given = text(values, name);
  return given === undefined ? undefined : wholeNumber(given, `--${name}`);
}

/** Bytes from `64MiB`; `64M` could mean two things. @throws UsageError */
export function size(values: OptionValues, name: string): number | undefined {
  const given = text(values, name);
  return given === undefined ? undefined : sizeOf(given, `--${name}`);
}

function sizeOf(given: string, name: string): number {
  try {
    return parseBytes(given, name);
  } catch (error) {
    if (error instanceof MillraceError) throw new UsageError(error.message);
    throw error;
  }
}

function wholeNumber(given: string, name: string): number {
  const number = /^\d{1,15}$/.test(given) ? Number(given) : 0;
  if (number < 1) throw new UsageError(`${name}: expected a whole number from 1 on; given "${given}"`);
  return number;
}

/** `0-99`, `100-` or `-500`. @throws UsageError */
export function byteRange(given: string): ByteRange {
  const match = /^(\d{0,15})-(\d{0,15})$/.exec(given);
  const [start, end] = [match?.[1] ?? '', match?.[2] ?? ''];
  if (start === '' && end !== '' && Number(end) > 0) return { suffix: Number(end) };
  if (start !== '' && end === '') return { start: Number(start), end: null };
  if (start !== '' && Number(start) <= Number(end)) return { start: Number(start), end: Number(end) };
  throw new UsageError(
    `--range: expected bytes such as 0-99, 100- or -500, the first not behind the last; given "${given}"`,
  );
}

const RANGE_KEYS: Readonly<Record<string, keyof RangeValues>> = {
  split: 'splitThreshold',
  part: 'partBytes',
  parts: 'maxPerObject',
};

/** `off`, or `split=64MiB,part=8MiB,parts=16` in any order and number. @throws UsageError */
export function rangePlan(given: string): false | RangeValues {
  if (given === 'off') return false;
  const plan: RangeValues = {};
  for (const pair of given.split(',')) {
    const [name = '', value = ''] = pair.split('=', 2);
    const key = Object.hasOwn(RANGE_KEYS, name) ? RANGE_KEYS[name] : undefined;
    if (key === undefined || value === '') {
      throw new UsageError(
        `--ranges: expected off, or a list of split=SIZE, part=SIZE and parts=N; given "${given}"`,
      );
    }
    if (key === 'maxPerObject') plan[key] = wholeNumber(value, '--ranges parts');
    else plan[key] = sizeOf(value, `--ranges ${name}`);
  }
  return plan;
}

/** Only what was given, so that everything else keeps the library's default. */
function onlyGiven<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/** The text of a PEM bundle. @throws UsageError */
function bundle(path: string): string {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(
      `--ca: expected a file that can be read; given "${path}" (${(error as Error).message})`,
    );
  }
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw new UsageError(`--ca: expected a PEM bundle of certificates; "${path}" holds none`);
}

/** Options of `Runtime.start`, less the token. */
export function runtimeOptions(values: OptionValues) {
  const caFile = text(values, 'ca');
  const s3 = onlyGiven({
    endpoint: text(values, 'endpoint'),
    region: text(values, 'region'),
    profile: text(values, 'profile'),
    anonymous: flag(values, 'anonymous') ? true : undefined,
    forcePathStyle: flag(values, 'path-style') ? true : undefined,
    ca: caFile === undefined ? undefined : bundle(caFile),
  });
  return onlyGiven({
    workers: count(values, 'workers'),
    memoryBudget: size(values, 'memory'),
    maxConnections: count(values, 'connections'),
    maxBandwidth: size(values, 'max-bandwidth'),
    // The command serves nobody beside its own work.
    maxEventLoopDelayMs: false as const,
    stores: Object.keys(s3).length === 0 ? undefined : { s3 },
  });
}

/** Options of `runtime.loader`, less the token. */
export function loaderOptions(values: OptionValues) {
  const shuffle = values['shuffle'];
  const ranges = text(values, 'ranges');
  const transform = text(values, 'transform');
  return onlyGiven({
    batchSize: count(values, 'batch-size'),
    batchBytes: size(values, 'batch-bytes'),
    prefetchBatches: count(values, 'prefetch'),
    maxConcurrentObjects: count(values, 'objects'),
    shuffle: typeof shuffle === 'string' ? { buffer: wholeNumber(shuffle, '--shuffle') } : shuffle,
    seed: seedOf(text(values, 'seed')),
    order: wordOf(['sequence', 'completion'], text(values, 'order'), '--order'),
    ranges: ranges === undefined ? undefined : rangePlan(ranges),
    transform: transform === undefined ? undefined : moduleUrl(transform),
    verify: wordOf(['auto', 'always', 'never'], text(values, 'verify'), '--verify'),
    onError: flag(values, 'skip-errors') ? ('skip' as const) : undefined,
    maxAttempts: count(values, 'attempts'),
  });
}

/** `--seed 7` is the number that a program would give; anything else is a text. */
function seedOf(seed: string | undefined): number | string | undefined {
  return seed !== undefined && /^-?\d{1,15}$/.test(seed) ? Number(seed) : seed;
}

function wordOf<const Word extends string>(
  words: readonly Word[],
  given: string | undefined,
  option: string,
): Word | undefined {
  const word = words.find((each) => each === given);
  if (given === undefined || word !== undefined) return word;
  const expected = `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
  throw new UsageError(`${option}: expected ${expected}; given "${given}"`);
}

/** A path is taken from the current directory; a URL stays what it is. */
function moduleUrl(module: string): string {
  return /^(file|data|node):/.test(module) ? module : pathToFileURL(module).href;
}

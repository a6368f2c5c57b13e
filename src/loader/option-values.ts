/** How the options that are more than a number, a word or a flag are read. All throw `InvalidArgument`. */
import { DEFAULT_HEDGE } from '../actors/supervisor/hedge.js';
import type { HedgePlan, RangePlan } from '../actors/supervisor/types.js';
import type { TransformSpec } from '../protocol/messages.js';
import { parseBytes } from '../protocol/sizes.js';
import type { Sampler, Shuffle } from './options.js';
import type { Seed } from './samplers/random.js';
import { checkNames, invalidOption, whole } from './schema.js';

export function parseShuffle(given: unknown, name: string): Shuffle {
  if (typeof given === 'boolean') return given;
  if (typeof given !== 'object' || given === null) {
    throw invalidOption(name, 'true, false or {buffer: number of objects}', given);
  }
  checkNames(['buffer'], given, name);
  const { buffer } = given as { buffer?: unknown };
  return { buffer: whole(1, 2 ** 32)(buffer, `${name}.buffer`) };
}

export function parseSeed(given: unknown, name: string): Seed {
  if (typeof given === 'string' || Number.isSafeInteger(given)) return given as Seed;
  throw invalidOption(name, 'a whole number within +-(2^53-1), or a text', given);
}

export function parseSampler(given: unknown, name: string): Sampler {
  if (typeof given === 'function') return given as Sampler;
  if (typeof given === 'object' && given !== null) {
    if (Symbol.iterator in given || Symbol.asyncIterator in given) return given as Sampler;
  }
  throw invalidOption(name, 'an iterable of indexes, or a function that returns one', given);
}

export function parseRanges(given: unknown, name: string): false | Partial<RangePlan> {
  if (given === false) return false;
  if (typeof given !== 'object' || given === null) {
    throw invalidOption(name, 'false or {maxPerObject, splitThreshold, partBytes}', given);
  }
  checkNames(['maxPerObject', 'splitThreshold', 'partBytes'], given, name);
  const { maxPerObject, splitThreshold, partBytes } = given as Record<string, unknown>;
  return {
    ...(maxPerObject === undefined
      ? {}
      : { maxPerObject: whole(1, 10_000)(maxPerObject, `${name}.maxPerObject`) }),
    ...(splitThreshold === undefined ? {} : { splitThreshold: threshold(splitThreshold, name) }),
    ...(partBytes === undefined ? {} : { partBytes: partSize(partBytes, name) }),
  };
}

export function parseHedge(given: unknown, name: string): false | HedgePlan {
  if (given === false) return false;
  if (typeof given !== 'object' || given === null) {
    throw invalidOption(name, 'false or {percentile, maxShare}', given);
  }
  checkNames(['percentile', 'maxShare'], given, name);
  const { percentile = DEFAULT_HEDGE.percentile, maxShare = DEFAULT_HEDGE.maxShare } = given as Record<
    string,
    unknown
  >;
  if (typeof percentile !== 'number' || !(percentile >= 50 && percentile <= 99.9))
    throw invalidOption(`${name}.percentile`, 'a number from 50 to 99.9', percentile);
  if (typeof maxShare !== 'number' || !(maxShare > 0 && maxShare <= 1))
    throw invalidOption(
      `${name}.maxShare`,
      'a number above 0, up to 1 (0.02 is 2 % of the requests)',
      maxShare,
    );
  return { ...DEFAULT_HEDGE, percentile, maxShare };
}

export function parseTransform(given: unknown, name: string): TransformSpec {
  if (typeof given === 'string' || given instanceof URL) {
    return { url: moduleUrl(given, name), options: undefined };
  }
  if (typeof given !== 'object' || given === null) {
    throw invalidOption(name, 'the URL of a module, or {url, options}', given);
  }
  checkNames(['url', 'options'], given, name);
  const { url, options } = given as { url?: unknown; options?: unknown };
  try {
    return { url: moduleUrl(url, `${name}.url`), options: structuredClone(options) };
  } catch (cause) {
    if (!(cause instanceof DOMException)) throw cause;
    throw invalidOption(`${name}.options`, 'a value that can be sent to a thread', options);
  }
}

/**
 * A module is named by URL and not by path: only then do the service and its workers mean the same file, whatever the
 * directory they run in.
 */
function moduleUrl(given: unknown, name: string): string {
  const text = given instanceof URL ? given.href : given;
  if (typeof text === 'string' && URL.canParse(text)) return text;
  throw invalidOption(name, `the URL of a module, such as new URL('./transform.js', import.meta.url)`, given);
}

function threshold(given: unknown, name: string): number {
  return given === Infinity ? Infinity : parseBytes(given as number | string, `${name}.splitThreshold`);
}

/** Smaller parts than this cost more in requests than they gain. */
const MIN_PART_BYTES = 4096;

function partSize(given: unknown, name: string): number {
  const bytes = parseBytes(given as number | string, `${name}.partBytes`);
  return whole(MIN_PART_BYTES)(bytes, `${name}.partBytes`);
}

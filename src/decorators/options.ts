/** The options of the decorators and their checks: each message says what was given and what was expected. */
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { suggestion } from '../protocol/nearest.js';
import { shownValue } from '../protocol/shown-value.js';
import { parseBytes } from '../protocol/sizes.js';

export interface LimitOptions {
  /** Calls at the same time. */
  readonly concurrency: number;
}

/** One of the two at least. */
export interface ThrottleOptions {
  /** Bytes of objects that are read or written: a number, or a text such as `10MiB`. */
  readonly bytesPerSecond?: number | string | undefined;
  /** Calls of any kind; may be less than 1. */
  readonly requestsPerSecond?: number | undefined;
}

export interface LatencyOptions {
  readonly ms: number;
  /** Up to so much more, drawn for each call. @default 0 */
  readonly jitterMs?: number | undefined;
  /** Decides what is drawn. @default 0 */
  readonly seed?: number | undefined;
}

/** A delay of more than an hour is a mistake in the unit. */
const MAX_DELAY_MS = 3_600_000;

/** A call in eleven days; what a worker is dealt of one in an hour is still more. */
const LEAST_RATE = 1e-6;

/** @throws MillraceError InvalidArgument */
export function checkLimit(given: unknown, name: string): LimitOptions {
  checkNames(['concurrency'], given, name);
  const { concurrency } = given as { concurrency?: unknown };
  return { concurrency: numberOf(concurrency, `${name}.concurrency`, 1, Number.MAX_SAFE_INTEGER, true) };
}

/** @throws MillraceError InvalidArgument */
export function checkThrottle(
  given: unknown,
  name: string,
): { readonly bytesPerSecond?: number; readonly requestsPerSecond?: number } {
  checkNames(['bytesPerSecond', 'requestsPerSecond'], given, name);
  const { bytesPerSecond, requestsPerSecond } = given as Record<string, unknown>;
  if (bytesPerSecond === undefined && requestsPerSecond === undefined) {
    throw invalid(name, 'bytesPerSecond, requestsPerSecond or both', 'neither');
  }
  return {
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond: rateOf(bytesPerSecond, name) }),
    ...(requestsPerSecond === undefined
      ? {}
      : { requestsPerSecond: numberOf(requestsPerSecond, `${name}.requestsPerSecond`, LEAST_RATE, 1e9) }),
  };
}

/** @throws MillraceError InvalidArgument */
export function checkLatency(
  given: unknown,
  name: string,
): { readonly ms: number; readonly jitterMs?: number; readonly seed?: number } {
  checkNames(['ms', 'jitterMs', 'seed'], given, name);
  const { ms, jitterMs, seed } = given as Record<string, unknown>;
  const most = Number.MAX_SAFE_INTEGER;
  return {
    ms: numberOf(ms, `${name}.ms`, 0, MAX_DELAY_MS),
    ...(jitterMs === undefined ? {} : { jitterMs: numberOf(jitterMs, `${name}.jitterMs`, 0, MAX_DELAY_MS) }),
    ...(seed === undefined ? {} : { seed: numberOf(seed, `${name}.seed`, -most, most, true) }),
  };
}

/** @throws MillraceError InvalidArgument */
export function checkPrefix(given: unknown, name: string): string {
  if (typeof given === 'string' && given !== '') return given;
  throw invalid(name, 'a text such as "a/b/"', given);
}

/** @throws MillraceError InvalidArgument naming the nearest known name */
export function checkNames(known: readonly string[], given: unknown, name: string): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalid(name, `an object with ${known.join(', ')}`, given);
  }
  const unknown = Object.keys(given).find((each) => !known.includes(each));
  if (unknown === undefined) return;
  const message = `${name}: unknown option ${JSON.stringify(unknown)}; ${suggestion(unknown, known)}`;
  throw new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'configure' });
}

export function invalid(name: string, expected: string, given: unknown): MillraceError {
  const message = `${name}: expected ${expected}; given ${shownValue(given)}`;
  return new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'configure' });
}

function rateOf(given: unknown, name: string): number {
  const bytes = parseBytes(given as number | string, `${name}.bytesPerSecond`);
  return numberOf(bytes, `${name}.bytesPerSecond`, 1, Number.MAX_SAFE_INTEGER);
}

function numberOf(given: unknown, name: string, min: number, max: number, isWhole = false): number {
  const fits = typeof given === 'number' && given >= min && given <= max;
  if (fits && (!isWhole || Number.isSafeInteger(given))) return given;
  const kind = isWhole ? 'a whole number' : 'a number';
  const bound = max >= Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`;
  throw invalid(name, `${kind} ${min < -1 ? 'within +-(2^53-1)' : bound}`, given);
}

/**
 * Sizes and durations as people write them: `64MiB`, `1.5GB`, `25s`.
 *
 * Invariants:
 * 1. A unit means one thing: `kB` and its kin are powers of ten, `KiB` and its kin powers of two (IEC 80000-13).
 *    A spelling that could mean something else (`Mb`, `mb`, `64M`) is refused instead of guessed.
 * 2. What is not understood is an `InvalidArgument` that prints what was given and what was expected.
 */
import { ErrorCode, MillraceError } from './errors.js';
import { shownValue } from './shown-value.js';

const BYTE_UNITS: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['kB', 1e3],
  ['KB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
]);

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

const QUANTITY = /^(\d+(?:\.\d+)?) ?([A-Za-z]*)$/;

/**
 * Bytes from `64MiB`, `1.5 GB`, `4096` or a number of bytes.
 *
 * A fraction is rounded to the nearest byte; a bare number is a count of bytes and must be whole.
 * @param name what the value is for; the message of an error begins with it
 * @throws MillraceError InvalidArgument
 */
export function parseBytes(value: number | string, name = 'size'): number {
  const expected = 'a whole number of bytes, or a text like "64MiB", "1.5GB" or "512kB"';
  return parse(value, name, expected, BYTE_UNITS, 'B');
}

/**
 * Milliseconds from `500ms`, `25s`, `2m`, `1h` or a number of milliseconds.
 *
 * A fraction is rounded to the nearest millisecond. A bare number in a text is refused: whether seconds or
 * milliseconds were meant cannot be known.
 * @param name what the value is for; the message of an error begins with it
 * @throws MillraceError InvalidArgument
 */
export function parseDuration(value: number | string, name = 'duration'): number {
  const expected = 'a whole number of milliseconds, or a text like "500ms", "25s", "2m" or "1h"';
  return parse(value, name, expected, DURATION_UNITS, '');
}

/** `64 MiB`, `1.5 GiB`, `512 B`: binary units, at most one decimal, for people to read. */
export function formatBytes(bytes: number): string {
  let value = Math.abs(bytes);
  if (!Number.isFinite(value)) return String(bytes);
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  // 1023.95 would be printed as 1024.0: such a value belongs to the next unit.
  while (unit < units.length - 1 && value >= (unit === 0 ? 1024 : 1023.95)) {
    value /= 1024;
    unit += 1;
  }
  return `${bytes < 0 ? '-' : ''}${oneDecimal(value)} ${units[unit]}`;
}

/** `500ms`, `25s`, `1.5m`: the largest unit that needs no more than one decimal, so that whole ms read back exactly. */
export function formatDuration(durationMs: number): string {
  const rounded = Math.round(durationMs * 10) / 10;
  if (!Number.isFinite(rounded)) return String(durationMs);
  let text = `${rounded}ms`;
  for (const [unit, unitMs] of DURATION_UNITS) {
    const tenths = (rounded * 10) / unitMs;
    if (Number.isInteger(tenths) && Math.abs(tenths) >= 10) text = `${tenths / 10}${unit}`;
  }
  return text;
}

function parse(
  value: unknown,
  name: string,
  expected: string,
  units: ReadonlyMap<string, number>,
  /** Of a text that names none; empty where one has to be named. */
  bareUnit: string,
): number {
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value) && value >= 0) return value;
    throw invalid(value, name, expected);
  }
  const match = typeof value === 'string' ? QUANTITY.exec(value.trim()) : null;
  if (match === null) throw invalid(value, name, expected);
  const factor = units.get(match[2]! || bareUnit);
  if (factor === undefined)
    throw invalid(value, name, `${expected} (units: ${[...units.keys()].join(', ')})`);
  const exact = Number(match[1]!) * factor;
  const whole = Math.round(exact);
  if (!Number.isSafeInteger(whole) || (factor === 1 && whole !== exact)) throw invalid(value, name, expected);
  return whole;
}

function oneDecimal(value: number): string {
  const text = value.toFixed(1);
  return text.endsWith('.0') ? text.slice(0, -2) : text;
}

function invalid(value: unknown, name: string, expected: string): MillraceError {
  return new MillraceError(
    ErrorCode.InvalidArgument,
    `${name}: expected ${expected}; given ${shownValue(value)}`,
    { phase: 'configure' },
  );
}

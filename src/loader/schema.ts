/**
 * What an option is: a name, how a given value is read, what holds when none is given and why.
 *
 * Invariants:
 * 1. Every option goes through one table, so none can be accepted and then ignored, and `explain` shows all of them.
 * 2. An unknown option is an error that names the nearest known one; a bad value is an error that prints what was
 *    given and what was expected.
 */
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { suggestion } from '../protocol/nearest.js';
import { shownValue } from '../protocol/shown-value.js';

/** Where an effective value comes from. `scheme s3`: a default of that scheme. `derived`: computed from others. */
export type OptionOrigin = 'given' | 'default' | 'derived' | `scheme ${string}`;

/** What holds when nothing is given. */
export interface Fallback<T> {
  readonly value: T;
  readonly reason: string;
  /** @default 'default' */
  readonly origin?: OptionOrigin;
}

/** One option. `Env` is what its default may depend on. */
export interface OptionSpec<T, Env> {
  /** One sentence for people, as in `docs/configuration.md`. */
  readonly doc: string;
  /** Reads a given value, or throws `InvalidArgument`. */
  readonly parse: (given: unknown, name: string) => T;
  readonly fallback: (env: Env) => Fallback<T>;
}

/** A table of options for values of the shape `T`. */
export type OptionTable<T, Env> = { readonly [Name in keyof T]-?: OptionSpec<T[Name], Env> };

/** One line of `explain()`. */
export interface ExplainRow {
  readonly option: string;
  readonly value: unknown;
  readonly origin: OptionOrigin;
  readonly reason: string;
}

/** All options of a table with their effective values; `undefined` counts as not given. */
export function readOptions<T, Env>(
  table: OptionTable<T, Env>,
  given: object,
  env: Env,
  what: string,
): { values: T; rows: ExplainRow[] } {
  checkNames(Object.keys(table), given, what);
  const values: Record<string, unknown> = {};
  const rows: ExplainRow[] = [];
  const all = given as Record<string, unknown>;
  for (const [name, spec] of Object.entries<OptionSpec<unknown, Env>>(table)) {
    const value = all[name];
    if (value === undefined) {
      const { value: fallen, reason, origin = 'default' } = spec.fallback(env);
      values[name] = fallen;
      rows.push({ option: name, value: fallen, origin, reason });
    } else {
      values[name] = spec.parse(value, name);
      rows.push({ option: name, value: values[name], origin: 'given', reason: spec.doc });
    }
  }
  return { values: values as T, rows };
}

/** Whether nothing unknown is there, own or inherited; makes no list of the names, for there is one call per reference. */
export function hasOnly(known: readonly string[], given: object): boolean {
  for (const name in given) if (!known.includes(name)) return false;
  return true;
}

/** @throws MillraceError InvalidArgument naming the nearest known option */
export function checkNames(known: readonly string[], given: unknown, what: string): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw invalidOption(what, 'an object', given);
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const hint = suggestion(name, known);
    throw new MillraceError(
      ErrorCode.InvalidArgument,
      `${what}: unknown option ${shownValue(name)}; ${hint}`,
      {
        phase: 'configure',
      },
    );
  }
}

export function invalidOption(name: string, expected: string, given: unknown): MillraceError {
  return new MillraceError(
    ErrorCode.InvalidArgument,
    `${name}: expected ${expected}; given ${shownValue(given)}`,
    {
      phase: 'configure',
    },
  );
}

/** A whole number in `[min, max]`. */
export function whole(min: number, max = Number.MAX_SAFE_INTEGER): (given: unknown, name: string) => number {
  return (given, name) => {
    if (isWhole(given, min, max)) return given;
    const expected =
      max === Number.MAX_SAFE_INTEGER
        ? `a whole number from ${min} on`
        : `a whole number from ${min} to ${max}`;
    throw invalidOption(name, expected, given);
  };
}

export function isWhole(given: unknown, min: number, max = Number.MAX_SAFE_INTEGER): given is number {
  return typeof given === 'number' && Number.isSafeInteger(given) && given >= min && given <= max;
}

export function flag(given: unknown, name: string): boolean {
  if (typeof given === 'boolean') return given;
  throw invalidOption(name, 'true or false', given);
}

/** One of a few words. */
export function oneOf<const Word extends string>(
  ...words: readonly Word[]
): (given: unknown, name: string) => Word {
  const expected = words.map((word) => JSON.stringify(word)).join(' or ');
  return (given, name) => {
    const word = words.find((each) => each === given);
    if (word !== undefined) return word;
    throw invalidOption(name, expected, given);
  };
}

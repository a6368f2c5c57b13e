/**
 * What a value that an origin is given may be, as checks that are put together to those of objects and lists.
 *
 * What it keeps true: a refusal says where the value stands, what was given, and what was expected or which name is meant.
 */
import { types } from 'node:util';
import { checkNames, invalidOption, isWhole } from '../loader/schema.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import { suggestion } from '../protocol/nearest.js';
import { shownValue } from '../protocol/shown-value.js';

/** Throws `InvalidArgument`. @param at where the value stands, as `options.objects[3].size` */
export type Check = (given: unknown, at: string) => void;

/** A check of every name that an object of this shape may have. */
export type Names<T> = { readonly [Name in keyof T]-?: Check };

/** The longest that a timer takes. */
export const MAX_MS = 2 ** 31 - 1;

export function fits(expected: string, test: (given: unknown) => boolean): Check {
  return (given, at) => {
    if (!test(given)) throw invalidOption(at, expected, given);
  };
}

/** An object with these names alone; what is undefined counts as not given. */
export function shape<T>(names: Names<T>, ...required: ReadonlyArray<keyof T & string>): Check {
  const known = Object.keys(names);
  return (given, at) => {
    checkNames(known, given, at);
    const all = given as Record<string, unknown>;
    for (const [name, check] of Object.entries<Check>(names)) {
      if (all[name] !== undefined || (required as readonly string[]).includes(name))
        check(all[name], `${at}.${name}`);
    }
  };
}

/** @param least so many at least */
export function listOf(check: Check, least = 0): Check {
  return (given, at) => {
    if (!Array.isArray(given) || given.length < least)
      throw invalidOption(at, least === 0 ? 'an array' : 'an array that is not empty', given);
    given.forEach((each, index) => check(each, `${at}[${index}]`));
  };
}

/** One of many words; the table has every one of the type. */
export function wordOf<Word extends string>(words: Readonly<Record<Word, true>>): Check {
  const known = Object.keys(words);
  return (given, at) => {
    if (typeof given === 'string' && known.includes(given)) return;
    if (typeof given !== 'string') throw invalidOption(at, `one of ${known.join(', ')}`, given);
    throw refusal(`${at}: unknown word ${shownValue(given)}; ${suggestion(given, known)}`);
  };
}

export const refusal = (message: string): MillraceError =>
  new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'configure' });

export const isText = (given: unknown): given is string => typeof given === 'string';
export const text = fits('a text', isText);
export const name = fits('a text that is not empty', (given) => isText(given) && given !== '');
export const names = listOf(name);
export const bytes = fits('a text or a Uint8Array', (given) => isText(given) || types.isUint8Array(given));

/** A number that need not be whole. */
export const numberIn = (min: number, max: number): Check =>
  fits(
    `a number from ${min} to ${max}`,
    (given) => typeof given === 'number' && given >= min && given <= max,
  );

export const millis = numberIn(0, MAX_MS);

/** A number counted from 1, or some of them. */
export const ordinals = fits(
  'a whole number from 1 on, or an array of such that is not empty',
  (given) =>
    isWhole(given, 1) || (Array.isArray(given) && given.length > 0 && given.every((one) => isWhole(one, 1))),
);

export const pattern: Check = (given, at) => {
  if (types.isRegExp(given)) return;
  if (!isText(given)) throw invalidOption(at, 'a RegExp or the text of one', given);
  try {
    RegExp(given);
  } catch (error) {
    throw refusal(`${at}: ${String(error)}`);
  }
};

/** Texts by name. @param test of each; `expected` says what it wants */
export const record = (expected: string, test: (given: unknown) => boolean): Check =>
  fits(
    `an object whose values are ${expected}`,
    (given) =>
      typeof given === 'object' &&
      given !== null &&
      !Array.isArray(given) &&
      Object.values(given).every((each) => test(each)),
  );

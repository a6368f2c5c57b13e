/**
 * What the fuzzed claims of fast-check have in common.
 *
 * A claim is an arbitrary and a check of one drawn value, which returns a text for what does not hold; a check that throws
 * does not hold either. fast-check shrinks what fails and names the seed and path of it.
 */
import * as fc from 'fast-check';
import { MillraceError } from '../../../dist/protocol/errors.js';

/**
 * @template T
 * @typedef {{ name: string, arbitrary: fc.Arbitrary<T>, check: (value: T) => string | null }} Claim
 */

/** @template T @param {string} name @param {fc.Arbitrary<T>} arbitrary @param {(value: T) => string | null} check @returns {Claim<T>} */
export function claim(name, arbitrary, check) {
  return { name, arbitrary, check };
}

/**
 * Runs a claim; null, or what does not hold with the shortest value found.
 * @template T @param {Claim<T>} each @param {number} seed @param {number} numRuns
 */
export function tryClaim(each, seed, numRuns) {
  const property = fc.property(each.arbitrary, (value) => {
    const wrong = each.check(value);
    if (wrong !== null) throw new Error(wrong);
  });
  const result = fc.check(property, { seed, numRuns, interruptAfterTimeLimit: MAX_CLAIM_MS });
  if (!result.failed) return null;
  const error =
    result.errorInstance instanceof Error
      ? `${result.errorInstance.stack}`.split('\n').slice(0, 4).join(' ')
      : String(result.errorInstance);
  return `${each.name}: ${error}; seed ${result.seed}, path ${result.counterexamplePath}, ${shown(result.counterexample)}`;
}

/** Shrinking long values is what takes longest: when this is over, the shortest one so far is told. */
const MAX_CLAIM_MS = 20_000;

/** Some values bite whoever looks at them. @param {unknown} value */
function shown(value) {
  try {
    return fc.stringify(value).slice(0, 2000);
  } catch {
    return 'a value that cannot be shown';
  }
}

/**
 * Calls what may refuse its input: the value, or the refusal.
 * @template T @param {() => T} call @param {readonly string[]} codes of errors that it may refuse with
 * @returns {{ value: T } | { refusal: MillraceError }}
 */
export function attempt(call, codes) {
  try {
    return { value: call() };
  } catch (thrown) {
    if (thrown instanceof MillraceError && codes.includes(thrown.code)) return { refusal: thrown };
    throw thrown;
  }
}

/** @param {Uint8Array} a @param {Uint8Array} b */
export function same(a, b) {
  return Buffer.compare(a, b) === 0;
}

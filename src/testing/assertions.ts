/** What `node:assert` has no word for: parts of objects, and bytes of which the first that differs is told. */
import assert from 'node:assert/strict';

/** What targets are filled with, and the guard bytes on both sides of them. */
export const SENTINEL = 0xa5;

/** Asserts the properties that `expected` has, and those of plain objects in it; of arrays the whole. */
export function like(actual: unknown, expected: Readonly<Record<string, unknown>>): void {
  assert.deepEqual(partOf(actual, expected), expected);
}

function partOf(actual: unknown, expected: unknown): unknown {
  if (!isPlain(expected) || typeof actual !== 'object' || actual === null) return actual;
  const of = actual as Readonly<Record<string, unknown>>;
  return Object.fromEntries(Object.keys(expected).map((name) => [name, partOf(of[name], expected[name])]));
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Asserts that these are the very bytes; compares megabytes in a ms, and never prints them. */
export function same(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) === 0) return;
  assert.equal(actual.length, expected.length, 'the number of bytes');
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  assert.fail(`found byte ${actual[at]} at ${at} of ${actual.length}, expected ${expected[at]}`);
}

/** Asserts that nothing was written there. */
export function untouched(bytes: Uint8Array): void {
  const at = bytes.findIndex((byte) => byte !== SENTINEL);
  if (at >= 0)
    assert.fail(`found byte ${bytes[at]} written at ${at} of ${bytes.length}, where nothing belongs`);
}

/** Asserts that there is a value. */
export function present<T>(value: T | null | undefined, what: string): T {
  assert.ok(value !== null && value !== undefined && value !== '', `found no ${what}`);
  return value;
}

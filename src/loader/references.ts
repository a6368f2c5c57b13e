/**
 * Turns references (URIs and what is known about their objects) into plan entries.
 *
 * Invariant: the first reference to a store waits until it is open; every later one is resolved without a promise.
 */
import type { PlanEntry, StoreDirectory } from '../actors/supervisor/types.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import type { ObjectLocation } from '../protocol/store.js';
import { type ByteRange, checkRange } from './datasets.js';
import { checkNames, invalidOption, whole } from './schema.js';

/** Resolves a reference; `name` tells it in messages. Throws or rejects with a `MillraceError`. */
export type Resolver = (reference: unknown, name: string) => PlanEntry | Promise<PlanEntry>;

const KNOWN = ['uri', 'size', 'version', 'range'];
const WHOLE: { start: number; length: number } = { start: 0, length: -1 };

export function createResolver(stores: StoreDirectory): Resolver {
  const ids = new Map<string, number>();
  return (reference, name) => {
    const read = readReference(reference, name);
    const location = locate(stores, read.uri, name);
    const known = ids.get(location.store);
    if (known !== undefined) return entryOf(known, location.key, read);
    return stores.open(location.store).then((id) => {
      ids.set(location.store, id);
      return entryOf(id, location.key, read);
    });
  };
}

/** Splits a URI; its error tells which reference it was. */
export function locate(stores: StoreDirectory, uri: string, name: string): ObjectLocation {
  try {
    return stores.locate(uri);
  } catch (thrown) {
    if (!(thrown instanceof MillraceError)) throw thrown;
    throw new MillraceError(thrown.code, `${name}: ${thrown.message}`, { ...thrown.context, phase: 'plan' });
  }
}

interface ReadReference {
  readonly uri: string;
  readonly size: number;
  readonly version: string | null;
  readonly range: { readonly start: number; readonly length: number };
}

function readReference(given: unknown, name: string): ReadReference {
  if (typeof given === 'string') return { uri: given, size: -1, version: null, range: WHOLE };
  if (typeof given !== 'object' || given === null) {
    throw invalidOption(name, 'a URI, or {uri, size?, version?, range?}', given);
  }
  checkNames(KNOWN, given, name);
  const { uri, size, version, range } = given as Partial<Record<string, unknown>>;
  if (typeof uri !== 'string') throw invalidOption(`${name}.uri`, 'a URI such as "s3://bucket/key"', uri);
  if (version !== undefined && (typeof version !== 'string' || version === '')) {
    throw invalidOption(`${name}.version`, 'an ETag or generation, as text', version);
  }
  return {
    uri,
    size: size === undefined ? -1 : whole(0)(size, `${name}.size`),
    version: version ?? null,
    range: range === undefined ? WHOLE : readRange(range, `${name}.range`),
  };
}

function readRange(given: unknown, name: string): ReadReference['range'] {
  checkNames(['start', 'end', 'length'], given, name);
  return checkRange(given as ByteRange, name);
}

function entryOf(store: number, key: Uint8Array, read: ReadReference): PlanEntry {
  const { size, version, range } = read;
  return { store, key, size, version, pinned: version !== null, start: range.start, length: range.length };
}

/** What a user's own code threw, with the place it came from. */
export function userError(thrown: unknown, what: string): MillraceError {
  if (thrown instanceof MillraceError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new MillraceError(ErrorCode.InvalidArgument, `${what} failed: ${text}`, {
    phase: 'plan',
    cause: thrown,
  });
}

/**
 * Turns references (URIs and what is known about their objects) into plan entries.
 *
 * Invariants:
 * 1. The first reference to a store waits until it is open; every later one is resolved without a promise.
 * 2. A range that is counted from the end of its object is resolved with the size of the very version that is read:
 *    where that is not known, the store is asked.
 */
import type { PlanEntry, StoreDirectory, StreamHandle } from '../actors/supervisor/types.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import type { ObjectLocation } from '../protocol/store.js';
import { checkRange, placeRange } from './range-forms.js';
import { checkNames, hasOnly, invalidOption, isWhole, whole } from './schema.js';

/** What a reference is called in messages. A name is made only for an error: most references need none. */
export type NameOf = (at: number) => string;

/** Resolves the reference number `at` of a pull. Throws or rejects with a `MillraceError`. */
export type Resolver = (reference: unknown, nameOf: NameOf, at: number) => PlanEntry | Promise<PlanEntry>;

const KNOWN = ['uri', 'size', 'version', 'range'];
const NO_KEY = new Uint8Array(0);

/** What references are resolved with. */
export interface SourceWorld {
  readonly stores: StoreDirectory;
  /** The stream that asks for the plan: it carries the source's questions. Called at the first pull, not before. */
  readonly stream: () => Pick<StreamHandle, 'list' | 'head'>;
}

/** An entry whose object is not located yet, and whose `start` is below 0 when it is counted from the end. */
type Draft = { -readonly [Name in keyof PlanEntry]: PlanEntry[Name] };

/**
 * `sizeIsChecked`: whoever reads looks at the object's size afterwards, so one that is given without a version will do
 * for a range that is counted from the end.
 */
export function createResolver(world: SourceWorld, sizeIsChecked = false): Resolver {
  const { stores } = world;
  const ids = new Map<string, number>();
  const finish = (entry: Draft): PlanEntry | Promise<PlanEntry> => {
    if (entry.start >= 0) return entry;
    if (entry.size >= 0 && (entry.pinned || sizeIsChecked)) return fromEnd(entry);
    return askSize(entry, world.stream());
  };
  return (reference, nameOf, at) => {
    const uri = readUri(reference, nameOf, at);
    const entry = readRest(reference, nameOf, at);
    const location = locate(stores, uri, nameOf, at);
    entry.key = location.key;
    const known = ids.get(location.store);
    if (known !== undefined) {
      entry.store = known;
      return finish(entry);
    }
    return stores.open(location.store).then((id) => {
      ids.set(location.store, id);
      entry.store = id;
      return finish(entry);
    });
  };
}

/** Size and version as they are now. One that the user asked for stays: the read tells when it is another. */
async function askSize(entry: Draft, stream: Pick<StreamHandle, 'head'>): Promise<PlanEntry> {
  const { size, version } = await stream.head(entry.store, entry.key);
  entry.size = size;
  if (!entry.pinned && version !== null) {
    entry.version = version;
    entry.pinned = true;
  }
  return fromEnd(entry);
}

/** A whole object is asked for as such: an empty one has no range that could be. */
function fromEnd(entry: Draft): PlanEntry {
  const { start, length } = placeRange(entry, entry.size);
  entry.start = start;
  entry.length = length === entry.size ? -1 : length;
  return entry;
}

/** Splits a URI; its error tells which reference it was. */
export function locate(stores: StoreDirectory, uri: string, nameOf: NameOf, at = 0): ObjectLocation {
  try {
    return stores.locate(uri);
  } catch (thrown) {
    if (!(thrown instanceof MillraceError)) throw thrown;
    const message = `${nameOf(at)}: ${thrown.message}`;
    throw new MillraceError(thrown.code, message, { ...thrown.context, phase: 'plan' });
  }
}

function readUri(given: unknown, nameOf: NameOf, at: number): string {
  if (typeof given === 'string') return given;
  if (typeof given !== 'object' || given === null) {
    throw invalidOption(nameOf(at), 'a URI, or {uri, size?, version?, range?}', given);
  }
  if (!hasOnly(KNOWN, given)) checkNames(KNOWN, given, nameOf(at));
  const { uri } = given as { uri?: unknown };
  if (typeof uri !== 'string') {
    throw invalidOption(`${nameOf(at)}.uri`, 'a URI such as "s3://bucket/key"', uri);
  }
  return uri;
}

/** What is known of the object beside its URI. All entries have one shape, so that what reads them stays fast. */
function readRest(given: unknown, nameOf: NameOf, at: number): Draft {
  const entry: Draft = {
    store: -1,
    key: NO_KEY,
    size: -1,
    version: null,
    pinned: false,
    start: 0,
    length: -1,
  };
  if (typeof given === 'string') return entry;
  const { size, version, range } = given as Partial<Record<string, unknown>>;
  if (version !== undefined) {
    if (typeof version !== 'string' || version === '') {
      throw invalidOption(`${nameOf(at)}.version`, 'an ETag or generation, as text', version);
    }
    entry.version = version;
    entry.pinned = true;
  }
  if (size !== undefined) entry.size = isWhole(size, 0) ? size : whole(0)(size, `${nameOf(at)}.size`);
  if (range !== undefined) {
    const { start, length } = checkRange(range, `${nameOf(at)}.range`);
    entry.start = start;
    entry.length = length;
  }
  return entry;
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

/**
 * The plan in the order of the dataset or of its indexes, entry by entry, before any shuffle buffer.
 *
 * Invariant: a pull returns from 1 to `limit` entries, or null at the end, and never holds more than that of a
 * dataset of any length.
 */
import type { PlanEntry } from '../actors/supervisor/types.js';
import type { KeyPage } from '../protocol/store.js';
import type { Dataset, MapDataset, ObjectReference, PrefixDataset, Streamed } from './datasets.js';
import { createPageWalk, keyOf, type PageWalk, utf8, versionOf } from './listing.js';
import {
  createResolver,
  locate,
  type NameOf,
  type Resolver,
  type SourceWorld,
  userError,
} from './references.js';
import { invalidOption } from './schema.js';

/** A plan source that can be told that no more is wanted. */
export interface EntrySource {
  next(limit: number): Promise<readonly PlanEntry[] | null>;
  /** Lets a user's generator run its `finally`. Idempotent; does not wait. */
  close(): void;
}

/** Entries of a map-style dataset at the given indexes; `null` ends them. */
export function createMapSource(map: MapDataset, indexes: IndexSource, world: SourceWorld): EntrySource {
  const resolve = createResolver(world);
  return {
    next: async (limit) => {
      const wanted = await indexes.next(limit);
      if (wanted === null) return null;
      const indexAt = (at: number): number => wanted[at]!;
      return await resolveAll(
        wanted.length,
        (at) => map.at(indexAt(at)),
        (at) => `dataset.at(${indexAt(at)})`,
        resolve,
      );
    },
    close: () => indexes.close(),
  };
}

/** Where the indexes of a map-style dataset come from. */
export interface IndexSource {
  next(limit: number): readonly number[] | null | Promise<readonly number[] | null>;
  close(): void;
}

/** `at(position)` for each position below `length`: the identity, or a permutation. */
export function createIndexSource(length: number, at: (position: number) => number): IndexSource {
  let position = 0;
  return {
    next: (limit) => {
      if (position >= length) return null;
      const count = Math.min(limit, length - position);
      const indexes: number[] = [];
      indexes.length = count;
      for (let offset = 0; offset < count; offset += 1) indexes[offset] = at(position + offset);
      position += count;
      return indexes;
    },
    close: () => {},
  };
}

/** The indexes of a sampler, each looked at. */
export function createSamplerSource(sampler: Streamed<number>, length: number): IndexSource {
  const puller = createPuller(sampler, 'sampler');
  return {
    next: async (limit) => {
      const indexes = await puller.next(limit);
      for (const index of indexes ?? []) {
        if (!Number.isSafeInteger(index) || index < 0 || index >= length) {
          throw invalidOption('sampler', `indexes from 0 to ${length - 1}, the length of the dataset`, index);
        }
      }
      return indexes;
    },
    close: () => puller.close(),
  };
}

/** References of an iterable, sync or async, in its order. */
export function createStreamSource(open: () => Streamed<ObjectReference>, world: SourceWorld): EntrySource {
  const resolve = createResolver(world);
  let puller: Puller<ObjectReference> | null = null;
  let position = 0;
  return {
    next: async (limit) => {
      puller ??= createPuller(open(), 'dataset');
      const references = await puller.next(limit);
      if (references === null) return null;
      const first = position;
      position += references.length;
      return await resolveAll(
        references.length,
        (at) => references[at],
        (at) => `dataset[${first + at}]`,
        resolve,
      );
    },
    close: () => puller?.close(),
  };
}

/** The objects of a listing, packed page after packed page. */
export function createPrefixSource(
  dataset: Extract<Dataset, { kind: 'prefix' }>,
  world: SourceWorld,
): EntrySource {
  let walk: PageWalk | null = null;
  let store = -1;
  let page: KeyPage | null = null;
  let row = 0;
  const open = async (): Promise<PageWalk> => {
    const { store: name, key: prefix } = locate(world.stores, dataset.prefix, () => 'prefix');
    store = await world.stores.open(name);
    return createPageWalk((request) => world.stream().list(request), { store, prefix, delimiter: null });
  };
  return {
    next: async (limit) => {
      walk ??= await open();
      const entries: PlanEntry[] = [];
      for (;;) {
        if (page === null || row === page.count) {
          if (entries.length > 0) return entries;
          page = await walk.next();
          row = 0;
          if (page === null) return null;
        }
        for (; row < page.count && entries.length < limit; row += 1) {
          if (!passes(dataset.filter, page, row)) continue;
          const version = versionOf(page, row);
          const key = keyOf(page, row);
          entries.push({ store, key, size: page.sizes[row]!, version, pinned: false, start: 0, length: -1 });
        }
        if (entries.length === limit) return entries;
      }
    },
    close: () => {},
  };
}

function passes(filter: PrefixDataset['filter'], page: KeyPage, row: number): boolean {
  if (filter === null) return true;
  const key = utf8(keyOf(page, row));
  try {
    return filter({ key, size: page.sizes[row]! });
  } catch (thrown) {
    throw userError(thrown, `filter of ${JSON.stringify(key)}`);
  }
}

/**
 * All of a pull at the same time: a store is opened once, and the promises of one pull do not wait for each other.
 */
async function resolveAll(
  count: number,
  referenceAt: (at: number) => unknown,
  nameOf: NameOf,
  resolve: Resolver,
): Promise<readonly PlanEntry[]> {
  const entries: PlanEntry[] = [];
  // Known beforehand: a list that grows leaves 20 bytes per entry behind.
  entries.length = count;
  const waits: Promise<void>[] = [];
  for (let at = 0; at < count; at += 1) {
    const wait = resolveOne(referenceAt, nameOf, resolve, at);
    if (wait instanceof Promise) waits.push(wait.then((entry) => void (entries[at] = entry)));
    else entries[at] = wait;
  }
  if (waits.length > 0) await Promise.all(waits);
  return entries;
}

/** What is thrown becomes a rejection like any other, so that none of its neighbours' goes unhandled. */
function resolveOne(
  referenceAt: (at: number) => unknown,
  nameOf: NameOf,
  resolve: Resolver,
  at: number,
): PlanEntry | Promise<PlanEntry> {
  let reference: unknown;
  try {
    reference = referenceAt(at);
  } catch (thrown) {
    return Promise.reject(userError(thrown, nameOf(at)));
  }
  try {
    return isPromise(reference)
      ? resolveLater(reference, nameOf, resolve, at)
      : resolve(reference, nameOf, at);
  } catch (thrown) {
    return Promise.reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
  }
}

/** Apart from the above, whose calls would each have to make room for what these closures hold. */
function resolveLater(
  reference: Promise<unknown>,
  nameOf: NameOf,
  resolve: Resolver,
  at: number,
): Promise<PlanEntry> {
  return Promise.resolve(
    reference.then(
      (value) => resolve(value, nameOf, at),
      (thrown: unknown) => {
        throw userError(thrown, nameOf(at));
      },
    ),
  );
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T>;
function isPromise(value: unknown): value is Promise<unknown>;
function isPromise(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** More microtasks than generators around generators take to yield, where none waits for anything. */
const YIELD_TURNS = 32;

async function settlesSoon(step: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  step.then(note, note);
  for (let turns = 0; turns < YIELD_TURNS && !settled; turns += 1) await Promise.resolve();
  return settled;
}

interface Puller<T> {
  next(limit: number): Promise<readonly T[] | null>;
  close(): void;
}

/** Takes up to `limit` values at a time from an iterable. What it throws is an error that names `what`. */
function createPuller<T>(source: Streamed<T>, what: string): Puller<T> {
  const iterator: Iterator<T> | AsyncIterator<T> =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let ended = false;
  /** Asked for by an earlier pull that did not wait for it. */
  let pending: ReturnType<typeof iterator.next> | null = null;
  return {
    next: async (limit) => {
      const values: T[] = [];
      try {
        while (!ended && values.length < limit) {
          const step = pending ?? iterator.next();
          pending = null;
          // A producer may yield its next value only when the one before was loaded: what is here goes on without it.
          if (values.length > 0 && isPromise(step) && !(await settlesSoon(step))) {
            pending = step;
            break;
          }
          const taken = isPromise(step) ? await step : step;
          if (taken.done === true) ended = true;
          else values.push(taken.value);
        }
      } catch (thrown) {
        ended = true;
        throw userError(thrown, `the iterator of the ${what}`);
      }
      return values.length === 0 ? null : values;
    },
    close: () => {
      if (ended) return;
      ended = true;
      // Nobody waits for it: a generator that hangs in its own wait could not be left otherwise.
      void Promise.resolve()
        .then(() => iterator.return?.())
        .catch(() => {});
    },
  };
}

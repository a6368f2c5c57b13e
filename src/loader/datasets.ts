/**
 * Datasets: what there is to load. A dataset names objects and never touches their bytes.
 *
 * Three kinds: a map (a length and `at(i)`, so any order can be computed), a stream (references one after the other),
 * and a prefix (a listing, whose keys stay packed bytes unless a filter wants to see them).
 */
import { shownValue } from '../protocol/shown-value.js';
import { invalidOption, whole } from './schema.js';

/**
 * Bytes `[start, end)` of an object, or `length` bytes from `start`; without both, all from `start` on; or the last
 * `suffix` bytes. What reaches beyond the end is cut there; an empty range is refused, as RFC 9110 (14.1.2) calls it
 * unsatisfiable.
 */
export interface ByteRange {
  /** @default 0 */
  readonly start?: number | undefined;
  /** Behind the last byte, as in `slice`. Not together with `length`. */
  readonly end?: number | undefined;
  /** Bytes wanted. Not together with `end`. */
  readonly length?: number | undefined;
  /**
   * The last so many bytes, or the whole object where it has fewer. Stands alone. Needs the object's size: where that is
   * not given, it is asked for first, and the bytes are those of the version that was answered.
   */
  readonly suffix?: number | undefined;
}

/** One object, or a piece of one. */
export interface ObjectRef {
  readonly uri: string;
  /** Size of the whole object, where it is known: saves a question. */
  readonly size?: number | undefined;
  /** ETag or generation that it must have; another one is the error `VersionChanged`. */
  readonly version?: string | undefined;
  readonly range?: ByteRange | undefined;
}

/** A URI alone, or with what is known about its object. */
export type ObjectReference = string | ObjectRef;

export type Streamed<T> = Iterable<T> | AsyncIterable<T>;

export interface MapDataset {
  readonly length: number;
  /** Runs on the service thread, in plan order; several may be awaited at the same time. */
  at(index: number): ObjectReference | undefined | Promise<ObjectReference>;
}

/** What a filter of a listing is shown. */
export interface ListedObject {
  /** Decoded as UTF-8. */
  readonly key: string;
  readonly size: number;
}

export interface PrefixDataset {
  readonly prefix: string;
  readonly filter: ((info: ListedObject) => boolean) | null;
}

export interface StreamDataset {
  readonly open: () => Streamed<ObjectReference>;
}

/** What `runtime.loader` takes: a dataset of {@link ObjectDataset}, or any object with `length` and `at`, or an iterable. */
export type DatasetLike = MapDataset | PrefixDataset | StreamDataset | Streamed<ObjectReference>;

/** A dataset whose kind is known. */
export type Dataset =
  | { readonly kind: 'map'; readonly map: MapDataset }
  | { readonly kind: 'stream'; readonly open: () => Streamed<ObjectReference> }
  | { readonly kind: 'prefix'; readonly prefix: string; readonly filter: PrefixDataset['filter'] };

export const ObjectDataset = {
  /**
   * All objects whose keys begin with the key of `uri`, in the order of the store, whatever they are: the empty
   * objects that consoles leave as directory marks too. `filter` sees each key and says which are wanted; without it
   * no key is decoded. Has no length: shuffle with `{buffer}`.
   */
  fromPrefix(uri: string, options: { readonly filter?: PrefixDataset['filter'] } = {}): PrefixDataset {
    if (typeof uri !== 'string' || uri === '')
      throw invalidOption('prefix', 'a URI such as "s3://logs/2026/"', uri);
    const { filter = null } = options;
    if (filter !== null && typeof filter !== 'function') throw invalidOption('filter', 'a function', filter);
    return { prefix: uri, filter };
  },

  /** These objects. An array has a length, so `shuffle: true` works; any other iterable is a stream. */
  fromUris(uris: Streamed<ObjectReference>): MapDataset | StreamDataset {
    return Array.isArray(uris) ? ObjectDataset.fromMap(uris as MapDataset) : ObjectDataset.fromIterable(uris);
  },

  /**
   * `length` objects, of which `at(i)` names one: a hundred million computed keys cost no memory. `at` may return a
   * promise; it returns a reference, never bytes.
   */
  fromMap(map: MapDataset): MapDataset {
    if (!isMap(map)) throw invalidOption('dataset', 'an object with length and at(i)', map);
    whole(0)(map.length, 'dataset.length');
    return map;
  },

  /**
   * The references of an iterable, sync or async, in its order. A generator can be gone through once; give a function
   * that makes one to iterate the loader more often.
   */
  fromIterable(source: Streamed<ObjectReference> | (() => Streamed<ObjectReference>)): StreamDataset {
    if (typeof source === 'function') return { open: source };
    if (!isStreamed(source)) throw invalidOption('dataset', 'an iterable of URIs, or a function', source);
    return { open: oncePerIterator(source) };
  },
} as const;

/** Tells the kinds apart. @throws MillraceError InvalidArgument when it is none */
export function asDataset(given: DatasetLike): Dataset {
  const expected =
    'ObjectDataset.fromPrefix(uri), an array or iterable of URIs, or an object with length and at(i)';
  if (typeof given !== 'object' || given === null) throw invalidOption('dataset', expected, given);
  if ('prefix' in given && typeof given.prefix === 'string') {
    return { kind: 'prefix', prefix: given.prefix, filter: given.filter ?? null };
  }
  if (isMap(given)) return { kind: 'map', map: ObjectDataset.fromMap(given) };
  if ('open' in given && typeof given.open === 'function') return { kind: 'stream', open: given.open };
  if (isStreamed(given)) return { kind: 'stream', open: oncePerIterator(given) };
  throw invalidOption('dataset', expected, given);
}

function isMap(given: unknown): given is MapDataset {
  if (typeof given !== 'object' || given === null) return false;
  return 'length' in given && 'at' in given && typeof given.at === 'function';
}

function isStreamed(given: unknown): given is Streamed<ObjectReference> {
  if (typeof given !== 'object' || given === null) return false;
  return Symbol.asyncIterator in given || Symbol.iterator in given;
}

/** An iterator that is its own iterable is used up by the first epoch: a second one would be empty in silence. */
function oncePerIterator(source: Streamed<ObjectReference>): () => Streamed<ObjectReference> {
  let used = false;
  return () => {
    if (used) {
      throw invalidOption(
        'dataset',
        'an iterable that can be gone through again; give ObjectDataset.fromIterable a function',
        `${shownValue(source)}, an iterator that is used up`,
      );
    }
    used = isOneShot(source);
    return source;
  };
}

function isOneShot(source: Streamed<ObjectReference>): boolean {
  return 'next' in source && typeof source.next === 'function';
}

/**
 * What objects there are: explicit ones, and generated families whose million keys are computed when asked for.
 *
 * What it keeps true:
 * 1. Nothing is stored per generated key; its number is fixed-width, so that the order of numbers is the order of keys.
 * 2. `seek` walks all sources of a bucket in UTF-8 order, each key once, at a cost that does not grow with the bucket.
 * 3. The bytes of an object are the pattern of `objectIdOf(key, generation)`, or the body that this very generation was
 *    written with: no two generations have the same bytes, unless a client wrote them twice.
 */
import { mix32, objectIdOf } from '../../backends/memory/pattern.js';
import { compareKeys } from './encoding.js';
import type { ExplicitEntry, GeneratedEntry, ObjectAttributes } from './options.js';
import type { Walk } from './pages.js';

/** What a dialect keeps beside the bytes; each has an interface of its own that says more, all of it optional. */
export interface Attributes extends ObjectAttributes {
  /** With its quotes. Absent: one that is computed. */
  readonly etag?: string | undefined;
}

/** An object as it is now. */
export interface Stored {
  readonly key: string;
  readonly size: number;
  readonly generation: number;
  readonly objectId: number;
  /** Null where the bytes are the pattern of `objectId`. */
  readonly body: Buffer | null;
  /** With its quotes. */
  readonly etag: string;
  readonly attributes: Attributes;
}

const FIRST_MODIFIED_MS = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;
const NO_ATTRIBUTES: Attributes = Object.freeze({});

const hex8 = (n: number) => (n >>> 0).toString(16).padStart(8, '0');

/** When this generation was written. */
export const modifiedMs = (generation: number) => FIRST_MODIFIED_MS + generation * DAY_MS;

/** An ETag that tells key, size and generation apart, in S3's shape, with its quotes; other dialects make theirs of it. */
function etagOf(key: string, size: number, generation: number): string {
  const a = objectIdOf(key, generation);
  const b = mix32(a ^ mix32(size + generation));
  return `"${hex8(a)}${hex8(b)}${hex8(mix32(a + 1))}${hex8(mix32(b + 1))}"`;
}

interface Kept {
  readonly size: number;
  readonly body: Buffer | null;
  readonly attributes: Attributes;
  /** The one that it was written as. */
  readonly generation: number;
}

/** What is left of attributes when other bytes take the place of a body: nothing that was said of those. */
const overwritten = ({ contentType, cacheControl, metadata }: Attributes): Attributes => ({
  contentType,
  cacheControl,
  metadata,
});

/** Keys in their order, by index. */
interface Keys {
  readonly count: number;
  at(index: number): string;
}

/** Explicit keys, kept sorted. */
class ExplicitKeys implements Keys {
  #keys: string[] = [];
  #entries = new Map<string, Kept>();

  get count(): number {
    return this.#keys.length;
  }

  at(index: number): string {
    return this.#keys[index]!;
  }

  /** -1 where there is no such key. */
  sizeOf(key: string): number {
    return this.#entries.get(key)?.size ?? -1;
  }

  keptOf(key: string): Kept | undefined {
    return this.#entries.get(key);
  }

  /** Adds many at once: one sort. */
  load(entries: readonly ExplicitEntry[]): void {
    for (const { key, size, body, attributes = NO_ATTRIBUTES } of entries) {
      const bytes =
        body === undefined ? null : typeof body === 'string' ? Buffer.from(body) : Buffer.from(body);
      const kept = { size: bytes?.length ?? size ?? 0, body: bytes, attributes, generation: 0 };
      this.#entries.set(key, kept);
    }
    this.#keys = [...this.#entries.keys()].sort(compareKeys);
  }

  put(key: string, body: Buffer, attributes: Attributes, generation: number): void {
    if (!this.#entries.has(key)) this.#keys.splice(lowerBound(this, key), 0, key);
    this.#entries.set(key, { size: body.length, body, attributes, generation });
  }

  remove(key: string): void {
    if (this.#entries.delete(key)) this.#keys.splice(lowerBound(this, key), 1);
  }
}

/** `count` keys `prefix` + [folder/] + number + suffix. */
class GeneratedKeys implements Keys {
  readonly #entry: Required<GeneratedEntry>;
  readonly #width: number;
  readonly #folderWidth: number;

  constructor(entry: GeneratedEntry) {
    this.#entry = { suffix: '', perFolder: 0, ...entry };
    this.#width = String(Math.max(entry.count - 1, 0)).length;
    const folders = this.#entry.perFolder > 0 ? Math.ceil(entry.count / this.#entry.perFolder) : 0;
    this.#folderWidth = String(Math.max(folders - 1, 0)).length;
  }

  get count(): number {
    return this.#entry.count;
  }

  at(index: number): string {
    const { prefix, suffix, perFolder } = this.#entry;
    const name = String(index).padStart(this.#width, '0');
    if (perFolder === 0) return prefix + name + suffix;
    return `${prefix}${String(Math.floor(index / perFolder)).padStart(this.#folderWidth, '0')}/${name}${suffix}`;
  }

  sizeOf(key: string): number {
    const index = this.#indexOf(key);
    return index < 0 ? -1 : this.#entry.sizes[index % this.#entry.sizes.length]!;
  }

  #indexOf(key: string): number {
    const { prefix, suffix } = this.#entry;
    if (!key.startsWith(prefix) || !key.endsWith(suffix)) return -1;
    const end = key.length - suffix.length;
    const digits = key.slice(end - this.#width, end);
    if (!/^\d+$/.test(digits)) return -1;
    const index = Number(digits);
    return index < this.count && this.at(index) === key ? index : -1;
  }
}

/** Index of the first key of a source that is not less than `key`. */
function lowerBound(source: Keys, key: string): number {
  let low = 0;
  let high = source.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(source.at(middle), key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** One bucket. */
export class Bucket {
  readonly name: string;
  readonly #explicit = new ExplicitKeys();
  readonly #generated: GeneratedKeys[] = [];
  readonly #changes = new Map<string, { generation: number; size: number | undefined }>();
  #everywhere = 0;
  readonly #deleted = new Set<string>();

  constructor(name: string) {
    this.name = name;
  }

  /** A family of keys. */
  addGenerated(entry: GeneratedEntry): void {
    this.#generated.push(new GeneratedKeys(entry));
  }

  /** Keys on their own, in place of all that were loaded before. */
  load(entries: readonly ExplicitEntry[]): void {
    this.#explicit.load(entries);
  }

  /** @param ahead generations ahead of the present one; null for one before a body was written: its bytes are gone */
  find(key: string, ahead = 0): Stored | null {
    if (this.#deleted.has(key)) return null;
    const kept = this.#explicit.keptOf(key);
    let size = kept?.size ?? -1;
    for (let i = 0; size < 0 && i < this.#generated.length; i++) size = this.#generated[i]!.sizeOf(key);
    if (size < 0) return null;
    const generation = this.#generationOf(key) + ahead;
    let attributes = kept?.attributes ?? NO_ATTRIBUTES;
    const objectId = objectIdOf(key, generation);
    if (kept !== undefined && kept.body !== null) {
      const { body } = kept;
      if (generation < kept.generation) return null;
      if (generation === kept.generation) {
        const etag = attributes.etag ?? etagOf(key, size, generation);
        return { key, size, generation, objectId, body, etag, attributes };
      }
      attributes = overwritten(attributes);
    }
    size = this.#changes.get(key)?.size ?? size;
    const etag = etagOf(key, size, generation);
    return { key, size, generation, objectId, body: null, etag, attributes };
  }

  #generationOf(key: string): number {
    return this.#everywhere + (this.#changes.get(key)?.generation ?? 0);
  }

  /**
   * Overwrites: another generation, other bytes, another ETag, perhaps another size. All keys when `key` is undefined.
   * Says whether the key is there; nothing is done to one that is not.
   */
  bump(key?: string, size?: number): boolean {
    if (key === undefined) this.#everywhere += 1;
    else if (this.find(key) === null) return false;
    else this.#advance(key, size ?? this.#changes.get(key)?.size);
    return true;
  }

  #advance(key: string, size: number | undefined): void {
    this.#changes.set(key, { generation: (this.#changes.get(key)?.generation ?? 0) + 1, size });
  }

  /**
   * Each put is another generation, one after a removal too: no two that were ever there share an ETag, unless the
   * dialect gives one as `attributes.etag`.
   * @param body kept as it is, not copied
   */
  put(key: string, body: Buffer, attributes: Attributes = NO_ATTRIBUTES): void {
    this.#advance(key, undefined);
    this.#deleted.delete(key);
    this.#explicit.put(key, body, attributes, this.#generationOf(key));
  }

  /** Returns whether it was there. */
  remove(key: string): boolean {
    if (this.find(key) === null) return false;
    this.#explicit.remove(key);
    this.#deleted.add(key);
    return true;
  }

  /** A walk over the keys from the first that is not less than `from`. */
  seek(from: string): Walk {
    const sources: Keys[] = [this.#explicit, ...this.#generated];
    let at = sources.map((source) => lowerBound(source, from));
    const headOf = (s: number): string | null => (at[s]! < sources[s]!.count ? sources[s]!.at(at[s]!) : null);
    const next = (): string | null => {
      let best: string | null = null;
      for (let s = 0; s < sources.length; s++) {
        const key = headOf(s);
        if (key !== null && (best === null || compareKeys(key, best) < 0)) best = key;
      }
      if (best === null) return null;
      for (let s = 0; s < sources.length; s++) {
        if (headOf(s) === best) at[s]! += 1;
      }
      return this.#deleted.has(best) ? next() : best;
    };
    const seek = (key: string) => {
      at = sources.map((source) => lowerBound(source, key));
    };
    return { next, seek };
  }
}

/** The buckets by name. */
export function createCatalogue(
  entries: ReadonlyArray<ExplicitEntry | GeneratedEntry>,
  emptyBuckets: readonly string[],
): Map<string, Bucket> {
  const buckets = new Map<string, Bucket>();
  const bucketOf = (name: string) => {
    const bucket = buckets.get(name) ?? new Bucket(name);
    buckets.set(name, bucket);
    return bucket;
  };
  for (const name of emptyBuckets) bucketOf(name);
  const explicit = new Map<string, ExplicitEntry[]>();
  for (const entry of entries) {
    if ('count' in entry) bucketOf(entry.bucket).addGenerated(entry);
    else if (explicit.get(entry.bucket)?.push(entry) === undefined) explicit.set(entry.bucket, [entry]);
  }
  for (const [name, list] of explicit) bucketOf(name).load(list);
  return buckets;
}

/**
 * What objects there are: explicit ones, and generated families whose million keys are computed when asked for.
 *
 * What it keeps true:
 * 1. Nothing is stored per generated key; its number is fixed-width, so that the order of numbers is the order of keys.
 * 2. `seek` walks all sources of a bucket in UTF-8 order, each key once, at a cost that does not grow with the bucket.
 * 3. The bytes of an object are the pattern of `objectIdOf(key, generation)`, or a literal body.
 */
import { mix32, objectIdOf } from '../pattern.js';
import { compareKeys } from './encoding.js';

/**
 * @typedef {{bucket: string, key: string, size?: number, body?: Uint8Array | string, attributes?: Attributes}} ExplicitEntry
 * @typedef {{bucket: string, prefix: string, count: number, sizes: number[], suffix?: string, perFolder?: number}} GeneratedEntry
 * @typedef {{key: string, size: number, generation: number, objectId: number, body: Buffer | null, etag: string,
 *   attributes: Attributes}} Stored
 * @typedef {Record<string, any>} Attributes what the dialect keeps beside the bytes: content type, metadata, sums
 */

const FIRST_MODIFIED_MS = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;
/** @type {Attributes} */
const NO_ATTRIBUTES: Attributes = Object.freeze({});

const hex8 = (/** @type {number} */ n: number) => (n >>> 0).toString(16).padStart(8, '0');

/** When this generation was written. @param {number} generation */
export const modifiedMs = (generation: number) => FIRST_MODIFIED_MS + generation * DAY_MS;

/** An ETag that tells key, size and generation apart, in S3's shape, with its quotes; other dialects make theirs of it. */
function etagOf(key, size, generation) {
  const a = objectIdOf(key, generation);
  const b = mix32(a ^ mix32(size + generation));
  return `"${hex8(a)}${hex8(b)}${hex8(mix32(a + 1))}${hex8(mix32(b + 1))}"`;
}

/** Explicit keys, kept sorted. */
class ExplicitKeys {
  /** @type {string[]} */
  #keys: string[] = [];
  /** @type {Map<string, {size: number, body: Buffer | null, attributes: Attributes}>} */
  #entries: Map<string, { size: number; body: Buffer | null; attributes: Attributes; }> = new Map();

  get count() {
    return this.#keys.length;
  }

  at(index) {
    return this.#keys[index];
  }

  sizeOf(key) {
    return this.#entries.get(key)?.size ?? -1;
  }

  bodyOf(key) {
    return this.#entries.get(key)?.body ?? null;
  }

  attributesOf(key) {
    return this.#entries.get(key)?.attributes ?? NO_ATTRIBUTES;
  }

  /** Adds many at once: one sort. */
  load(entries) {
    for (const { key, size, body, attributes = NO_ATTRIBUTES } of entries) {
      const bytes = body === undefined ? null : Buffer.from(body);
      this.#entries.set(key, { size: bytes?.length ?? size ?? 0, body: bytes, attributes });
    }
    this.#keys = [...this.#entries.keys()].sort(compareKeys);
  }

  put(key, body, attributes) {
    if (!this.#entries.has(key)) this.#keys.splice(lowerBound(this, key), 0, key);
    this.#entries.set(key, { size: body.length, body, attributes });
  }

  remove(key) {
    if (this.#entries.delete(key)) this.#keys.splice(lowerBound(this, key), 1);
  }
}

/** `count` keys `prefix` + [folder/] + number + suffix. */
class GeneratedKeys {
  #entry;
  #width;
  #folderWidth;

  /** @param {GeneratedEntry} entry */
  constructor(entry: GeneratedEntry) {
    this.#entry = { suffix: '', perFolder: 0, ...entry };
    this.#width = String(Math.max(entry.count - 1, 0)).length;
    const folders = this.#entry.perFolder > 0 ? Math.ceil(entry.count / this.#entry.perFolder) : 0;
    this.#folderWidth = String(Math.max(folders - 1, 0)).length;
  }

  get count() {
    return this.#entry.count;
  }

  at(index) {
    const { prefix, suffix, perFolder } = this.#entry;
    const name = String(index).padStart(this.#width, '0');
    if (perFolder === 0) return prefix + name + suffix;
    return `${prefix}${String(Math.floor(index / perFolder)).padStart(this.#folderWidth, '0')}/${name}${suffix}`;
  }

  sizeOf(key) {
    const index = this.#indexOf(key);
    return index < 0 ? -1 : this.#entry.sizes[index % this.#entry.sizes.length];
  }

  #indexOf(key) {
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
function lowerBound(source, key) {
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
class Bucket {
  /** @type {ExplicitKeys} */
  explicit: ExplicitKeys = new ExplicitKeys();
  /** @type {GeneratedKeys[]} */
  #generated: GeneratedKeys[] = [];
  /** @type {Map<string, {generation: number, size?: number}>} */
  #changes: Map<string, { generation: number; size?: number; }> = new Map();
  #everywhere = 0;
  /** @type {Set<string>} */
  #deleted: Set<string> = new Set();

  constructor(name) {
    this.name = name;
  }

  addGenerated(entry) {
    this.#generated.push(new GeneratedKeys(entry));
  }

  /** @param {string} key @param {number} [ahead] generations ahead of the present one @returns {Stored | null} */
  find(key: string, ahead: number = 0): Stored | null {
    if (this.#deleted.has(key)) return null;
    let size = this.explicit.sizeOf(key);
    for (let i = 0; size < 0 && i < this.#generated.length; i++) size = this.#generated[i].sizeOf(key);
    if (size < 0) return null;
    const change = this.#changes.get(key);
    const generation = this.#everywhere + (change?.generation ?? 0) + ahead;
    const body = this.explicit.bodyOf(key);
    const trueSize = body === null ? (change?.size ?? size) : body.length;
    const attributes = this.explicit.attributesOf(key);
    // An ETag that came with a put is that of the bytes then: a bump gives another one.
    const given = attributes.generation === generation ? attributes.etag : undefined;
    const etag = given ?? etagOf(key, trueSize, generation);
    return { key, size: trueSize, generation, objectId: objectIdOf(key, generation), body, etag, attributes };
  }

  /** Overwrites: another generation, other bytes, another ETag, perhaps another size. All keys when `key` is undefined. */
  bump(key, size) {
    if (key === undefined) this.#everywhere += 1;
    else {
      const before = this.#changes.get(key);
      const change = { generation: (before?.generation ?? 0) + 1, size: size ?? before?.size };
      this.#changes.set(key, change);
    }
  }

  /**
   * Each put is another generation, one after a removal too: no two that were ever there share an ETag, unless the
   * dialect gives one as `attributes.etag`.
   * @param {string} key @param {Buffer} body kept as it is, not copied @param {Attributes} [attributes]
   */
  put(key: string, body: Buffer, attributes: Attributes = NO_ATTRIBUTES) {
    this.bump(key, undefined);
    this.#deleted.delete(key);
    const generation = this.#everywhere + (this.#changes.get(key)?.generation ?? 0);
    this.explicit.put(key, body, { ...attributes, generation });
  }

  /** @param {string} key @returns {boolean} whether it was there */
  remove(key: string): boolean {
    if (this.find(key) === null) return false;
    this.explicit.remove(key);
    this.#deleted.add(key);
    return true;
  }

  /**
   * A walk over the keys from the first that is not less than `from`.
   * @param {string} from
   * @returns {{next(): string | null, seek(key: string): void}}
   */
  seek(from: string): { next(): string | null; seek(key: string): void; } {
    const sources = [this.explicit, ...this.#generated];
    let at = sources.map((source) => lowerBound(source, from));
    const next = () => {
      let best = null;
      for (let s = 0; s < sources.length; s++) {
        const key = at[s] < sources[s].count ? sources[s].at(at[s]) : null;
        if (key !== null && (best === null || compareKeys(key, best) < 0)) best = key;
      }
      if (best === null) return null;
      for (let s = 0; s < sources.length; s++) {
        if (at[s] < sources[s].count && sources[s].at(at[s]) === best) at[s] += 1;
      }
      return this.#deleted.has(best) ? next() : best;
    };
    const seek = (/** @type {string} */ key: string) => {
      at = sources.map((source) => lowerBound(source, key));
    };
    return { next, seek };
  }
}

/** @param {Array<ExplicitEntry | GeneratedEntry>} entries @param {string[]} emptyBuckets @returns {Map<string, Bucket>} by name */
export function createCatalogue(entries: Array<ExplicitEntry | GeneratedEntry>, emptyBuckets: string[]): Map<string, Bucket> {
  /** @type {Map<string, Bucket>} */
  const buckets: Map<string, Bucket> = new Map();
  const bucketOf = (/** @type {string} */ name: string) => {
    const bucket = buckets.get(name) ?? new Bucket(name);
    buckets.set(name, bucket);
    return bucket;
  };
  for (const name of emptyBuckets) bucketOf(name);
  /** @type {Map<string, ExplicitEntry[]>} */
  const explicit: Map<string, ExplicitEntry[]> = new Map();
  for (const entry of entries) {
    if ('count' in entry) bucketOf(entry.bucket).addGenerated(entry);
    else if (explicit.get(entry.bucket)?.push(entry) === undefined) explicit.set(entry.bucket, [entry]);
  }
  for (const [name, list] of explicit) bucketOf(name).explicit.load(list);
  return buckets;
}

export { Bucket };

/**
 * One page of a listing: names and rolled-up prefixes in their order, and where the next page begins. The rules are the
 * same for all services; what a page looks like is the dialect's.
 */
import { afterPrefix, compareKeys } from './encoding.js';

/**
 * @typedef {{next(): string | null, seek(key: string): void}} Walk
 * @typedef {{name: string, rolled: boolean}} Entry `rolled` for a prefix that stands for all keys under it
 */

/**
 * @param {Walk} walk from `page.from` on
 * @param {{prefix: string, delimiter: string, max: number}} page
 * @returns {{entries: Entry[], next: string | null}} `next`: the first key of the next page, null at the end
 */
export function collectPage(walk: Walk, { prefix, delimiter, max }: { prefix: string; delimiter: string; max: number; }): { entries: Entry[]; next: string | null; } {
  /** @type {Entry[]} */
  const entries: Entry[] = [];
  for (;;) {
    const key = walk.next();
    if (key === null || !key.startsWith(prefix)) return { entries, next: null };
    if (entries.length >= max) return { entries, next: max === 0 ? null : key };
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    if (cut < 0) {
      entries.push({ name: key, rolled: false });
      continue;
    }
    const name = key.slice(0, cut + delimiter.length);
    entries.push({ name, rolled: true });
    const beyond = afterPrefix(name);
    if (beyond === null) return { entries, next: null };
    walk.seek(beyond);
  }
}

/**
 * A page as it is, or one that leads the walk astray: back to its own begin, back to its second entry (so that all others
 * come again), or the page behind it in its place.
 * @param {(from: string) => Walk} walkFrom @param {{from: string, prefix: string, delimiter: string, max: number}} page
 * @param {string | undefined} lie
 * @returns {{entries: Entry[], next: string | null}}
 */
export function servedPage(walkFrom: (from: string) => Walk, page: { from: string; prefix: string; delimiter: string; max: number; }, lie: string | undefined): { entries: Entry[]; next: string | null; } {
  const honest = collectPage(walkFrom(page.from), page);
  const { entries, next } = honest;
  if (lie === 'skip-page' && next !== null) return collectPage(walkFrom(next), page);
  if (lie === 'same-continuation' && entries.length > 0) return { entries, next: entries[0].name };
  if (lie === 'repeat-page' && entries.length > 1) return { entries, next: entries[1].name };
  return honest;
}

/** Two walks as one, each key once. @param {Walk} a @param {Walk} b @returns {Walk} */
export function mergedWalk(a: Walk, b: Walk): Walk {
  let heads = [a.next(), b.next()];
  return {
    next() {
      const [x, y] = heads;
      if (x === null && y === null) return null;
      const order = x === null ? 1 : y === null ? -1 : compareKeys(x, y);
      heads = [order <= 0 ? a.next() : x, order >= 0 ? b.next() : y];
      return order <= 0 ? x : y;
    },
    seek(key) {
      a.seek(key);
      b.seek(key);
      heads = [a.next(), b.next()];
    },
  };
}

/** A walk over a few keys in any order. @param {Iterable<string>} keys @param {string} from @returns {Walk} */
export function walkOf(keys: Iterable<string>, from: string): Walk {
  const sorted = [...keys].sort(compareKeys);
  let least = from;
  const seek = (/** @type {string} */ key: string) => {
    least = key;
  };
  return {
    next() {
      const key = sorted.find((one) => compareKeys(one, least) >= 0) ?? null;
      if (key !== null) least = `${key}\0`;
      return key;
    },
    seek,
  };
}

/**
 * One page of a listing: names and rolled-up prefixes in their order, and where the next page begins. The rules are the
 * same for all services; what a page looks like is the dialect's.
 */
import { afterPrefix, compareKeys } from './encoding.js';
import type { Lie } from './rules.js';

/** A walk over keys in their order. */
export interface Walk {
  /** Null at the end. */
  next(): string | null;
  /** Goes on from the first key that is not less. */
  seek(key: string): void;
}

export interface Entry {
  readonly name: string;
  /** A prefix that stands for all keys under it. */
  readonly rolled: boolean;
}

export interface Page {
  readonly entries: Entry[];
  /** The first key of the next page, null at the end. */
  readonly next: string | null;
}

/** What a page is to be of. */
export interface PageBounds {
  readonly prefix: string;
  /** '' for none. */
  readonly delimiter: string;
  readonly max: number;
}

/** @param walk from the begin of the page on */
export function collectPage(walk: Walk, { prefix, delimiter, max }: PageBounds): Page {
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
 */
export function servedPage(
  walkFrom: (from: string) => Walk,
  page: PageBounds & { readonly from: string },
  lie: Lie | undefined,
): Page {
  const honest = collectPage(walkFrom(page.from), page);
  const { entries, next } = honest;
  const [first, second] = entries;
  if (lie === 'skip-page' && next !== null) return collectPage(walkFrom(next), page);
  if (lie === 'same-continuation' && first !== undefined) return { entries, next: first.name };
  if (lie === 'repeat-page' && second !== undefined) return { entries, next: second.name };
  return honest;
}

/** Two walks as one, each key once. */
export function mergedWalk(a: Walk, b: Walk): Walk {
  let heads: readonly [string | null, string | null] = [a.next(), b.next()];
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

/** A walk over a few keys in any order. */
export function walkOf(keys: Iterable<string>, from: string): Walk {
  const sorted = [...keys].sort(compareKeys);
  let least = from;
  const seek = (key: string) => {
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

/**
 * One page of the objects of a memory store, in the order of their keys' bytes, with S3's prefix and delimiter.
 *
 * Invariant: `next` is the last key or rolled-up prefix in base64url; it alone is enough to go on.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { createKeyPageBuilder, prefixText } from '../../protocol/key-page.js';
import type { KeyPage, ListRequest } from '../../protocol/store.js';
import { type Collection, rankIn } from './objects.js';

/** Sorts behind every byte, since latin1 ends at U+00FF: a key with it appended is behind all that the key begins. */
const BEHIND_ALL_BYTES = '\u0100';
const MAX_PAGE_KEYS = 10_000;

interface Head {
  readonly collection: Collection;
  at: number;
}

/** @throws MillraceError InvalidArgument */
export function listPage(collections: readonly Collection[], request: ListRequest): KeyPage {
  const prefix = Buffer.from(request.prefix).toString('latin1');
  const delimiter = request.delimiter === null ? null : Buffer.from(request.delimiter).toString('latin1');
  const limit = Math.min(checkedLimit(request.limit), MAX_PAGE_KEYS);
  const last = request.continuation === null ? null : lastKeyOf(request.continuation, prefix);
  const heads = collections.map((collection) => ({ collection, at: rankIn(collection, prefix, false) }));
  if (last !== null) skipTo(heads, afterEntry(last, prefix, delimiter));
  const page = createKeyPageBuilder();
  const prefixes: string[] = [];
  let latest = '';
  for (let head = lowest(heads, prefix); head !== null; head = lowest(heads, prefix)) {
    if (page.count + prefixes.length === limit) {
      return page.finish(prefixes, Buffer.from(latest, 'latin1').toString('base64url'));
    }
    const { collection, at } = head;
    const key = collection.keyAt(at);
    const end = delimiter === null || delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    if (end === -1) {
      page.add(Buffer.from(key, 'latin1'), collection.sizeAt(at), collection.versionAt(at), null);
      latest = key;
    } else {
      latest = key.slice(0, end + (delimiter?.length ?? 0));
      prefixes.push(prefixText(Buffer.from(latest, 'latin1')));
    }
    skipTo(heads, afterEntry(latest, prefix, delimiter));
  }
  return page.finish(prefixes, null);
}

/** What comes after a key is everything above it; after a rolled-up prefix, everything above all that it begins. */
function afterEntry(
  last: string,
  prefix: string,
  delimiter: string | null,
): { key: string; including: boolean } {
  const isRolledUp =
    delimiter !== null && delimiter !== '' && last.length > prefix.length && last.endsWith(delimiter);
  return isRolledUp ? { key: last + BEHIND_ALL_BYTES, including: false } : { key: last, including: true };
}

function skipTo(heads: Head[], after: { key: string; including: boolean }): void {
  for (const head of heads) {
    const isBehind = (at: number): boolean => {
      if (at >= head.collection.count) return false;
      const key = head.collection.keyAt(at);
      return key < after.key || (after.including && key === after.key);
    };
    if (!isBehind(head.at)) continue;
    // Mostly it is one step; a rolled-up prefix may be a million of them.
    head.at += 1;
    if (isBehind(head.at)) head.at = rankIn(head.collection, after.key, after.including);
  }
}

/** Of equal keys the first collection's; `skipTo` takes the others along. */
function lowest(heads: readonly Head[], prefix: string): Head | null {
  let best: Head | null = null;
  let bestKey = '';
  for (const head of heads) {
    if (head.at >= head.collection.count) continue;
    const key = head.collection.keyAt(head.at);
    if (!key.startsWith(prefix)) continue;
    if (best === null || key < bestKey) {
      best = head;
      bestKey = key;
    }
  }
  return best;
}

function checkedLimit(limit: number): number {
  if (Number.isSafeInteger(limit) && limit >= 1) return limit;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `limit: expected a whole number from 1 on; given ${limit}`,
  );
}

function lastKeyOf(continuation: string, prefix: string): string {
  const bytes = Buffer.from(continuation, 'base64url');
  const last = bytes.toString('latin1');
  if (last.startsWith(prefix) && bytes.toString('base64url') === continuation) return last;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `not the continuation of this listing: ${JSON.stringify(continuation)}; expected the "next" of a page with the ` +
      'same prefix',
  );
}

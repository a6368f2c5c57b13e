/**
 * How `gs://bucket/key` reads. The key is taken literally, as in all of our URIs: object names may hold `%`, `+`, `?`, `#`
 * and spaces, and a URI that decoded them could not name every object.
 *
 * Invariants:
 * 1. `parseUri(formatUri(location))` gives the same location back, whatever characters the key holds.
 * 2. A bucket that is accepted cannot break out of its place in a path.
 * 3. A URI of the bucket that came last is read by a shorter way, which gives exactly what the long one does.
 *
 * Source of the names: "About Cloud Storage buckets" and "About Cloud Storage objects".
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { shownUri } from '../../protocol/shown-uri.js';
import type { ObjectLocation } from '../../protocol/store.js';
import { keyText, plainKey } from '../http/keys.js';

const PREFIX = 'gs://';
/** The service's own limit on a name, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1024;
/** 3 to 63 characters, and up to 222 where dots cut the name into parts; older buckets may have upper case. */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,220}[A-Za-z0-9]$/;
const EXAMPLE = 'gs://bucket/key, such as gs://logs/2026/11/part-0.json';

function invalid(message: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'plan' });
}

/** The bucket of the last URI, with the text that every URI of it begins with: a plan names object after object of one. */
let last: { readonly begin: string; readonly store: string } | null = null;

/**
 * Splits a URI; an empty key is let through, because a prefix may be empty.
 * @throws MillraceError InvalidArgument with an example of a good one
 */
export function parseUri(uri: string): ObjectLocation {
  if (last !== null && uri.startsWith(last.begin)) {
    const key = plainKey(uri, last.begin.length, MAX_KEY_BYTES);
    if (key !== null) return { store: last.store, key };
  }
  if (!uri.startsWith(PREFIX)) throw invalid(`"${shownUri(uri)}" is not a gs URI; expected ${EXAMPLE}`);
  const slash = uri.indexOf('/', PREFIX.length);
  const store = slash < 0 ? uri : uri.slice(0, slash);
  const bucket = bucketOf(store);
  const text = slash < 0 ? '' : uri.slice(slash + 1);
  if (!text.isWellFormed()) {
    throw invalid(
      `The key of "${shownUri(uri.toWellFormed())}" has a lone surrogate and no UTF-8 form; keys are UTF-8`,
    );
  }
  const key = Buffer.from(text, 'utf8');
  if (key.length > MAX_KEY_BYTES) {
    throw invalid(
      `A key of bucket "${bucket}" ("${shownUri(uri).slice(0, 80)}...") has ${key.length} bytes; names of objects have at most ${MAX_KEY_BYTES}`,
    );
  }
  last = { begin: `${store}/`, store };
  return { store, key: new Uint8Array(key) };
}

/** The inverse of `parseUri`. Bytes that are not UTF-8, which no name has, show as U+FFFD. */
export function formatUri(location: ObjectLocation): string {
  return `${location.store}/${keyText(location.key)}`;
}

/** The bucket of a store name. @throws MillraceError InvalidArgument when it cannot be that of a bucket */
export function bucketOf(store: string): string {
  const bucket = store.startsWith(PREFIX) ? store.slice(PREFIX.length) : '';
  if (bucket === '') throw invalid(`"${shownUri(store)}" names no bucket; expected ${EXAMPLE}`);
  if (/[@:?#]/.test(bucket)) {
    throw invalid(
      'The bucket of a gs URI has neither credentials nor a port nor a query; pass credentials and endpoint as options of ' +
        `the gs scheme; expected ${EXAMPLE}`,
    );
  }
  if (!BUCKET.test(bucket) || bucket.includes('..')) {
    throw invalid(
      `"${bucket}" is not a bucket name; expected 3 to 63 lower-case letters, digits, "-", "_" and ".", beginning and ` +
        'ending with a letter or a digit',
    );
  }
  return bucket;
}

/**
 * How `s3://bucket/key` reads. The key is taken literally: S3 keys may hold `%`, `+`, `?`, `#` and spaces, and a URI
 * that decoded them could not name every object.
 *
 * Invariants:
 * 1. `parseUri(formatUri(location))` gives the same location back, whatever characters the key holds.
 * 2. A bucket that is accepted cannot break out of its place in a host name or a path.
 * 3. A URI of the bucket that came last is read by a shorter way, which accepts and gives exactly what the long one does.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { shownUri } from '../../protocol/shown-uri.js';
import type { ObjectLocation } from '../../protocol/store.js';
import { keyText, plainKey } from '../http/keys.js';

const PREFIX = 's3://';
/** S3's own limit on a key, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1024;
/**
 * Wider than today's rule for new buckets (3-63, lower case) by what older buckets and other servers have: upper
 * case, `_`, and up to 255 characters. Such buckets are addressed by path.
 */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/;
const ADDRESS = /^\d{1,3}(\.\d{1,3}){3}$/;
/** An access point's ARN holds slashes of its own, so it is recognised before the first slash is looked for. */
const ARN =
  /^arn:[a-z0-9-]+:s3[a-z0-9-]*:[a-z0-9-]*:\d{12}:(?:outpost[:/][a-z0-9-]+[:/])?accesspoint[:/][A-Za-z0-9.-]{3,63}(?=\/|$)/;

function invalid(message: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'plan' });
}

/** Throws `InvalidArgument` when the name cannot be that of a bucket or an access point. */
export function checkBucket(bucket: string, given: string): void {
  if (ARN.exec(bucket)?.[0] === bucket) return;
  if (bucket === '') {
    throw invalid(
      `"${shownUri(given)}" names no bucket; expected s3://bucket/key, such as s3://logs/2026/11/part-0.json`,
    );
  }
  if (bucket.includes('@') || bucket.includes(':')) {
    throw invalid(
      `The bucket of an s3 URI has neither credentials nor a port (given: a URI with "@" or ":" before the key); ` +
        `pass credentials and endpoint as options of the s3 scheme`,
    );
  }
  if (!BUCKET.test(bucket) || bucket.includes('..') || ADDRESS.test(bucket)) {
    throw invalid(
      `"${bucket.split(/[?#]/, 1)[0]}" is not a bucket name; expected 3 to 63 lower-case letters, digits, "-" and ".", ` +
        `beginning and ending with a letter or a digit, and not an IP address`,
    );
  }
}

/**
 * The bucket of the last URI, with the text that every URI of it begins with. A plan names object after object of one
 * bucket: this saves five regular expressions and 500 bytes of garbage per object.
 */
let last: { readonly begin: string; readonly store: string } | null = null;

/** Splits a URI; an empty key is let through, because a prefix may be empty. */
export function parseUri(uri: string): ObjectLocation {
  if (last !== null && uri.startsWith(last.begin)) {
    const key = plainKey(uri, last.begin.length, MAX_KEY_BYTES);
    if (key !== null) return { store: last.store, key };
  }
  const location = parseWhole(uri);
  const begin = `${location.store}/`;
  // The name of an access point has slashes in it, and is always looked at as a whole.
  if (!location.store.includes(':', PREFIX.length) && uri.startsWith(begin)) {
    last = { begin, store: location.store };
  }
  return location;
}

function parseWhole(uri: string): ObjectLocation {
  if (!uri.startsWith(PREFIX)) {
    throw invalid(
      `"${shownUri(uri)}" is not an s3 URI; expected s3://bucket/key, such as s3://logs/2026/11/part-0.json`,
    );
  }
  const rest = uri.slice(PREFIX.length);
  const arn = ARN.exec(rest)?.[0];
  const slash = arn === undefined ? rest.indexOf('/') : arn.length < rest.length ? arn.length : -1;
  const bucket = slash < 0 ? rest : rest.slice(0, slash);
  checkBucket(bucket, uri);
  const keyPart = slash < 0 ? '' : rest.slice(slash + 1);
  if (!keyPart.isWellFormed()) {
    throw invalid(
      `The key of "${shownUri(uri.toWellFormed())}" has a lone surrogate and no UTF-8 form; S3 keys are UTF-8`,
    );
  }
  const key = Buffer.from(keyPart, 'utf8');
  if (key.length > MAX_KEY_BYTES) {
    throw invalid(
      `The key of "${shownUri(uri).slice(0, 80)}..." has ${key.length} bytes; S3 keys have at most ${MAX_KEY_BYTES}`,
    );
  }
  return { store: PREFIX + bucket, key: new Uint8Array(key) };
}

/** The inverse of `parseUri`. Bytes that are not UTF-8, which no S3 key has, show as U+FFFD. */
export function formatUri(location: ObjectLocation): string {
  return `${location.store}/${keyText(location.key)}`;
}

/** The bucket of a store name that `parseUri` gave. */
export function bucketOf(store: string): string {
  const bucket = store.startsWith(PREFIX) ? store.slice(PREFIX.length) : '';
  checkBucket(bucket, store);
  return bucket;
}

/**
 * What prefixes stand for: the key that is common to all below one, and where several have their files.
 *
 * Invariants:
 * 1. Of several prefixes no two have a file in common: that is known from their text, so nothing has to be remembered
 *    of a million keys, and it is refused before anything is made.
 * 2. A single prefix has its files in the target itself.
 */
import { posix, resolve } from 'node:path';
import { UsageError } from './args.js';
import { pathSegments } from './paths.js';

/** Keys of the cloud's stores are taken as they stand; all other URIs are percent-encoded. */
const CLOUD = /^(?:s3|az|gs):/;

/**
 * The key that a prefix URI stands for, seen from an entry below it: what comes before the key in the entry's URI is
 * the store, and the rest of the prefix is the key. Where URIs are percent-encoded, or the prefix is a plain path, the
 * two do not line up as text, and the prefix is read as the path that it means.
 */
export function prefixKey(prefix: string, uri: string, key: string, cwd: string = process.cwd()): string {
  if (uri.endsWith(key)) {
    const store = uri.slice(0, uri.length - key.length);
    if (store === `${prefix}/`) return '';
    const rest = prefix.startsWith(store) ? prefix.slice(store.length) : null;
    if (rest !== null && key.startsWith(rest)) return rest;
  }
  return absolutePath(prefix, cwd).slice(1);
}

/** The key that the URI of an object names, or its path. */
export function keyOf(uri: string): string {
  return CLOUD.test(uri) ? uri : plainText(uri);
}

/**
 * The folder below the target that each of several prefixes has for itself: the last part of its key, its path, or else
 * of the store's name. A prefix without a slash at its end begins names, and each key that begins so has its folder.
 * Null for a single prefix.
 *
 * @throws UsageError when there is no name for a folder, or two prefixes could have the same file
 */
export function prefixFolders(
  prefixes: readonly string[],
  cwd: string = process.cwd(),
): readonly (string | null)[] {
  if (prefixes.length === 1) return [null];
  const places = prefixes.map((prefix) => ({
    prefix,
    name: lastPart(prefix, cwd),
    isOpen: !prefix.endsWith('/'),
  }));
  // In this order all names that begin with one come directly behind it, so neighbours tell.
  const sorted = places.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  for (const [at, other] of sorted.entries()) {
    const one = sorted[at - 1];
    if (one === undefined) continue;
    const isSame = one.name === other.name;
    if (isSame || (one.isOpen && other.name.startsWith(one.name)))
      throw shared(one.prefix, other.prefix, isSame);
  }
  return places.map(({ name }) => name);
}

function shared(one: string, other: string, isSame: boolean): UsageError {
  const advice = isSame ? '' : '; or end them with "/", where they are meant as folders';
  return new UsageError(
    `get -r: ${one} and ${other} may both have the same file; fetch them one by one, each with an -o of its own${advice}`,
  );
}

function lastPart(prefix: string, cwd: string): string {
  const path = CLOUD.test(prefix) ? prefix.replace(/^\w+:/, '') : absolutePath(prefix, cwd);
  const name = path.split('/').findLast((part) => part !== '') ?? '';
  try {
    pathSegments(name, '');
    return name;
  } catch {
    throw new UsageError(`get -r: ${prefix} gives no folder a name; fetch it by itself`);
  }
}

/** `file://localhost/a%20b/` as `/a b/`, and `./x` from the working directory on. */
function absolutePath(prefix: string, cwd: string): string {
  const path = plainText(prefix);
  const absolute = path.startsWith('/') ? path : resolve(cwd, path) + (path.endsWith('/') ? '/' : '');
  return posix.normalize(absolute);
}

/** `file://localhost/a%20b` as `/a b`, and as a listing shows it where it is not UTF-8; a path stays what it is. */
function plainText(uri: string): string {
  const encoded = /^[A-Za-z][A-Za-z0-9+.-]*:(?:\/\/[^/]*)?(\/.*)$/s.exec(uri)?.[1];
  if (encoded === undefined) return uri;
  const bytes = Buffer.from(encoded, 'utf8').toString('latin1');
  const plain = bytes.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(plain, 'latin1').toString('utf8');
}

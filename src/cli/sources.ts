/** Which objects `get` was asked for, with their sizes and the paths of their files. */
import { posix, resolve } from 'node:path';
import { parseBytes } from '../index.js';
import type { OptionValues } from './args.js';
import { baseName, isFolderMarker, pathSegments } from './paths.js';
import type { Source } from './pieces.js';
import type { Session } from './session.js';
import { text } from './values.js';
import { StopState } from '../protocol/stop.js';

/** What the runtime takes where `--memory` is not given. */
const DEFAULT_BUDGET_BYTES = 512 * 2 ** 20;

export function budgetOf(values: OptionValues): number {
  const given = text(values, 'memory');
  return given === undefined ? DEFAULT_BUDGET_BYTES : parseBytes(given, '--memory');
}

export interface FileSource extends Source {
  /** Path below the target directory. */
  readonly segments: readonly string[];
}

/** The objects that the URIs name, one `head` each. */
export async function* namedSources(
  { runtime, token, operands }: Session,
  fileName: string | null,
): AsyncGenerator<FileSource> {
  for (const uri of operands) {
    if (token.state !== StopState.Live) return;
    const { size, version } = await runtime.head(uri, { token });
    const key = keyOf(uri);
    yield { uri, key, size, version, start: 0, length: size, segments: [fileName ?? baseName(key)] };
  }
}

/** Everything below the prefixes, as it is listed. */
export async function* listedSources({ runtime, token, operands }: Session): AsyncGenerator<FileSource> {
  for (const prefix of operands) {
    for await (const entry of runtime.list(prefix, { token })) {
      if (token.state !== StopState.Live) return;
      if (entry.kind === 'prefix') continue;
      const { uri, key, version } = entry;
      if (isFolderMarker(key, entry.size)) continue;
      const size = entry.size >= 0 ? entry.size : (await runtime.head(uri, { token })).size;
      const segments = pathSegments(key, prefixKey(prefix, uri, key));
      yield { uri, key, size, version, start: 0, length: size, segments };
    }
  }
}

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
  const path = plainText(prefix);
  const absolute = path.startsWith('/') ? path : resolve(cwd, path) + (path.endsWith('/') ? '/' : '');
  return posix.normalize(absolute).slice(1);
}

/** `file://localhost/a%20b` as `/a b`; what has no scheme is a path already. */
function plainText(uri: string): string {
  const encoded = /^[A-Za-z][A-Za-z0-9+.-]*:(?:\/\/[^/]*)?(\/.*)$/s.exec(uri)?.[1];
  if (encoded === undefined) return uri;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}

/** A `file:` URI is percent-encoded; an S3 key is taken as it stands. */
function keyOf(uri: string): string {
  return uri.startsWith('s3:') ? uri : plainText(uri);
}

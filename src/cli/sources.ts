/** Which objects `get` was asked for, with their sizes and the paths of their files. */
import { posix, resolve } from 'node:path';
import { ErrorCode, MillraceError, type Runtime } from '../index.js';
import { baseName, isFolderMarker, pathSegments } from './paths.js';
import type { Source } from './pieces.js';
import type { Session } from './session.js';
import { StopState } from '../protocol/stop.js';

/** The memory budget that the runtime works with. */
export function budgetOf(runtime: Pick<Runtime, 'explain'>): number {
  const row = runtime.explain().find(({ option }) => option === 'memoryBudget');
  if (typeof row?.value === 'number') return row.value;
  throw new MillraceError(ErrorCode.Internal, 'the runtime does not tell its memory budget');
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

/**
 * Everything below the prefixes, as it is listed. A key that cannot be a file below the target directory is told to
 * `refuse` and left out: one odd name among a million should not keep the others away.
 */
export async function* listedSources(
  { runtime, token, operands }: Session,
  refuse: (uri: string, error: MillraceError) => void,
): AsyncGenerator<FileSource> {
  for (const prefix of operands) {
    for await (const entry of runtime.list(prefix, { token })) {
      if (token.state !== StopState.Live) return;
      if (entry.kind === 'prefix') continue;
      const { uri, key, version } = entry;
      if (isFolderMarker(key, entry.size)) continue;
      const segments = segmentsOf(key, prefixKey(prefix, uri, key));
      if (segments instanceof MillraceError) {
        refuse(uri, segments);
        continue;
      }
      const size = entry.size >= 0 ? entry.size : (await runtime.head(uri, { token })).size;
      yield { uri, key, size, version, start: 0, length: size, segments };
    }
  }
}

function segmentsOf(key: string, prefix: string): string[] | MillraceError {
  try {
    return pathSegments(key, prefix);
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
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

/** A `file:` URI is percent-encoded; the keys of the cloud's stores are taken as they stand. */
function keyOf(uri: string): string {
  return /^(?:s3|az|gs):/.test(uri) ? uri : plainText(uri);
}

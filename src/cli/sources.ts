/** Which objects `get` was asked for, with their sizes and the paths of their files. */
import { ErrorCode, MillraceError, type Runtime } from '../index.js';
import { baseName, isFolderMarker, pathSegments } from './paths.js';
import type { Source } from './pieces.js';
import { keyOf, prefixKey } from './prefixes.js';
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
 *
 * @param folders of each prefix, as `prefixFolders` has them
 */
export async function* listedSources(
  { runtime, token, operands }: Session,
  folders: readonly (string | null)[],
  refuse: (uri: string, error: MillraceError) => void,
): AsyncGenerator<FileSource> {
  for (const [at, prefix] of operands.entries()) {
    const folder = folders[at] ?? null;
    for await (const entry of runtime.list(prefix, { token })) {
      if (token.state !== StopState.Live) return;
      if (entry.kind === 'prefix') continue;
      const { uri, key, version } = entry;
      if (isFolderMarker(key, entry.size)) continue;
      const segments = segmentsOf(key, prefixKey(prefix, uri, key), folder);
      if (segments instanceof MillraceError) {
        refuse(uri, segments);
        continue;
      }
      const size = entry.size >= 0 ? entry.size : (await runtime.head(uri, { token })).size;
      yield { uri, key, size, version, start: 0, length: size, segments };
    }
  }
}

/** What comes behind the last slash of a prefix is in the path already; where nothing does, its folder goes before. */
function segmentsOf(key: string, prefix: string, folder: string | null): string[] | MillraceError {
  try {
    const segments = pathSegments(key, prefix);
    return folder !== null && (prefix === '' || prefix.endsWith('/')) ? [folder, ...segments] : segments;
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
}

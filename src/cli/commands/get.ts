/** `millrace get`: objects to files, each whole or not there at all. */
import { mkdir, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { ErrorCode, MillraceError } from '../../index.js';
import { UsageError } from '../args.js';
import { failureOf } from '../failures.js';
import { type Ahead, readAhead } from '../ahead.js';
import { createFileWriter, type FileWriter, type PartialFile, PlaceRefused } from '../files.js';
import { fetchPieces, type Piece } from '../pieces.js';
import { prefixFolders } from '../prefixes.js';
import { createProgress, type Progress } from '../progress.js';
import { totalsLine } from '../records.js';
import type { Command, Session } from '../session.js';
import { budgetOf, type FileSource, listedSources, namedSources } from '../sources.js';
import { jsonLine } from '../text.js';
import { flag, text } from '../values.js';
import { StopState } from '../../protocol/stop.js';

/** Pieces that are written at the same time: as many as Node's pool of file threads takes up. */
const PIECES_PER_GROUP = 8;

interface Counts {
  files: number;
  bytes: number;
}

export const get: Command = async (session) => {
  const { runtime, token, values, out, json, warn } = session;
  const recursive = flag(values, 'recursive');
  const folders = recursive ? prefixFolders(session.operands) : [];
  const { directory, fileName } = await targetOf(session);
  const writer = createFileWriter(directory, {
    fsync: flag(values, 'fsync'),
    beforeDeath: session.beforeDeath,
  });
  const refused: Refused = { count: 0, named: [], last: null };
  const sources = readAhead(
    recursive ? listedSources(session, folders, refuseInto(refused)) : namedSources(session, fileName),
  );
  const pieces = fetchPieces(runtime, withoutCollisions(sources, !recursive), {
    budgetBytes: budgetOf(runtime),
    groupSize: PIECES_PER_GROUP,
    token,
    isUnwanted: (source) => source === refused.last,
  });
  const counts: Counts = { files: 0, bytes: 0 };
  const progress = startProgress(session, counts, sources);
  const error = await failureOf(() => writeAll(pieces, opener(writer, recursive, refused), counts));
  progress.end();
  for (const { uri, error: why } of refused.named) warn(uri, why);
  const { totals } = pieces;
  const document = { command: 'get', ...counts, refused: refused.count, ...totals };
  if (json && error === null && pieces.complete) await out.write(`${jsonLine(document)}\n`);
  if (!json && refused.count > 0) session.say(`${refused.count} keys cannot be files here and were left out`);
  const line = `${counts.files} files; ${totalsLine(totals)}`;
  return { ok: error === null && refused.count === 0, error, record: { line, document } };
};

/** Keys that no file below the target directory can have. */
interface Refused {
  count: number;
  readonly named: { readonly uri: string; readonly error: MillraceError }[];
  /** The source whose place was found taken last: its pieces are thrown away. Pieces are in order, so one is enough. */
  last: FileSource | null;
}

/** Refused keys that are named on standard error; all of them are counted. */
const MAX_NAMED_REFUSALS = 20;

function refuseInto(refused: Refused): (uri: string, error: MillraceError) => void {
  return (uri, error) => {
    refused.count += 1;
    if (refused.named.length < MAX_NAMED_REFUSALS) refused.named.push({ uri, error });
  };
}

/** What there is to do is known when all sources were seen; of named ones their number is, from the begin. */
function startProgress(session: Session, counts: Counts, sources: Ahead<FileSource>): Progress {
  const { screen, token, values, operands } = session;
  const named = flag(values, 'recursive') ? null : operands.length;
  const startedAt = performance.now();
  return createProgress(screen, () => ({
    objects: counts.files,
    bytes: counts.bytes,
    elapsedMs: performance.now() - startedAt,
    totalObjects: sources.ended ? sources.objects : named,
    totalBytes: sources.ended ? sources.bytes : null,
    note: token.state === StopState.Live ? '' : 'draining',
  }));
}

/** Opens the file of a source; null for one that is left out. */
type Open = (source: FileSource) => Promise<PartialFile | null>;

/** A named object whose place is taken is a failure; a listed one is left out. S3 has both `a` and `a/b`, a disk has not. */
function opener(writer: FileWriter, recursive: boolean, refused: Refused): Open {
  const refuse = refuseInto(refused);
  return async (source) => {
    if (source === refused.last) return null;
    try {
      return await writer.create(source.segments);
    } catch (error) {
      if (!recursive || !(error instanceof PlaceRefused)) throw error;
      refuse(source.uri, error);
      refused.last = source;
      return null;
    }
  };
}

/** One file may be open from one group to the next: the one whose last piece has not come. */
async function writeAll(
  groups: AsyncIterable<readonly Piece<FileSource>[]>,
  open: Open,
  counts: Counts,
): Promise<void> {
  let file: PartialFile | null = null;
  try {
    for await (const group of groups) {
      for (const stretch of bySource(group)) {
        const first = stretch[0]!;
        file ??= await open(first.source);
        if (file === null) continue;
        const target: PartialFile = file;
        await settled(stretch.map(({ bytes, start }) => target.write(bytes, start)));
        for (const { bytes } of stretch) counts.bytes += bytes.length;
        if (!stretch.at(-1)!.last) continue;
        await file.commit();
        file = null;
        counts.files += 1;
      }
    }
  } finally {
    await file?.discard();
  }
}

/** Waits for all, then rejects with the first failure: no write may be under way when a file is closed. */
async function settled(writes: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(writes)) {
    if (outcome.status === 'rejected') throw outcome.reason;
  }
}

/** A group as stretches of pieces of one source. */
function bySource(group: readonly Piece<FileSource>[]): Piece<FileSource>[][] {
  const stretches: Piece<FileSource>[][] = [];
  for (const piece of group) {
    const current = stretches.at(-1);
    if (current?.[0]?.source === piece.source) current.push(piece);
    else stretches.push([piece]);
  }
  return stretches;
}

/**
 * Two named objects with the same last part of the key would become one file. Listed ones cannot: keys are unique, and
 * each of several prefixes has a folder.
 */
async function* withoutCollisions(
  sources: AsyncIterable<FileSource>,
  look: boolean,
): AsyncGenerator<FileSource> {
  const seen = new Map<string, string>();
  for await (const source of sources) {
    const path = source.segments.join('/');
    const other = look ? seen.get(path) : undefined;
    if (other !== undefined) {
      const message = `${other} and ${source.uri} would both become ${JSON.stringify(path)}; fetch them one by one`;
      throw new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'plan' });
    }
    if (look) seen.set(path, source.uri);
    yield source;
  }
}

/** Where files go; the directory is made if it is not there. */
async function targetOf({
  values,
  operands,
}: Session): Promise<{ directory: string; fileName: string | null }> {
  const given = text(values, 'output') ?? '.';
  const path = resolve(given);
  const known = await stat(path).catch(() => null);
  const several = operands.length > 1 || flag(values, 'recursive');
  if (several && known !== null && !known.isDirectory()) {
    throw new UsageError(
      `--output: expected a directory for several objects; ${JSON.stringify(given)} is a file`,
    );
  }
  const isDirectory = several || given.endsWith('/') || known?.isDirectory() === true;
  const directory = isDirectory ? path : dirname(path);
  await mkdir(directory, { recursive: true });
  return { directory, fileName: isDirectory ? null : basename(path) };
}

/**
 * `delete` and `deletePrefix`.
 *
 * Invariants:
 * 1. Nothing is deleted that was not listed under the very prefix, and nothing at all in a dry run; a whole store only where
 *    that was said.
 * 2. What could not be deleted is told, row by row, and does not keep the rest.
 * 3. A stop ends the walk behind the rows of what was deleted already: nothing is deleted without a row.
 */
import type { StreamHandle, SupervisorHandle } from '../../actors/supervisor/types.js';
import { asMillraceError, ErrorCode, type MillraceError } from '../../protocol/errors.js';
import { StopState } from '../../protocol/stop.js';
import type { KeyPage } from '../../protocol/store.js';
import { directStream, openDirect } from '../direct.js';
import { createPageWalk, keyOf } from '../listing.js';
import { locate } from '../references.js';
import { checkNames, flag, invalidOption, whole } from '../schema.js';
import type { StopOptions } from '../stop-options.js';
import { STOPS, WRITE_NAMES, readTerms, type WriteOptions } from './options.js';
import { locateObject, openWritable, type WritableStore } from './target.js';

export type DeleteOptions = Omit<WriteOptions, 'ifAbsent'>;

/**
 * Deletes one object. One that is not there is no failure.
 * @throws MillraceError (rejects) VersionChanged, AccessDenied, Unsupported, Cancelled...
 */
export async function deleteObject(
  supervisor: SupervisorHandle,
  uri: string,
  options: DeleteOptions = {},
): Promise<void> {
  const names = WRITE_NAMES.filter((name) => name !== 'ifAbsent');
  const { ifVersion, maxAttempts } = readTerms(options, names, 'delete');
  const { store, key } = locateObject(supervisor, uri, 'uri');
  const direct = openDirect(supervisor, directStream(supervisor, { maxAttempts }), null, stopOf(options));
  try {
    const { id } = await openWritable(supervisor, store, direct.stream.token);
    const { failures } = await direct.stream.write(id, { kind: 'delete', keys: [key], ifVersion });
    const failed = failures[0];
    if (failed !== undefined) throw failed[1];
  } finally {
    await direct.close('completed');
  }
}

export interface DeletePrefixOptions extends StopOptions {
  /** Tells what would be deleted, and deletes nothing. @default false */
  readonly dryRun?: boolean | undefined;
  /** Allows a prefix that is a whole store, such as `s3://bucket/`; otherwise that is an error. @default false */
  readonly wholeStore?: boolean | undefined;
  /** Requests that are under way at the same time. @default 16 */
  readonly maxConcurrency?: number | undefined;
}

/** What became of one object. */
export interface DeletedRow {
  readonly uri: string;
  /** Bytes, or -1 where the listing does not say. */
  readonly size: number;
  readonly action: 'deleted' | 'would-delete' | 'failed';
  /** Why not, for one that failed. */
  readonly error: MillraceError | null;
}

/**
 * Deletes every object whose URI begins with the prefix, page by page as the rows are asked for.
 * @throws MillraceError InvalidArgument at the call; failures of the listing, Cancelled and others while iterating
 */
export function deletePrefix(
  supervisor: SupervisorHandle,
  prefix: string,
  options: DeletePrefixOptions = {},
): AsyncIterableIterator<DeletedRow> {
  checkNames(['token', 'signal', 'dryRun', 'wholeStore', 'maxConcurrency'], options, 'deletePrefix');
  const { dryRun = false, wholeStore = false, maxConcurrency = 16 } = options;
  if (typeof prefix !== 'string') throw invalidOption('prefix', 'a URI such as "s3://bucket/2025/"', prefix);
  const location = locate(supervisor.stores, prefix, () => 'prefix');
  if (location.key.length === 0 && !flag(wholeStore, 'wholeStore')) {
    const expected = 'a prefix that is not the whole store (to delete all of it, set wholeStore: true)';
    throw invalidOption('prefix', expected, prefix);
  }
  const plan = {
    ...location,
    dryRun: flag(dryRun, 'dryRun'),
    lanes: whole(1, 1000)(maxConcurrency, 'maxConcurrency'),
  };
  return rows(supervisor, plan, stopOf(options));
}

interface DeletePlan {
  readonly store: string;
  readonly key: Uint8Array;
  readonly dryRun: boolean;
  readonly lanes: number;
}

async function* rows(
  supervisor: SupervisorHandle,
  plan: DeletePlan,
  stop: StopOptions,
): AsyncGenerator<DeletedRow, void, undefined> {
  const direct = openDirect(supervisor, directStream(supervisor, {}), null, stop);
  try {
    const { stream } = direct;
    const store = await openWritable(supervisor, plan.store, stream.token);
    const target = { store: store.id, prefix: plan.key, delimiter: null };
    const pages = createPageWalk((request) => stream.list(request), target);
    for (let page = await pages.next(); page !== null; page = await pages.next()) {
      const ends = plan.dryRun ? null : await deletePage(stream, store, page, plan.lanes);
      for (let row = 0; row < page.count; row += 1) {
        const error = ends === null ? null : ends.byRow[row];
        if (error === undefined) continue;
        const action = ends === null ? 'would-delete' : error === null ? 'deleted' : 'failed';
        const uri = supervisor.stores.uri(store.id, keyOf(page, row));
        yield { uri, size: page.sizes[row]!, action, error };
      }
      if (ends !== null && ends.stopped !== null) throw ends.stopped;
    }
  } finally {
    await direct.close('completed');
  }
}

/** What became of the rows of a page. */
interface PageEnds {
  /** Null for a row that was deleted, its error for one that failed, undefined for one that a stop has kept. */
  readonly byRow: (MillraceError | null | undefined)[];
  /** What the walk ends with, after a stop. */
  stopped: MillraceError | null;
}

/** Deletes all keys of a page, in as many requests at the same time as there are lanes. Never rejects. */
async function deletePage(
  stream: StreamHandle,
  store: WritableStore,
  page: KeyPage,
  lanes: number,
): Promise<PageEnds> {
  const byRow: PageEnds['byRow'] = Array.from({ length: page.count });
  const ends: PageEnds = { byRow, stopped: null };
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < page.count && ends.stopped === null) {
      const first = next;
      next = Math.min(page.count, first + store.limits.deletesPerRequest);
      await deleteRows(stream, store, page, { first, end: next }, ends);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return ends;
}

/** One request; where its service has no words for one of many keys, one for each of them. */
async function deleteRows(
  stream: StreamHandle,
  store: WritableStore,
  page: KeyPage,
  { first, end }: { readonly first: number; readonly end: number },
  ends: PageEnds,
): Promise<void> {
  const keys: Uint8Array[] = [];
  for (let row = first; row < end; row += 1) keys.push(keyOf(page, row));
  try {
    const result = await stream.write(store.id, { kind: 'delete', keys, ifVersion: null });
    ends.byRow.fill(null, first, end);
    for (const [at, error] of result.failures) ends.byRow[first + at] = error;
  } catch (thrown) {
    const error = asMillraceError(thrown, ErrorCode.Internal, { phase: 'write' });
    if (stream.token.state !== StopState.Live && STOPS.has(error.code)) ends.stopped ??= error;
    else if (error.code !== ErrorCode.Unsupported || end - first === 1) ends.byRow.fill(error, first, end);
    else {
      for (let row = first; row < end && ends.stopped === null; row += 1)
        await deleteRows(stream, store, page, { first: row, end: row + 1 }, ends);
    }
  }
}

function stopOf({ token, signal }: StopOptions): StopOptions {
  return { token, signal };
}

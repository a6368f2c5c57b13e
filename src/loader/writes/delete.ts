/**
 * `delete` and `deletePrefix`.
 *
 * Invariants:
 * 1. Nothing is deleted that was not listed under the very prefix, and nothing at all in a dry run.
 * 2. What could not be deleted is told, row by row, and does not keep the rest.
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
import { WRITE_NAMES, readTerms, type WriteOptions } from './options.js';
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
  checkNames(['token', 'signal', 'dryRun', 'maxConcurrency'], options, 'deletePrefix');
  const { dryRun = false, maxConcurrency = 16 } = options;
  if (typeof prefix !== 'string') throw invalidOption('prefix', 'a URI such as "s3://bucket/2025/"', prefix);
  const location = locate(supervisor.stores, prefix, () => 'prefix');
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
      const failures = plan.dryRun ? null : await deletePage(stream, store, page, plan.lanes);
      for (let row = 0; row < page.count; row += 1) {
        const error = failures?.get(row) ?? null;
        const action = failures === null ? 'would-delete' : error === null ? 'deleted' : 'failed';
        const uri = supervisor.stores.uri(store.id, keyOf(page, row));
        yield { uri, size: page.sizes[row]!, action, error };
      }
    }
  } finally {
    await direct.close('completed');
  }
}

/** Deletes all keys of a page, in as many requests at the same time as there are lanes; the failures by row. */
async function deletePage(
  stream: StreamHandle,
  { id, limits }: WritableStore,
  page: KeyPage,
  lanes: number,
): Promise<Map<number, MillraceError>> {
  const failures = new Map<number, MillraceError>();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < page.count) {
      const first = next;
      next = Math.min(page.count, first + limits.deletesPerRequest);
      const keys: Uint8Array[] = [];
      // Copied: a message carries the whole buffer that a view lies in.
      for (let row = first; row < next; row += 1) keys.push(keyOf(page, row).slice());
      const failed = await deleteKeys(stream, id, keys);
      for (const [at, error] of failed) failures.set(first + at, error);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return failures;
}

type Failures = readonly (readonly [index: number, error: MillraceError])[];

/** A request that fails as a whole has failed for each of its keys. Rejects only when the stream was told to stop. */
async function deleteKeys(
  stream: StreamHandle,
  store: number,
  keys: readonly Uint8Array[],
): Promise<Failures> {
  try {
    return (await stream.write(store, { kind: 'delete', keys, ifVersion: null })).failures;
  } catch (thrown) {
    if (stream.token.state !== StopState.Live) throw thrown;
    const error = asMillraceError(thrown, ErrorCode.Internal, { phase: 'write' });
    if (error.code !== ErrorCode.Unsupported || keys.length === 1)
      return keys.map((_, index) => [index, error]);
  }
  // One of them cannot be said together with others.
  const failures: (readonly [number, MillraceError])[] = [];
  for (const [index, key] of keys.entries()) {
    for (const [, error] of await deleteKeys(stream, store, [key])) failures.push([index, error]);
  }
  return failures;
}

function stopOf({ token, signal }: StopOptions): StopOptions {
  return { token, signal };
}

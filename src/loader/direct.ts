/**
 * One object at a time, through the same actors as a loader: `get`, `getRange`, `head`, `list`.
 *
 * Invariants:
 * 1. Each call is a stream of one entry: it waits for memory, retries and stops as a loader does.
 * 2. A call settles only when nothing of it is in flight. What it hands out is memory that the caller releases; what
 *    is forgotten is noticed and counted.
 */
import type {
  BatchRecord,
  PlanEntry,
  StreamHandle,
  StreamOptions,
  SupervisorHandle,
} from '../actors/supervisor/types.js';
import type { VerifyPolicy } from '../protocol/checksums/expected.js';
import { ErrorCode, MillraceError } from '../protocol/errors.js';
import type { ObjectInfo } from '../protocol/store.js';
import type { CancellationToken } from '../protocol/token.js';
import { Batch, createBatchWorld } from './batch.js';
import type { ByteRange } from './datasets.js';
import { checkRange } from './range-forms.js';
import { leakWatchOf } from './leaks.js';
import { ObjectResult } from './object-result.js';
import { createResolver, locate } from './references.js';
import { checkNames, flag, invalidOption, oneOf, whole } from './schema.js';
import type { EntrySource } from './sources.js';
import { createStoppableSource, stopped } from './stoppable.js';
import { linkStop, type StopOptions } from './stop-options.js';

export interface GetOptions extends StopOptions {
  /** ETag or generation that the object must have. */
  readonly version?: string | undefined;
  /** Size of the object, where it is known: saves memory for the first part. */
  readonly size?: number | undefined;
  /** Whether the service's checksum is looked at: a cheap one, any, none. @default 'auto' */
  readonly verify?: VerifyPolicy | undefined;
  /** @default 5 */
  readonly maxAttempts?: number | undefined;
  /** Bytes in memory of their own that is detached on release. @default false */
  readonly checked?: boolean | undefined;
}

const DEFAULT_ATTEMPTS = 5;
export const STOP_NAMES = ['token', 'signal'];
const GET_NAMES = [...STOP_NAMES, 'version', 'size', 'verify', 'maxAttempts', 'checked'];

/**
 * One whole object. The caller releases the result.
 * @throws MillraceError (rejects) InvalidArgument, NotFound, VersionChanged, BudgetTooSmall, Cancelled and others
 */
export async function getObject(
  supervisor: SupervisorHandle,
  uri: string,
  options: GetOptions = {},
): Promise<ObjectResult> {
  checkNames(GET_NAMES, options, 'get');
  return await fetchOne(supervisor, uri, undefined, options);
}

/**
 * A range of an object, cut where the object ends. Otherwise as `getObject`.
 * @throws MillraceError (rejects) RangeRejected when it begins behind the end; VersionChanged when the last bytes were
 * asked for and the object is replaced between the question for its size and the read, or has another size than given
 */
export async function getRange(
  supervisor: SupervisorHandle,
  uri: string,
  range: ByteRange,
  options: GetOptions = {},
): Promise<ObjectResult> {
  checkNames(GET_NAMES, options, 'getRange');
  checkRange(range, 'range');
  return await fetchOne(supervisor, uri, range, options);
}

/** Size, version, modification time and type of one object; no bytes. Rejects as `getObject` does. */
export async function headObject(
  supervisor: SupervisorHandle,
  uri: string,
  options: StopOptions = {},
): Promise<ObjectInfo & { readonly uri: string }> {
  checkNames(STOP_NAMES, options, 'head');
  const { store, key } = locate(supervisor.stores, uri, () => 'uri');
  const direct = openDirect(supervisor, directStream(supervisor, {}), null, options);
  return await withStream(direct, async (stream) => {
    const id = await openStore(supervisor, store, stream.token);
    return { ...(await stream.head(id, key)), uri: supervisor.stores.uri(id, key) };
  });
}

/** Forgotten results and retained batches of this runtime whose memory had to be taken back. */
export function leakCount(supervisor: SupervisorHandle): number {
  return leakWatchOf(supervisor).leaks;
}

/** Options of a stream that carries one call. */
export function directStream(
  supervisor: SupervisorHandle,
  options: Pick<GetOptions, 'verify' | 'maxAttempts'>,
): StreamOptions {
  const { verify = 'auto', maxAttempts = DEFAULT_ATTEMPTS } = options;
  const { budgetBytes } = supervisor.arena;
  return {
    order: 'sequence',
    batchSize: 1,
    batchBytes: budgetBytes,
    dropLast: false,
    windowObjects: 1,
    windowBytes: budgetBytes,
    maxConcurrentObjects: 1,
    ranges: null,
    onError: 'fail',
    transform: null,
    verify: oneOf('auto', 'always', 'never')(verify, 'verify'),
    maxAttempts: whole(1, 100)(maxAttempts, 'maxAttempts'),
    // Somebody waits for this one answer, and can ask again: what has no patience fails after its attempts.
    throttleTimeoutMs: 0,
  };
}

/** A stream that carries one call. */
export interface DirectStream {
  readonly stream: StreamHandle;
  /** Resolves when nothing of the call is in flight. */
  close(reason: string): Promise<void>;
}

/** Opens one; without a source it has no plan and only carries listings and questions. */
export function openDirect(
  supervisor: SupervisorHandle,
  options: StreamOptions,
  source: EntrySource | null,
  stopOptions: StopOptions,
): DirectStream {
  const stop = linkStop(stopOptions);
  try {
    const plan = createStoppableSource(source ?? IDLE, () => stream);
    const stream: StreamHandle = supervisor.openStream(options, plan, stop.token);
    return {
      stream,
      close: async (reason) => {
        try {
          await stream.finish(reason);
        } finally {
          stop.dispose();
        }
      },
    };
  } catch (thrown) {
    stop.dispose();
    throw thrown;
  }
}

/** A stream for questions that clean up, which outlives a stop of everything else; its token bounds it. */
export function openCleanup(
  supervisor: SupervisorHandle,
  token: CancellationToken,
  options: Pick<GetOptions, 'maxAttempts'> = {},
): StreamHandle {
  const plan = createStoppableSource(IDLE, () => stream);
  const stream: StreamHandle = supervisor.openCleanup(directStream(supervisor, options), plan, token);
  return stream;
}

/** Runs `call` on a stream of its own and waits until nothing of it is in flight, whatever happens. */
export async function withStream<T>(
  direct: DirectStream,
  call: (stream: StreamHandle) => Promise<T>,
): Promise<T> {
  let reason = 'failed';
  try {
    const result = await call(direct.stream);
    reason = 'completed';
    return result;
  } finally {
    await direct.close(reason);
  }
}

/** The id of a store that may have to be opened first; stops waiting when the token is cancelled. */
export function openStore(
  supervisor: SupervisorHandle,
  store: string,
  token: CancellationToken,
): Promise<number> {
  const known = supervisor.stores.idOf(store);
  return known === undefined ? stopped(supervisor.stores.open(store), token) : Promise.resolve(known);
}

async function fetchOne(
  supervisor: SupervisorHandle,
  uri: string,
  range: ByteRange | undefined,
  options: GetOptions,
): Promise<ObjectResult> {
  const { version, size, checked = false } = options;
  if (typeof uri !== 'string') throw invalidOption('uri', 'a text such as "s3://bucket/key"', uri);
  const reference = { uri, version, size, range };
  const stream = directStream(supervisor, options);
  const isChecked = flag(checked, 'checked');
  const source = createSingleSource(supervisor, reference, () => direct.stream);
  const stop = { token: options.token, signal: options.signal };
  const direct: DirectStream = openDirect(supervisor, stream, source, stop);
  return await withStream(direct, async (handle) => {
    const record = await handle.next();
    if (record === null) throw missing(handle, uri);
    if (range?.suffix !== undefined) checkSize(handle, record, uri);
    const world = createBatchWorld(supervisor, handle, { checked: isChecked, ordered: true });
    const batch = new Batch(record, world);
    batch.ack();
    return new ObjectResult(batch);
  });
}

/** The last bytes were counted from a size that somebody gave. */
function checkSize(stream: StreamHandle, record: BatchRecord, uri: string): void {
  const { entry, size } = record.items[0]!;
  if (size === entry.size) return;
  stream.release(record);
  throw otherSize(uri, entry.size, size);
}

export function otherSize(uri: string, expected: number, size: number): MillraceError {
  const message = `${uri} has ${size} bytes, not the ${expected} that its ranges were counted from: it was replaced, or another size was given`;
  return new MillraceError(ErrorCode.VersionChanged, message, { phase: 'head', uri });
}

/** Why a plan ended early. */
export function missing(stream: StreamHandle, uri: string): MillraceError {
  if (stream.token.draining || stream.token.cancelled) return stream.token.error().with({ uri });
  return new MillraceError(ErrorCode.Internal, 'a stream ended before its plan did', { uri });
}

/** A plan of one entry, resolved when it is asked for. */
function createSingleSource(
  { stores }: SupervisorHandle,
  reference: unknown,
  stream: () => StreamHandle,
): EntrySource {
  const resolve = createResolver({ stores, stream }, true);
  let taken = false;
  return {
    next: async (): Promise<readonly PlanEntry[] | null> => {
      if (taken) return null;
      taken = true;
      return [await resolve(reference, () => 'uri', 0)];
    },
    close: () => {},
  };
}

/** A plan without entries that does not end by itself, so that its stream stays open for questions. */
const IDLE: EntrySource = {
  // Wait ends: by createStoppableSource, when the stream is told to finish.
  next: () => new Promise(() => {}),
  close: () => {},
};

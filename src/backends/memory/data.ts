/**
 * The worker's half of the memory store: objects in shared memory, or made up as they are read.
 *
 * Invariants:
 * 1. It answers as a storage service does: versions, ranges, sizes and refusals, so that what works over it works
 *    over the others (all of them pass the same conformance suite).
 * 2. A read keeps the thread for at most one slice of bytes between two turns of the event loop, also when it is
 *    spread over many calls; counted in bytes, so that nothing depends on a clock.
 * 3. `update` replaces what there is; a read that is under way notices and answers `version-changed`.
 */
import { unsupportedWrite } from '../../protocol/writes.js';
import { ErrorCode, type ErrorContext, MillraceError } from '../../protocol/errors.js';
import { isCancelled, type StopSignal } from '../../protocol/stop.js';
import {
  CANCELLED,
  type Answer,
  type ObjectInfo,
  Outcome,
  type ReadAnswer,
  type ReadRequest,
  type Store,
  type StoreSnapshot,
} from '../../protocol/store.js';
import { listPage } from './list.js';
import { type Collection, collectionsOf, type MemoryConfig, rankIn } from './objects.js';
import { uriOfKey } from './uri.js';

/** The grain of a cancel: 0.1 ms of copying, 1 to 2 ms of generating. */
const PIECE_BYTES = 512 * 1024;
/** About a millisecond of copying, or a few of generating. */
const SLICE_BYTES = 2 * 1024 * 1024;

interface Found {
  readonly collection: Collection;
  readonly index: number;
  readonly size: number;
  readonly version: string;
}

interface State {
  collections: readonly Collection[];
  sinceTurn: number;
}

/** @throws MillraceError InvalidArgument when the snapshot is not one of the memory scheme */
export function createStore(snapshot: StoreSnapshot): Store {
  const state: State = { collections: collectionsOf(configOf(snapshot)), sinceTurn: 0 };
  return {
    read: (request, target, stop, answered) => void readObject(state, request, target, stop).then(answered),
    head: async (key, stop) => answerOf(stop, () => infoOf(find(state.collections, key), key)),
    list: async (request, stop) => answerOf(stop, () => listPage(state.collections, request)),
    write: () =>
      Promise.resolve(
        unsupportedWrite('memory:// is read-only: its objects are those of the option stores.memory'),
      ),
    update: (fresh) => {
      state.collections = collectionsOf(configOf(fresh));
    },
    close: () => {
      state.collections = [];
    },
  };
}

async function readObject(
  state: State,
  request: ReadRequest,
  target: Uint8Array,
  stop: StopSignal,
): Promise<ReadAnswer> {
  if (isCancelled(stop)) return readAnswer(Outcome.Cancelled, 0, null, null);
  const context = contextOf(request);
  const found = find(state.collections, request.key);
  if (found === null) return readAnswer(Outcome.Refused, 0, null, notFound(request.key, context));
  const objection = objectionTo(request, target, found, context);
  if (objection !== null) return readAnswer(objection.outcome, 0, found, objection.error);
  const wanted = Math.max(0, Math.min(request.length, found.size - request.start));
  let landed = 0;
  while (landed < wanted) {
    if (state.sinceTurn >= SLICE_BYTES) await turn(state);
    if (isCancelled(stop)) return readAnswer(Outcome.Cancelled, landed, found, null);
    const length = Math.min(PIECE_BYTES, wanted - landed);
    found.collection.copy(found.index, request.start + landed, target.subarray(landed, landed + length));
    state.sinceTurn += length;
    landed += length;
  }
  const now = find(state.collections, request.key);
  if (now?.version === found.version) return readAnswer(Outcome.Complete, landed, found, null);
  const message = `${context.uri} was replaced while it was read`;
  const error = new MillraceError(ErrorCode.VersionChanged, message, { ...context, phase: 'body' });
  return readAnswer(Outcome.VersionChanged, 0, now, error);
}

function turn(state: State): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(() => {
      state.sinceTurn = 0;
      resolve();
    });
  });
}

function objectionTo(
  request: ReadRequest,
  target: Uint8Array,
  found: Found,
  context: ErrorContext,
): { outcome: Outcome; error: MillraceError } | null {
  const { start, length, whole, version } = request;
  const object = (outcome: Outcome, code: ErrorCode, message: string) => ({
    outcome,
    error: new MillraceError(code, `${context.uri} ${message}`, context),
  });
  const isWhole = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  if (!isWhole(start) || !isWhole(length) || length > target.length || (whole && start !== 0)) {
    const message = `cannot be read from ${start} on, ${length} bytes (whole: ${whole}), into ${target.length} bytes`;
    return object(Outcome.Refused, ErrorCode.InvalidArgument, message);
  }
  if (version !== null && version !== found.version) {
    const message = `has the version ${found.version}, not ${version}`;
    return object(Outcome.VersionChanged, ErrorCode.VersionChanged, message);
  }
  if (whole && length !== found.size) {
    const message = `has ${found.size} bytes, not ${length}`;
    return object(Outcome.SizeChanged, ErrorCode.VersionChanged, message);
  }
  if (start === 0 || start < found.size) return null;
  const message = `has ${found.size} bytes, so nothing can be read from byte ${start} on`;
  return object(Outcome.Refused, ErrorCode.RangeRejected, message);
}

function find(collections: readonly Collection[], key: Uint8Array): Found | null {
  const name = Buffer.from(key).toString('latin1');
  for (const collection of collections) {
    const index = rankIn(collection, name, false);
    if (index >= collection.count || collection.keyAt(index) !== name) continue;
    return { collection, index, size: collection.sizeAt(index), version: collection.versionAt(index) };
  }
  return null;
}

function infoOf(found: Found | null, key: Uint8Array): ObjectInfo {
  if (found !== null) {
    return { size: found.size, version: found.version, lastModifiedMs: null, contentType: null };
  }
  throw notFound(key, { uri: uriOfKey(key), phase: 'head' });
}

function notFound(key: Uint8Array, context: ErrorContext): MillraceError {
  return new MillraceError(ErrorCode.NotFound, `${uriOfKey(key)} does not exist`, context);
}

function answerOf<T>(stop: StopSignal, make: () => T): Answer<T> {
  if (isCancelled(stop)) {
    return CANCELLED;
  }
  try {
    return { outcome: Outcome.Complete, value: make(), error: null, retryAfterMs: 0 };
  } catch (thrown) {
    if (!(thrown instanceof MillraceError)) throw thrown;
    return { outcome: Outcome.Refused, value: null, error: thrown, retryAfterMs: 0 };
  }
}

function readAnswer(
  outcome: Outcome,
  landed: number,
  found: Found | null,
  error: MillraceError | null,
): ReadAnswer {
  return {
    outcome,
    landed,
    size: found?.size ?? -1,
    version: found?.version ?? null,
    error,
    retryAfterMs: 0,
  };
}

function contextOf(request: ReadRequest): ErrorContext {
  const range = { range: [request.start, request.start + request.length - 1] as const };
  return { phase: 'head', uri: uriOfKey(request.key), ...(request.length > 0 ? range : {}) };
}

function configOf(snapshot: StoreSnapshot): MemoryConfig {
  const config = snapshot.config as Partial<MemoryConfig> | null;
  if (Array.isArray(config?.stored) && Array.isArray(config.generated)) return config as MemoryConfig;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    'not a snapshot of the memory scheme: expected {stored, generated}',
    { phase: 'configure' },
  );
}

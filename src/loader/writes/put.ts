/**
 * `put` and `putStream`: bytes of the service, written by its workers.
 *
 * Invariants:
 * 1. What is put is visible as a whole or not at all.
 * 2. Bytes go into the arena, within the budget, once each time that they are granted memory there; nothing is copied
 *    before.
 * 3. A call settles only when nothing of it is in flight.
 */
import type { Fill, PlanEntry, SupervisorHandle } from '../../actors/supervisor/types.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { Receipt, SinkSpec } from '../../protocol/messages.js';
import { openDirect } from '../direct.js';
import { linkStop, type StopOptions } from '../stop-options.js';
import type { EntrySource } from '../sources.js';
import { untilTurned } from '../stoppable.js';
import { bytesOf, fillOf, Gatherer, type Chunk, type ChunkSource, type Piece } from './gather.js';
import { PUT_NAMES, readTerms, type PutOptions, type WriteTerms } from './options.js';
import { checkMemory, checkRoom, partBytesOf, thresholdOf } from './part-plan.js';
import { openTarget, sinkStream, type WriteTarget } from './target.js';
import { uploadParts, type PartSource, type Uploaded, type UploadDeps } from './upload.js';

/** What was written. */
export interface WrittenObject {
  readonly uri: string;
  /** Bytes. */
  readonly size: number;
  /**
   * ETag or generation of these very bytes; null where the service does not tell, nor where an answer was lost and what is there
   * now may be of another writer.
   */
  readonly version: string | null;
}

/**
 * Writes an object. The bytes must not change before the call settles.
 * @throws MillraceError (rejects) InvalidArgument, BudgetTooSmall, AlreadyExists, VersionChanged, AccessDenied, Unsupported...
 */
export async function putObject(
  supervisor: SupervisorHandle,
  uri: string,
  data: Chunk,
  options: PutOptions = {},
): Promise<WrittenObject> {
  const terms = readTerms(options, PUT_NAMES, 'put');
  const bytes = bytesOf(data, 'data');
  // As it is now: of a buffer that is taken away before it is sent nothing would be left, and that would be put.
  const piece = { length: bytes.length, fill: fillOf([bytes]) };
  return await withTarget(supervisor, uri, terms, options, async (deps) => {
    const { target } = deps;
    const { length: size } = piece;
    if (size <= thresholdOf(target.limits, supervisor.arena.budgetBytes)) return await putPiece(deps, piece);
    const partBytes = partBytesOf(size, target.limits, terms.partBytes, target.uri);
    checkMemory(size, partBytes, target.limits, supervisor.arena, target.uri);
    return await uploadParts(deps, pieceSource(target, piece, partBytes), { size, partBytes });
  });
}

/**
 * Writes an object of the bytes of an iterable, whose number need not be known. It is asked for more only as parts before
 * are done; a chunk must not change before the part that it belongs to was sent. A stream is destroyed (or cancelled) with
 * the call, however that ends.
 * @throws MillraceError (rejects) as `putObject`, and what the iterable throws as `InvalidArgument` with its cause
 */
export async function putStream(
  supervisor: SupervisorHandle,
  uri: string,
  source: ChunkSource,
  options: PutOptions = {},
): Promise<WrittenObject> {
  // Before all else that can fail: the stream is the call's own from here on, however that ends.
  const gatherer = new Gatherer(source);
  try {
    const terms = readTerms(options, PUT_NAMES, 'putStream');
    return await withTarget(supervisor, uri, terms, options, async (deps) => {
      const { target, tokens } = deps;
      const partBytes = partBytesOf(-1, target.limits, terms.partBytes, target.uri);
      // No more than there is memory for: a stream may turn out to be short, whatever its parts were to be.
      const firstBytes = Math.min(partBytes, supervisor.arena.usableBytes);
      const first = await untilTurned(gatherer.take(firstBytes), tokens);
      if (gatherer.exhausted) return await putPiece(deps, first);
      checkMemory(-1, partBytes, target.limits, supervisor.arena, target.uri);
      const maxPartsInFlight = gatheredParts(terms.maxPartsInFlight, partBytes, supervisor.arena.budgetBytes);
      const bounded = { ...deps, terms: { ...terms, maxPartsInFlight } };
      return await uploadParts(bounded, gatheredSource(target, gatherer, first, partBytes), {
        size: -1,
        partBytes,
      });
    });
  } finally {
    gatherer.close();
  }
}

/** Opens the target and runs `put`, with the caller's stop linked for as long as that takes. */
export async function withTarget(
  supervisor: SupervisorHandle,
  uri: string,
  terms: WriteTerms,
  stop: StopOptions,
  put: (deps: UploadDeps) => Promise<Uploaded>,
): Promise<WrittenObject> {
  const linked = linkStop({ token: stop.token, signal: stop.signal });
  try {
    const tokens = linked.token === null ? [supervisor.token] : [linked.token, supervisor.token];
    const target = await untilTurned(openTarget(supervisor, uri, supervisor.token), tokens);
    const deps = { supervisor, target, terms, tokens, stop: { token: linked.token ?? undefined } };
    const { size, version } = await put(deps);
    return { uri: target.uri, size, version };
  } finally {
    linked.dispose();
  }
}

/** One object by one request. */
export async function putEntry(deps: UploadDeps, entry: PlanEntry): Promise<Uploaded> {
  const { supervisor, target, terms, stop } = deps;
  const { ifAbsent, ifVersion, contentType } = terms;
  const { id: store, key: prefix } = target;
  const sink: SinkSpec = { store, prefix, strip: null, upload: null, ifAbsent, ifVersion, contentType };
  const flow = { batchSize: 1, windowObjects: 1, maxConcurrentObjects: 1, onError: 'fail' as const };
  const direct = openDirect(supervisor, sinkStream(supervisor, sink, terms, flow), once(entry), stop);
  let reason = 'failed';
  try {
    const batch = await direct.stream.next();
    if (batch === null) throw direct.stream.token.error();
    const { payload, size } = batch.items[0]!;
    direct.stream.release(batch);
    if (payload.kind !== 'value') throw new MillraceError(ErrorCode.Internal, 'a put without a receipt');
    reason = 'completed';
    return { size: entry.length >= 0 ? entry.length : size, version: (payload.value as Receipt).version };
  } finally {
    await direct.close(reason);
  }
}

function putPiece(deps: UploadDeps, { length, fill }: Piece): Promise<Uploaded> {
  return putEntry(deps, ownEntry(deps.target, 0, length, fill));
}

/** An entry whose bytes are the service's own. */
function ownEntry({ id, key }: WriteTarget, start: number, length: number, fill: Fill): PlanEntry {
  return { store: id, key, size: -1, version: null, pinned: false, start, length, fill };
}

function once(entry: PlanEntry): EntrySource {
  let taken = false;
  return {
    next: () => {
      if (taken) return Promise.resolve(null);
      taken = true;
      return Promise.resolve([entry]);
    },
    close: () => {},
  };
}

/** One piece, cut into parts. */
function pieceSource(target: WriteTarget, { length: size, fill }: Piece, partBytes: number): PartSource {
  let next = 0;
  return {
    size,
    next: (limit) => {
      if (next >= size) return Promise.resolve(null);
      const entries: PlanEntry[] = [];
      while (entries.length < limit && next < size) {
        const start = next;
        const length = Math.min(partBytes, size - start);
        entries.push(ownEntry(target, start, length, (to, from) => fill(to, start + from)));
        next += length;
      }
      return Promise.resolve(entries);
    },
    close: () => {},
  };
}

/**
 * The chunks of a stream's part are held until that is done, beside the budget: for what is under way no more than this share
 * of it. Up to as many parts again are gathered meanwhile, to come next.
 */
const GATHERED_SHARE = 4;

/** How many parts of a stream may be under way. Pure. */
function gatheredParts(wanted: number, partBytes: number, budgetBytes: number): number {
  return Math.max(1, Math.min(wanted, Math.floor(budgetBytes / GATHERED_SHARE / partBytes)));
}

/** The pieces of a stream, one at a time: no more of them wait for memory than parts may be under way. */
function gatheredSource(
  target: WriteTarget,
  gatherer: Gatherer,
  first: Piece,
  partBytes: number,
): PartSource {
  let start = 0;
  let ready: Piece | null = first;
  return {
    get size() {
      return start;
    },
    next: async () => {
      if (ready === null && gatherer.exhausted) return null;
      const piece: Piece = ready ?? (await gatherer.take(partBytes));
      ready = null;
      checkRoom(start + piece.length, partBytes, target.limits, target.uri);
      const entry = ownEntry(target, start, piece.length, piece.fill);
      start += piece.length;
      return [entry];
    },
    close: () => gatherer.close(),
  };
}

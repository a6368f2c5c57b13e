/**
 * An upload in parts: begun, its parts sent by the workers, completed; or aborted.
 *
 * Invariants:
 * 1. Nothing is visible before all parts are there and `complete` has succeeded.
 * 2. An upload that was begun and not completed is aborted, however it ended: by a failure, a cancel, a drain, the end of
 *    the runtime. What could not be aborted within `CLEANUP_MS` stays listed by the service, and so does what a begin has made
 *    that had no answer: it is made again, and nobody knows the name of the first.
 * 3. Each part is sent with the length that its place demands: a source that ends early fails the upload.
 */
import type { SupervisorHandle } from '../../actors/supervisor/types.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { Receipt, SinkSpec } from '../../protocol/messages.js';
import { StopState } from '../../protocol/stop.js';
import { CancellationToken } from '../../protocol/token.js';
import { directStream, openCleanup, openDirect } from '../direct.js';
import type { EntrySource } from '../sources.js';
import type { StopOptions } from '../stop-options.js';
import { STOPS, type WriteTerms } from './options.js';
import { sinkStream, type WriteTarget } from './target.js';

/** How long what cleans up may take after a cancel. */
const CLEANUP_MS = 5000;

/** The parts of one object: ranges of it, in order and without a gap, each of `partBytes` but the last. */
export interface PartSource extends EntrySource {
  /** Bytes of the whole object; known at the latest when the source has ended. */
  readonly size: number;
}

export interface Uploaded {
  readonly version: string | null;
  readonly size: number;
}

export interface UploadDeps {
  readonly supervisor: SupervisorHandle;
  readonly target: WriteTarget;
  readonly terms: WriteTerms;
  readonly stop: StopOptions;
  /** What ends it: the caller's stop, and that of the runtime. */
  readonly tokens: readonly CancellationToken[];
}

/** Puts an object of `size` bytes (-1 where not known) in parts. Rejects when nothing of it is in flight. */
export async function uploadParts(
  deps: UploadDeps,
  source: PartSource,
  plan: { readonly size: number; readonly partBytes: number },
): Promise<Uploaded> {
  const { supervisor, target, terms } = deps;
  // Held open until the end, so that the runtime does not close before what was begun is aborted.
  const anchor = openCleanup(supervisor, new CancellationToken({ clock: supervisor.token.clock }));
  try {
    const { id, partsInFlight } = await begin(deps, plan.size);
    let result: Uploaded | null = null;
    try {
      const parts = await sendParts(deps, source, { ...plan, id, partsInFlight });
      result = await complete(deps, id, parts, source.size);
      return result;
    } finally {
      if (result === null) await abort(supervisor, target, id, terms);
    }
  } finally {
    source.close();
    await anchor.finish('completed');
  }
}

/** Begun by a stream that the stop lets finish: a request that was sent may have begun an upload that must be aborted. */
async function begin(
  deps: UploadDeps,
  size: number,
): Promise<{ readonly id: string; readonly partsInFlight: number }> {
  const { supervisor, target, terms, tokens } = deps;
  for (const token of tokens) if (token.state !== StopState.Live) throw token.error();
  const patient = new CancellationToken({ clock: supervisor.token.clock });
  const drain = (): void => patient.drain('stopped', { deadlineMs: CLEANUP_MS });
  const links = tokens.map((token) => token.onChange(drain));
  const stream = openCleanup(supervisor, patient, { maxAttempts: terms.maxAttempts });
  try {
    const { key } = target;
    const { ifAbsent, ifVersion, contentType } = terms;
    const request = { kind: 'begin', key, size, ifAbsent, ifVersion, contentType } as const;
    const { upload: id, partsInFlight } = await stream.write(target.id, request);
    if (id === null)
      throw new MillraceError(ErrorCode.Internal, `${target.uri}: an upload began without a name`);
    return { id, partsInFlight };
  } catch (thrown) {
    // The patient stream's own stop is ours, and says nothing to the caller about his.
    const turned = tokens.find(({ state }) => state !== StopState.Live);
    const stopped = thrown instanceof MillraceError && STOPS.has(thrown.code);
    throw stopped && turned !== undefined ? turned.error() : thrown;
  } finally {
    for (const unlink of links) unlink();
    await stream.finish('completed');
  }
}

async function sendParts(
  deps: UploadDeps,
  source: PartSource,
  plan: {
    readonly id: string;
    readonly partBytes: number;
    readonly size: number;
    readonly partsInFlight: number;
  },
): Promise<string[]> {
  const { supervisor, target, terms, stop } = deps;
  const { id, partBytes, size } = plan;
  const { ifAbsent, ifVersion, contentType } = terms;
  const sink: SinkSpec = {
    store: target.id,
    prefix: target.key,
    strip: null,
    upload: { id, partBytes, size },
    ifAbsent,
    ifVersion,
    contentType,
  };
  const inFlight = Math.min(terms.maxPartsInFlight, plan.partsInFlight);
  const flow = {
    batchSize: 1,
    // One more gets its bytes meanwhile, with two exceptions: what takes its parts in their order only must not meet a part
    // that had its memory ready while the one before it was lost with its worker, and what is gathered of a stream is held as
    // often as the window is long.
    windowObjects: inFlight === 1 || size < 0 ? inFlight : inFlight + 1,
    maxConcurrentObjects: inFlight,
    onError: 'fail' as const,
  };
  const direct = openDirect(supervisor, sinkStream(supervisor, sink, terms, flow), source, stop);
  const parts: string[] = [];
  try {
    for (let batch = await direct.stream.next(); batch !== null; batch = await direct.stream.next()) {
      for (const { entry, payload } of batch.items) {
        if (payload.kind !== 'value') throw new MillraceError(ErrorCode.Internal, 'a part without a receipt');
        parts[Math.floor(entry.start / partBytes)] = (payload.value as Receipt).part ?? '';
      }
      direct.stream.release(batch);
    }
    // A drain ends the plan early, without an error, and may have become a cancel since.
    if (direct.stream.token.state !== StopState.Live) throw direct.stream.token.error();
  } finally {
    await direct.close('failed');
  }
  const expected = Math.max(1, Math.ceil(source.size / partBytes));
  const got = parts.reduce((count) => count + 1, 0);
  if (got === expected) return parts;
  throw new MillraceError(ErrorCode.Internal, `${target.uri}: ${got} of ${expected} parts were sent`);
}

async function complete(
  { supervisor, target, terms, stop }: UploadDeps,
  upload: string,
  parts: readonly string[],
  size: number,
): Promise<Uploaded> {
  const { key } = target;
  const { ifAbsent, ifVersion, contentType, maxAttempts } = terms;
  const direct = openDirect(supervisor, directStream(supervisor, { maxAttempts }), null, stop);
  try {
    const request = {
      kind: 'complete',
      key,
      upload,
      parts,
      size,
      ifAbsent,
      ifVersion,
      contentType,
    } as const;
    const { version } = await direct.stream.write(target.id, request);
    return { version, size };
  } finally {
    await direct.close('completed');
  }
}

/** Never rejects: what made the upload fail is what the caller has to know. */
async function abort(
  supervisor: SupervisorHandle,
  { id, key }: WriteTarget,
  upload: string,
  { maxAttempts }: WriteTerms,
): Promise<void> {
  const token = new CancellationToken({ clock: supervisor.token.clock }).withDeadline(CLEANUP_MS);
  const stream = openCleanup(supervisor, token, { maxAttempts });
  await stream.write(id, { kind: 'abort', key, upload }).catch(() => null);
  await stream.finish('completed');
}

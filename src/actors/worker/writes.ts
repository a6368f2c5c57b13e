/**
 * One attempt at a write, and what lets it be made again.
 *
 * Invariants: a write that failed without an answer may have been carried out.
 * 1. An upload that is gone when it is completed again was completed by the attempt before if the object is there, in the
 *    version that it makes where that is known: then that is a success. Where it is not known beforehand none is told: another
 *    writer may have put an object of the same size since, and the version of that one is not of these bytes.
 * 2. A condition that does not hold any more may have been broken by that attempt itself. Whether it was cannot be told
 *    for certain, and who asks for a condition may be taking a lock: it is an error, and the error says so.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { SinkSpec } from '../../protocol/messages.js';
import { isCancelled, type StopSignal } from '../../protocol/stop.js';
import { CANCELLED, Outcome, type Answer, type Store } from '../../protocol/store.js';
import { written, type CompleteRequest, type WriteRequest, type WriteResult } from '../../protocol/writes.js';

/** `earlier`: an attempt before this one may have been carried out. */
export async function attemptWrite(
  store: Store,
  request: WriteRequest,
  stop: StopSignal,
  earlier: boolean,
): Promise<Answer<WriteResult>> {
  const answer = await store.write(request, stop);
  if (!earlier || answer.error === null) return answer;
  const { code } = answer.error;
  if (request.kind === 'complete' && code === ErrorCode.NotFound) {
    const found = await completed(store, request, answer.value?.version ?? null, stop);
    return found ?? { ...answer, error: ambiguous(answer.error) };
  }
  if (code === ErrorCode.AlreadyExists || code === ErrorCode.VersionChanged) {
    return { ...answer, error: ambiguous(answer.error) };
  }
  return answer;
}

/** The object of an upload that is no more, if it is there; a question that had no answer is asked again with the whole. */
async function completed(
  store: Store,
  { key, size, ifAbsent, ifVersion }: CompleteRequest,
  expected: string | null,
  stop: StopSignal,
): Promise<Answer<WriteResult> | null> {
  if (isCancelled(stop)) return CANCELLED;
  const { outcome, value, error, retryAfterMs } = await store.head(key, stop);
  if (outcome === Outcome.Refused) return null;
  if (value === null) return { outcome, value: null, error, retryAfterMs };
  const conditional = ifAbsent || ifVersion !== null;
  // The size alone may be that of the object before, or of what another writer has put.
  const same = expected === null ? !conditional : value.version === expected;
  return same && value.size === size ? written({ version: expected }) : null;
}

function ambiguous(error: MillraceError): MillraceError {
  return new MillraceError(
    error.code,
    `${error.message}; an earlier attempt of this very call had no answer and may be what made it: read the object to find out`,
    { ...error.context, cause: error.cause },
  );
}

/** The write that a sink makes of one object's, or one part's, bytes; `start` is where in the object they begin. */
export function sinkRequest(
  sink: SinkSpec,
  sourceKey: Uint8Array,
  start: number,
  body: Uint8Array,
): WriteRequest {
  const { upload, ifAbsent, ifVersion, contentType } = sink;
  const key = targetKey(sink, sourceKey);
  if (upload === null) return { kind: 'put', key, body, ifAbsent, ifVersion, contentType };
  const { id, partBytes, size } = upload;
  const last = size >= 0 ? start + body.length === size : body.length < partBytes;
  return { kind: 'part', key, upload: id, index: Math.floor(start / partBytes), start, body, last };
}

/** The key that the object with this source key is written to. */
function targetKey({ prefix, strip }: SinkSpec, sourceKey: Uint8Array): Uint8Array {
  return strip === null ? prefix : new Uint8Array(Buffer.concat([prefix, sourceKey.subarray(strip)]));
}

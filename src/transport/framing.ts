/**
 * From a response head and what was asked: how long the body is, where it goes, or why it is refused. Pure.
 *
 * Invariants:
 * 1. A 206 is accepted only for exactly the range that was asked, or a beginning of it.
 * 2. A body is landed only when its length can be verified.
 * 3. A status other than 200 and 206 is never refused for its body: the caller learns the status.
 */
import { ErrorCode } from '../protocol/errors.js';
import { ExchangeOutcome } from '../protocol/http.js';
import type { BodySink, PreparedRequest } from '../protocol/http.js';
import { RangeField } from './head.js';
import type { HeadParser } from './head.js';

export const BodyMode = {
  None: 0,
  /** `length` bytes. */
  Length: 1,
  Chunked: 2,
  /** Everything until the connection ends. */
  UntilClose: 3,
} as const;
export type BodyMode = (typeof BodyMode)[keyof typeof BodyMode];

/** What to do with a body. One per connection, filled anew for each head. */
export interface BodyPlan {
  mode: BodyMode;
  /** Bytes on the wire in mode `Length`. */
  length: number;
  /** Bytes that may be kept. */
  limit: number;
  /** Where it lands, or null to collect it. */
  target: Uint8Array | null;
  /** A longer body is cut off at `limit` rather than an error. */
  keepFirstPart: boolean;
  /** Bytes that the Content-Range promised, or -1. */
  promised: number;
  /** Bytes that were asked for and that the object has, but that this answer does not: another attempt is needed. */
  withheld: boolean;
  /** The framing does not tell for certain where this answer ends: do not use the connection again. */
  doubtful: boolean;
}

export function emptyPlan(): BodyPlan {
  return {
    mode: BodyMode.None,
    length: 0,
    limit: 0,
    target: null,
    keepFirstPart: false,
    promised: -1,
    withheld: false,
    doubtful: false,
  };
}

export interface Refusal {
  readonly outcome: typeof ExchangeOutcome.Refused | typeof ExchangeOutcome.TooLong;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Fills `plan` and returns null, or says why the answer cannot be used. */
export function planBody(
  head: HeadParser,
  request: PreparedRequest,
  sink: BodySink,
  maxErrorBodyBytes: number,
  plan: BodyPlan,
): Refusal | null {
  const { status, contentLength, chunked } = head;
  const wanted = status === 200 || status === 206;
  plan.target = null;
  plan.keepFirstPart = !wanted;
  plan.promised = -1;
  plan.withheld = false;
  plan.doubtful = false;
  plan.length = contentLength;
  if (wanted) {
    const refusal = status === 206 ? checkPart(head, request, plan) : checkWhole(request);
    if (refusal !== null) return refusal;
  }
  if (request.method === 'HEAD' || status === 204 || status === 304) {
    plan.mode = BodyMode.None;
    plan.promised = -1;
    plan.withheld = false;
    plan.doubtful = status === 204 && (chunked || contentLength > 0);
    return null;
  }
  plan.mode = chunked ? BodyMode.Chunked : contentLength >= 0 ? BodyMode.Length : BodyMode.UntilClose;
  if (!wanted) {
    plan.limit = maxErrorBodyBytes;
    return null;
  }
  if (head.encoded && request.encoded !== true) {
    const message =
      'the body has a Content-Encoding, which nobody asked for; if the object is stored so, ' +
      "the store's option allowContentEncoding reads the bytes as they are stored";
    return { outcome: ExchangeOutcome.Refused, code: ErrorCode.Unsupported, message };
  }
  return sink.kind === 'land' ? planLanding(request, sink.target, plan) : planCollecting(sink.maxBytes, plan);
}

function planLanding(request: PreparedRequest, target: Uint8Array, plan: BodyPlan): Refusal | null {
  if (plan.mode === BodyMode.UntilClose) {
    return refused('the body has neither a Content-Length nor chunks, so its length cannot be verified');
  }
  plan.target = target;
  plan.limit = Math.min(target.length, request.range?.length ?? Infinity);
  return checkLength(plan);
}

function planCollecting(maxBytes: number, plan: BodyPlan): Refusal | null {
  plan.limit = maxBytes;
  return checkLength(plan);
}

function checkLength(plan: BodyPlan): Refusal | null {
  if (plan.mode === BodyMode.Length && plan.length > plan.limit) {
    return tooLong(`the body has ${plan.length} bytes, at most ${plan.limit} were expected`);
  }
  return null;
}

function checkWhole(request: PreparedRequest): Refusal | null {
  const { range } = request;
  if (range === null || range.start === 0) return null;
  return rangeRejected(`bytes from ${range.start} on were asked for, the whole object was served`);
}

function checkPart(head: HeadParser, request: PreparedRequest, plan: BodyPlan): Refusal | null {
  const { range } = request;
  if (range === null) return rangeRejected('the whole object was asked for, a part was served');
  if (head.multipart) return rangeRejected('one range was asked for, several were served (multipart)');
  if (head.range === RangeField.Absent) return rangeRejected('the part has no Content-Range');
  if (head.range !== RangeField.Given) return rangeRejected('the Content-Range cannot be understood');
  const { rangeStart, rangeEnd, rangeTotal, contentLength } = head;
  const askedEnd = range.start + range.length - 1;
  if (rangeStart !== range.start || rangeEnd > askedEnd) {
    return rangeRejected(
      `bytes ${range.start}-${askedEnd} were asked for, ${rangeStart}-${rangeEnd} were served`,
    );
  }
  const promised = rangeEnd - rangeStart + 1;
  // The length of a HEAD's answer may be left out or be that of the whole object: there is no body to be cut short.
  if (request.method !== 'HEAD' && contentLength >= 0 && contentLength !== promised) {
    return refused(`the Content-Range promises ${promised} bytes, the Content-Length ${contentLength}`);
  }
  plan.promised = promised;
  plan.withheld = rangeEnd < askedEnd && rangeEnd + 1 !== rangeTotal;
  return null;
}

export function refused(message: string): Refusal {
  return { outcome: ExchangeOutcome.Refused, code: ErrorCode.ProtocolViolation, message };
}

function rangeRejected(message: string): Refusal {
  return { outcome: ExchangeOutcome.Refused, code: ErrorCode.RangeRejected, message };
}

export function tooLong(message: string): Refusal {
  return { outcome: ExchangeOutcome.TooLong, code: ErrorCode.ProtocolViolation, message };
}

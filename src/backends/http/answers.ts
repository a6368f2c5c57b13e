/**
 * What the services that speak HTTP have in common in their answers: how an exchange ended, and what that means for the
 * next attempt.
 *
 * Invariant: each outcome of an exchange that gives no answer maps to exactly one kind of answer, with an error.
 */
import { ErrorCode, MillraceError, type ErrorContext } from '../../protocol/errors.js';
import { ExchangeOutcome, type Exchange } from '../../protocol/http.js';
import { CANCELLED, Outcome, type Answer, type KeyPage, type ObjectInfo } from '../../protocol/store.js';
import { strongTag } from './etag.js';

/** What an answer that is not a success means. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly error: MillraceError;
  readonly retryAfterMs: number;
}

/** What a store's own rules make of a refusal. */
export interface Ruling {
  readonly outcome: Outcome;
  readonly code: ErrorCode;
  readonly message: string;
}

/** `context` is that of the error, with what the answer told. */
export function verdictOf(
  { outcome, code, message }: Ruling,
  exchange: Exchange,
  context: ErrorContext,
  nowMs: number,
): Verdict {
  return {
    outcome,
    error: new MillraceError(code, message, context),
    retryAfterMs: outcome === Outcome.Refused ? 0 : retryAfter(exchange.header('retry-after'), nowMs),
  };
}

/** A page, or a transient failure: a page that was cut on its way is worth asking for again. */
export function listed(
  exchange: Exchange,
  context: ErrorContext,
  parse: (body: Uint8Array, context: ErrorContext) => KeyPage,
): Answer<KeyPage> {
  try {
    const value = parse(exchange.body ?? new Uint8Array(0), context);
    return { outcome: Outcome.Complete, value, error: null, retryAfterMs: 0 };
  } catch (thrown) {
    if (!(thrown instanceof MillraceError)) throw thrown;
    return { outcome: failedOutcome(thrown), value: null, error: thrown, retryAfterMs: 0 };
  }
}

/** What a HEAD with `Content-Length`, `ETag` and the like tells; `context` is that of an error about it. */
export function infoInHead(exchange: Exchange, context: ErrorContext): Answer<ObjectInfo> {
  const length = exchange.header('content-length') ?? '';
  if (!/^\d{1,15}$/.test(length)) {
    const what = `${context.uri}: the answer to HEAD has no Content-Length`;
    const error = new MillraceError(ErrorCode.ProtocolViolation, what, context);
    return { outcome: Outcome.Refused, value: null, error, retryAfterMs: 0 };
  }
  const modified = Date.parse(exchange.header('last-modified') ?? '');
  const value: ObjectInfo = {
    size: Number(length),
    version: strongTag(exchange.header('etag')),
    lastModifiedMs: Number.isNaN(modified) ? null : modified,
    contentType: exchange.header('content-type') ?? null,
  };
  return { outcome: Outcome.Complete, value, error: null, retryAfterMs: 0 };
}

/** Whether the answer carries the bytes of an object, as far as its status tells. */
export function isBody(status: number): boolean {
  return status === 200 || status === 206;
}

/** The end of an exchange whose answer cannot be read, or null when it can. The context is that of an error about it. */
export function judgeExchange(
  exchange: Exchange,
  context: ErrorContext,
): (Answer<never> & { value: null }) | null {
  const { outcome, status } = exchange;
  if (outcome === ExchangeOutcome.Complete) return null;
  if (outcome === ExchangeOutcome.Cancelled) {
    return CANCELLED;
  }
  // A refusal whose error document broke off is still the refusal that its status names.
  if (outcome === ExchangeOutcome.Interrupted && status !== 0 && !isBody(status)) return null;
  const error =
    exchange.error?.with(context) ??
    new MillraceError(
      outcome === ExchangeOutcome.TooLong ? ErrorCode.ProtocolViolation : ErrorCode.ConnectionFailed,
      `${context.uri}: the exchange ended as "${outcome}"`,
      context,
    );
  return { outcome: failedAs(exchange), value: null, error, retryAfterMs: 0 };
}

function failedAs({ outcome, error }: Exchange): Outcome {
  if (outcome === ExchangeOutcome.StaleConnection) return Outcome.StaleConnection;
  // A page over the bound will be over it the next time too.
  return outcome === ExchangeOutcome.TooLong ? Outcome.Refused : failedOutcome(error);
}

/** What comes back the same however often it is asked for. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ErrorCode.InvalidArgument,
  ErrorCode.RangeRejected,
  ErrorCode.Unsupported,
]);

/**
 * What an exchange that failed, or whose head was refused, means for the next attempt. A certificate that is not accepted
 * is permanent and says so itself; a head that breaks HTTP is not retryable by its code, but may be one proxy's accident.
 */
export function failedOutcome(error: MillraceError | null): Outcome {
  if (error === null) return Outcome.Transient;
  const refused = error.code === ErrorCode.ConnectionFailed && !error.retryable;
  return refused || PERMANENT.has(error.code) ? Outcome.Refused : Outcome.Transient;
}

/** The context of an error about an answer: what the services tell under different names. */
export function refusalContext(
  context: ErrorContext,
  exchange: Exchange,
  requestId: string | null,
  serviceCode: string | null,
): ErrorContext {
  return {
    phase: 'head',
    ...context,
    ...(exchange.status === 0 ? {} : { status: exchange.status }),
    ...(serviceCode === null ? {} : { serviceCode }),
    ...(requestId === null ? {} : { requestId }),
  };
}

/** A Retry-After header in ms: seconds or an HTTP date; 0 for none, a past date or nonsense. */
export function retryAfter(header: string | undefined, nowMs: number): number {
  if (header === undefined) return 0;
  const text = header.trim();
  if (/^\d{1,9}(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  const date = /^[A-Za-z]{3},/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? 0 : Math.max(0, date - nowMs);
}

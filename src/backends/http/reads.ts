/**
 * What the answer to a GET means for the bytes in the target.
 *
 * Invariants:
 * 1. `complete` is said only when every byte that was asked for, or every byte that the object has from `start` on,
 *    is in the target, in its place, from the version that was asked for.
 * 2. Each outcome of an exchange maps to exactly one kind of answer; an outcome that is not success has an error.
 */
import type { ChecksumAlgorithm } from '../../protocol/checksums/algorithms.js';
import { implementation } from '../../protocol/checksums/crc.js';
import { hasDigest } from '../../protocol/checksums/digest.js';
import {
  type AnnouncedChecksum,
  chooseChecksum,
  type VerifyPolicy,
} from '../../protocol/checksums/expected.js';
import { ErrorCode, MillraceError, type ErrorContext } from '../../protocol/errors.js';
import { ExchangeOutcome, type Exchange } from '../../protocol/http.js';
import { Outcome, type ReadAnswer, type ReadRequest } from '../../protocol/store.js';
import { failedOutcome, isBody } from './answers.js';
import { isWeak } from './etag.js';

/** One read and its answer, with what an error about it would say. */
export interface ReadCase {
  readonly request: ReadRequest;
  readonly exchange: Exchange;
  readonly target: Uint8Array;
  readonly uri: string;
  readonly dialect: ReadDialect;
  readonly context: ErrorContext;
}

/** What the services that speak HTTP tell in different ways. */
export interface ReadDialect {
  /** Version of the bytes that an answer carries, or null. */
  version(exchange: Exchange): string | null;
  /** Whether an answer says that its bytes are of another version; one that says nothing does not. */
  isOther(exchange: Exchange, version: string): boolean;
  /**
   * Checksums of the whole object that an answer announces. Those that `auto` never looks at may be left out for it:
   * finding them costs more than the rest of a small object's answer.
   */
  announced(exchange: Exchange, policy: VerifyPolicy): readonly AnnouncedChecksum[];
  /** Checksums of the bytes of a range, where the service gives them and was asked to. */
  announcedOfRange?(exchange: Exchange): readonly AnnouncedChecksum[];
  /** Size of the object that a 416 tells in its body, or -1. */
  sizeInRefusal(exchange: Exchange): number;
  /** The context of an error about this answer: request id, status, the service's code. */
  errorContext(context: ErrorContext, exchange: Exchange): ErrorContext;
}

/**
 * A read whose URI and context, text that is made for errors, are made when one is: a success, which is nearly every
 * answer, must not pay for them.
 */
export class LazyRead implements ReadCase {
  readonly request: ReadRequest;
  readonly exchange: Exchange;
  readonly target: Uint8Array;
  readonly dialect: ReadDialect;
  readonly #uriOf: (key: Uint8Array) => string;

  constructor(
    request: ReadRequest,
    exchange: Exchange,
    target: Uint8Array,
    dialect: ReadDialect,
    uriOf: (key: Uint8Array) => string,
  ) {
    this.request = request;
    this.exchange = exchange;
    this.target = target;
    this.dialect = dialect;
    this.#uriOf = uriOf;
  }

  get uri(): string {
    return this.#uriOf(this.request.key);
  }

  get context(): ErrorContext {
    return readContext(this.request, this.uri);
  }
}

/** @throws MillraceError InvalidArgument for a range without a byte, and a version that no service can be asked for */
export function checkReadable(request: ReadRequest, uriOf: (key: Uint8Array) => string): void {
  const { start, length, whole, version } = request;
  const valid = Number.isSafeInteger(start) && start >= 0 && Number.isSafeInteger(length) && length >= 0;
  if (!valid || (whole ? start !== 0 : length === 0)) {
    throw unreadable(
      uriOf(request.key),
      `cannot ask for ${length} bytes from ${start} on${whole ? ' as a whole object' : ''}; ` +
        `a range has at least one byte, and a whole object begins at 0`,
    );
  }
  if (version !== null && isWeak(version)) {
    const what =
      'the version is a weak ETag (W/"..."), which no service can be asked for; leave the version out';
    throw unreadable(uriOf(request.key), what);
  }
}

function unreadable(uri: string, what: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, `${uri}: ${what}`, { phase: 'prepare', uri });
}

function readContext(request: ReadRequest, uri: string): ErrorContext {
  const last = request.start + Math.max(0, request.length - 1);
  return request.whole ? { uri } : { uri, range: [request.start, last] };
}

/** Judges everything but a service's refusal, for which it gives null. */
export function judgeRead(read: ReadCase): ReadAnswer | null {
  const { exchange } = read;
  switch (exchange.outcome) {
    case ExchangeOutcome.Cancelled:
      return answer(Outcome.Cancelled, { landed: exchange.landed });
    case ExchangeOutcome.StaleConnection:
      return broken(read, Outcome.StaleConnection);
    case ExchangeOutcome.Failed:
    case ExchangeOutcome.Refused:
      return broken(read, failedOutcome(exchange.error));
    case ExchangeOutcome.TooLong:
      return tooLong(read);
    case ExchangeOutcome.Interrupted:
      if (isBody(exchange.status)) return unfit(read) ?? interrupted(read);
      // A refusal whose document broke off is still the refusal that its status names.
      return exchange.status === 416 ? outside(read) : null;
    case ExchangeOutcome.Complete:
      if (isBody(exchange.status)) return unfit(read) ?? complete(read);
      return exchange.status === 416 ? outside(read) : null;
  }
}

function answer(outcome: Outcome, known: Partial<ReadAnswer>): ReadAnswer {
  return { outcome, landed: 0, size: -1, version: null, error: null, retryAfterMs: 0, ...known };
}

function failure(read: ReadCase, code: ErrorCode, message: string, extra: ErrorContext = {}): MillraceError {
  return new MillraceError(code, `${read.uri}: ${message}`, {
    ...read.dialect.errorContext(read.context, read.exchange),
    ...extra,
  });
}

/** The exchange's own error, told about the object. */
function broken(read: ReadCase, outcome: Outcome): ReadAnswer {
  const { exchange } = read;
  const error =
    exchange.error?.with(read.dialect.errorContext(read.context, exchange)) ??
    failure(read, ErrorCode.ConnectionFailed, `the exchange ended as "${exchange.outcome}"`);
  return answer(outcome, { error });
}

function versionOf(read: ReadCase): string | null {
  return read.dialect.version(read.exchange);
}

/** The whole object's size as this 200 or 206 tells it, or -1. */
function sizeOf(read: ReadCase): number {
  const { exchange } = read;
  if (exchange.status === 206) return parseContentRange(exchange.header('content-range'))?.total ?? -1;
  if (exchange.contentLength >= 0) return exchange.contentLength;
  return exchange.outcome === ExchangeOutcome.Complete ? exchange.landed : -1;
}

/** A 200 or 206 that is not an answer to what was asked, however much of it came. */
function unfit(read: ReadCase): ReadAnswer | null {
  const { request, exchange } = read;
  if (request.version !== null && read.dialect.isOther(exchange, request.version)) {
    const error = failure(read, ErrorCode.VersionChanged, 'the object was replaced while it was read');
    return answer(Outcome.VersionChanged, { version: versionOf(read), size: sizeOf(read), error });
  }
  if (request.whole) {
    const size = sizeOf(read);
    if (exchange.status === 206) {
      const what = 'the service answered with a range that was not asked for';
      return answer(Outcome.Refused, { error: failure(read, ErrorCode.ProtocolViolation, what) });
    }
    if (size < 0 || size === request.length) return null;
    return versionOf(read) === null ? foreign(read) : sizeChanged(read, size);
  }
  if (exchange.status === 200) {
    if (request.start === 0) return versionOf(read) === null ? foreign(read) : null;
    const what = 'the service ignored the Range header and answered with the whole object';
    return answer(Outcome.Refused, { error: failure(read, ErrorCode.RangeRejected, what) });
  }
  // The transport refuses another range before it lands a byte. Looked at once more on this side of the seam, because bytes
  // in the wrong place look like any others, and the header is read for the size anyhow.
  const range = parseContentRange(exchange.header('content-range'));
  if (range !== null && range.first === request.start && range.last < request.start + request.length)
    return null;
  const what = `the service answered with another range (${exchange.header('content-range') ?? 'none named'})`;
  return answer(Outcome.Refused, { error: failure(read, ErrorCode.RangeRejected, what) });
}

/**
 * A success that is not what was asked for and does not say of which object it is: the page of a proxy, or an error document
 * with a wrong status, would become the object. Such pages pass.
 */
function foreign(read: ReadCase): ReadAnswer {
  const what =
    `the answer has another length or range than was asked for and names no version of the object, as every answer of ` +
    `the service does; something before it (a proxy, a login page) may have answered`;
  return answer(Outcome.Transient, { error: failure(read, ErrorCode.ProtocolViolation, what) });
}

function sizeChanged(read: ReadCase, size: number): ReadAnswer {
  const error = failure(
    read,
    ErrorCode.VersionChanged,
    `the object has ${size} bytes, not the ${read.request.length} that were expected`,
  );
  return answer(Outcome.SizeChanged, { size, version: versionOf(read), error });
}

function interrupted(read: ReadCase): ReadAnswer {
  const { exchange, request } = read;
  const error =
    exchange.error?.with(read.dialect.errorContext(read.context, exchange)) ??
    failure(read, ErrorCode.ShortBody, `the body broke off after ${exchange.landed} bytes`, {
      phase: 'body',
    });
  const landed = Math.min(exchange.landed, request.length);
  return answer(Outcome.Interrupted, { landed, size: sizeOf(read), version: versionOf(read), error });
}

function tooLong(read: ReadCase): ReadAnswer {
  const { exchange, request } = read;
  if (request.whole && exchange.status === 200 && exchange.contentLength >= 0) {
    return unfit(read) ?? sizeChanged(read, exchange.contentLength);
  }
  const what =
    exchange.status === 200 && !request.whole
      ? 'the service ignored the Range header and answered with the whole object'
      : 'the service sent more bytes than were asked for';
  return answer(Outcome.Refused, { error: failure(read, ErrorCode.RangeRejected, what) });
}

function complete(read: ReadCase): ReadAnswer {
  const { exchange, request, target } = read;
  const size = sizeOf(read);
  const version = versionOf(read);
  const wanted = size < 0 ? request.length : Math.max(0, Math.min(request.length, size - request.start));
  const landed = Math.min(exchange.landed, request.length);
  if (landed < wanted) {
    const what = `the service sent ${landed} of ${wanted} bytes`;
    const error = failure(read, ErrorCode.ShortBody, what, { phase: 'body' });
    return answer(Outcome.Interrupted, { landed, size, version, error });
  }
  let verified: ChecksumAlgorithm | null = null;
  if (request.verify !== 'never') {
    const choice = chooseChecksum(announcedOf(read, landed === size), request.verify, implementation);
    if (choice.verify) {
      verified = choice.algorithm;
      if (!hasDigest(verified, target.subarray(0, landed), choice.digest)) {
        const what = `the bytes do not have the ${verified} checksum that the service gave`;
        const error = failure(read, ErrorCode.ChecksumMismatch, what, { phase: 'verify' });
        return answer(Outcome.Transient, { size, version, error });
      }
    }
  }
  // Field by field: this is the answer that there are millions of, and a spread copies by name.
  return { outcome: Outcome.Complete, landed, size, version, error: null, retryAfterMs: 0, verified };
}

/** The checksums that an answer announces of the very bytes that it brought. */
function announcedOf({ dialect, exchange, request }: ReadCase, whole: boolean): readonly AnnouncedChecksum[] {
  if (whole && request.start === 0) return dialect.announced(exchange, request.verify);
  return dialect.announcedOfRange?.(exchange) ?? NOTHING;
}

const NOTHING: readonly AnnouncedChecksum[] = [];

/**
 * 416. Services say it for any range of an empty object: from the first byte on, that is all of it. A service that does not
 * tell the size (radosgw) has to be asked again: it says the same of an object that is not empty.
 */
function outside(read: ReadCase): ReadAnswer {
  const { exchange, request } = read;
  const named = /^bytes \*\/(\d{1,15})$/.exec(exchange.header('content-range') ?? '')?.[1];
  const size = named === undefined ? read.dialect.sizeInRefusal(exchange) : Number(named);
  if (request.start === 0 && !request.whole && size === 0) {
    return answer(Outcome.Complete, { size, version: versionOf(read) });
  }
  const end = size < 0 ? 'where the service does not say' : `after ${size} bytes`;
  const what = `the range begins at ${request.start} and was refused; the object ends ${end}`;
  const error = failure(read, ErrorCode.RangeRejected, what);
  return answer(Outcome.Refused, { size, version: versionOf(read), error });
}

interface ContentRange {
  readonly first: number;
  readonly last: number;
  /** -1 for `*`. */
  readonly total: number;
}

export function parseContentRange(header: string | undefined): ContentRange | null {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(header?.trim() ?? '');
  if (match === null) return null;
  const first = Number(match[1]);
  const last = Number(match[2]);
  const total = match[3] === '*' ? -1 : Number(match[3]);
  return first <= last && (total < 0 || last < total) ? { first, last, total } : null;
}

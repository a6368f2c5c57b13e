/**
 * The data half of the s3 store: requests signed for the moment, answers judged. Pure and synchronous; it opens no
 * socket, reads no clock and loads no SDK. Runs in every worker.
 *
 * Invariants:
 * 1. Each call of a `prepare` function signs afresh, with the newest snapshot and the clock offset learnt so far.
 * 2. An offset is learnt from an answer's Date header only when the service refused the request's time and the
 *    header contradicts the offset that the request was signed with. So a fleet of requests that were in flight when
 *    the offset was learnt is retried, and a request that was signed with the right offset and still refused is not.
 * 3. Nothing that is given out holds a secret but the prepared request's own headers.
 */
import { ErrorCode, MillraceError, type ErrorContext } from '../../protocol/errors.js';
import { ExchangeOutcome, type Exchange, type PreparedRequest, type StoreData } from '../../protocol/http.js';
import {
  Outcome,
  type Answer,
  type KeyPage,
  type ObjectInfo,
  type ReadAnswer,
  type ReadRequest,
  type StoreSnapshot,
} from '../../protocol/store.js';
import { answerContext, classify, saysSkewed, type Asked, type Verdict } from './classify.js';
import type { S3DataConfig } from './config.js';
import { encodeKey } from './encoding.js';
import { readErrorBody } from './error-body.js';
import { listQuery, MAX_PAGE_BYTES, parsePage } from './listing.js';
import { isBody, judgeRead, readContext } from './reads.js';
import { createSigner, type SignedParts, type Signer } from './sigv4.js';
import { keyText } from './uri.js';

/** S3 accepts 15 minutes; a Date header that differs by less cannot be why it refused. */
const TOLERATED_SKEW_MS = 15 * 60_000;
/** Two measurements of one offset differ by a round trip and the header's whole seconds, not by this much. */
const SAME_SKEW_MS = 5 * 60_000;

/** What a snapshot gives, with everything that stays the same per request worked out. */
interface Current {
  readonly version: number;
  readonly expiresAtMs: number | null;
  readonly config: S3DataConfig;
  readonly signer: Signer | null;
  /** Headers of an anonymous request that never change. */
  readonly constantHeaders: readonly string[];
  readonly listPath: string;
}

function adopt(snapshot: StoreSnapshot): Current {
  const config = snapshot.config as S3DataConfig;
  const { credentials, expectedBucketOwner, requesterPays } = config;
  const constantHeaders = ['User-Agent', 'millrace'];
  if (credentials === null) {
    constantHeaders.push('Host', config.hostHeader);
    if (expectedBucketOwner !== null) {
      constantHeaders.push('x-amz-expected-bucket-owner', expectedBucketOwner);
    }
    if (requesterPays) constantHeaders.push('x-amz-request-payer', 'requester');
  }
  return {
    version: snapshot.version,
    expiresAtMs: snapshot.expiresAtMs,
    config,
    signer: credentials === null ? null : createSigner({ ...config, host: config.hostHeader, credentials }),
    constantHeaders,
    listPath: `${config.pathPrefix}/`,
  };
}

/** Builds the data half from a snapshot whose `config` is an `S3DataConfig`. */
export function createStoreData(snapshot: StoreSnapshot): StoreData {
  let current = adopt(snapshot);
  let skewMs = 0;
  /** The offset each request was signed with; only kept while there is one. */
  const signedWith = new WeakMap<object, number>();

  function prepare(
    identity: object,
    parts: SignedParts,
    range: PreparedRequest['range'],
    nowMs: number,
  ): PreparedRequest {
    const { config, signer, constantHeaders } = current;
    const headers = constantHeaders.slice();
    if (signer !== null) {
      if (skewMs !== 0) signedWith.set(identity, skewMs);
      signer.sign(parts, nowMs + skewMs, headers);
    } else {
      if (parts.ifMatch !== null) headers.push('If-Match', parts.ifMatch);
      if (parts.range !== null) headers.push('Range', parts.range);
      if (parts.checksum) headers.push('x-amz-checksum-mode', 'ENABLED');
    }
    const target = parts.query === '' ? parts.path : `${parts.path}?${parts.query}`;
    return { origin: config.origin, method: parts.method, target, headers, body: null, range };
  }

  function asked(uri: string, head: boolean, context: ErrorContext, nowMs: number): Asked {
    const { config, expiresAtMs } = current;
    return {
      uri,
      bucket: config.bucket,
      region: config.region,
      head,
      anonymous: config.credentials === null,
      temporary: config.credentials?.sessionToken !== undefined,
      expired: expiresAtMs !== null && nowMs + skewMs >= expiresAtMs,
      context,
    };
  }

  /** Judges a refusal: the clock first, then the table. */
  function refused(identity: object, exchange: Exchange, what: Asked, nowMs: number): Verdict {
    const service = readErrorBody(exchange.body);
    const used = signedWith.get(identity) ?? 0;
    const date = Date.parse(exchange.header('date') ?? '');
    const measured = Number.isNaN(date) ? null : date - nowMs;
    const offMs = measured === null ? 0 : measured - used;
    const bareRefusal = what.head && exchange.status === 403 && Math.abs(offMs) > TOLERATED_SKEW_MS;
    if (!saysSkewed(service) && !bareRefusal) return classify(what, exchange, service, nowMs);
    const learnt = measured !== null && Math.abs(offMs) > SAME_SKEW_MS;
    if (learnt) skewMs = measured;
    const error = new MillraceError(
      ErrorCode.Unauthenticated,
      `${what.uri}: the service refused the time of the request; ${clockText(measured)}: set this machine's clock`,
      answerContext(what.context, exchange, service),
    );
    return { outcome: learnt ? Outcome.ClockSkew : Outcome.Refused, error, retryAfterMs: 0 };
  }

  const uriOf = (key: Uint8Array): string => `s3://${current.config.bucket}/${keyText(key)}`;

  return {
    maxPageBytes: MAX_PAGE_BYTES,

    prepareRead(request, nowMs): PreparedRequest {
      const { start, length, whole } = request;
      checkRange(request, uriOf);
      const parts: SignedParts = {
        method: 'GET',
        path: `${current.config.pathPrefix}/${encodeKey(request.key)}`,
        query: '',
        ifMatch: request.version,
        range: whole ? null : `bytes=${start}-${start + length - 1}`,
        checksum: request.verify && start === 0,
      };
      return prepare(request, parts, whole ? null : { start, length }, nowMs);
    },

    prepareHead(key, nowMs): PreparedRequest {
      const path = `${current.config.pathPrefix}/${encodeKey(key)}`;
      return prepare(
        key,
        { method: 'HEAD', path, query: '', ifMatch: null, range: null, checksum: false },
        null,
        nowMs,
      );
    },

    prepareList(request, nowMs): PreparedRequest {
      const query = listQuery(request);
      const path = current.listPath;
      return prepare(
        request,
        { method: 'GET', path, query, ifMatch: null, range: null, checksum: false },
        null,
        nowMs,
      );
    },

    readAnswer(request, exchange, target, nowMs): ReadAnswer {
      // The URI is text made for errors; a success, which is nearly every answer, must not pay for it.
      const read = {
        request,
        exchange,
        target,
        service: current.config.service,
        get uri(): string {
          return uriOf(request.key);
        },
        get context(): ErrorContext {
          return readContext(request, this.uri);
        },
      };
      const judged = judgeRead(read);
      if (judged !== null) return judged;
      const verdict = refused(request, exchange, asked(read.uri, false, read.context, nowMs), nowMs);
      return { landed: 0, size: -1, version: null, ...verdict };
    },

    headAnswer(key, exchange, nowMs): Answer<ObjectInfo> {
      const uri = uriOf(key);
      const unfinished = judgeExchange(exchange, { uri });
      if (unfinished !== null) return unfinished;
      if (exchange.status === 200) return objectInfo(exchange, uri);
      return { value: null, ...refused(key, exchange, asked(uri, true, { uri }, nowMs), nowMs) };
    },

    listAnswer(request, exchange, nowMs): Answer<KeyPage> {
      const uri = uriOf(request.prefix);
      const context: ErrorContext = { uri, phase: 'list' };
      const unfinished = judgeExchange(exchange, context);
      if (unfinished !== null) return unfinished;
      if (exchange.status !== 200) {
        return { value: null, ...refused(request, exchange, asked(uri, false, context, nowMs), nowMs) };
      }
      return listed(exchange, context);
    },

    update(next): void {
      // Snapshots may overtake each other on their way; an older one must not bring expired credentials back.
      if (next.version > current.version) current = adopt(next);
    },
  };
}

function clockText(aheadMs: number | null): string {
  if (aheadMs === null) return 'its own time is not known';
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  return `this machine's clock is ${seconds} s ${aheadMs > 0 ? 'behind' : 'ahead of'} its own`;
}

function checkRange(request: ReadRequest, uriOf: (key: Uint8Array) => string): void {
  const { start, length, whole } = request;
  const valid = Number.isSafeInteger(start) && start >= 0 && Number.isSafeInteger(length) && length >= 0;
  if (valid && (whole ? start === 0 : length > 0)) return;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `${uriOf(request.key)}: cannot ask for ${length} bytes from ${start} on${whole ? ' as a whole object' : ''}; ` +
      `a range has at least one byte, and a whole object begins at 0`,
    { phase: 'prepare', uri: uriOf(request.key) },
  );
}

/** The end of an exchange whose answer cannot be read, or null when it can. */
function judgeExchange(exchange: Exchange, context: ErrorContext): (Answer<never> & { value: null }) | null {
  const { outcome, status } = exchange;
  if (outcome === ExchangeOutcome.Complete) return null;
  if (outcome === ExchangeOutcome.Cancelled) {
    return { outcome: Outcome.Cancelled, value: null, error: null, retryAfterMs: 0 };
  }
  // A refusal whose error document broke off is still the refusal that its status names.
  if (outcome === ExchangeOutcome.Interrupted && status !== 0 && !isBody(status)) return null;
  const error =
    exchange.error?.with(answerContext(context, exchange)) ??
    new MillraceError(
      outcome === ExchangeOutcome.TooLong ? ErrorCode.ProtocolViolation : ErrorCode.ConnectionFailed,
      `${context.uri}: the exchange ended as "${outcome}"`,
      answerContext(context, exchange),
    );
  const again = outcome === ExchangeOutcome.StaleConnection ? Outcome.StaleConnection : Outcome.Transient;
  // A page over the bound will be over it the next time too.
  const kind = outcome === ExchangeOutcome.TooLong ? Outcome.Refused : again;
  return { outcome: kind, value: null, error, retryAfterMs: 0 };
}

function objectInfo(exchange: Exchange, uri: string): Answer<ObjectInfo> {
  const length = exchange.header('content-length') ?? '';
  if (!/^\d{1,15}$/.test(length)) {
    const error = new MillraceError(
      ErrorCode.ProtocolViolation,
      `${uri}: the answer to HEAD has no Content-Length`,
      answerContext({ uri }, exchange),
    );
    return { outcome: Outcome.Refused, value: null, error, retryAfterMs: 0 };
  }
  const modified = Date.parse(exchange.header('last-modified') ?? '');
  const value: ObjectInfo = {
    size: Number(length),
    version: exchange.header('etag') ?? null,
    lastModifiedMs: Number.isNaN(modified) ? null : modified,
    contentType: exchange.header('content-type') ?? null,
  };
  return { outcome: Outcome.Complete, value, error: null, retryAfterMs: 0 };
}

/** A page, or a transient failure: a page that was cut on its way is worth asking for again. */
function listed(exchange: Exchange, context: ErrorContext): Answer<KeyPage> {
  try {
    const value = parsePage(exchange.body ?? new Uint8Array(0), answerContext(context, exchange));
    return { outcome: Outcome.Complete, value, error: null, retryAfterMs: 0 };
  } catch (thrown) {
    if (!(thrown instanceof MillraceError)) throw thrown;
    return { outcome: Outcome.Transient, value: null, error: thrown, retryAfterMs: 0 };
  }
}

/**
 * The data half of the gs store: requests made, answers judged. Pure and synchronous; it opens no socket, reads no clock and
 * loads no SDK. Runs in every worker.
 *
 * Invariants:
 * 1. A read that names a generation gets that one or `VersionChanged`, also where the bucket keeps old generations.
 * 2. What lands are the bytes as they are stored: nothing that the service has decompressed on the way.
 * 3. A success costs no text for errors, and nothing that is given out holds a secret but the prepared request's own headers.
 */
import { ErrorCode, MillraceError, type ErrorContext } from '../../protocol/errors.js';
import { ExchangeOutcome, type Exchange, type PreparedRequest, type StoreData } from '../../protocol/http.js';
import {
  Outcome,
  type Answer,
  type KeyPage,
  type ListRequest,
  type ObjectInfo,
  type ReadAnswer,
  type ReadRequest,
  type StoreSnapshot,
} from '../../protocol/store.js';
import type { WriteRequest, WriteResult } from '../../protocol/writes.js';
import { judgeExchange, type Verdict, listed } from '../http/answers.js';
import { keyText } from '../http/keys.js';
import { checkReadable, judgeRead, LazyRead, type ReadDialect } from '../http/reads.js';
import { createSkew } from '../http/skew.js';
import { listQuery as xmlQuery, MAX_PAGE_BYTES, parsePage as parseXmlPage } from '../http/xml-listing.js';
import { answerContext, classify, type Asked } from './classify.js';
import type { GcsDataConfig } from './config.js';
import { readError } from './error-body.js';
import { listQuery, parsePage } from './json-listing.js';
import { infoInBody, infoInHead, metadataParts } from './metadata.js';
import {
  adopt,
  download,
  jsonPath,
  request as prepared,
  xmlPath,
  xmlRead,
  type Current,
} from './requests.js';
import { announced } from './verify.js';
import { isSession, judgeRefused, judgeWritten, withoutId } from './write-answers.js';
import { checkGeneration, writeParts } from './writes.js';

const DIALECT: ReadDialect = {
  version: (exchange) => exchange.header('x-goog-generation') ?? null,
  isOther: (exchange, version) => (exchange.header('x-goog-generation') ?? version) !== version,
  announced,
  // Every 416 has a Content-Range that tells it.
  sizeInRefusal: () => -1,
  errorContext: (context, exchange) => answerContext(context, exchange, readError(exchange)),
};

/** Builds the data half from a snapshot whose `config` is a `GcsDataConfig`. */
export function createStoreData(snapshot: StoreSnapshot): StoreData {
  return new GcsData(snapshot);
}

class GcsData implements StoreData {
  readonly maxPageBytes = MAX_PAGE_BYTES;
  #current: Current;
  readonly #skew = createSkew();
  readonly #uriOf = (key: Uint8Array): string => uriOf(this.#current.config, key);

  constructor(snapshot: StoreSnapshot) {
    this.#current = adopt(snapshot);
  }

  update(next: StoreSnapshot): void {
    // Snapshots may overtake each other on their way; an older one must not bring expired credentials back.
    if (next.version > this.#current.version) this.#current = adopt(next);
  }

  prepareRead(request: ReadRequest, nowMs: number): PreparedRequest {
    const { key, start, length, whole, version } = request;
    checkReadable(request, this.#uriOf);
    this.#checkKey(key);
    if (version !== null) checkGeneration(version, () => this.#uriOf(key));
    const range = whole ? null : { start, length };
    if (this.#current.signer === null) return download(this.#current, key, version, range);
    const query = version === null ? '' : `generation=${version}`;
    return this.#xml(request, { method: 'GET', path: xmlPath(this.#current, key), query }, range, nowMs);
  }

  prepareHead(key: Uint8Array, nowMs: number): PreparedRequest {
    this.#checkKey(key);
    const { signer } = this.#current;
    if (signer === null) return prepared(this.#current, metadataParts(jsonPath(this.#current, key)), nowMs);
    return this.#xml(key, { method: 'HEAD', path: xmlPath(this.#current, key), query: '' }, null, nowMs);
  }

  prepareList(request: ListRequest, nowMs: number): PreparedRequest {
    const { objects, xml, signer } = this.#current;
    const parts = { method: 'GET', headers: [], body: null } as const;
    this.#skew.sign(request);
    const time = this.#skew.serviceTime(nowMs);
    if (signer !== null)
      return prepared(this.#current, { ...parts, path: xml, query: xmlQuery(request) }, time);
    return prepared(this.#current, { ...parts, path: objects.slice(0, -1), query: listQuery(request) }, time);
  }

  readAnswer(request: ReadRequest, exchange: Exchange, target: Uint8Array, nowMs: number): ReadAnswer {
    const read = new LazyRead(request, exchange, target, DIALECT, this.#uriOf);
    if (isTranscoded(exchange)) return { ...UNREAD, error: transcoded(read.uri, read.context, exchange) };
    const judged = judgeRead(read);
    if (judged !== null) return judged;
    const asked = this.#asked(read.uri, request.version, read.context);
    return { ...UNREAD, ...this.#refused(request, exchange, asked, nowMs) };
  }

  headAnswer(key: Uint8Array, exchange: Exchange, nowMs: number): Answer<ObjectInfo> {
    const uri = this.#uriOf(key);
    const unfinished = judgeExchange(exchange, answerContext({ uri }, exchange));
    if (unfinished !== null) return unfinished;
    if (exchange.status === 200) {
      const info = this.#current.signer === null ? infoInBody(exchange) : infoInHead(exchange);
      return info === null
        ? unreadableInfo(exchange, uri)
        : { outcome: Outcome.Complete, value: info, error: null, retryAfterMs: 0 };
    }
    return { value: null, ...this.#refused(key, exchange, this.#asked(uri, null, { uri }), nowMs) };
  }

  listAnswer(request: ListRequest, exchange: Exchange, nowMs: number): Answer<KeyPage> {
    const uri = this.#uriOf(request.prefix);
    const context: ErrorContext = { uri, phase: 'list' };
    const unfinished = judgeExchange(exchange, answerContext(context, exchange));
    if (unfinished !== null) return unfinished;
    if (exchange.status === 200) {
      return listed(exchange, answerContext(context, exchange), (body, about) =>
        this.#current.signer === null ? parsePage(body, about) : parseXmlPage(body, 'Generation', about),
      );
    }
    return { value: null, ...this.#refused(request, exchange, this.#asked(uri, null, context), nowMs) };
  }

  prepareWrite(request: WriteRequest, nowMs: number): PreparedRequest | Answer<WriteResult> {
    if ('key' in request) this.#checkKey(request.key);
    const parts = writeParts(this.#current, request, this.#uriOf(keyIn(request)));
    if ('outcome' in parts) return parts;
    this.#skew.sign(request);
    return prepared(this.#current, parts, this.#skew.serviceTime(nowMs));
  }

  writeAnswer(request: WriteRequest, answered: Exchange, nowMs: number): Answer<WriteResult> {
    const uri = this.#uriOf(keyIn(request));
    const context: ErrorContext = { uri, phase: 'write' };
    const exchange = isSession(request) ? withoutId(answered) : answered;
    const unfinished = judgeExchange(exchange, answerContext(context, exchange));
    if (unfinished !== null) return unfinished;
    const write = { request, exchange, uri, context };
    const succeeded = exchange.status >= 200 && exchange.status < 300;
    const judged = succeeded ? judgeWritten(write) : judgeRefused(write);
    if (judged !== null) return judged;
    const version = request.kind === 'copy' ? request.sourceVersion : null;
    return {
      value: null,
      ...this.#refused(request, exchange, this.#asked(uri, version, context), nowMs),
    };
  }

  #xml(
    identity: object,
    parts: Parameters<typeof xmlRead>[1],
    range: PreparedRequest['range'],
    nowMs: number,
  ): PreparedRequest {
    this.#skew.sign(identity);
    return xmlRead(this.#current, parts, range, this.#skew.serviceTime(nowMs));
  }

  /** Throws `InvalidArgument` for an empty key: a GET of that path is a listing, and its document no object's bytes. */
  #checkKey(key: Uint8Array): void {
    if (key.length > 0) return;
    const uri = this.#uriOf(key);
    throw new MillraceError(
      ErrorCode.InvalidArgument,
      `${uri} names a bucket, not an object; expected a key behind it, such as ${uri}2026/11/part-0.json`,
      { phase: 'prepare', uri },
    );
  }

  #asked(uri: string, version: string | null, context: ErrorContext): Asked {
    const { bucket, auth } = this.#current.config;
    return { uri, bucket, auth, version, context };
  }

  /** Judges a refusal: the clock first, then the table. Tokens carry no time. */
  #refused(identity: object, exchange: Exchange, asked: Asked, nowMs: number): Verdict {
    const service = readError(exchange);
    const signed = this.#current.signer !== null;
    const suspect = {
      uri: asked.uri,
      context: answerContext(asked.context, exchange, service),
      // An answer to HEAD has no body to say so.
      refusesTime: (isFar: boolean): boolean =>
        signed &&
        (service.code === 'RequestTimeTooSkewed' ||
          (service.code === null && exchange.status === 403 && isFar)),
    };
    return this.#skew.judge(identity, exchange, suspect, nowMs) ?? classify(asked, exchange, service, nowMs);
  }
}

const UNREAD: ReadAnswer = {
  outcome: Outcome.Refused,
  landed: 0,
  size: -1,
  version: null,
  error: null,
  retryAfterMs: 0,
};

/**
 * Whether the service, or a proxy that took `Accept-Encoding` away, has decompressed the object: its length and its
 * checksum are then of other bytes. Such an answer has no length.
 */
function isTranscoded(exchange: Exchange): boolean {
  if (exchange.status !== 200 || exchange.contentLength >= 0) return false;
  if (exchange.outcome === ExchangeOutcome.Cancelled) return false;
  return (
    exchange.header('x-goog-stored-content-encoding') === 'gzip' &&
    exchange.header('content-encoding') === undefined
  );
}

function transcoded(uri: string, context: ErrorContext, exchange: Exchange): MillraceError {
  return new MillraceError(
    ErrorCode.Unsupported,
    `${uri}: the object is stored as gzip and was decompressed on its way, though the bytes as stored were asked for; a ` +
      'proxy between here and the service takes the header Accept-Encoding away',
    answerContext(context, exchange),
  );
}

function unreadableInfo(exchange: Exchange, uri: string): Answer<ObjectInfo> {
  const error = new MillraceError(
    ErrorCode.ProtocolViolation,
    `${uri}: the answer tells no size of the object`,
    answerContext({ uri }, exchange),
  );
  return { outcome: Outcome.Refused, value: null, error, retryAfterMs: 0 };
}

function uriOf(config: GcsDataConfig, key: Uint8Array): string {
  return `gs://${config.bucket}/${keyText(key)}`;
}

/** The key that errors about a write name. */
function keyIn(request: WriteRequest): Uint8Array {
  if ('key' in request) return request.key;
  return request.kind === 'uploads' ? request.prefix : (request.keys[0] ?? new Uint8Array(0));
}

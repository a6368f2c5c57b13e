/**
 * The data half of the s3 store: requests signed for the moment, answers judged. Pure and synchronous; it opens no
 * socket, reads no clock and loads no SDK. Runs in every worker.
 *
 * Invariants:
 * 1. Each call of a `prepare` function signs afresh, with the newest snapshot and the clock offset learnt so far.
 * 2. A success costs no text for errors, and nothing that is given out holds a secret but the prepared request's own
 *    headers.
 */
import { ErrorCode, MillraceError, type ErrorContext } from '../../protocol/errors.js';
import { HeaderBlock } from '../../protocol/headers.js';
import type { Exchange, PreparedRequest, StoreData } from '../../protocol/http.js';
import {
  type Answer,
  type KeyPage,
  type ListRequest,
  type ObjectInfo,
  type ReadAnswer,
  type ReadRequest,
  type StoreSnapshot,
} from '../../protocol/store.js';
import type { WriteRequest, WriteResult } from '../../protocol/writes.js';
import { announced } from './announced.js';
import { answerContext, classify, type Asked } from './classify.js';
import type { S3Credentials, S3DataConfig } from './config.js';
import { encodeKey } from '../http/encoding.js';
import { sameTag, strongTag } from '../http/etag.js';
import { readErrorBody } from './error-body.js';
import { listQuery, MAX_PAGE_BYTES, parsePage } from '../http/xml-listing.js';
import { judgeExchange, type Verdict, listed, infoInHead } from '../http/answers.js';
import { checkReadable, judgeRead, LazyRead, type ReadDialect } from '../http/reads.js';
import { AWS4, createSigner, type SignedParts, type Signer } from '../http/sigv4.js';
import { createSkew, type Suspect } from '../http/skew.js';
import { judgeRefused, judgeWritten } from './write-answers.js';
import { writeHeaders, writeParts } from './writes.js';
import { keyText } from '../http/keys.js';

/** What a snapshot gives, with everything that stays the same per request worked out. */
interface Current {
  readonly version: number;
  readonly expiresAtMs: number | null;
  readonly config: S3DataConfig;
  readonly signer: Signer | null;
  /** What all its requests have in common. */
  readonly constant: HeaderBlock;
  readonly listPath: string;
  readonly dialect: ReadDialect;
}

function adopt(snapshot: StoreSnapshot): Current {
  const config = snapshot.config as S3DataConfig;
  const { credentials, expectedBucketOwner, requesterPays } = config;
  const signer =
    credentials === null
      ? null
      : createSigner({
          ...config,
          scheme: AWS4,
          host: config.hostHeader,
          credentials,
          tail: signedTail(config, credentials),
        });
  const constant = ['User-Agent', 'millrace'];
  if (signer !== null) constant.push(...signer.constant);
  else {
    constant.push('Host', config.hostHeader);
    if (expectedBucketOwner !== null) constant.push('x-amz-expected-bucket-owner', expectedBucketOwner);
    if (requesterPays) constant.push('x-amz-request-payer', 'requester');
  }
  return {
    version: snapshot.version,
    expiresAtMs: snapshot.expiresAtMs,
    config,
    signer,
    constant: new HeaderBlock(constant),
    listPath: `${config.pathPrefix}/`,
    dialect: dialectOf(config.service),
  };
}

/** Headers that follow `x-amz-date` in the alphabet and never change within one snapshot. */
function signedTail(
  { expectedBucketOwner, requesterPays }: S3DataConfig,
  { sessionToken }: S3Credentials,
): [name: string, value: string][] {
  const tail: [string, string][] = [];
  if (expectedBucketOwner !== null) tail.push(['x-amz-expected-bucket-owner', expectedBucketOwner]);
  if (requesterPays) tail.push(['x-amz-request-payer', 'requester']);
  if (sessionToken !== undefined) tail.push(['x-amz-security-token', sessionToken]);
  return tail;
}

function dialectOf(service: string): ReadDialect {
  return {
    version: (exchange) => strongTag(exchange.header('etag')),
    isOther: (exchange, version) => {
      const tag = exchange.header('etag');
      return tag !== undefined && !sameTag(tag, version);
    },
    announced: (exchange, policy) => announced(exchange, service, policy),
    sizeInRefusal: (exchange) => readErrorBody(exchange.body).actualObjectSize,
    errorContext: (context, exchange) => answerContext(context, exchange, readErrorBody(exchange.body)),
  };
}

/** Builds the data half from a snapshot whose `config` is an `S3DataConfig`. */
export function createStoreData(snapshot: StoreSnapshot): StoreData {
  return new S3Data(snapshot);
}

class S3Data implements StoreData {
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
    const { start, length, whole } = request;
    checkReadable(request, this.#uriOf);
    const parts: SignedParts = {
      method: 'GET',
      path: this.#objectPath(request.key),
      query: '',
      ifMatch: request.version,
      range: whole ? null : `bytes=${start}-${start + length - 1}`,
      checksum: request.verify !== 'never' && start === 0,
    };
    return this.#prepare(request, parts, whole ? null : { start, length }, nowMs);
  }

  prepareHead(key: Uint8Array, nowMs: number): PreparedRequest {
    return this.#prepare(
      key,
      { ...BARE, method: 'HEAD', path: this.#objectPath(key), checksum: true },
      null,
      nowMs,
    );
  }

  prepareList(request: ListRequest, nowMs: number): PreparedRequest {
    const path = this.#current.listPath;
    return this.#prepare(request, { ...BARE, path, query: listQuery(request) }, null, nowMs);
  }

  readAnswer(request: ReadRequest, exchange: Exchange, target: Uint8Array, nowMs: number): ReadAnswer {
    const read = new LazyRead(request, exchange, target, this.#current.dialect, this.#uriOf);
    const judged = judgeRead(read);
    if (judged !== null) return judged;
    const verdict = this.#refused(
      request,
      exchange,
      this.#asked(read.uri, false, read.context, nowMs),
      nowMs,
    );
    return { landed: 0, size: -1, version: null, ...verdict };
  }

  headAnswer(key: Uint8Array, exchange: Exchange, nowMs: number): Answer<ObjectInfo> {
    const uri = uriOf(this.#current.config, key);
    const unfinished = judgeExchange(exchange, answerContext({ uri }, exchange));
    if (unfinished !== null) return unfinished;
    if (exchange.status === 200) return this.#info(exchange, uri);
    return { value: null, ...this.#refused(key, exchange, this.#asked(uri, true, { uri }, nowMs), nowMs) };
  }

  #info(exchange: Exchange, uri: string): Answer<ObjectInfo> {
    const answer = infoInHead(exchange, answerContext({ uri }, exchange));
    if (answer.value === null) return answer;
    const checksums = this.#current.dialect.announced(exchange, 'always');
    return { ...answer, value: { ...answer.value, checksums } };
  }

  listAnswer(request: ListRequest, exchange: Exchange, nowMs: number): Answer<KeyPage> {
    const uri = uriOf(this.#current.config, request.prefix);
    const context: ErrorContext = { uri, phase: 'list' };
    const unfinished = judgeExchange(exchange, answerContext(context, exchange));
    if (unfinished !== null) return unfinished;
    if (exchange.status === 200) {
      return listed(exchange, answerContext(context, exchange), (body, about) =>
        parsePage(body, 'ETag', about),
      );
    }
    return {
      value: null,
      ...this.#refused(request, exchange, this.#asked(uri, false, context, nowMs), nowMs),
    };
  }

  prepareWrite(request: WriteRequest, nowMs: number): PreparedRequest {
    const { config } = this.#current;
    if ('key' in request) this.#objectPath(request.key);
    const parts = writeParts(request, config);
    this.#skew.sign(request);
    const headers = writeHeaders(config, parts, this.#skew.serviceTime(nowMs));
    const target = parts.query === '' ? parts.path : `${parts.path}?${parts.query}`;
    const { method, body } = parts;
    return { origin: config.origin, method, target, headers, body, range: null };
  }

  writeAnswer(request: WriteRequest, exchange: Exchange, nowMs: number): Answer<WriteResult> {
    const uri = this.#uriOf(keyIn(request));
    const context: ErrorContext = { uri, phase: 'write' };
    const unfinished = judgeExchange(exchange, answerContext(context, exchange));
    if (unfinished !== null) return unfinished;
    const write = { request, exchange, uri, context, service: this.#current.config.service };
    const succeeded = exchange.status >= 200 && exchange.status < 300;
    // An error may stand in an answer that began as a success.
    const judged = (succeeded ? judgeWritten(write) : null) ?? judgeRefused(write);
    if (judged !== null) return judged;
    return {
      value: null,
      ...this.#refused(request, exchange, this.#asked(uri, false, context, nowMs), nowMs),
    };
  }

  /** Throws `InvalidArgument` for an empty key: a GET of that path is a listing, and its document no object's bytes. */
  #objectPath(key: Uint8Array): string {
    const { config } = this.#current;
    if (key.length > 0) return `${config.pathPrefix}/${encodeKey(key)}`;
    const uri = uriOf(config, key);
    throw new MillraceError(
      ErrorCode.InvalidArgument,
      `${uri} names a bucket, not an object; expected a key behind it, such as ${uri}2026/11/part-0.json`,
      { phase: 'prepare', uri },
    );
  }

  #prepare(
    identity: object,
    parts: SignedParts,
    range: PreparedRequest['range'],
    nowMs: number,
  ): PreparedRequest {
    const { config, signer, constant } = this.#current;
    let headers: string[];
    if (signer !== null) {
      this.#skew.sign(identity);
      headers = signer.sign(parts, this.#skew.serviceTime(nowMs));
    } else headers = unsignedHeaders(parts);
    const target = parts.query === '' ? parts.path : `${parts.path}?${parts.query}`;
    const { origin, allowContentEncoding: encoded } = config;
    return { origin, method: parts.method, target, constant, headers, body: null, range, encoded };
  }

  #asked(uri: string, head: boolean, context: ErrorContext, nowMs: number): Asked {
    const { config, expiresAtMs } = this.#current;
    return {
      uri,
      bucket: config.bucket,
      region: config.region,
      head,
      credentials: config.credentials,
      renewable: config.renewable,
      expired: expiresAtMs !== null && this.#skew.serviceTime(nowMs) >= expiresAtMs,
      context,
    };
  }

  /** Judges a refusal: the clock first, then the table. */
  #refused(identity: object, exchange: Exchange, asked: Asked, nowMs: number): Verdict {
    const service = readErrorBody(exchange.body);
    const suspect: Suspect = {
      uri: asked.uri,
      context: answerContext(asked.context, exchange, service),
      // An answer to HEAD has no body to say so.
      refusesTime: (isFar) =>
        service.code === 'RequestTimeTooSkewed' || (asked.head && exchange.status === 403 && isFar),
    };
    const skewed = this.#skew.judge(identity, exchange, suspect, nowMs);
    return skewed ?? classify(asked, exchange, service, nowMs);
  }
}

const BARE: SignedParts = { method: 'GET', path: '', query: '', ifMatch: null, range: null, checksum: false };

function unsignedHeaders({ ifMatch, range, checksum }: SignedParts): string[] {
  const headers: string[] = [];
  if (ifMatch !== null) headers.push('If-Match', ifMatch);
  if (range !== null) headers.push('Range', range);
  if (checksum) headers.push('x-amz-checksum-mode', 'ENABLED');
  return headers;
}

function uriOf(config: S3DataConfig, key: Uint8Array): string {
  return `s3://${config.bucket}/${keyText(key)}`;
}

/** The key that errors about a write name; empty for what is about the whole bucket. */
function keyIn(request: WriteRequest): Uint8Array {
  if ('key' in request) return request.key;
  if (request.kind === 'uploads') return request.prefix;
  return request.keys.length === 1 ? request.keys[0]! : NO_KEY;
}

const NO_KEY = new Uint8Array(0);

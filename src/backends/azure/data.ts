/**
 * The data half of the az store: requests authorized for the moment, answers judged. Synchronous; it opens no socket, reads
 * no clock and loads no SDK. Runs in every worker.
 *
 * Invariants:
 * 1. Each call of a `prepare` function signs afresh, with the newest snapshot and the clock offset learnt so far.
 * 2. A success costs no text for errors, and nothing that is given out holds a secret but the prepared request's own
 *    headers and target.
 */
import { type ErrorContext } from '../../protocol/errors.js';
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
import { judgeExchange, type Verdict, listed, infoInHead } from '../http/answers.js';
import { sameTag, strongTag } from '../http/etag.js';
import { checkReadable, judgeRead, LazyRead, type ReadDialect } from '../http/reads.js';
import { createSkew, type Suspect } from '../http/skew.js';
import { announced, announcedOfRange, rangeSumHeader, type BodySum } from './checksums.js';
import { answerContext, classify, type Asked } from './classify.js';
import { readServiceError } from './error-body.js';
import { listQuery, MAX_PAGE_BYTES, parsePage } from './listing.js';
import { adopt, authorized, BARE, blobPath, listing, uriOf, type Current } from './requests.js';
import type { SignedParts } from './shared-key.js';
import { isFixed, readVersion, versionQuery } from './versions.js';
import { askedOf, prepareWrite, writtenAnswer } from './writes.js';

const COMMON = {
  announced,
  announcedOfRange,
  // Where the service tells the size, it does so in Content-Range.
  sizeInRefusal: () => -1,
  errorContext: answerContext,
};

/** Reads of the blob as it is now. */
const NOW: ReadDialect = {
  ...COMMON,
  version: (exchange) => strongTag(exchange.header('etag')),
  isOther: (exchange, version) => {
    const tag = exchange.header('etag');
    return tag !== undefined && !sameTag(tag, version);
  },
};

/** Reads of one state that does not change: it is its own version, so that later parts are asked for in the same way. */
function dialectOf(version: string | null): ReadDialect {
  if (!isFixed(version)) return NOW;
  const [name, value] = version.split('=', 2);
  return {
    ...COMMON,
    version: () => version,
    isOther: (exchange) => name === 'versionid' && exchange.header('x-ms-version-id') !== value,
  };
}

/** Builds the data half from a snapshot whose `config` is an `AzureDataConfig`. */
export function createStoreData(snapshot: StoreSnapshot): StoreData {
  return new AzureData(snapshot);
}

class AzureData implements StoreData {
  readonly maxPageBytes = MAX_PAGE_BYTES;
  #current: Current;
  readonly #skew = createSkew();
  readonly #sent = new WeakMap<WriteRequest, BodySum>();
  readonly #uriOf = (key: Uint8Array): string => uriOf(this.#current.config, key);

  constructor(snapshot: StoreSnapshot) {
    this.#current = adopt(snapshot);
  }

  update(next: StoreSnapshot): void {
    // Snapshots may overtake each other on their way; an older one must not bring expired credentials back.
    if (next.version > this.#current.version) this.#current = adopt(next);
  }

  prepareRead(request: ReadRequest, nowMs: number): PreparedRequest {
    const { start, length, whole, version, key } = request;
    checkReadable(request, this.#uriOf);
    let ifMatch: string | null = null;
    let query = '';
    let signed = '';
    if (version !== null) {
      const pinned = readVersion(version, () => this.#uriOf(key));
      ifMatch = pinned.ifMatch;
      query = versionQuery(pinned);
      if (pinned.name !== null) signed = `\n${pinned.name}:${pinned.value}`;
    }
    const parts: SignedParts = {
      method: 'GET',
      path: blobPath(this.#current, key),
      query: signed,
      bodyBytes: 0,
      contentMd5: null,
      ifMatch,
      ifNoneMatch: null,
      range: whole ? null : `bytes=${start}-${start + length - 1}`,
      before: BARE.before,
      between: rangeSumHeader(this.#current.config.bodyChecksum, request),
    };
    const range = whole ? null : { start, length };
    return authorized(this.#current, parts, query, null, range, this.#timeFor(request, nowMs));
  }

  prepareHead(key: Uint8Array, nowMs: number): PreparedRequest {
    const parts: SignedParts = { ...BARE, method: 'HEAD', path: blobPath(this.#current, key) };
    return authorized(this.#current, parts, '', null, null, this.#timeFor(key, nowMs));
  }

  prepareList(request: ListRequest, nowMs: number): PreparedRequest {
    return listing(this.#current, listQuery(request), this.#timeFor(request, nowMs));
  }

  prepareWrite(request: WriteRequest, nowMs: number): PreparedRequest | Answer<WriteResult> {
    const prepared = prepareWrite(this.#current, request, this.#timeFor(request, nowMs));
    if ('outcome' in prepared) return prepared;
    if (prepared.sum !== null) this.#sent.set(request, prepared.sum);
    return prepared.request;
  }

  readAnswer(request: ReadRequest, exchange: Exchange, target: Uint8Array, nowMs: number): ReadAnswer {
    const read = new LazyRead(request, exchange, target, dialectOf(request.version), this.#uriOf);
    const judged = judgeRead(read);
    if (judged !== null) return judged;
    const { uri, context } = read;
    const verdict = this.#refused(request, exchange, { uri, verb: 'read', creates: false, context }, nowMs);
    return { landed: 0, size: -1, version: null, ...verdict };
  }

  headAnswer(key: Uint8Array, exchange: Exchange, nowMs: number): Answer<ObjectInfo> {
    const uri = this.#uriOf(key);
    const unfinished = judgeExchange(exchange, answerContext({ uri }, exchange));
    if (unfinished !== null) return unfinished;
    if (exchange.status === 200) return infoInHead(exchange, answerContext({ uri }, exchange));
    const asked = { uri, verb: 'read', creates: false, context: { uri } } as const;
    return { value: null, ...this.#refused(key, exchange, asked, nowMs) };
  }

  listAnswer(request: ListRequest, exchange: Exchange, nowMs: number): Answer<KeyPage> {
    const uri = this.#uriOf(request.prefix);
    const context: ErrorContext = { uri, phase: 'list' };
    const unfinished = judgeExchange(exchange, answerContext(context, exchange));
    if (unfinished !== null) return unfinished;
    if (exchange.status === 200) return listed(exchange, answerContext(context, exchange), parsePage);
    const asked = { uri, verb: 'list', creates: false, context } as const;
    return { value: null, ...this.#refused(request, exchange, asked, nowMs) };
  }

  writeAnswer(request: WriteRequest, exchange: Exchange, nowMs: number): Answer<WriteResult> {
    const asked = askedOf(this.#current, request);
    const context: ErrorContext = { uri: asked.uri, phase: request.kind === 'uploads' ? 'list' : 'write' };
    const unfinished = judgeExchange(exchange, answerContext(context, exchange));
    if (unfinished !== null) return unfinished;
    const answer = writtenAnswer(request, this.#sent.get(request), exchange, context);
    return answer ?? { value: null, ...this.#refused(request, exchange, { ...asked, context }, nowMs) };
  }

  /** The service's time, remembered for the request that is signed with it. */
  #timeFor(identity: object, nowMs: number): number {
    this.#skew.sign(identity);
    return this.#skew.serviceTime(nowMs);
  }

  /** Judges a refusal: the clock first, then the table. */
  #refused(
    identity: object,
    exchange: Exchange,
    asked: Pick<Asked, 'uri' | 'verb' | 'creates' | 'context'>,
    nowMs: number,
  ): Verdict {
    const { config, expiresAtMs } = this.#current;
    const { account, container, auth } = config;
    const service = readServiceError(exchange);
    const suspect: Suspect = {
      uri: asked.uri,
      context: answerContext(asked.context, exchange, service),
      // One code for a wrong key and for a wrong time, of which only a key's signature has one.
      refusesTime: (isFar) => isFar && auth.kind === 'key' && service.code === 'AuthenticationFailed',
    };
    const skewed = this.#skew.judge(identity, exchange, suspect, nowMs);
    if (skewed !== null) return skewed;
    const expired = expiresAtMs !== null && this.#skew.serviceTime(nowMs) >= expiresAtMs;
    return classify({ ...asked, account, container, auth, expired }, exchange, service, nowMs);
  }
}

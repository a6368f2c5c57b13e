/**
 * The seam between a store's data half, which knows a dialect and touches no socket, and the transport, which moves
 * bytes and knows no dialect.
 */
import type { MillraceError } from './errors.js';
import type { HeaderBlock } from './headers.js';
import type { StopSignal } from './stop.js';
import type {
  Answer,
  KeyPage,
  ListRequest,
  ObjectInfo,
  ReadAnswer,
  ReadRequest,
  StoreSnapshot,
} from './store.js';
import type { WriteRequest, WriteResult } from './writes.js';

/** Where to connect. Two requests with the same `id` may share connections. */
export interface Origin {
  /** Canonical, such as `https://bucket.s3.amazonaws.com:443`; includes whatever makes the TLS setup differ. */
  readonly id: string;
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  /** PEM bundle to trust instead of Node's own list, or null. */
  readonly ca: string | null;
  /** Name for SNI and certificate check, when it is not `host`; null for `host`. */
  readonly serverName: string | null;
}

export interface PreparedRequest {
  readonly origin: Origin;
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Path and query, percent-encoded, as it goes on the wire. */
  readonly target: string;
  /** What it has in common with others of its store. */
  readonly constant?: HeaderBlock;
  /** The other headers, names and values in turn; no `Connection`, no `Content-Length`: those are the transport's. There is one `Host`, here or in `constant`. */
  readonly headers: readonly string[];
  readonly body: Uint8Array | null;
  /** The bytes that were asked for with a Range header, or null when the whole object was. */
  readonly range: { readonly start: number; readonly length: number } | null;
  /** Whether a body with a Content-Encoding is what was stored; otherwise it is refused. @default false */
  readonly encoded?: boolean;
}

/** How one exchange on one connection ended. */
export const ExchangeOutcome = {
  /** The whole answer was read. */
  Complete: 'complete',
  /** The body broke off (reset, end of stream, idle, below the minimum rate) after `landed` bytes. */
  Interrupted: 'interrupted',
  /** A reused connection ended before the first byte of an answer: nothing was processed. */
  StaleConnection: 'stale-connection',
  /** No connection, or it ended or timed out before a head came. */
  Failed: 'failed',
  /** The head breaks HTTP, or answers another range than asked; the connection is gone. */
  Refused: 'refused',
  /** The body is longer than the target; nothing landed; `contentLength` and the head are there. */
  TooLong: 'too-long',
  /** The signal was cancelled; or it turned before the request was sent, which then never is. */
  Cancelled: 'cancelled',
} as const;
export type ExchangeOutcome = (typeof ExchangeOutcome)[keyof typeof ExchangeOutcome];

export interface Exchange {
  readonly outcome: ExchangeOutcome;
  /** 0 where no head came. */
  readonly status: number;
  /** Value of a response header by lower-case name; undefined when absent. */
  header(name: string): string | undefined;
  /** Bytes written into the target. */
  readonly landed: number;
  /** -1 where not known. */
  readonly contentLength: number;
  /** The collected body where it was not landed (a listing page, an error document); bounded. */
  readonly body: Uint8Array | null;
  /** For every outcome but complete and cancelled: `ConnectionFailed`, `TimedOut`, `ShortBody`, `ProtocolViolation`, `RangeRejected`, `Unsupported`. */
  readonly error: MillraceError | null;
}

/** Where the body of a 200 or 206 goes; other bodies are collected up to the transport's own small bound. */
export type BodySink =
  | { readonly kind: 'land'; readonly target: Uint8Array }
  | {
      readonly kind: 'collect';
      readonly maxBytes: number;
      /** Whether the service may work for minutes before it has answered: it is given `workTimeoutMs`. @default false */
      readonly afterWork?: boolean;
    };

export interface Transport {
  /**
   * Makes one attempt and calls `done` exactly once, perhaps before it returns. From then on nothing is written into the
   * target any more.
   */
  exchange(
    request: PreparedRequest,
    sink: BodySink,
    stop: StopSignal,
    done: (exchange: Exchange) => void,
  ): void;
  /** Destroys idle connections; those in use end with their exchange. */
  close(): void;
  stats(): TransportStats;
}

export interface TransportStats {
  readonly opened: number;
  readonly reused: number;
  readonly active: number;
  readonly idle: number;
}

/** Bounds on one exchange, all in ms but the rate; each wait of the transport has one. */
export interface TransportLimits {
  readonly connectTimeoutMs: number;
  /** Up to twice as long behind a request body that was slow to go out. */
  readonly firstByteTimeoutMs: number;
  /** Silence in a body; a request body is silent while less than 64 KiB of it go out. */
  readonly idleTimeoutMs: number;
  /** Silence before the head or within the body of an answer that comes after work. */
  readonly workTimeoutMs: number;
  /** Bytes per second that a body which is landed must keep over `minRateWindowMs`; 0 for none. */
  readonly minRateBytesPerSecond: number;
  readonly minRateWindowMs: number;
  /** Connections of this worker that are in use, over all origins; with the idle ones twice as many. */
  readonly maxConnections: number;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  readonly maxHeadBytes: number;
  readonly maxErrorBodyBytes: number;
}

/** A store's data half: pure, synchronous, no socket, no clock of its own. One per worker and store. */
export interface StoreData {
  /** `nowMs` is wall-clock time; the data half adds the skew it has learnt. */
  prepareRead(request: ReadRequest, nowMs: number): PreparedRequest;
  prepareHead(key: Uint8Array, nowMs: number): PreparedRequest;
  prepareList(request: ListRequest, nowMs: number): PreparedRequest;
  readAnswer(request: ReadRequest, exchange: Exchange, target: Uint8Array, nowMs: number): ReadAnswer;
  headAnswer(key: Uint8Array, exchange: Exchange, nowMs: number): Answer<ObjectInfo>;
  listAnswer(request: ListRequest, exchange: Exchange, nowMs: number): Answer<KeyPage>;
  /** The largest listing page, in bytes, that `prepareList` may be answered with. */
  readonly maxPageBytes: number;
  /** A request, or at once the answer where the service needs none. */
  prepareWrite(request: WriteRequest, nowMs: number): PreparedRequest | Answer<WriteResult>;
  writeAnswer(request: WriteRequest, exchange: Exchange, nowMs: number): Answer<WriteResult>;
  update(snapshot: StoreSnapshot): void;
}

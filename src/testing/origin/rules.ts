/**
 * The words of a fault script: which requests and connections a rule is for, and what becomes of them.
 */
import type { Operation } from './records.js';

/**
 * Where in an answer something happens: before its first byte, between head and body, or once so many bytes of the body
 * have been sent. A number beyond the end of the body is its end.
 */
export type Place = 'before-head' | 'after-head' | number;

/**
 * Answers that are wrong though they look well. Those that are about ranges or listings leave other requests alone; `by` is
 * the `by` of the fault, with its default in brackets.
 */
export type Lie =
  /** Content-Length is `by` (1) less than what is sent; the rest runs into the next answer. */
  | 'short-length'
  /** Content-Length is `by` (1) more than what is sent, then the connection ends. */
  | 'long-length'
  /**
   * 206 for a range of the same length that begins a byte away, truthfully labelled; for all but the first byte where the
   * whole object is asked for as a range, and as it should be where that has one byte alone.
   */
  | 'wrong-range'
  /** 206 for the first half of the range, a byte at least, truthfully labelled. */
  | 'short-range'
  /** 200 and the whole object. */
  | 'ignore-range'
  /** Two headers Content-Length, the second of which is `by` (1) more. */
  | 'two-lengths'
  /** The body is gzipped and says so. */
  | 'gzip-encoding'
  /** The status is no number. */
  | 'bad-status-line'
  /** One header of `by` (1 MiB) bytes. */
  | 'huge-head'
  /** A header line folded over two. */
  | 'folded-head'
  /** Lines of the head end in LF alone. */
  | 'bare-lf'
  /** The body byte at index `by` (the middle) has all its bits turned. */
  | 'wrong-bytes'
  /** The next generation's bytes and ETag, whatever If-Match says. */
  | 'mixed-version'
  /** Transfer-Encoding: chunked instead of a length. */
  | 'chunked'
  /** Neither length nor chunks: the body ends with the connection. */
  | 'no-length'
  /** A 103 comes first. */
  | 'interim'
  /** Of a chunk of a resumable upload only the first `by` (half of it) persist, in multiples of 256 KiB (gcs). */
  | 'partial-chunk'
  /** A rewrite moves `by` (1 MiB) bytes per call (gcs). */
  | 'rewrite-loop'
  /** Content-Range is `by` (1) bytes further on than what is sent. */
  | 'range-label'
  /** Content-Range says that the whole has `by` (1) bytes more. */
  | 'range-total'
  /** A page of a listing that leads to itself once more. */
  | 'same-continuation'
  /** A page that leads back into itself by a token of its own: all its entries but the first come again. */
  | 'repeat-page'
  /** The page behind the one that was asked for. */
  | 'skip-page'
  /** No ETag. */
  | 'no-etag';

/** Bytes that go out a few at a time. */
export interface Drip {
  readonly bytes: number;
  /** The pause behind each few; 0 is a turn of the event loop. */
  readonly everyMs: number;
  /** Of the head or of the body alone. @default both */
  readonly of?: 'head' | 'body';
}

/**
 * What happens to a request in the middle of its body. But for a stall that ends, the request is not carried out; one whose
 * body never came whole is logged with status 0.
 */
export interface OnBody {
  /** Bytes of the body that are in by then, or all of them. 0: before any. */
  readonly at: number | 'whole';
  /**
   * `reset` ends the connection with a RST; `cut` with a FIN, behind which what the client still sends is read and forgotten
   * for a second; `answer` sends the fault's `status` early and ends it; `stall`
   * stops reading, so that the client's sends stand still.
   */
  readonly do: 'reset' | 'cut' | 'stall' | 'answer';
  /** How long a stall is. @default until `release()` */
  readonly ms?: number;
}

/**
 * What becomes of a request that a rule is for. All that is given happens, in the order of the answer: what is done to the
 * service (`overwrite`, `expire`), a `delayMs`, then what is said and how it goes out. `{}` does nothing, but is counted.
 */
export interface Fault {
  /** Waits before anything is sent. */
  readonly delayMs?: number;
  /** Something happens while the body of the request is read. */
  readonly onBody?: OnBody;
  /** Answers with this status and an error document of the service, at once and whatever the signature. */
  readonly status?: number;
  /** With `status`: the request is carried out all the same, so that its answer alone is lost. @default false */
  readonly applied?: boolean;
  /** With `status`: the service's code in the error document. @default the usual one of that status */
  readonly code?: string;
  /** With `status`: the text in the error document. */
  readonly message?: string;
  /** With `status`: the value of Retry-After, in seconds or as a date. */
  readonly retryAfter?: number | string;
  /** Ends the stream (FIN) there. */
  readonly cutAfter?: Place;
  /**
   * Ends the connection with a RST there; the request is carried out, unless there is a `status` too. Fewer bytes than that may
   * reach the client, and a Node client that finds the last bytes and the RST in one poll reports an end; with a `stall` at
   * the same place, `release()` sends the RST by itself.
   */
  readonly reset?: Place;
  /** Stops sending there until `release()`, or for `stallMs`; the connection stays open. */
  readonly stall?: Place;
  readonly stallMs?: number;
  /** Body bytes per second, in single bytes or those of 20 ms at once. */
  readonly slow?: number;
  /** The answer goes out a few bytes at a time. */
  readonly drip?: Drip;
  /**
   * The object is overwritten before the request is served, as by `bump()`: next generation, other bytes, whether it came with
   * a body or not, perhaps another size (bytes). An object that is not there stays so.
   */
  readonly overwrite?: true | { readonly size: number };
  /** This key or token ends before the request is served; `true` for the one that the request came with. */
  readonly expire?: string | true;
  readonly lie?: Lie;
  /** The amount of those lies that have one. */
  readonly by?: number;
  /** Ends the connection after the answer, with `Connection: close` or without a word. @default false */
  readonly close?: boolean | 'silent';
  /** Response headers to set, or with null to leave out. Framing headers are added, not replaced. */
  readonly headers?: Readonly<Record<string, string | null>>;
  /**
   * These bytes are the whole answer; the connection ends after them unless `close` is false. The number of a place counts
   * them, and they are slow or drip as a body does.
   */
  readonly raw?: string | Uint8Array;
}

/** Which of the requests or connections that a rule describes it is for: all conditions that are given hold. */
export interface Moments {
  /** What `stats().fired` calls the rule; no two of a script have one name. @default its index in the script, from 0 */
  readonly name?: string;
  /** Which of them, counted from 1. */
  readonly nth?: number | readonly number[];
  /** Each so-manieth of them: 3 is the third, the sixth and so on. */
  readonly every?: number;
  /** All but so many in the beginning. */
  readonly after?: number;
  /** Those that come so long after the first of them. */
  readonly window?: { readonly fromMs?: number; readonly forMs?: number };
  /** 0 to 1; decided by a hash of (seed, request, how often that very request has come), not by the order of arrival. */
  readonly probability?: number;
  /** @default 0 */
  readonly seed?: number;
  /** So often at most. */
  readonly times?: number;
}

/**
 * What is done to which requests. Conditions are all of those given, none is every request; of several rules the first that
 * applies wins, so a request meets one fault at most.
 *
 * `{op: 'get', key: /^data\//, nth: 2, do: {status: 503, retryAfter: 1}}` answers the second read below `data/` with 503.
 */
export interface Rule extends Moments {
  /** Against the key; a string is a regular expression too. */
  readonly key?: RegExp | string;
  /** The whole name of the bucket or container. */
  readonly bucket?: string;
  readonly method?: string;
  readonly op?: Operation;
  /** Against the Range header ('' when there is none). */
  readonly range?: RegExp | string;
  /** Which request of its connection, counted from 1. */
  readonly ordinal?: number | readonly number[];
  readonly do: Fault;
}

/** What happens to a connection before HTTP. */
export interface ConnectionFault {
  /** Nothing that comes is read for so many ms, or until `release()`: with TLS, the handshake waits. */
  readonly accept?: number | 'stall';
  /** The server's half of the TLS handshake goes out so (of an origin that is `secure`). */
  readonly handshake?: Omit<Drip, 'of'>;
  /** It is ended as soon as it was accepted, with a FIN or a RST. */
  readonly end?: 'cut' | 'reset';
}

/** What is done to which connections, as they come. */
export interface ConnectionRule extends Moments {
  readonly connection: ConnectionFault;
}

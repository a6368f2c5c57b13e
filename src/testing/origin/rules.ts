/**
 * The words of a fault script: which requests and connections a rule is for, and what becomes of them.
 */
import type { Operation } from './records.js';

/** A number is a count of body bytes sent. */
export type Place = 'before-head' | 'after-head' | number;
export type Lie =
  /** Content-Length is `by` (1) less than what is sent; the rest runs into the next answer. */
  | 'short-length'
  /** Content-Length is `by` (1) more than what is sent, then the connection ends. */
  | 'long-length'
  /** 206 for a range of the same length that begins a byte away, truthfully labelled. */
  | 'wrong-range'
  /** 206 for the first half of the range, truthfully labelled. */
  | 'short-range'
  /** 200 and the whole object. */
  | 'ignore-range'
  | 'two-lengths'
  /** The body is gzipped and says so. */
  | 'gzip-encoding'
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
  /** Neither: the body ends with the connection. */
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
  | 'no-etag';

/** `bytes` at a time with a pause of `everyMs` (0: a turn of the event loop) behind each. */
export interface Drip {
  bytes: number;
  everyMs: number;
  /** Of the head or of the body alone. Default: of both. */
  of?: 'head' | 'body';
}

export interface Fault {
  /** Waits before anything is sent. */
  delayMs?: number;
  /**
   * While the request is read, once so many bytes of its body are in, or all of them (0: before any): ends the connection
   * with a RST or a FIN, answers with `status` and ends it, or stops reading until `release()` or for `ms`. But for a
   * stall that ends, the request is not carried out. A request whose body never came whole is logged with status 0.
   */
  onBody?: { at: number | 'whole'; do: 'reset' | 'cut' | 'stall' | 'answer'; ms?: number };
  /** With `status`: the request is carried out all the same. (With `reset: 'before-head'` it always is.) */
  applied?: boolean;
  /** Answers with this status and an error document of the service, at once and whatever the signature. */
  status?: number;
  code?: string;
  message?: string;
  /** Value of Retry-After, in seconds or as a date. */
  retryAfter?: number | string;
  /** Ends the stream (FIN) there. */
  cutAfter?: Place;
  /**
   * Ends it with a RST there. Fewer bytes than that may reach the client, and a Node client that finds the last bytes and
   * the RST in one poll reports an end; with a `stall` at the same place, `release()` sends the RST by itself.
   */
  reset?: Place;
  /** Stops sending there until `release()`, or for `stallMs`. */
  stall?: Place;
  stallMs?: number;
  /** Body bytes per second. */
  slow?: number;
  drip?: Drip;
  /** The object is overwritten before the request is served: next generation, other bytes, perhaps another size. */
  overwrite?: true | { size: number };
  /** This key or token ends before the request is served; `true` for the one that the request came with. */
  expire?: string | true;
  lie?: Lie;
  /** The amount of those lies that have one. */
  by?: number;
  /** Ends the connection after the answer, with `Connection: close` or without a word. */
  close?: boolean | 'silent';
  /** Response headers to set, or with null to leave out. Framing headers are added, not replaced. */
  headers?: Record<string, string | null>;
  /** These bytes are the whole answer; the connection ends after them unless `close` is false. */
  raw?: string | Uint8Array;
}

/** Which of the requests or connections that a rule describes it is for: all conditions that are given hold. */
export interface Moments {
  /** What `stats().fired` calls the rule. Default: its index. */
  name?: string;
  /** Which of them, counted from 1. */
  nth?: number | number[];
  /** Each so-manieth of them. */
  every?: number;
  /** All but so many in the beginning. */
  after?: number;
  /** Those that come so long after the first of them. */
  window?: { fromMs?: number; forMs?: number };
  /** 0 to 1; decided by a hash of (seed, request, how often that very request has come), not by the order of arrival. */
  probability?: number;
  seed?: number;
  /** So often at most. */
  times?: number;
}

/** Conditions are all of those given; the first rule that applies wins. */
export interface Rule extends Moments {
  key?: RegExp | string;
  bucket?: string;
  method?: string;
  op?: Operation;
  /** Against the Range header ('' when there is none). */
  range?: RegExp | string;
  /** Which request of its connection, counted from 1. */
  ordinal?: number | number[];
  do: Fault;
}

/** What happens to a connection before HTTP. */
export interface ConnectionFault {
  /** Nothing that comes is read for so long, or until `release()`: with TLS, the handshake waits. */
  accept?: number | 'stall';
  /** The server's half of the TLS handshake goes out so. */
  handshake?: Drip;
  /** It is ended as soon as it was accepted. */
  end?: 'cut' | 'reset';
}

export interface ConnectionRule extends Moments {
  connection: ConnectionFault;
}

/** A scripted server of a cloud store in a process of its own; see origin/dialect.mjs for what it may speak as. What each fault does is documented in origin/delivery.mjs. */

/** A key on its own; without a body it has the pattern of `objectIdOf(key, generation)`. */
export interface ExplicitEntry {
  bucket: string;
  key: string;
  size?: number;
  body?: Uint8Array | string;
  /** What the service keeps beside the bytes (gcs): `contentType`, `contentEncoding`, `cacheControl`, `metadata`. */
  attributes?: Record<string, unknown>;
}
/** `count` keys `prefix [folder/] number suffix`, numbers zero-padded to one width; sizes are taken in turn. */
export interface GeneratedEntry {
  bucket: string;
  prefix: string;
  count: number;
  sizes: number[];
  suffix?: string;
  /** Keys per folder; folders are numbered too. Absent: no folders. */
  perFolder?: number;
}
export interface OriginCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expired?: boolean;
}
/** A storage account (azure). */
export interface OriginAccount {
  name: string;
  /** Base64. */
  key: string;
}
/** A bearer token (azure, gcs). */
export interface OriginToken {
  token: string;
  /** On the server's clock. Absent: it does not end by itself. */
  expiresAtMs?: number;
  expired?: boolean;
}
/** A service account whose assertions the token endpoint accepts (gcs). */
export interface OriginServiceAccount {
  clientEmail: string;
  /** PEM. */
  publicKey: string;
  privateKeyId?: string;
}
/** What a refresh token of an authorized user is for (gcs). */
export interface OriginRefreshToken {
  clientId: string;
  clientSecret: string;
  refreshToken: string;
}
/** What only Cloud Storage has. */
export interface GcsPolicy {
  serviceAccounts?: OriginServiceAccount[];
  refreshTokens?: OriginRefreshToken[];
  /** Of tokens that are issued here. Default 3,599. */
  tokenLifetimeSeconds?: number;
  /** Whether there is one. Default true. */
  metadataServer?: boolean;
  /** Buckets that need a project to be billed. */
  requesterPays?: string[];
  /** Buckets that keep what is overwritten or deleted. */
  versionedBuckets?: string[];
  /** Added to generations, as text; `9007199254740992` takes them beyond what a number holds. Default 0. */
  generationOffset?: string;
}
export interface OriginPolicy extends GcsPolicy {
  /** Who may sign (s3; gcs: the HMAC keys of the XML API). Default: `DEFAULT_CREDENTIALS` alone. */
  credentials?: OriginCredentials[];
  /** Whose keys sign, and what the first segment of a path may be (azure). Default: `DEFAULT_ACCOUNT` alone. */
  accounts?: OriginAccount[];
  /** Whether the account lets containers be public (azure). Default true. */
  publicAccess?: boolean;
  /** Whether blobs keep their versions (azure). Default false. */
  versioning?: boolean;
  /** Who may come with a bearer token (azure, gcs). Default: none. */
  tokens?: OriginToken[];
  /** The region that signatures must name (s3). Default `us-east-1`. */
  region?: string;
  /** What each part of an upload but the last must have (s3, the XML API of gcs). Default 5 MiB, as the service has it. */
  minPartBytes?: number;
  /** Buckets that anonymous requests may use; in gcs they may only read them. */
  publicBuckets?: string[];
  /** Keys (and listed prefixes) that answer 403. */
  forbidden?: (RegExp | string)[];
  /** Added to the server's clock: Date, skew, expiry of presigned URLs. */
  clockOffsetMs?: number;
}
export type DialectName = 's3' | 'azure' | 'gcs';
export interface OriginOptions extends OriginPolicy {
  /** Which service it is. Default `s3`. */
  dialect?: DialectName;
  objects?: (ExplicitEntry | GeneratedEntry)[];
  /** Buckets that exist though nothing is in them. */
  buckets?: string[];
  /** HTTPS with a certificate for 127.0.0.1 and localhost. */
  secure?: boolean;
  /** Default 0: any free one. */
  port?: number;
  /** Requests that the log holds. Default 20,000. */
  logLimit?: number;
}

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

/**
 * The same names for all services: a part is S3's part, Azure's block, a chunk of Google's resumable upload; to complete is to
 * commit a block list, or the chunk that ends the upload; the question what has persisted is a listing of parts.
 */
export type Operation =
  | 'get'
  | 'head'
  | 'list'
  | 'put'
  | 'copy'
  | 'delete'
  | 'delete-many'
  | 'create-upload'
  | 'put-part'
  | 'complete-upload'
  | 'abort-upload'
  | 'list-uploads'
  | 'list-parts'
  | 'compose'
  /** To the token endpoint or the metadata server. */
  | 'token'
  | 'other';

export interface LoggedRequest {
  /** From 1, in order of arrival. */
  number: number;
  requestId: string;
  /** Milliseconds on the origin's monotonic clock. */
  atMs: number;
  /** When the answer was handed to the kernel or its connection ended; null while in flight. */
  endedMs: number | null;
  op: Operation;
  method: string;
  bucket: string;
  key: string;
  /** Path and query as they came. */
  target: string;
  range: string | null;
  ifMatch: string | null;
  anonymous: boolean;
  /** Bytes of its body that were read. */
  requestBytes: number;
  /** 0 where the body never came whole. */
  status: number;
  /** Error code of the service, or null. */
  code: string | null;
  /** Index of the rule that it met, or null. */
  rule: number | null;
  /** Marks set before it came. */
  marks: number;
  afterMark: boolean;
  /** Number of its connection, and which request on it this was, both from 1. */
  connection: number;
  ordinal: number;
  bodyBytes: number;
  /** The whole answer was handed over. */
  complete: boolean;
}

export interface OriginStats {
  requests: number;
  /** Handed over whole. */
  answered: number;
  /** Cut short, by a fault or by the client. */
  aborted: number;
  inFlight: number;
  maxInFlight: number;
  stalled: number;
  connections: number;
  maxConnections: number;
  opened: number;
  bytesSent: number;
  /** Requests and connections that met a rule. */
  faults: number;
  /** How often each rule of the present script was met, by its name or index. */
  fired: Record<string, number>;
  logDropped: number;
  byStatus: Record<string, number>;
  marks: number;
  /** Tokens issued and refused (gcs). */
  tokens?: { jwt: number; refresh: number; metadata: number; refused: number };
}

/** Each is "at least"; 0 is "exactly 0". */
export type Condition = Partial<
  Record<
    | 'inFlight'
    | 'requests'
    | 'stalled'
    | 'connections'
    | 'opened'
    | 'answered'
    | 'aborted'
    | 'bytesSent'
    | 'faults',
    number
  >
>;

export interface Origin extends AsyncDisposable {
  /** `http://127.0.0.1:port`; objects are at `/bucket/key`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** PEM to trust, when secure. */
  readonly ca: string | undefined;
  readonly region: string;
  /** The first of the credentials. */
  readonly credentials: OriginCredentials;
  /** The first of the accounts; its blobs are at `/account.name/container/blob` (azure). */
  readonly account: OriginAccount;
  /** Replaces the script; without rules, the origin is honest again. */
  script(...rules: (Rule | ConnectionRule | (Rule | ConnectionRule)[])[]): Promise<void>;
  configure(policy: OriginPolicy): Promise<void>;
  /** From now on this key (the first) or token is answered as an expired one. */
  expire(id?: string): Promise<void>;
  /** Overwrites an object (all without a key): next generation, other bytes and ETag, perhaps another size. */
  bump(bucket: string, key?: string, size?: number): Promise<void>;
  /** Sets a mark in the log; resolves with how many there are now. */
  mark(): Promise<number>;
  requests(filter?: { afterMark?: boolean; op?: Operation }): Promise<LoggedRequest[]>;
  stats(): Promise<OriginStats>;
  /** Lets go on what stalls now; resolves with how many. */
  release(): Promise<number>;
  /** Ends idle connections, with FIN or RST; resolves with how many. */
  closeIdle(how?: 'reset'): Promise<number>;
  /** Forgets script, log, marks and totals, and releases what stalls. Objects and policy stay. */
  reset(): Promise<void>;
  /** Rejects after `timeoutMs` (15 s) with the counters in the message. */
  waitFor(condition: Condition, timeoutMs?: number): Promise<void>;
  stop(): Promise<void>;
}

export const DEFAULT_CREDENTIALS: Readonly<{ accessKeyId: string; secretAccessKey: string }>;
export const DEFAULT_ACCOUNT: Readonly<OriginAccount>;
export function startOrigin(options?: OriginOptions): Promise<Origin>;
/** The variables that make a process of its own find the origin, and sign for it. */
export function environmentOf(origin: Pick<Origin, 'url' | 'region' | 'credentials'>): Record<string, string>;

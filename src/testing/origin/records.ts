/**
 * What an origin tells of what it saw: the requests in its log, its counters, and what can be waited for.
 */

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

/** One line of the log: a request, from the moment its body was read whole, or given up. */
export interface LoggedRequest {
  /** From 1, in order of arrival. */
  number: number;
  /** What the service's answer called it. */
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
  /** The range that it asked for, in the words of Range, or null. */
  range: string | null;
  ifMatch: string | null;
  /** It came with no signature and no token. */
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
  /** `marks` is not 0. */
  afterMark: boolean;
  /** Number of its connection, and which request on it this was, both from 1. */
  connection: number;
  ordinal: number;
  /** Body bytes of the answer that were handed to the kernel. */
  bodyBytes: number;
  /** The whole answer was handed over. */
  complete: boolean;
}

/** What was counted since the start, or the last `reset()`. */
export interface OriginStats {
  /** Whose body was read whole, or given up. */
  requests: number;
  /** Handed over whole. */
  answered: number;
  /** Cut short, by a fault or by the client. */
  aborted: number;
  /** Now between the last byte of a request and that of its answer. */
  inFlight: number;
  maxInFlight: number;
  /** Requests and connections that stand still now, by a fault. */
  stalled: number;
  /** Open now. */
  connections: number;
  maxConnections: number;
  /** Connections that were ever accepted; no reset forgets them. */
  opened: number;
  /** Body bytes of answers that are over. */
  bytesSent: number;
  /** Requests and connections that met a rule. */
  faults: number;
  /** How often each rule of the present script was met, by its name or index. */
  fired: Record<string, number>;
  /** Requests that fell out of the log. */
  logDropped: number;
  /** Answers by their status. */
  byStatus: Record<string, number>;
  marks: number;
  /**
   * What went wrong in the origin itself while it served a request, which was answered with a 500 where nothing had been
   * sent yet: the request and the message, of the first 100. Empty unless the origin has a defect.
   */
  defects: readonly string[];
  /** Tokens issued and refused (gcs). */
  tokens?: { jwt: number; refresh: number; metadata: number; refused: number };
}

/** Counters to wait for. Each is "at least"; 0 is "exactly 0". */
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

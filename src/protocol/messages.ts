/**
 * Every message between the supervisor and a worker. Data messages travel over credit ports; control messages over a
 * port of their own, so that nothing on the control path waits behind data.
 */
import type { WireError } from './errors.js';
import type { StopState } from './stop.js';
import type { KeyPage, ObjectInfo, StoreKind, StoreSnapshot } from './store.js';
import type { PackedTable } from './tables.js';
import type { PartRequest, PutRequest, WriteRequest, WriteResult } from './writes.js';

/** How a worker reaches a store; sent before, or with, the first job that names it. */
export interface StoreSpec {
  readonly id: number;
  /** Canonical name for messages: `s3://bucket`. */
  readonly name: string;
  readonly dataModule: string;
  readonly kind: StoreKind;
  readonly snapshot: StoreSnapshot;
  /** What the host puts around it in a worker; read by nobody else. Cloneable. */
  readonly decorators?: readonly unknown[] | undefined;
  /** Whether workers find out by themselves how many requests at a time it bears. @default true */
  readonly adaptive?: boolean | undefined;
}

export interface TransformSpec {
  /** Module URL; its default export is the transform. */
  readonly url: string;
  /** Cloneable; given to the transform with each item. */
  readonly options: unknown;
}

/** What becomes of bytes that are not handed out: each object's, or part's, are written to another store. */
export interface SinkSpec {
  /** Id of the store that is written to. */
  readonly store: number;
  /** The key written to is this, and behind it the source's key without its first `strip` bytes, or nothing for null. */
  readonly prefix: Uint8Array;
  readonly strip: number | null;
  /** Null: each object by a request of its own. Otherwise each is a part of one upload. */
  readonly upload: SinkUpload | null;
  readonly ifAbsent: boolean;
  readonly ifVersion: string | null;
  readonly contentType: string | null;
}

/** The upload that a stream's entries are the parts of; each is a range of the whole object. */
export interface SinkUpload {
  readonly id: string;
  readonly partBytes: number;
  /** Bytes of the whole object, or -1 while not known. */
  readonly size: number;
}

/** What a worker does with an object that has landed, before its result goes back. */
export type StepSpec = TransformSpec | SinkSpec;

export function isSink(step: StepSpec | null): step is SinkSpec {
  return step !== null && 'store' in step;
}

/** The value of a sink's output: what became of the bytes. */
export interface Receipt {
  /** Version of the object that was put, or null. */
  readonly version: string | null;
  /** What the upload's end is to be given for the part, or null. */
  readonly part: string | null;
}

/** What the jobs of one loader or one direct call have in common. */
export interface StreamSpec {
  readonly id: number;
  readonly tokenSlot: number;
  readonly tokenEpoch: number;
  readonly transform: StepSpec | null;
  readonly maxAttempts: number;
  /** How long a service may tell a job to slow down before it fails; 0: that counts as any other failed attempt. */
  readonly throttleTimeoutMs: number;
  /** When an attempt is slow; not given where nobody wants to be told. */
  readonly slow?: SlowSpec | undefined;
}

/** When an attempt at a read takes long: longer than so many percent of those before it, of which there have to be some. */
export interface SlowSpec {
  readonly percentile: number;
  readonly leastSamples: number;
}

/** FetchJobs and RangeJobs: whole objects and parts of objects, in one table. */
export interface FetchMessage {
  readonly kind: 'fetch';
  readonly stream: number;
  readonly table: PackedTable;
  /** Set in the first message of a stream to this worker. */
  readonly open: StreamSpec | null;
  /** Stores that this worker has not heard of yet. */
  readonly stores: readonly StoreSpec[];
}

/** ListJob: one page. */
export interface ListMessage {
  readonly kind: 'list';
  readonly jobId: number;
  readonly stream: number;
  readonly store: number;
  readonly prefix: Uint8Array;
  readonly delimiter: string | null;
  readonly continuation: string | null;
  readonly limit: number;
  readonly open: StreamSpec | null;
  readonly stores: readonly StoreSpec[];
}

export interface HeadMessage {
  readonly kind: 'head';
  readonly jobId: number;
  readonly stream: number;
  readonly store: number;
  readonly key: Uint8Array;
  readonly open: StreamSpec | null;
  readonly stores: readonly StoreSpec[];
}

/** A write that has no bytes with it. */
export type BareWriteRequest = Exclude<WriteRequest, PutRequest | PartRequest>;

/** Whether it ends what was begun: it goes before all that waits, on both sides. */
export function endsUpload({ kind }: BareWriteRequest): boolean {
  return kind === 'abort';
}

export interface WriteMessage {
  readonly kind: 'write';
  readonly jobId: number;
  readonly stream: number;
  readonly store: number;
  readonly request: BareWriteRequest;
  /** Whether a worker that is gone may have carried it out. */
  readonly again: boolean;
  readonly open: StreamSpec | null;
  readonly stores: readonly StoreSpec[];
}

export type JobMessage = FetchMessage | ListMessage | HeadMessage | WriteMessage;

/** One thing a transform made of an object. */
export type Output =
  /** Bytes in the job's own lease. */
  | { readonly kind: 'lease'; readonly start: number; readonly length: number }
  /** Bytes that did not fit there; charged to the budget when they arrive. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'value'; readonly value: unknown };

export interface DoneMessage {
  readonly kind: 'done';
  readonly table: PackedTable;
  /** By row; only rows that failed. */
  readonly errors: readonly (readonly [row: number, error: WireError])[];
  /** By row; only rows that a transform was applied to. No output at all means filtered. */
  readonly outputs: readonly (readonly [row: number, outputs: readonly Output[]])[];
}

export interface PageMessage {
  readonly kind: 'page';
  readonly jobId: number;
  readonly status: number;
  readonly page: KeyPage | null;
  readonly error: WireError | null;
}

export interface InfoMessage {
  readonly kind: 'info';
  readonly jobId: number;
  readonly status: number;
  readonly info: ObjectInfo | null;
  readonly error: WireError | null;
}

export interface WrittenMessage {
  readonly kind: 'written';
  readonly jobId: number;
  readonly status: number;
  /** Without its `failures`. */
  readonly result: WriteResult | null;
  readonly failures: readonly (readonly [index: number, error: WireError])[];
  readonly error: WireError | null;
}

export type ResultMessage = DoneMessage | PageMessage | InfoMessage | WrittenMessage;

/** Service thread to worker. */
export type ControlMessage =
  | { readonly kind: 'token'; readonly slot: number; readonly epoch: number; readonly state: StopState }
  | { readonly kind: 'store'; readonly id: number; readonly snapshot: StoreSnapshot }
  | { readonly kind: 'store-failed'; readonly id: number; readonly error: WireError }
  | { readonly kind: 'close-stream'; readonly stream: number }
  /** Nobody wants what this fetch job reads: it ends, and is reported, at once. May come before the job, or after its end. */
  | { readonly kind: 'revoke'; readonly job: number }
  /** Hand back what was not begun, finish or give up the rest as its token says, acknowledge, end. */
  | { readonly kind: 'stop' };

/** Worker to service thread. */
export type ControlReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'stale-store'; readonly id: number; readonly version: number }
  /** Watched fetch jobs with an attempt under way that is slow, the oldest first. */
  | { readonly kind: 'slow'; readonly jobs: readonly number[] }
  | {
      readonly kind: 'stopped';
      readonly delivered: number;
      readonly left: number;
      readonly error: WireError | null;
    };

/** What a worker answers when it is asked. */
export interface WorkerStats {
  readonly busy: number;
  readonly queued: number;
  readonly delivered: number;
  readonly retries: number;
  readonly bytes: number;
  readonly connectionsOpened: number;
  readonly connectionsReused: number;
  readonly connectionsActive: number;
  readonly connectionsIdle: number;
  /** Bytes of `direct:` that were copied, since they or their place were not aligned. */
  readonly bouncedBytes: number;
  /** Bytes of `direct:` that came through the page cache, on filesystems that refuse O_DIRECT. */
  readonly bufferedBytes: number;
  readonly doneFull: number;
  /** Of the stores that have several endpoints; empty where none has. */
  readonly endpoints: readonly EndpointStats[];
  /** Of all stores. */
  readonly origins: readonly OriginStats[];
}

/** One store, as one worker sees it. */
export interface OriginStats {
  /** Its name, such as `s3://bucket`. */
  readonly store: string;
  /** Requests that the worker makes there at the same time, at most. */
  readonly limit: number;
  readonly inFlight: number;
  /** Answers that told it to slow down, 503 and 429, since the worker began. */
  readonly throttled: number;
  /** Whether most of the latest round of answers took more than twice as long as they used to. */
  readonly slow: boolean;
  /** Whether it gets no requests from any worker for now, but for one that probes it now and then. */
  readonly closed: boolean;
}

/** One of several endpoints of a store, as one worker sees it. */
export interface EndpointStats {
  /** The store's name, such as `s3://bucket`. */
  readonly store: string;
  readonly endpoint: string;
  readonly inFlight: number;
  /** Bytes that were asked for by what is in flight. */
  readonly outstandingBytes: number;
  /** Whether it gets no requests for now, but for one that probes it now and then. */
  readonly ejected: boolean;
  /** Mean time of an answer with its body, of late; 0 where nothing is known. */
  readonly latencyMs: number;
  readonly answered: number;
  readonly failed: number;
}

/**
 * What the supervisor is asked for, what it keeps about it, and what it gives back.
 */
import type { Arena, Extent } from '../../protocol/arena.js';
import type { ChecksumAlgorithm } from '../../protocol/checksums/algorithms.js';
import type { VerifyPolicy } from '../../protocol/checksums/expected.js';
import type { MillraceError } from '../../protocol/errors.js';
import type { BareWriteRequest, SlowSpec, StepSpec, StoreSpec } from '../../protocol/messages.js';
import type { KeyPage, ObjectInfo, ObjectLocation, SchemeDefaults } from '../../protocol/store.js';
import type { CancellationToken } from '../../protocol/token.js';
import type { WriteLimits, WriteResult } from '../../protocol/writes.js';
import type { AdmissionLimits } from './admission.js';

/** One thing to load, in plan order. */
export interface PlanEntry {
  /** Id of an opened store. */
  readonly store: number;
  readonly key: Uint8Array;
  /** Size of the whole object, or -1 where it is not known. */
  readonly size: number;
  /** ETag or generation, or null. */
  readonly version: string | null;
  /** True when the user asked for exactly that version: another one is an error, not a reason to look again. */
  readonly pinned: boolean;
  /** First byte wanted; 0 for whole objects. */
  readonly start: number;
  /** Bytes wanted from there, or -1 for all to the end. */
  readonly length: number;
  /**
   * Bytes of the service itself, that are not fetched: writes as many as the target has, from the entry's byte `from` on,
   * into the memory that they were granted, each time that they are granted any. Throws where they are not there any more.
   * For streams with a sink.
   */
  readonly fill?: Fill;
}

export type Fill = (target: Uint8Array, from: number) => void;

/** Where entries come from: one pull at a time, never more than `limit` entries, null at the end. */
export interface PlanSource {
  next(limit: number): Promise<readonly PlanEntry[] | null>;
}

/** When an object is fetched as parts. */
export interface RangePlan {
  /** Objects of more bytes than this are split; Infinity for never. */
  readonly splitThreshold: number;
  readonly partBytes: number;
  /** Parts of one object that may be under way at the same time. */
  readonly maxPerObject: number;
}

/** When a read is asked for a second time: when it is slow, as far as the requests have paid for it. */
export interface HedgePlan extends SlowSpec {
  /** Hedges that each request pays for. */
  readonly maxShare: number;
}

export interface StreamOptions {
  readonly order: 'sequence' | 'completion';
  readonly batchSize: number;
  /** A batch closes before the item that would carry it over this; one item may be larger by itself. */
  readonly batchBytes: number;
  readonly dropLast: boolean;
  /** Objects that may be admitted and not yet handed to the consumer. */
  readonly windowObjects: number;
  readonly windowBytes: number;
  /** Objects that may be with workers at the same time. */
  readonly maxConcurrentObjects: number;
  /** Null: what the store's scheme says. */
  readonly ranges: RangePlan | null;
  readonly onError: 'fail' | 'skip';
  /** Told of each object that failed. */
  readonly onFailure?: (entry: PlanEntry, error: MillraceError) => void;
  /** A user's transform, or where the objects are written to. */
  readonly transform: StepSpec | null;
  readonly verify: VerifyPolicy;
  readonly maxAttempts: number;
  /** Reads that are slow are asked for a second time. @default what the store's scheme says */
  readonly hedge?: HedgePlan | false | undefined;
  /** How long a service may tell an object's job to slow down before it fails; 0: counts as any other failed attempt. */
  readonly throttleTimeoutMs: number;
}

/** One element of a batch. */
export interface ItemRecord {
  readonly entry: PlanEntry;
  /** Position of its object in the plan. */
  readonly sequence: number;
  /** Which of the object's items this is; 0 unless a transform made several. */
  readonly index: number;
  /** True for the last item of its object. */
  readonly last: boolean;
  readonly version: string | null;
  /** Size of the object that it came from. */
  readonly size: number;
  /** The checksum that the object was found to have, or null. */
  readonly verified: ChecksumAlgorithm | null;
  /** Bytes in the arena, or elsewhere, or a value. */
  readonly payload:
    | { readonly kind: 'lease'; readonly extent: Extent; readonly offset: number; readonly length: number }
    | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
    | { readonly kind: 'value'; readonly value: unknown };
}

export interface BatchRecord {
  readonly items: readonly ItemRecord[];
  readonly bytes: number;
}

/** How far a consumer has acknowledged; what a later process goes on from. */
export interface Cursor {
  readonly version: 1;
  /** Objects of the plan, from its begin, whose items are all acknowledged. */
  readonly objects: number;
  /** Items of the next object that are acknowledged too. */
  readonly items: number;
}

/** An item that was skipped. */
export interface FailureRecord {
  readonly uri: string;
  readonly error: MillraceError;
}

/**
 * The terminal record: what became of everything that was admitted. Counts are objects;
 * `planned = delivered + filtered + failed + dropped + left`.
 */
export interface TerminalRecord {
  /** `completed`, `break`, `failed`, or the reason given to the token. */
  readonly reason: string;
  readonly planned: number;
  /** Handed to the consumer in a batch. */
  readonly delivered: number;
  /** A transform made nothing of them. */
  readonly filtered: number;
  readonly failed: number;
  /** Fetched and then not wanted: `dropLast`, or a cancel before the consumer took them. */
  readonly dropped: number;
  /** Admitted and not fetched. */
  readonly left: number;
  /** Whether the plan was seen to its end. */
  readonly listed: 'complete' | 'partial';
  readonly items: number;
  readonly bytes: number;
  readonly retries: number;
  /** Reads that were slow and asked for a second time, and those of them where the second answer was taken. */
  readonly hedged: number;
  readonly hedgesWon: number;
  /** Answers that told us to slow down (503, 429). */
  readonly throttled: number;
  /** Delivered objects whose bytes were found to have a checksum of the service, by its kind. */
  readonly verified: Readonly<Partial<Record<ChecksumAlgorithm, number>>>;
  readonly elapsedMs: number;
  readonly cursor: Cursor;
  /** The first failures, at most 100; `failed` has their number. */
  readonly failures: readonly FailureRecord[];
  /** Workers that stopped answering and were fenced, by name. */
  readonly stuckWorkers: readonly string[];
}

export const TaskState = {
  /** Has no memory. */
  Planned: 0,
  /** Has memory, and jobs to send. */
  Granted: 1,
  /** Jobs are with workers, none is left to send. */
  Sent: 2,
  /** Over, for good or bad. */
  Settled: 3,
} as const;
export type TaskState = (typeof TaskState)[keyof typeof TaskState];

/** One admitted object on its way. */
export interface Task {
  readonly sequence: number;
  readonly entry: PlanEntry;
  state: TaskState;
  /** Bytes of the item, or -1 while not known. */
  length: number;
  /** Size of the object, or -1 while not known. */
  size: number;
  version: string | null;
  extent: Extent | null;
  /** Where in the arena its bytes begin, and how many may be written there. */
  offset: number;
  capacity: number;
  /** Next byte, relative to the item, that no job was sent for. */
  nextByte: number;
  /** Jobs with workers. */
  jobsOut: number;
  /** Set when its jobs are back before it can begin again (another size, another version, a fenced worker). */
  restart: boolean;
  restarts: number;
  /** How often its bytes were not what the service has. */
  mismatches: number;
  /** Deaths of workers that it explains, or may explain: above 0 it runs alone. */
  crashes: number;
  /** A worker was lost with it, which may have written it to the stream's sink. */
  again: boolean;
  retries: number;
  throttled: number;
  error: MillraceError | null;
  /** Handed back by a drain or a cancel. */
  left: boolean;
  /** Its first bytes, where they landed before it was known how many there are. */
  prefix: Prefix | null;
  /** The service gives no version: parts could be of different ones, so it comes by one job. */
  indivisible: boolean;
  /** Of an entry whose bytes are the service's own: how many of them are in its memory. */
  filledBytes: number;
  /** Its bytes came by several jobs, or from the service itself, and are all there: what is left is the checksum, the transform, or both. */
  assembled: boolean;
  /** Whether its store tells checksums by a head. */
  readonly verifiable: boolean;
  /** Jobs that were sent for it since it began (again). */
  jobs: number;
  verified: ChecksumAlgorithm | null;
  /** A part came without a checksum. */
  isPartUnverified: boolean;
  /** What a transform made; null for the bytes themselves. */
  outputs: readonly TaskOutput[] | null;
  /** Items that were handed out before the task was evicted and fetched again. */
  skipItems: number;
}

/** Bytes that landed in an extent of their own, and that the task's next job copies into place. */
export interface Prefix {
  readonly extent: Extent;
  readonly offset: number;
  readonly length: number;
  /** No longer a piece of what is being fetched, or copied: to be released when no job is out. */
  stale: boolean;
}

export type TaskOutput = ItemRecord['payload'];

/** The stores that a runtime has opened; built by the host, which alone knows the schemes. */
export interface StoreDirectory {
  /** Splits a URI; throws `InvalidArgument`. */
  locate(uri: string): ObjectLocation;
  /** Id of a store that is open, or undefined. */
  idOf(store: string): number | undefined;
  /** Opens a store (credentials, region, endpoint), once per name however many ask. Rejects with a `MillraceError`. */
  open(store: string): Promise<number>;
  uri(id: number, key: Uint8Array): string;
  defaults(id: number): SchemeDefaults;
  /** What may be written there and how; null for a scheme that is read-only. */
  writes(id: number): WriteLimits | null;
  /** The scheme of a URI that may not be opened yet; throws `InvalidArgument`. */
  schemeOf(uri: string): { readonly name: string; readonly defaults: SchemeDefaults };
  spec(id: number): StoreSpec;
}

/** One loader or one direct call, as its consumer holds it. */
export interface StreamHandle {
  /** The stream's own token: a child of the runtime's, linked to the caller's. */
  readonly token: CancellationToken;
  /** The next batch, or null at the end (after a drain too). Rejects when the stream failed or was cancelled. */
  next(): Promise<BatchRecord | null>;
  /** Gives the batch's memory back. */
  release(batch: BatchRecord): void;
  /** Moves the cursor over the batch; possible after the end too. */
  acknowledge(batch: BatchRecord): void;
  readonly cursor: Cursor;
  /**
   * Cancels what is not wanted any more. Resolves when nothing of the stream is in flight, with the cursor as it stands
   * then. Idempotent.
   */
  finish(reason: string): Promise<TerminalRecord>;
  /** Resolves, never rejects, when nothing of the stream is in flight. */
  readonly ended: Promise<TerminalRecord>;
  list(request: StreamListRequest): Promise<KeyPage>;
  head(store: number, key: Uint8Array): Promise<ObjectInfo>;
  write(store: number, request: BareWriteRequest): Promise<WriteResult>;
}

export interface StreamListRequest {
  readonly store: number;
  readonly prefix: Uint8Array;
  readonly delimiter: string | null;
  readonly continuation: string | null;
  readonly limit: number;
}

/** What the loader room is given of the supervisor. */
export interface SupervisorHandle {
  readonly stores: StoreDirectory;
  readonly arena: Arena;
  readonly workers: number;
  readonly token: CancellationToken;
  openStream(options: StreamOptions, source: PlanSource, token: CancellationToken | null): StreamHandle;
  /**
   * A stream for questions that put in order what others left, such as the abort of an upload. It outlives the turn of the
   * runtime's token, and `close` waits for it: its own token is what bounds it.
   */
  openCleanup(options: StreamOptions, source: PlanSource, token: CancellationToken): StreamHandle;
}

export interface SupervisorOptions {
  readonly workers: number;
  /** Jobs that one worker runs at the same time. */
  readonly concurrency: number;
  readonly stuckAfterMs: number;
  /** How long a consumer waits for memory that only consumers hold, and of which they release none. */
  readonly budgetTimeoutMs: number;
  /** How long workers may take to end after a cancel before they are fenced. */
  readonly closeTimeoutMs: number;
  /** @default none */
  readonly admission?: AdmissionLimits;
  readonly token: CancellationToken;
}

/** What became of a runtime. */
export interface RuntimeRecord {
  readonly reason: string;
  /** Those that stopped answering and whose threads have not ended since, by name. */
  readonly stuckWorkers: readonly string[];
  /** Batches and results that were never released, in bytes. */
  readonly unreleasedBytes: number;
  readonly deaths: number;
}

/** A consumer that waits for its next batch. */
export interface Waiter {
  resolve(batch: BatchRecord | null): void;
  reject(error: MillraceError): void;
  readonly since: number;
}

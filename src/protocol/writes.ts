/**
 * What a store can be asked to change. Each request is one attempt, as a read is; the worker's core decides what comes
 * after it.
 *
 * An object is put by one request, or by an upload in parts: `begin`, any number of `part`s, `complete`. Nothing of an
 * upload is visible before `complete` has succeeded; one that was begun is ended by `complete` or `abort`, and until then
 * is listed by `uploads`.
 */
import { ErrorCode, MillraceError } from './errors.js';
import { Outcome, type Answer } from './store.js';

/**
 * What must be true of the object under the key in the moment in which it is replaced. Where it is not, the answer is
 * `refused` with `AlreadyExists`, or `version-changed` with `VersionChanged`, and nothing was written.
 */
export interface WriteCondition {
  /** There is no object yet. */
  readonly ifAbsent: boolean;
  /** The object has this version (ETag or generation), or null for no such condition. */
  readonly ifVersion: string | null;
}

export interface ObjectAttributes {
  readonly contentType: string | null;
}

/** One object by one request. */
export interface PutRequest extends WriteCondition, ObjectAttributes {
  readonly kind: 'put';
  readonly key: Uint8Array;
  /** Valid until the answer is there; a view over shared memory. */
  readonly body: Uint8Array;
}

/** Begins an upload in parts. */
export interface BeginRequest extends WriteCondition, ObjectAttributes {
  readonly kind: 'begin';
  readonly key: Uint8Array;
  /** Bytes of the whole object, or -1 where not known yet. */
  readonly size: number;
}

/** One part of an upload. Sent again after a failure, it replaces what was sent before. */
export interface PartRequest {
  readonly kind: 'part';
  readonly key: Uint8Array;
  /** What `begin` has answered. */
  readonly upload: string;
  /** From 0 on, without a gap; all parts but the last have the same length. */
  readonly index: number;
  /** Where in the object its bytes belong. */
  readonly start: number;
  readonly body: Uint8Array;
  /** Whether it ends the object. */
  readonly last: boolean;
}

/** Makes the object of its parts visible, all at once. */
export interface CompleteRequest extends WriteCondition, ObjectAttributes {
  readonly kind: 'complete';
  readonly key: Uint8Array;
  readonly upload: string;
  /** What the answers to the parts gave, in the order of their index. */
  readonly parts: readonly string[];
  /** Bytes of the whole object. */
  readonly size: number;
}

/** Gives up an upload and its parts. One that does not exist (any more) is no failure. */
export interface AbortRequest {
  readonly kind: 'abort';
  readonly key: Uint8Array;
  readonly upload: string;
}

/**
 * Copies an object inside the service. `refused` with `Unsupported` where the service cannot, because of the size or of
 * where the source is: it then has to go through memory.
 */
export interface CopyRequest extends WriteCondition {
  readonly kind: 'copy';
  readonly key: Uint8Array;
  /** Canonical name of the source's store, of the same scheme: `s3://bucket`. */
  readonly sourceStore: string;
  readonly sourceKey: Uint8Array;
  readonly sourceVersion: string | null;
}

/** Deletes objects. One that does not exist is no failure. */
export interface DeleteRequest {
  readonly kind: 'delete';
  /** No more than the scheme's `deletesPerRequest`. */
  readonly keys: readonly Uint8Array[];
  /** Version that a single object must still have, or null. */
  readonly ifVersion: string | null;
}

/** Lists uploads that were begun and have not ended. */
export interface UploadsRequest {
  readonly kind: 'uploads';
  readonly prefix: Uint8Array;
  readonly continuation: string | null;
}

export type WriteRequest =
  | PutRequest
  | BeginRequest
  | PartRequest
  | CompleteRequest
  | AbortRequest
  | CopyRequest
  | DeleteRequest
  | UploadsRequest;

export interface UnfinishedUpload {
  readonly key: Uint8Array;
  readonly upload: string;
  /** Milliseconds since the epoch, or null. */
  readonly startedMs: number | null;
}

/** What a write has to say; each field for the requests that it names, and otherwise as in `WRITTEN`. */
export interface WriteResult {
  /**
   * `put`, `complete`, `copy`: version of the object that it has made, or null where the service does not tell. With a
   * `complete` that is refused because there is no such upload (any more): the version that its object has if it was
   * completed before, or null where that is not known beforehand.
   */
  readonly version: string | null;
  /** `begin`: names the upload in what follows. */
  readonly upload: string | null;
  /** `begin`: how many parts may be under way at the same time; 1 for a service that takes them in order only. */
  readonly partsInFlight: number;
  /** `part`: what `complete` is to be given for it. */
  readonly part: string | null;
  /** `delete`: what could not be deleted, by index of its key. */
  readonly failures: readonly (readonly [index: number, error: MillraceError])[];
  /** `uploads`. */
  readonly uploads: readonly UnfinishedUpload[];
  /** `uploads`: where the next page begins, or null at the end. */
  readonly next: string | null;
}

/** A success that has nothing more to say. */
export const WRITTEN: WriteResult = {
  version: null,
  upload: null,
  partsInFlight: Infinity,
  part: null,
  failures: [],
  uploads: [],
  next: null,
};

/** What a service allows of writes, and the defaults that go with it; each with its source where it is set. */
export interface WriteLimits {
  /** Objects of more bytes than this are put in parts. */
  readonly multipartThreshold: number;
  /** Bytes of a part, where the object does not need larger ones. */
  readonly partBytes: number;
  /** All parts but the last have a multiple of this. */
  readonly partAlignment: number;
  readonly maxPartBytes: number;
  readonly maxParts: number;
  readonly maxObjectBytes: number;
  readonly deletesPerRequest: number;
}

/** The answer of a store that cannot do this; `why` is a whole sentence that begins with the store or the object. */
export function unsupportedWrite(why: string): Answer<WriteResult> {
  const error = new MillraceError(ErrorCode.Unsupported, why, { phase: 'write' });
  return { outcome: Outcome.Refused, value: null, error, retryAfterMs: 0 };
}

/** A success. */
export function written(result: Partial<WriteResult> = {}): Answer<WriteResult> {
  return { outcome: Outcome.Complete, value: { ...WRITTEN, ...result }, error: null, retryAfterMs: 0 };
}

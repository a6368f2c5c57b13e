/**
 * What a worker actor is given to reach one storage service, and what the service thread is given to control it.
 *
 * A `Store` makes exactly one attempt per call and never retries, sleeps or logs: the worker's core decides what
 * comes next. Keys are bytes, because S3 keys are UTF-8 and file names are not always.
 */
import type { ChecksumAlgorithm } from './checksums/algorithms.js';
import type { AnnouncedChecksum, VerifyPolicy } from './checksums/expected.js';
import type { MillraceError } from './errors.js';
import type { StopSignal } from './stop.js';
import type { WriteLimits, WriteRequest, WriteResult } from './writes.js';

/** One attempt at the bytes of one object. */
export interface ReadRequest {
  readonly key: Uint8Array;
  /** First byte wanted. */
  readonly start: number;
  /** How many bytes are wanted; never more than the target holds. */
  readonly length: number;
  /**
   * True: `[0, length)` is believed to be the whole object, so the answer must have exactly that length.
   * False: a range; the object may be longer, or end earlier.
   */
  readonly whole: boolean;
  /** ETag or generation that the object must still have, or null. */
  readonly version: string | null;
  /** Whether to look at the service's own checksum of a whole object that comes by this one answer. */
  readonly verify: VerifyPolicy;
}

/** How an attempt ended. */
export const Outcome = {
  /** All bytes that were asked for, or all that the object has from `start` on, are in the target. */
  Complete: 'complete',
  /** `landed` bytes are good, the rest is missing; the next attempt may ask for just that. */
  Interrupted: 'interrupted',
  /** A kept connection turned out to be dead before any byte of the answer: the next attempt is free. */
  StaleConnection: 'stale-connection',
  /** 429, 503 and the like: wait, then try again. */
  Throttled: 'throttled',
  /** 500, 502, 504, connect failures, time-outs: try again. */
  Transient: 'transient',
  /** The credentials in the snapshot have expired or were rotated: a fresh snapshot is needed. */
  StaleCredentials: 'stale-credentials',
  /** Our clock is off; the store has taken the offset from the answer: try again once, at once. */
  ClockSkew: 'clock-skew',
  /** The object has another length than `whole` claimed; `size` is the true one and nothing landed. */
  SizeChanged: 'size-changed',
  /** The object no longer has `version`. */
  VersionChanged: 'version-changed',
  /** Permanent; `error` says why. */
  Refused: 'refused',
  /**
   * The token has turned; nothing more will be written into the target. While it is live that is a defect of the store, and
   * an `Internal` error.
   */
  Cancelled: 'cancelled',
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

export interface ReadAnswer {
  readonly outcome: Outcome;
  /** Bytes that are now in the target, from its first byte on, without a gap. */
  readonly landed: number;
  /** The whole object's size, or -1 where the answer did not say. */
  readonly size: number;
  /** ETag or generation of what was read, or null. */
  readonly version: string | null;
  /** Set for every outcome but `complete` and `cancelled`: what to report if no further attempt is made. */
  readonly error: MillraceError | null;
  /** The service's own wish, in ms, or 0. */
  readonly retryAfterMs: number;
  /** The checksum that the bytes were found to have; null or left out where none was looked at. */
  readonly verified?: ChecksumAlgorithm | null;
}

/** Facts about one object. */
export interface ObjectInfo {
  readonly size: number;
  readonly version: string | null;
  /** Milliseconds since the epoch, or null. */
  readonly lastModifiedMs: number | null;
  readonly contentType: string | null;
  /** Checksums of the whole object that the service tells; left out where it tells none. */
  readonly checksums?: readonly AnnouncedChecksum[];
}

/** The end of one attempt at something that is not object bytes. */
export interface Answer<T> {
  readonly outcome: Outcome;
  readonly value: T | null;
  readonly error: MillraceError | null;
  readonly retryAfterMs: number;
}

/** The answer to a question whose stop was cancelled. */
export const CANCELLED: Answer<never> = {
  outcome: Outcome.Cancelled,
  value: null,
  error: null,
  retryAfterMs: 0,
};

export interface ListRequest {
  /** Only keys that begin with these bytes; empty for all. */
  readonly prefix: Uint8Array;
  /** `/` for one level, with deeper levels rolled up into `prefixes`; null for everything below the prefix. */
  readonly delimiter: string | null;
  /** Where the previous page ended (its `next`), or null for the first page. */
  readonly continuation: string | null;
  /** At most so many keys. */
  readonly limit: number;
}

/**
 * One page of a listing, packed: row i has the key `keys[keyEnds[i-1] .. keyEnds[i]]` (likewise versions), in the
 * order the service gave. Cheap to send between threads, and no string is made before somebody wants one.
 */
export interface KeyPage {
  readonly count: number;
  readonly keys: Uint8Array;
  readonly keyEnds: Uint32Array;
  /** Bytes, or -1 where unknown. */
  readonly sizes: Float64Array;
  readonly versions: Uint8Array;
  /** An empty version means unknown. */
  readonly versionEnds: Uint32Array;
  /** Milliseconds since the epoch, or NaN. */
  readonly modified: Float64Array;
  /** Rolled-up prefixes (UTF-8), when a delimiter was given. */
  readonly prefixes: readonly string[];
  /** Opaque: where the next page begins, or null at the end. */
  readonly next: string | null;
}

/** The worker's half of a store: one attempt per call, bytes straight into the target. Never rejects. */
export interface Store {
  /**
   * Reads into `target` (`target.length >= request.length`) and calls `done` exactly once, perhaps before it returns.
   * From then on nothing is written into the target any more, whatever the outcome. A function and not a promise,
   * because there is one call for each small object: promises were a tenth of the CPU of 4 KiB. The request is the
   * caller's, who uses it again for the next one: it is valid until `done` is called.
   */
  read(request: ReadRequest, target: Uint8Array, stop: StopSignal, done: (answer: ReadAnswer) => void): void;
  head(key: Uint8Array, stop: StopSignal): Promise<Answer<ObjectInfo>>;
  list(request: ListRequest, stop: StopSignal): Promise<Answer<KeyPage>>;
  /** One attempt to change something. From its answer on, nothing of the request's body is read any more. */
  write(request: WriteRequest, stop: StopSignal): Promise<Answer<WriteResult>>;
  /** Takes a newer snapshot (credentials were refreshed). */
  update(snapshot: StoreSnapshot): void;
  /** Closes what is kept open. No call is in flight. */
  close(): void;
}

/** The worker's half of a store that is not one of ours: its reads are promises, as users write them. */
export interface AsyncStore extends Omit<Store, 'read' | 'write'> {
  /**
   * Reads into `target` (`target.length >= request.length`). When the promise resolves, nothing will be written into
   * the target any more, whatever the outcome.
   */
  read(request: ReadRequest, target: Uint8Array, stop: StopSignal): ReadAnswer | Promise<ReadAnswer>;
  /** Left out by a store that is read-only. */
  write?(request: WriteRequest, stop: StopSignal): Promise<Answer<WriteResult>>;
}

/** What the service thread sends its workers about a store: cloneable, replaced as a whole, never logged. */
export interface StoreSnapshot {
  /** Grows with each refresh. */
  readonly version: number;
  /** Milliseconds since the epoch, or null for never. */
  readonly expiresAtMs: number | null;
  /** The scheme's own configuration and credentials, cloneable; where there are endpoints, that of the first. */
  readonly config: unknown;
  /** Two or more that serve the same objects, with the same versions; absent where there is one. Their number never changes. */
  readonly endpoints?: readonly StoreEndpoint[];
}

/** One of several endpoints of a store over HTTP. */
export interface StoreEndpoint {
  /** For reports: no credentials in it. */
  readonly name: string;
  /** Like that of a snapshot, for this endpoint. */
  readonly config: unknown;
}

/**
 * How long before they expire credentials are renewed by the clock, and from when on a store that is opened is no longer
 * given them: one number, or a new store would begin with what its own clock renews at once. Services look at the expiry
 * when a request arrives, clocks differ by up to minutes, and providers have the next ones ready by then (instance
 * metadata rotates at least five minutes early; the AWS SDKs use the same figure).
 */
export const REFRESH_AHEAD_MS = 5 * 60_000;

/** The service thread's half of a store: credentials, region, endpoint; may use the service's SDK. */
export interface StoreControl {
  /** Resolves the first snapshot, or a fresher one than `staleVersion`. Rejects with a `MillraceError`. */
  snapshot(staleVersion: number): Promise<StoreSnapshot>;
  close(): void;
}

/** Where an object lives: a store's canonical name (`s3://bucket`, `file:///srv/data`) and a key in it. */
export interface ObjectLocation {
  readonly store: string;
  readonly key: Uint8Array;
}

/** Defaults that depend on what kind of device is behind a scheme; each with its reason beside it where it is set. */
export interface SchemeDefaults {
  /** Objects from this size on are fetched as ranges; Infinity for never. */
  readonly splitThreshold: number;
  readonly partBytes: number;
  readonly maxPartsPerObject: number;
  /** Whether a read that takes long is asked for a second time on another connection. @default false */
  readonly hedge?: boolean;
  /** Whether heads tell checksums, so that objects which came in parts can be verified. @default false */
  readonly checksums?: boolean;
}

/**
 * What `dataModule` exports. `http`: `createStoreData(snapshot): StoreData`; `direct`: `createStore(snapshot): Store`;
 * `custom`: `createStore(snapshot): AsyncStore`.
 */
export type StoreKind = 'http' | 'direct' | 'custom';

/** One URI scheme: how its URIs read, and where its two halves are. Lives on the service thread. */
export interface Scheme {
  /** Without the colon: `s3`. */
  readonly name: string;
  readonly defaults: SchemeDefaults;
  /** Null for a scheme that is read-only. */
  readonly writes: WriteLimits | null;
  /** Splits a URI; throws `InvalidArgument` with an example of a good one. */
  parse(uri: string): ObjectLocation;
  /**
   * What a URI of another scheme's name begins with, up to and with the slash behind its host, when it is this store's all
   * the same, such as an https URL of a host of the service; null when it is not. `parse` takes those URIs too.
   */
  claims?(uri: string): string | null;
  /** The inverse of `parse`. */
  format(location: ObjectLocation): string;
  /** Opens the control half; the SDK, where there is one, is loaded here and not before. */
  open(store: string): Promise<StoreControl>;
  /** Module of the data half, imported in the workers. */
  readonly dataModule: string;
  readonly kind: StoreKind;
}

/**
 * What the author of a store tells the suite: how to open it, and what its service is known to get wrong.
 *
 * What keeps the suite honest: whatever is not named as an exception is claimed, and an exception has its reason as a
 * text, which every runner shows beside what was left out.
 */
import type { Store } from '../protocol/store.js';
import type { WriteLimits } from '../protocol/writes.js';

/** A store that was opened for the suite, and a way to put objects there that does not go through it. */
export interface StoreFixture {
  readonly store: Store;
  /** Its canonical name, such as `s3://bucket`: the source of copies. Wanted of stores that write. */
  readonly storeName?: string;
  /** Creates or replaces an object. When it resolves, the store sees it. */
  put(key: Uint8Array, bytes: Uint8Array): Promise<void>;
}

/** What services get wrong, or do in another way. */
export const StoreException = {
  /** Asked for an old version it sends the new one, so that bytes come which are then refused. */
  OldVersions: 'old-versions',
  /** It lists keys in the order of their UTF-16, as JavaScript compares strings. */
  Utf16Order: 'utf-16-order',
  /** Rolled-up prefixes do not count as entries of a page. */
  CountsPrefixes: 'counts-prefixes',
  /** `ifVersion` of a put is refused though it holds. */
  PutIfVersion: 'put-if-version',
  /** `ifAbsent` of a put is refused, though there be nothing. */
  PutIfAbsent: 'put-if-absent',
  /** What is wrong with a put's condition is answered with another error. */
  PutConditions: 'put-conditions',
  /** An upload in parts cannot be completed. */
  CompleteRefused: 'complete-refused',
  /** Conditions of a completion are ignored. */
  CompleteConditions: 'complete-conditions',
  /** The version of a copy's source is ignored. */
  CopySourceVersion: 'copy-source-version',
  /** Conditions of a copy are ignored, or refused. */
  CopyConditions: 'copy-conditions',
  /** Of several keys it cannot be said that they were deleted. */
  DeleteMany: 'delete-many',
  /** `ifVersion` of a delete is ignored. */
  DeleteIfVersion: 'delete-if-version',
  /** The completion of an upload that was aborted is not answered as if it were not there. */
  CompleteAborted: 'complete-aborted',
  /** It does not copy by itself, and says so with `Unsupported`. */
  CopyUnsupported: 'copy-unsupported',
  /** It fails to copy in a way of its own. */
  CopyBroken: 'copy-broken',
  /** What was sent of an upload that is aborted stays with the service: listed, and able to be completed. */
  AbortKeeps: 'abort-keeps',
  /** Uploads that were begun are not listed, or hide that the object is not there. */
  UploadsUnlisted: 'uploads-unlisted',
  /** Uploads are listed by the keys alone that they are for, and without parts not at all. */
  UploadsByKey: 'uploads-by-key',
  /** Objects have no content type. */
  ContentType: 'content-type',
  /** Parts have to come in order, each once. */
  PartsInOrder: 'parts-in-order',
} as const;
export type StoreException = (typeof StoreException)[keyof typeof StoreException];

/** Each exception with its reason: a short text of what the service does instead. */
export type StoreExceptions = Readonly<Partial<Record<StoreException, string>>>;

export interface StoreTraits {
  /** Odd keys that this store takes beyond the usual ones, such as one with a leading slash. @default none */
  readonly extraKeys?: readonly (string | Uint8Array)[];
  /** Odd keys that it refuses before it asks, and why. @default none */
  readonly refusedKeys?: { readonly keys: readonly string[]; readonly reason: string };
  /** @default none */
  readonly exceptions?: StoreExceptions;
  /** What it allows of writes; null for a store that is read-only, of which no write is claimed. */
  readonly writes: Pick<WriteLimits, 'multipartThreshold' | 'deletesPerRequest'> | null;
}

/** One claim, or one case of it. */
export interface StoreBehaviour {
  /** What it is about, such as `list`. */
  readonly group: string;
  /** Without its case: what all of its cases have in common. */
  readonly claim: string;
  /** Claim and case; unique in its group. */
  readonly name: string;
  /** Why it is not claimed of this store, or null. Run nevertheless it may fail. */
  readonly skip: string | null;
  /** Rejects with an `AssertionError` when the store does otherwise. One after the other: they share the store. */
  readonly run: (fixture: StoreFixture) => Promise<void>;
}

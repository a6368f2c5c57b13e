/**
 * What Azure knows of a blob beyond its bytes: ETag, times, sums, snapshots and versions; and the conditions that a
 * request may set on it.
 *
 * Source: "Specify conditional headers for Blob service operations", "Get Blob" and "Snapshot Blob" of Microsoft's REST
 * reference.
 */
import { modifiedMs, type Attributes, type Bucket, type Stored } from '../catalogue.js';
import { md5 } from '../checksums.js';
import type { Failure } from '../failure.js';
import type { Request } from '../request.js';
import { objectBytes } from '../response.js';
import type { Lie } from '../rules.js';
import { azureFailure } from './failure.js';
import type { State } from './service.js';

/** Larger blobs came in blocks: the service has no sum of the whole. */
const MAX_SUMMED_BYTES = 16 * 1024 * 1024;
const MAX_CACHED_SUMS = 10_000;
const DAY_MS = 86_400_000;

/** What Azure keeps beside the bytes of a blob. */
export interface BlobAttributes extends Attributes {
  /** Headers that a read answers with, but for the content type. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Content-MD5; null for a blob that came in blocks and was given none. */
  readonly md5?: string | null;
  /** Those that it was committed from, in their order: ids (base64) and bytes of each. */
  readonly blocks?: ReadonlyArray<{ readonly id: string; readonly size: number }>;
  /** What is known of the copy that it came by, if by one, by the names of the headers after `x-ms-copy-`. */
  readonly copy?: Readonly<Record<string, string>>;
}

/** The same object: what the catalogue keeps for any dialect lacks only what is optional here. */
export const keptOf = ({ attributes }: Stored): BlobAttributes => attributes;

/** In the service's shape, with its quotes. */
export const etagOf = (blob: Stored): string => `"0x8D${blob.etag.slice(1, 15).toUpperCase()}"`;

export const lastModified = (blob: Stored): string => new Date(modifiedMs(blob.generation)).toUTCString();

/** A time with the service's seven digits. */
export const longTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '0000Z');

/** The version id of a generation. */
export const versionIdOf = (blob: Stored): string => longTime(modifiedMs(blob.generation));

/** The generation that a version id names, or NaN. */
export function generationOf(id: string): number {
  const ms = Date.parse(id);
  const generation = (ms - modifiedMs(0)) / DAY_MS;
  return Number.isInteger(generation) && generation >= 0 ? generation : NaN;
}

/** The account, the first segment of the path. */
export function accountOf({ path }: Request): string {
  const [account = ''] = path.slice(1).split('/', 1);
  return account;
}

/** The key of what the service keeps beside a blob. */
export const nameOf = ({ bucket, key }: Request): string => `${bucket}/${key}`;

/** The blob that a read, or a copy of its source, names: the present one, or an older one. */
export function findBlob(
  request: Request,
  bucket: Bucket,
  state: Pick<State, 'snapshots' | 'versions'>,
  lie?: Lie,
): Stored | null {
  const snapshot = request.params.get('snapshot');
  const versionId = request.params.get('versionid');
  const present = bucket.find(request.key, lie === 'mixed-version' ? 1 : 0);
  if (snapshot !== undefined) {
    return state.snapshots.get(nameOf(request))?.find((one) => one.snapshot === snapshot)?.blob ?? null;
  }
  if (versionId === undefined) return present;
  const kept = state.versions.get(nameOf(request))?.find((one) => versionIdOf(one) === versionId);
  if (kept !== undefined || present === null || versionIdOf(present) === versionId) return kept ?? present;
  const ahead = generationOf(versionId) - present.generation;
  // The bytes of an older generation of a pattern can be told; those of a stored body are gone unless they were kept.
  return present.body === null && ahead < 0 ? bucket.find(request.key, ahead) : null;
}

const sums = new Map<string, string>();

/** The Content-MD5 property, or null where the blob has none. */
export function md5Of(blob: Stored): string | null {
  const kept = keptOf(blob).md5;
  if (kept !== undefined) return kept;
  if (blob.size > MAX_SUMMED_BYTES) return null;
  const name = `${blob.objectId}/${blob.size}/${blob.etag}`;
  let sum = sums.get(name);
  if (sum === undefined) {
    if (sums.size >= MAX_CACHED_SUMS) sums.clear();
    sum = md5(objectBytes(blob));
    sums.set(name, sum);
  }
  return sum;
}

const listed = (list: string, etag: string): boolean =>
  list
    .split(',')
    .some((one) => one.trim() === '*' || one.trim().replaceAll('"', '') === etag.replaceAll('"', ''));

/**
 * Whether a request that reads or replaces `blob` (null where there is none) may, by its conditional headers, whose names
 * begin with `before`; `not-modified` is for what a read answers with 304.
 */
export function conditionsOf(
  headers: ReadonlyMap<string, string>,
  blob: Stored | null,
  before = '',
): 'met' | 'not-met' | 'not-modified' {
  const get = (name: string): string | undefined => headers.get(before + name);
  const etag = blob === null ? null : etagOf(blob);
  const ms = blob === null ? NaN : modifiedMs(blob.generation);
  const ifMatch = get('if-match');
  if (ifMatch !== undefined && (etag === null || !listed(ifMatch, etag))) return 'not-met';
  const unmodifiedSince = get('if-unmodified-since');
  if (unmodifiedSince !== undefined && ms > Date.parse(unmodifiedSince)) return 'not-met';
  const ifNoneMatch = get('if-none-match');
  if (ifNoneMatch !== undefined && etag !== null && listed(ifNoneMatch, etag)) return 'not-modified';
  const modifiedSince = get('if-modified-since');
  return modifiedSince !== undefined && ms <= Date.parse(modifiedSince) ? 'not-modified' : 'met';
}

/** The same for a write: null when it may go on. A blob that is there although it should not be has a code of its own. */
export function refusalOfWrite(headers: ReadonlyMap<string, string>, blob: Stored | null): Failure | null {
  const conditions = conditionsOf(headers, blob);
  if (conditions === 'met') return null;
  const exists = conditions === 'not-modified' && headers.get('if-none-match')?.trim() === '*';
  return azureFailure(exists ? 'BlobAlreadyExists' : 'ConditionNotMet');
}

/**
 * Put Blob, Copy Blob and Copy Blob From URL, Snapshot Blob, Delete Blob. Source: their pages in Microsoft's REST
 * reference. Block blobs alone; a copy is done when it is answered, within the account.
 */
import type { Bucket, Stored } from '../catalogue.js';
import { azureCrc64, md5 } from '../checksums.js';
import { isFailure, type Failure } from '../failure.js';
import type { Request } from '../request.js';
import { answer, objectBytes } from '../response.js';
import {
  conditionsOf,
  etagOf,
  findBlob,
  keptOf,
  lastModified,
  longTime,
  nameOf,
  refusalOfWrite,
  versionIdOf,
  type BlobAttributes,
} from './blobs.js';
import { refusalOfSource, sourceRequest } from './copy-source.js';
import { azureFailure, invalidHeader } from './failure.js';
import type { Found, State } from './service.js';

const MAX_MD5_HEADER_CHARS = 24;
const PROPERTIES = ['Cache-Control', 'Content-Disposition', 'Content-Encoding', 'Content-Language'];

/** Why a body is refused by the sums that came with it, or null. */
export function refusalOfSums({ headers, body }: Request): Failure | null {
  const givenMd5 = headers.get('content-md5');
  const givenCrc = headers.get('x-ms-content-crc64');
  if (givenMd5 !== undefined && givenMd5 !== md5(body)) {
    if (givenMd5.length !== MAX_MD5_HEADER_CHARS) return azureFailure('InvalidMd5');
    return azureFailure('Md5Mismatch', { UserSpecifiedMd5: givenMd5, ServerCalculatedMd5: md5(body) });
  }
  if (givenCrc === undefined || givenCrc === azureCrc64(body)) return null;
  return azureFailure('Crc64Mismatch', {
    UserSpecifiedCrc: givenCrc,
    ServerCalculatedCrc: azureCrc64(body),
  });
}

/** Sums of what came: CRC-64 where it was asked for, else MD5. */
export const sumHeaders = ({ headers, body }: Request): string[] =>
  headers.has('x-ms-content-crc64') ? ['x-ms-content-crc64', azureCrc64(body)] : ['Content-MD5', md5(body)];

interface Given {
  readonly contentType: string | undefined;
  readonly properties: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a write says about the blob beside its bytes. */
export function attributesOf(headers: ReadonlyMap<string, string>): Given {
  const properties: Record<string, string> = {};
  for (const name of PROPERTIES) {
    const value = headers.get(`x-ms-blob-${name.toLowerCase()}`);
    if (value !== undefined) properties[name] = value;
  }
  const metadata: Record<string, string> = {};
  for (const [name, value] of headers) {
    if (name.startsWith('x-ms-meta-')) metadata[name.slice('x-ms-meta-'.length)] = value;
  }
  return { contentType: headers.get('x-ms-blob-content-type'), properties, metadata };
}

/** Puts the bytes and what is known of them in place of what is there. */
export function store(
  request: Request,
  bucket: Bucket,
  state: State,
  body: Buffer,
  attributes: BlobAttributes,
): Stored {
  const name = nameOf(request);
  keepVersion(bucket.find(request.key), name, state);
  bucket.put(request.key, body, attributes);
  state.blocks.delete(name);
  // Put just now: it is there.
  return bucket.find(request.key)!;
}

function keepVersion(blob: Stored | null, name: string, state: State): void {
  if (state.versioning && blob !== null)
    state.versions.set(name, [...(state.versions.get(name) ?? []), blob]);
}

export function writtenHeaders(blob: Stored, state: State): string[] {
  const headers = ['ETag', etagOf(blob), 'Last-Modified', lastModified(blob)];
  if (state.versioning) headers.push('x-ms-version-id', versionIdOf(blob));
  return headers;
}

export function putBlob(request: Request, bucket: Bucket, state: State): Found {
  const { headers, body } = request;
  const type = headers.get('x-ms-blob-type');
  if (type === undefined) return azureFailure('MissingRequiredHeader', { HeaderName: 'x-ms-blob-type' });
  if (type !== 'BlockBlob') return invalidHeader('x-ms-blob-type', type);
  const refused = refusalOfSums(request) ?? refusalOfWrite(headers, bucket.find(request.key));
  if (refused !== null) return refused;
  const given = attributesOf(headers);
  const contentType = given.contentType ?? headers.get('content-type');
  const sum = headers.get('x-ms-blob-content-md5') ?? md5(body);
  const blob = store(request, bucket, state, body, { ...given, contentType, md5: sum, blocks: [] });
  const said = [...writtenHeaders(blob, state), 'x-ms-request-server-encrypted', 'true'];
  return answer(201, [...said, ...sumHeaders(request)]);
}

/** The blob that a URL names, if it may be read and its conditions hold. */
export function findSource(url: string, request: Request, state: State, nowMs: number): Stored | Failure {
  const unknown = azureFailure('CannotVerifyCopySource');
  let parsed: URL;
  let path: string;
  try {
    parsed = new URL(url);
    path = decodeURIComponent(parsed.pathname);
  } catch {
    return invalidHeader('x-ms-copy-source', url);
  }
  const [, account, container = '', key] = /^\/([^/]+)\/([^/]+)\/(.+)$/s.exec(path) ?? [];
  if (key === undefined || account !== request.path.slice(1).split('/', 1)[0]) return unknown;
  const read = sourceRequest(request, parsed, { bucket: container, key });
  const refused = refusalOfSource(request, read, state, nowMs);
  if (refused !== null) return refused;
  const bucket = state.buckets.get(container);
  const blob = bucket === undefined ? null : findBlob(read, bucket, state);
  if (blob === null) return unknown;
  const met = conditionsOf(request.headers, blob, 'x-ms-source-') === 'met';
  return met ? blob : azureFailure('SourceConditionNotMet');
}

/** Copy Blob, and Put Blob From URL, which is a write like any other and leaves no word of a copy. */
export function copyBlob(request: Request, bucket: Bucket, state: State, nowMs: number): Found {
  const url = request.headers.get('x-ms-copy-source') ?? '';
  const source = findSource(url, request, state, nowMs);
  if (isFailure(source)) return source;
  const refused = refusalOfWrite(request.headers, bucket.find(request.key));
  if (refused !== null) return refused;
  const given = attributesOf(request.headers);
  const kept = keptOf(source);
  const metadata = Object.keys(given.metadata).length > 0 ? given.metadata : kept.metadata;
  const put = (copy: Readonly<Record<string, string>>): Stored =>
    store(request, bucket, state, objectBytes(source), { ...kept, metadata, copy });
  if (request.headers.has('x-ms-blob-type'))
    return answer(201, [...writtenHeaders(put({}), state), 'x-ms-request-server-encrypted', 'true']);
  const copy = {
    id: `00000000-0000-0000-0000-${String(nowMs).padStart(12, '0')}`,
    status: 'success',
    source: url.split('?', 1)[0] ?? url,
    progress: `${source.size}/${source.size}`,
    'completion-time': new Date(nowMs).toUTCString(),
  };
  const copied = ['x-ms-copy-id', copy.id, 'x-ms-copy-status', 'success'];
  return answer(202, [...writtenHeaders(put(copy), state), ...copied]);
}

export function snapshotBlob(request: Request, bucket: Bucket, state: State, nowMs: number): Found {
  const blob = bucket.find(request.key);
  if (blob === null) return azureFailure('BlobNotFound');
  const refused = refusalOfWrite(request.headers, blob);
  if (refused !== null) return refused;
  // No two snapshots have one time, however fast they come.
  state.lastSnapshotMs = Math.max(nowMs, state.lastSnapshotMs + 1);
  const snapshot = longTime(state.lastSnapshotMs);
  const name = nameOf(request);
  state.snapshots.set(name, [...(state.snapshots.get(name) ?? []), { snapshot, blob }]);
  return answer(201, ['x-ms-snapshot', snapshot, ...writtenHeaders(blob, state)]);
}

export function deleteBlob(request: Request, bucket: Bucket, state: State): Found {
  const name = nameOf(request);
  const snapshots = state.snapshots.get(name) ?? [];
  const snapshot = request.params.get('snapshot');
  if (snapshot !== undefined) {
    const left = snapshots.filter((one) => one.snapshot !== snapshot);
    if (left.length === snapshots.length) return azureFailure('BlobNotFound');
    state.snapshots.set(name, left);
    return answer(202, ['x-ms-delete-type-permanent', 'true']);
  }
  const blob = bucket.find(request.key);
  if (blob === null) return azureFailure('BlobNotFound');
  const refused = refusalOfWrite(request.headers, blob);
  if (refused !== null) return refused;
  const withSnapshots = request.headers.get('x-ms-delete-snapshots');
  if (snapshots.length > 0 && withSnapshots === undefined) return azureFailure('SnapshotsPresent');
  state.snapshots.delete(name);
  if (withSnapshots !== 'only') {
    keepVersion(blob, name, state);
    bucket.remove(request.key);
  }
  return answer(202, ['x-ms-delete-type-permanent', 'true']);
}

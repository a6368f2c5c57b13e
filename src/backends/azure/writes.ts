/**
 * Writes of the Blob service: each request, and what its answer means. Pure but for an upload's random name.
 *
 * Invariants:
 * 1. Every body goes with its checksum, which the service compares before it stores a byte, and repeats in its answer.
 * 2. A put, a block or a list sent twice leaves what it would have left once.
 * 3. Nothing but a 201 (a 202 for a deletion, or a copy that says that it is done) is a success.
 *
 * Source of the rules: "Put Blob", "Put Block", "Put Block List", "Put Blob From URL" and "Delete Blob" in the Blob service
 * REST reference.
 */
import { ErrorCode, MillraceError, type ErrorContext } from '../../protocol/errors.js';
import type { Exchange, PreparedRequest } from '../../protocol/http.js';
import { Outcome, type Answer } from '../../protocol/store.js';
import {
  unsupportedWrite,
  written,
  type AbortRequest,
  type CompleteRequest,
  type CopyRequest,
  type DeleteRequest,
  type PartRequest,
  type PutRequest,
  type WriteCondition,
  type WriteRequest,
  type WriteResult,
} from '../../protocol/writes.js';
import { strongTag } from '../http/etag.js';
import { keyText } from '../http/keys.js';
import { ANY_UPLOAD, blockId, blockList, isBlockId, isUpload, newUpload } from './blocks.js';
import { sumOf, type BodySum } from './checksums.js';
import { answerContext, type Asked } from './classify.js';
import { parseUploads, queryOf, uploadsQuery } from './listing.js';
import { authorized, BARE, blobPath, listing, uriOf, type Current } from './requests.js';
import { readSas } from './sas.js';
import type { SignedParts } from './shared-key.js';
import { containerOf } from './uri.js';
import { currentTag, readVersion, versionQuery, type Pinned } from './versions.js';

/** A request, with the checksum of its body. */
export interface PreparedWrite {
  readonly request: PreparedRequest;
  readonly sum: BodySum | null;
}

/** A request, or at once the answer; `nowMs` is the service's time. Throws `InvalidArgument`. */
export function prepareWrite(
  current: Current,
  request: WriteRequest,
  nowMs: number,
): PreparedWrite | Answer<WriteResult> {
  switch (request.kind) {
    case 'put':
      return put(current, request, nowMs);
    case 'begin':
      checkCondition(current, request);
      // The path is looked at now: a name that cannot be written must not cost an upload first.
      blobPath(current, request.key);
      return written({ upload: newUpload() });
    case 'part':
      return part(current, request, nowMs);
    case 'complete':
      return complete(current, request, nowMs);
    case 'abort':
      return abort(current, request);
    case 'copy':
      return copy(current, request, nowMs);
    case 'delete':
      return remove(current, request, nowMs);
    case 'uploads':
      return bare(listing(current, uploadsQuery(request.prefix, request.continuation), nowMs));
  }
}

function put(current: Current, request: PutRequest, nowMs: number): PreparedWrite {
  const { key, body, contentType } = request;
  const before = [...typeHeader(contentType), 'x-ms-blob-type', 'BlockBlob'];
  return send(
    current,
    { ...condition(current, request), before, path: blobPath(current, key) },
    body,
    '',
    nowMs,
  );
}

function part(current: Current, request: PartRequest, nowMs: number): PreparedWrite {
  const { key, upload, index, body } = request;
  checkUpload(current, key, upload);
  const query = queryOf([
    ['blockid', blockId(upload, index)],
    ['comp', 'block'],
  ]);
  return send(current, { path: blobPath(current, key), query: query.signed }, body, query.sent, nowMs);
}

function complete(current: Current, request: CompleteRequest, nowMs: number): PreparedWrite {
  const { key, upload, parts, contentType } = request;
  checkUpload(current, key, upload);
  const wrong = parts.findIndex((each) => !isBlockId(each));
  if (wrong >= 0)
    throw invalid(uriOf(current.config, key), `part ${wrong} is none that this store gave for a part`);
  const query = queryOf([['comp', 'blocklist']]);
  const signed = {
    ...condition(current, request),
    before: typeHeader(contentType),
    path: blobPath(current, key),
    query: query.signed,
  };
  return send(current, signed, blockList(parts), query.sent, nowMs);
}

/** There is no request that drops blocks without making a blob of the name visible, if only for a moment. */
function abort(current: Current, { key, upload }: AbortRequest): Answer<WriteResult> {
  if (upload !== ANY_UPLOAD) checkUpload(current, key, upload);
  return written();
}

function copy(current: Current, request: CopyRequest, nowMs: number): PreparedWrite | Answer<WriteResult> {
  const { config } = current;
  const { key, sourceKey, sourceVersion } = request;
  const source = containerOf(request.sourceStore);
  const from = `${request.sourceStore}/${keyText(sourceKey)}`;
  if (source.account !== config.account || source.suffix !== containerOf(config.store).suffix) {
    return unsupportedWrite(
      `${uriOf(config, key)} cannot be copied from ${from} inside the service: it is another account`,
    );
  }
  const inSource = { ...current, containerPath: `${config.basePath}/${source.container}` };
  const pinned: Pinned =
    sourceVersion === null
      ? { ifMatch: null, name: null, value: '' }
      : readVersion(sourceVersion, () => from);
  const grant =
    config.auth.kind === 'key'
      ? readSas({ ...source, key: keyText(sourceKey), pinned }, config.auth.key, nowMs)
      : current.sas;
  const query = [versionQuery(pinned), grant].filter((each) => each !== '').join('&');
  const origin = `${config.origin.secure ? 'https' : 'http'}://${config.hostHeader}`;
  const url = `${origin}${blobPath({ ...inSource, config: { ...config, store: request.sourceStore } }, sourceKey)}`;
  const before = ['x-ms-blob-type', 'BlockBlob', 'x-ms-copy-source', query === '' ? url : `${url}?${query}`];
  if (config.auth.kind === 'token')
    before.push('x-ms-copy-source-authorization', `Bearer ${config.auth.token}`);
  const between = pinned.ifMatch === null ? [] : ['x-ms-source-if-match', pinned.ifMatch];
  const parts = { ...condition(current, request), path: blobPath(current, key), before, between };
  return bare(authorized(current, { ...BARE, ...parts, method: 'PUT' }, '', null, null, nowMs));
}

function remove(current: Current, { keys, ifVersion }: DeleteRequest, nowMs: number): PreparedWrite {
  const [key] = keys;
  if (key === undefined || keys.length > 1) {
    throw invalid(current.config.store, `one request deletes one blob, not ${keys.length}`);
  }
  const ifMatch = ifVersion === null ? null : currentTag(ifVersion, () => uriOf(current.config, key));
  const parts = { ...BARE, method: 'DELETE', path: blobPath(current, key), ifMatch } as const;
  return bare(authorized(current, parts, '', null, null, nowMs));
}

/** A request without a body. */
function bare(request: PreparedRequest): PreparedWrite {
  return { request, sum: null };
}

/** A body with its checksum. */
function send(
  current: Current,
  parts: Partial<SignedParts>,
  body: Uint8Array,
  query: string,
  nowMs: number,
): PreparedWrite {
  const sum = sumOf(current.config.bodyChecksum, body);
  const before = parts.before ?? [];
  const whole: SignedParts = {
    ...BARE,
    ...parts,
    method: 'PUT',
    bodyBytes: body.length,
    ...(sum.header === 'content-md5'
      ? { contentMd5: sum.value, before }
      : { before: [...before, sum.header, sum.value] }),
  };
  return { request: authorized(current, whole, query, body, null, nowMs), sum };
}

function typeHeader(contentType: string | null): string[] {
  return contentType === null ? [] : ['x-ms-blob-content-type', contentType];
}

function condition(
  current: Current,
  request: WriteCondition & { readonly key: Uint8Array },
): Pick<SignedParts, 'ifMatch' | 'ifNoneMatch'> {
  checkCondition(current, request);
  const { ifAbsent, ifVersion, key } = request;
  return {
    ifMatch: ifVersion === null ? null : currentTag(ifVersion, () => uriOf(current.config, key)),
    ifNoneMatch: ifAbsent ? '*' : null,
  };
}

function checkCondition(
  { config }: Current,
  { ifAbsent, ifVersion, key }: WriteCondition & { readonly key: Uint8Array },
): void {
  if (ifVersion !== null) currentTag(ifVersion, () => uriOf(config, key));
  if (ifAbsent && ifVersion !== null) {
    throw invalid(uriOf(config, key), 'a blob cannot both be absent and have a version; give one condition');
  }
}

function checkUpload({ config }: Current, key: Uint8Array, upload: string): void {
  if (isUpload(upload)) return;
  throw invalid(
    uriOf(config, key),
    'the upload is not one that this store has begun; expected what "begin" answered',
  );
}

function invalid(uri: string, what: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, `${uri}: ${what}`, { phase: 'write', uri });
}

/** What a refusal of the request is about. */
export function askedOf(current: Current, request: WriteRequest): Pick<Asked, 'uri' | 'verb' | 'creates'> {
  const key =
    request.kind === 'uploads' ? request.prefix : request.kind === 'delete' ? request.keys[0]! : request.key;
  const creates = 'ifAbsent' in request && request.ifAbsent;
  const verb = request.kind === 'uploads' ? 'list' : request.kind === 'copy' ? 'copy' : 'write';
  return { uri: uriOf(current.config, key), verb, creates };
}

/**
 * What an answer that is a success by its status tells, or null when it is none; `sent` is the checksum that the body
 * went with.
 */
export function writtenAnswer(
  request: WriteRequest,
  sent: BodySum | undefined,
  exchange: Exchange,
  context: ErrorContext,
): Answer<WriteResult> | null {
  const { status } = exchange;
  if (request.kind === 'uploads') return status === 200 ? uploads(exchange, context) : null;
  if (request.kind === 'delete') {
    const isGone = status === 404 && exchange.header('x-ms-error-code') === 'BlobNotFound';
    return status === 202 || isGone ? written() : null;
  }
  // A service that is older than Put Blob From URL takes it for Copy Blob, which may be done when it is answered.
  const isCopied =
    status === 202 && request.kind === 'copy' && exchange.header('x-ms-copy-status') === 'success';
  if (status !== 201 && !isCopied) return null;
  const stored = sent === undefined ? undefined : exchange.header(sent.header);
  if (sent !== undefined && stored !== undefined && stored !== sent.value) {
    const what = 'the service has stored bytes with another checksum than those that were sent';
    const error = new MillraceError(
      ErrorCode.ChecksumMismatch,
      `${context.uri}: ${what}`,
      answerContext({ ...context, phase: 'verify' }, exchange),
    );
    return { outcome: Outcome.Transient, value: null, error, retryAfterMs: 0 };
  }
  if (request.kind === 'part') return written({ part: blockId(request.upload, request.index) });
  return written({ version: strongTag(exchange.header('etag')) });
}

function uploads(exchange: Exchange, context: ErrorContext): Answer<WriteResult> {
  try {
    return written(parseUploads(exchange.body ?? new Uint8Array(0), answerContext(context, exchange)));
  } catch (thrown) {
    if (!(thrown instanceof MillraceError)) throw thrown;
    return { outcome: Outcome.Transient, value: null, error: thrown, retryAfterMs: 0 };
  }
}

/**
 * What S3 answers to a write.
 *
 * Invariants:
 * 1. A success is one only with the document or header that belongs to it: `complete` and `copy` answer 200 before they are
 *    done, and then perhaps with an error; and what answers 200 to a body may be a proxy that stores nothing.
 * 2. Where the service tells a checksum of what it stored, it is that of what was sent; where it tells none, its ETag is,
 *    when that is an MD5.
 */
import { digestOf } from '../../protocol/checksums/digest.js';
import { ErrorCode, MillraceError, type ErrorContext } from '../../protocol/errors.js';
import type { Exchange } from '../../protocol/http.js';
import { Outcome, type Answer } from '../../protocol/store.js';
import {
  unsupportedWrite,
  WRITTEN,
  written,
  type PartRequest,
  type PutRequest,
  type WriteRequest,
  type WriteResult,
} from '../../protocol/writes.js';
import { strongTag } from '../http/etag.js';
import { leaves, readDocument, readUploads, textIn } from '../http/xml-documents.js';
import { md5In } from './announced.js';
import { answerContext } from './classify.js';
import { readErrorBody } from './error-body.js';
import { crc32Text, partReceipt, uploadTag } from './writes.js';

export interface WriteCase {
  readonly request: WriteRequest;
  readonly exchange: Exchange;
  readonly uri: string;
  readonly context: ErrorContext;
  /** Service of the credential scope. */
  readonly service: string;
}

/** The answer of a request that succeeded as far as its status tells; null when its body says otherwise. */
export function judgeWritten(write: WriteCase): Answer<WriteResult> | null {
  const { request, exchange } = write;
  const etag = exchange.header('etag') || undefined;
  const tag = strongTag(etag);
  switch (request.kind) {
    case 'put':
      // A weak one is none to ask for again, but it is the answer of somebody who stored something; a page of a proxy is not.
      if (etag === undefined) return unreadable(write, 'an answer without an ETag');
      return corrupted(write, request) ?? written({ version: tag });
    case 'part': {
      if (tag === null) return unreadable(write, 'an answer without an ETag');
      const isMd5 = md5In(exchange, write.service) !== null;
      const isTaken = exchange.header('x-amz-checksum-crc32') !== undefined;
      const crc = isTaken ? crc32Text(request.body) : null;
      const part = partReceipt(tag, crc, request.body.length, isMd5);
      return corrupted(write, request) ?? written({ part });
    }
    case 'begin': {
      const upload = textIn(exchange.body, 'InitiateMultipartUploadResult', 'UploadId');
      return upload === null ? unreadable(write, 'no upload id') : written({ upload });
    }
    case 'complete':
    case 'copy': {
      const root = request.kind === 'complete' ? 'CompleteMultipartUploadResult' : 'CopyObjectResult';
      const named = textIn(exchange.body, root, 'ETag');
      if (named !== null) return written({ version: quoted(named) });
      return readErrorBody(exchange.body).code === null ? unreadable(write, `no ${root}`) : null;
    }
    case 'abort':
      return written();
    case 'delete':
      return request.keys.length === 1 ? written() : deleted(write, request.keys);
    case 'uploads': {
      const page = readUploads(exchange.body);
      return page === null ? unreadable(write, 'no ListMultipartUploadsResult') : written(page);
    }
  }
}

/** The answer of a request that was refused, where a write gives it another meaning than a read; null where not. */
export function judgeRefused({ request, exchange, uri, context }: WriteCase): Answer<WriteResult> | null {
  const service = readErrorBody(exchange.body);
  const { status } = exchange;
  const code = service.code ?? '';
  const error = (errorCode: ErrorCode, what: string): MillraceError =>
    new MillraceError(errorCode, `${uri}: ${what}`, { ...answerContext(context, exchange, service) });
  if (request.kind === 'abort' && status === 404 && code !== 'NoSuchBucket') return written();
  if (request.kind === 'delete' && status === 404 && code === 'NoSuchKey') return written();
  if (code === 'NoSuchUpload') {
    const what = 'there is no such upload: it was aborted or completed by somebody else';
    const gone = refused(Outcome.Refused, error(ErrorCode.NotFound, what));
    if (request.kind !== 'complete') return gone;
    return { ...gone, value: { ...WRITTEN, version: uploadTag(request.parts) } };
  }
  if (code === 'ConditionalRequestConflict') {
    return refused(Outcome.Transient, error(ErrorCode.ServiceUnavailable, 'another write was under way'));
  }
  if (request.kind === 'copy' && code === 'InvalidRequest') {
    return unsupportedWrite(`${uri}: the service cannot copy this object by itself`);
  }
  if (code === 'BadDigest' || code === 'XAmzContentSHA256Mismatch' || code === 'InvalidDigest') {
    const what = 'the service received other bytes than were sent';
    return refused(Outcome.Transient, error(ErrorCode.ChecksumMismatch, what));
  }
  if (request.kind === 'copy' && /^x-amz-copy-source-/i.test(service.condition ?? '')) {
    const what = 'the source of the copy is not the version that was expected';
    return refused(Outcome.VersionChanged, error(ErrorCode.VersionChanged, what));
  }
  const conditional = 'ifAbsent' in request ? request : null;
  if ((status === 412 || code === 'PreconditionFailed') && conditional?.ifAbsent === true) {
    return refused(Outcome.Refused, error(ErrorCode.AlreadyExists, 'there is such an object already'));
  }
  if (status === 404 && conditional !== null && conditional.ifVersion !== null && code === 'NoSuchKey') {
    const what = `the object is no longer version ${conditional.ifVersion}: it was deleted`;
    return refused(Outcome.VersionChanged, error(ErrorCode.VersionChanged, what));
  }
  return null;
}

/** Servers leave out the quotes in documents, or the tag altogether (radosgw, of an upload). */
function quoted(etag: string): string | null {
  if (etag === '') return null;
  return strongTag(/^(W\/)?"/.test(etag) ? etag : `"${etag}"`);
}

function refused(outcome: Outcome, error: MillraceError): Answer<WriteResult> {
  return { outcome, value: null, error, retryAfterMs: 0 };
}

/** An answer that cannot be what the service meant to say: worth asking again. */
function unreadable({ exchange, uri, context }: WriteCase, what: string): Answer<WriteResult> {
  const error = new MillraceError(
    ErrorCode.ProtocolViolation,
    `${uri}: the service answered with ${exchange.status} and ${what}`,
    answerContext(context, exchange),
  );
  return refused(Outcome.Transient, error);
}

function corrupted(write: WriteCase, { body }: PutRequest | PartRequest): Answer<WriteResult> | null {
  const { exchange, uri, context, service } = write;
  const echoed = exchange.header('x-amz-checksum-crc32');
  const md5 = echoed === undefined ? md5In(exchange, service) : null;
  const same =
    echoed === undefined
      ? md5 === null || Buffer.compare(md5, digestOf('md5', body)) === 0
      : echoed === crc32Text(body);
  if (same) return null;
  const error = new MillraceError(
    ErrorCode.ChecksumMismatch,
    `${uri}: what the service stored does not have the checksum of what was sent`,
    answerContext(context, exchange),
  );
  return refused(Outcome.Transient, error);
}

function deleted(write: WriteCase, keys: readonly Uint8Array[]): Answer<WriteResult> {
  const failures: [number, MillraceError][] = [];
  let strange = false;
  const rows = new Map(keys.map((key, index) => [Buffer.from(key).toString('utf8'), index]));
  const read = readDocument(write.exchange.body, 'DeleteResult', (xml, name) => {
    if (name !== 'Error') return false;
    const { Key = '', Code = '' } = leaves(xml, name);
    const row = rows.get(Key);
    if (row === undefined) strange = true;
    else failures.push([row, notDeleted(write, Key, Code)]);
    return true;
  });
  if (!read) return unreadable(write, 'no DeleteResult');
  // Which of the keys it is about cannot be told, and none may be said to be deleted that is not.
  return strange
    ? unreadable(write, 'a failure of a key that it was not asked about')
    : written({ failures });
}

function notDeleted({ uri, exchange, context }: WriteCase, key: string, code: string): MillraceError {
  const which = `${uri}${key}`;
  const known = /^[A-Za-z]{1,64}$/.test(code) ? code : 'an unknown code';
  return new MillraceError(
    code === 'AccessDenied' ? ErrorCode.AccessDenied : ErrorCode.ServiceUnavailable,
    `${which}: not deleted: the service says ${known}`,
    { ...answerContext(context, exchange), uri: which, serviceCode: known },
  );
}

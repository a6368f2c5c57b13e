/**
 * What Cloud Storage answers to a write.
 *
 * Invariants:
 * 1. A success is one only with the document or header that belongs to it.
 * 2. Where the service tells a checksum of what it stored, it is that of what was sent.
 * 3. What is done twice because its first answer was lost is a success: parts, ends and aborts of uploads, deletions.
 */
import { ErrorCode, MillraceError, type ErrorContext } from '../../protocol/errors.js';
import type { Exchange } from '../../protocol/http.js';
import { Outcome, type Answer } from '../../protocol/store.js';
import {
  unsupportedWrite,
  written,
  type BeginRequest,
  type CompleteRequest,
  type PartRequest,
  type WriteRequest,
  type WriteResult,
} from '../../protocol/writes.js';
import { readUploads, textIn } from '../http/xml-documents.js';
import { answerContext } from './classify.js';
import { readError, type ServiceError } from './error-body.js';
import { readJson } from './json-listing.js';
import { partReceipt, partsName, readUpload, sessionName, wholeCrc } from './uploads.js';
import { crc32cText, hashIn } from './verify.js';

export interface WriteCase {
  readonly request: WriteRequest;
  readonly exchange: Exchange;
  readonly uri: string;
  readonly context: ErrorContext;
}

/** Whether the request is one of a resumable session, or begins one. */
export function isSession(request: WriteRequest): boolean {
  if (request.kind === 'begin') return request.ifAbsent || request.ifVersion !== null;
  return 'upload' in request && readUpload(request.upload)?.kind === 'session';
}

/** The id that answers of a session carry is that of the session: for its answers there is none to tell. */
export function withoutId(exchange: Exchange): Exchange {
  const { outcome, status, landed, contentLength, body, error } = exchange;
  const header = (name: string): string | undefined =>
    name === 'x-guploader-uploadid' ? undefined : exchange.header(name);
  return { outcome, status, landed, contentLength, body, error, header };
}

/** The answer of a request that succeeded as far as its status tells; null where there is more to say than that. */
export function judgeWritten(write: WriteCase): Answer<WriteResult> | null {
  const { request, exchange } = write;
  switch (request.kind) {
    case 'put': {
      const { generation, crc32c } = stored(exchange);
      if (generation === null) return unreadable(write, 'no generation');
      return other(write, crc32c, crc32cText(request.body)) ?? written({ version: generation });
    }
    case 'begin':
      return begun(write, request);
    case 'part':
      return sent(write, request);
    case 'complete':
      return completed(write, request);
    case 'copy': {
      if (readJson(exchange.body)?.done === false) {
        return unsupportedWrite(`${write.uri}: the service copies the object in several steps`);
      }
      const { generation } = stored(exchange);
      return generation === null ? unreadable(write, 'no generation') : written({ version: generation });
    }
    case 'abort':
    case 'delete':
      return written();
    case 'uploads': {
      const page = readUploads(exchange.body);
      if (page === null) return unreadable(write, 'no ListMultipartUploadsResult');
      return written({
        ...page,
        uploads: page.uploads.map(({ key, upload, startedMs }) => ({
          key,
          upload: partsName(upload),
          startedMs,
        })),
      });
    }
  }
}

/** What an answer tells of the object that there is now, in headers (XML) or a document (JSON). */
function stored(exchange: Exchange): { generation: string | null; crc32c: string | null } {
  const header = exchange.header('x-goog-generation');
  if (header !== undefined) {
    return { generation: header, crc32c: hashIn(exchange.header('x-goog-hash'), 'crc32c') };
  }
  const document = readJson(exchange.body);
  // A rewrite's answer has the object in it.
  const found = (document?.resource ?? document) as Partial<Record<string, unknown>> | null;
  const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
  return { generation: text(found?.generation), crc32c: text(found?.crc32c) };
}

function begun(write: WriteCase, request: BeginRequest): Answer<WriteResult> {
  const { exchange } = write;
  if (isSession(request)) {
    const upload = sessionName(exchange.header('location'), request);
    return upload === null ? unreadable(write, 'no session') : written({ upload, partsInFlight: 1 });
  }
  const id = textIn(exchange.body, 'InitiateMultipartUploadResult', 'UploadId');
  return id === null || id === '' ? unreadable(write, 'no upload id') : written({ upload: partsName(id) });
}

function sent(write: WriteCase, { body }: PartRequest): Answer<WriteResult> {
  const { exchange, request } = write;
  const crc = crc32cText(body);
  // The end of a session is answered with the whole object.
  if (isSession(request)) return written({ part: partReceipt('', crc, body.length) });
  const tag = exchange.header('etag');
  if (tag === undefined) return unreadable(write, 'no ETag');
  const wrong = other(write, hashIn(exchange.header('x-goog-hash'), 'crc32c'), crc);
  return wrong ?? written({ part: partReceipt(tag, crc, body.length) });
}

function completed(write: WriteCase, request: CompleteRequest): Answer<WriteResult> | null {
  const { exchange, uri, context } = write;
  const { generation, crc32c } = stored(exchange);
  if (!isSession(request) && textIn(exchange.body, 'CompleteMultipartUploadResult', 'Key') === null) {
    return readError(exchange).code === null ? unreadable(write, 'no CompleteMultipartUploadResult') : null;
  }
  if (isSession(request) && generation === null) return unreadable(write, 'no generation');
  const whole = wholeCrc(request.parts);
  if (crc32c === null || whole === null || crc32c === whole) return written({ version: generation });
  const error = new MillraceError(
    ErrorCode.ChecksumMismatch,
    `${uri}: the object that was made of the parts does not have their checksum; put it again`,
    answerContext(context, exchange),
  );
  // It is there, and would be the same if it was asked for again.
  return refused(Outcome.Refused, error);
}

/** The answer of a request that was refused, where a write gives it another meaning than a read; null where not. */
export function judgeRefused(write: WriteCase): Answer<WriteResult> | null {
  const { request, exchange, uri, context } = write;
  const { status } = exchange;
  const service = readError(exchange);
  const noBucket = service.code === 'NoSuchBucket' || /bucket does not exist/i.test(service.message ?? '');
  if (isSession(request) && request.kind !== 'begin') return sessionAnswer(write, service);
  if (status === 404 && !noBucket && (request.kind === 'abort' || request.kind === 'delete')) {
    return written();
  }
  const error = (code: ErrorCode, what: string): MillraceError =>
    new MillraceError(code, `${uri}: ${what}`, answerContext(context, exchange, service));
  if (status === 412 && 'ifAbsent' in request && request.ifAbsent) {
    return refused(Outcome.Refused, error(ErrorCode.AlreadyExists, EXISTS));
  }
  if (status === 412) return refused(Outcome.VersionChanged, error(ErrorCode.VersionChanged, REPLACED));
  if (service.code === 'NoSuchUpload') {
    return refused(Outcome.Refused, error(ErrorCode.NotFound, 'there is no such upload (any more)'));
  }
  return null;
}

const EXISTS = 'there is such an object already';
const REPLACED = 'the object no longer has the version that was named';

/** 308 is how far a session has come; 499 is how it says that it was cancelled. */
function sessionAnswer(write: WriteCase, service: ServiceError): Answer<WriteResult> | null {
  const { request, exchange, uri, context } = write;
  const { status } = exchange;
  const error = (code: ErrorCode, what: string): MillraceError =>
    new MillraceError(code, `${uri}: ${what}`, answerContext(context, exchange, service));
  if (request.kind === 'abort' && (status === 499 || status === 404 || status === 410)) return written();
  if (status === 308) {
    const persisted = persistedIn(exchange.header('range'));
    if (request.kind === 'part' && !request.last && persisted >= request.start + request.body.length) {
      return written({ part: partReceipt('', crc32cText(request.body), request.body.length) });
    }
    const what = `the service has kept ${persisted} bytes of what was sent`;
    return refused(Outcome.Transient, error(ErrorCode.ShortBody, what));
  }
  if (status === 412) {
    const upload = 'upload' in request ? readUpload(request.upload) : null;
    return upload?.kind === 'session' && upload.ifAbsent
      ? refused(Outcome.Refused, error(ErrorCode.AlreadyExists, EXISTS))
      : refused(Outcome.VersionChanged, error(ErrorCode.VersionChanged, REPLACED));
  }
  if (status === 499 || status === 404 || status === 410) {
    return refused(Outcome.Refused, error(ErrorCode.NotFound, 'there is no such upload (any more)'));
  }
  return null;
}

/** Bytes from the first on; a service that has none of them leaves the header out. */
function persistedIn(range: string | undefined): number {
  const last = /^bytes=0-(\d{1,15})$/.exec(range ?? '')?.[1];
  return last === undefined ? 0 : Number(last) + 1;
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

function other(write: WriteCase, told: string | null, ours: string): Answer<WriteResult> | null {
  if (told === null || told === ours) return null;
  const error = new MillraceError(
    ErrorCode.ChecksumMismatch,
    `${write.uri}: what the service stored does not have the checksum of what was sent`,
    answerContext(write.context, write.exchange),
  );
  return refused(Outcome.Transient, error);
}

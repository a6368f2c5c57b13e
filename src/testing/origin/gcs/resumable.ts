/**
 * Resumable uploads of the JSON API: a session, chunks, the question how far it has come, and its end.
 *
 * What it keeps true:
 * 1. What was persisted stays: bytes sent again below that offset are ignored, whatever they are.
 * 2. All but the last chunk persist in multiples of 256 KiB; a chunk that is no multiple persists rounded down, as the
 *    service does it, and a chunk below 256 KiB that is not the last is refused.
 * 3. The object is there when the last byte is, and not before; what a session answered at its end it answers again.
 * 4. A session URI stands for the authorization of who began it.
 *
 * Lie `partial-chunk` persists only the first `by` bytes of a chunk (half of it), in multiples of 256 KiB.
 *
 * Source: "Resumable uploads" and "Perform resumable uploads" of the Cloud Storage documentation. The texts of errors
 * and the status 503, as plain text, for a gap are those that users of the service report.
 */
import type { Stored } from '../catalogue.js';
import type { Bent } from '../dialect.js';
import { type Failure, isFailure } from '../failure.js';
import type { Request } from '../request.js';
import { type Response, answer } from '../response.js';
import { type Conditions, type StatedSums, checkConditions, conditionsOf, statedSums } from './conditions.js';
import { fail } from './failures.js';
import type { GcsAttributes } from './objects.js';
import { jsonAnswer, objectResource } from './resource.js';
import type { Place, RoutedRequest } from './route.js';
import { type Service, putObject } from './store.js';
import { attributesOf, parseMetadata, sumsIn } from './uploads.js';

export interface Session extends Place {
  readonly id: string;
  readonly attributes: GcsAttributes;
  readonly conditions: Conditions;
  readonly stated: StatedSums;
  /** Bytes of the whole, null until it is told. */
  readonly total: number | null;
  parts: Buffer[];
  /** Bytes that are there, in `parts` until there is an object. */
  persisted: number;
  object: Stored | null;
  cancelled: boolean;
}

const QUANTUM_BYTES = 262_144;

export function startSession(request: RoutedRequest, service: Service, base: string): Response | Failure {
  const { headers, bucket, key } = request;
  const metadata = parseMetadata(request.body);
  if (metadata === null) return fail('invalid', 'Parse Error');
  if (key === '') return fail('required', 'Required parameter: name');
  const conditions = conditionsOf(request);
  const live = service.buckets.get(bucket)?.find(key) ?? null;
  const failed = checkConditions(conditions, live, service.generationOffset, false);
  if (failed !== null && failed !== 'unchanged') return failed;
  const total = headers.get('x-upload-content-length');
  if (total !== undefined && !/^\d+$/.test(total)) return fail('invalid', 'Invalid X-Upload-Content-Length.');
  const id = service.nextId();
  service.sessions.set(id, {
    id,
    bucket,
    key,
    attributes: attributesOf(metadata, request, headers.get('x-upload-content-type')),
    conditions,
    stated: sumsIn(metadata, headers),
    total: total === undefined ? null : Number(total),
    parts: [],
    persisted: 0,
    object: null,
    cancelled: false,
  });
  const query = `uploadType=resumable&name=${encodeURIComponent(key)}&upload_id=${id}`;
  return answer(200, [
    'Location',
    `${base}/upload/storage/v1/b/${bucket}/o?${query}`,
    'X-GUploader-UploadID',
    id,
  ]);
}

export function serveSession(
  request: Request,
  service: Service,
  base: string,
  bent: Bent,
): Response | Failure {
  const session = service.sessions.get(request.params.get('upload_id') ?? '');
  if (session === undefined || session.bucket !== request.bucket) return fail('noUpload');
  if (session.cancelled) return fail('cancelled');
  const { method } = request;
  if (method !== 'DELETE' && method !== 'PUT' && method !== 'POST') return fail('notImplemented');
  if (session.object !== null) return finished(request, service, base, session.object);
  if (method !== 'DELETE') return takeChunk(request, service, base, session, bent);
  session.cancelled = true;
  session.parts = [];
  return fail('cancelled');
}

const finished = (request: Request, service: Service, base: string, object: Stored): Response | Failure =>
  jsonAnswer(request, objectResource(service, base, request.bucket, object));

/** 308 with what is persisted; nothing is said of it where that is nothing. */
function incomplete(request: Request, { id, persisted }: Session): Response {
  const headers = ['X-GUploader-UploadID', id];
  if (persisted > 0) headers.push('Range', `bytes=0-${persisted - 1}`);
  if (request.headers.get('x-guploader-no-308') !== 'yes') return answer(308, headers);
  return answer(200, [...headers, 'X-HTTP-Status-Code-Override', '308']);
}

interface Chunk {
  readonly start: number;
  readonly length: number;
  /** Null where it is not told. */
  readonly total: number | null;
}

function placeOf(header: string | undefined, length: number): Chunk | 'query' | null {
  if (header === undefined) return { start: 0, length, total: length };
  if (/^bytes \*\/(\d+|\*)$/.test(header)) return 'query';
  const m = /^bytes (\d+)-(\d+|\*)\/(\d+|\*)$/.exec(header);
  if (m === null) return null;
  const start = Number(m[1]);
  // Without an end the body ends the object: the form of who streams and does not know the size.
  const end = m[2] === '*' ? start + length : Number(m[2]) + 1;
  const total = m[3] !== '*' ? Number(m[3]) : m[2] === '*' ? end : null;
  return { start, length: end - start, total };
}

function takeChunk(
  request: Request,
  service: Service,
  base: string,
  session: Session,
  bent: Bent,
): Response | Failure {
  const { body, headers } = request;
  const place = placeOf(headers.get('content-range'), body.length);
  if (place === null) return fail('invalid', 'Failed to parse Content-Range header.');
  Object.assign(session.stated, statedSums(headers));
  if (place === 'query') return answerQuery(request, service, base, session);
  const { start, length, total } = place;
  const end = start + length;
  if (length !== body.length)
    return fail('invalid', 'Content-Range and the length of the body do not agree.');
  const told = total ?? session.total;
  if (
    (total !== null && session.total !== null && total !== session.total) ||
    (told !== null && end > told)
  ) {
    return fail('invalid', `The upload is of ${session.total ?? total} bytes, not what Content-Range says.`);
  }
  if (start > session.persisted) return gap(start, session.persisted);
  const isLast = told === end;
  if (!isLast && length < QUANTUM_BYTES) return tooSmall(length);
  const keep = bent.lie === 'partial-chunk' ? Math.min(bent.by ?? length >>> 1, length) : length;
  if (isLast && keep === length) {
    persist(session, body, start, end);
    return finish(request, service, base, session);
  }
  persist(session, body, start, start + keep - ((start + keep) % QUANTUM_BYTES));
  return incomplete(request, session);
}

function persist(session: Session, body: Buffer, start: number, end: number): void {
  if (end <= session.persisted) return;
  session.parts.push(body.subarray(session.persisted - start, end - start));
  session.persisted = end;
}

function answerQuery(request: Request, service: Service, base: string, session: Session): Response | Failure {
  const total = /\/(\d+)$/.exec(request.headers.get('content-range') ?? '')?.[1];
  if (total !== undefined && Number(total) === session.persisted)
    return finish(request, service, base, session);
  return incomplete(request, session);
}

function finish(request: Request, service: Service, base: string, session: Session): Response | Failure {
  const body = Buffer.concat(session.parts);
  const { bucket, key, attributes, conditions, stated } = session;
  const written = putObject(service, { bucket, key, body, attributes, conditions, stated });
  if (isFailure(written)) return written;
  session.object = written;
  session.parts = [];
  return finished(request, service, base, written);
}

function gap(start: number, persisted: number): Failure {
  const message =
    'Invalid request.  According to the Content-Range header, the upload offset is ' +
    `${start} byte(s), which exceeds already uploaded size of ${persisted} byte(s).`;
  return { ...fail('unavailable', message), extra: { form: 'text' } };
}

function tooSmall(length: number): Failure {
  const message =
    'Invalid request.  The number of bytes uploaded is required to be equal or greater than 262144, except for the final ' +
    "request (it's recommended to be the exact multiple of 262144).  The received request contained " +
    `${length} bytes, which does not meet this requirement.`;
  return { ...fail('invalid', message), extra: { form: 'text' } };
}

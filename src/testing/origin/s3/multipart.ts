/**
 * Multipart uploads: create, put and copy parts, complete, abort, list. Source: their pages in the Amazon S3 API
 * reference.
 *
 * What it keeps true:
 * 1. An upload is seen by no read and no list of objects until it is completed; then its parts are one object.
 * 2. To complete is all or nothing, and once: a second time, as after an abort, there is no such upload.
 */
import type { Bucket, Stored } from '../catalogue.js';
import { escapeXml, unescapeXml } from '../encoding.js';
import { failure, isFailure, type Failure } from '../failure.js';
import type { Request } from '../request.js';
import { answer, objectBytes, xmlAnswer, type Response } from '../response.js';
import { attributesOf, sumHeaders, type S3Attributes } from './attributes.js';
import { refusalOfWrite } from './conditions.js';
import {
  copiedSum,
  judgePart,
  missingSum,
  refusalOfPart,
  sumElement,
  sumPlan,
  wholeSum,
  type SumPlan,
} from './part-sums.js';
import { payloadOf, type Sum } from './payload.js';
import { partsPage, uploadsPage } from './upload-pages.js';
import { XMLNS, XML_HEAD, copyResult, findCopySource, malformedXml, md5Hex } from './writing.js';
import type { ServiceState as State } from './service.js';

type Found = Response | Failure;

export interface Part {
  readonly bytes: Buffer;
  /** With its quotes. */
  readonly etag: string;
  readonly sum: Sum | null;
}

/** One in progress. */
export interface Upload extends SumPlan {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly startedMs: number;
  readonly attributes: S3Attributes;
  /** By number. */
  readonly parts: Map<number, Part>;
}

const MAX_PARTS = 10_000;
const document = (name: string, body: string, headers: readonly string[] = []): Response =>
  xmlAnswer(Buffer.from(`${XML_HEAD}<${name} ${XMLNS}>${body}</${name}>`), headers);
const noSuchUpload = (): Failure =>
  failure(
    404,
    'NoSuchUpload',
    'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  );
const invalidArgument = (message: string, name: string, value: string): Failure =>
  failure(400, 'InvalidArgument', message, { ArgumentName: name, ArgumentValue: value });

function findUpload(request: Request, state: State): Upload | null {
  const upload = state.uploads.get(request.params.get('uploadId') ?? '');
  return upload !== undefined && upload.bucket === request.bucket && upload.key === request.key
    ? upload
    : null;
}

export function createUpload(request: Request, bucket: Bucket, state: State, nowMs: number): Found {
  const { headers, key } = request;
  const plan = sumPlan(headers);
  if (isFailure(plan)) return plan;
  const { sumName, sumType } = plan;
  state.uploadsBegun += 1;
  const id = Buffer.from(`upload ${state.uploadsBegun} of ${request.bucket}/${key}`).toString('base64url');
  state.uploads.set(id, {
    id,
    bucket: request.bucket,
    key,
    startedMs: nowMs,
    attributes: attributesOf(headers),
    parts: new Map(),
    ...plan,
  });
  const names = `<Bucket>${bucket.name}</Bucket><Key>${escapeXml(key)}</Key><UploadId>${id}</UploadId>`;
  const sums =
    sumName === null
      ? []
      : ['x-amz-checksum-algorithm', sumName.toUpperCase(), 'x-amz-checksum-type', sumType];
  return document('InitiateMultipartUploadResult', names, sums);
}

export function putPart(request: Request, _bucket: Bucket, state: State): Found {
  const upload = findUpload(request, state);
  if (upload === null) return noSuchUpload();
  const text = request.params.get('partNumber') ?? '';
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > MAX_PARTS) {
    return invalidArgument(
      `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`,
      'partNumber',
      text,
    );
  }
  if (request.headers.has('x-amz-copy-source')) return copyPart(request, upload, number, state);
  const payload = payloadOf(request);
  if (isFailure(payload)) return payload;
  const { bytes, sum } = payload;
  const refused = refusalOfPart(upload, sum);
  if (refused !== null) return refused;
  const etag = `"${md5Hex(bytes)}"`;
  upload.parts.set(number, { bytes, etag, sum });
  return answer(200, ['ETag', etag, ...sumHeaders(sum).slice(0, 2)]);
}

/** The bytes of a source that a copy of a part asks for. */
function sourceBytes(source: Stored, asked: string | undefined): Buffer | Failure {
  const whole = objectBytes(source);
  if (asked === undefined) return whole;
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(asked) ?? [];
  const name = 'x-amz-copy-source-range';
  if (first === undefined || last === undefined) {
    const message = `The ${name} value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy`;
    return invalidArgument(message, name, asked);
  }
  if (Number(first) > Number(last) || Number(last) >= source.size) {
    const message = `Range specified is not valid for source object of size: ${source.size}`;
    return invalidArgument(message, name, asked);
  }
  return whole.subarray(Number(first), Number(last) + 1);
}

function copyPart(request: Request, upload: Upload, number: number, state: State): Found {
  const source = findCopySource(request, state);
  if (isFailure(source)) return source;
  const bytes = sourceBytes(source, request.headers.get('x-amz-copy-source-range'));
  if (isFailure(bytes)) return bytes;
  const etag = `"${md5Hex(bytes)}"`;
  const sum = copiedSum(upload, bytes);
  upload.parts.set(number, { bytes, etag, sum });
  return copyResult('CopyPartResult', etag, 0, sumElement(sum));
}

/** The parts that the document lists, in its order, or why they make no object. */
function listedParts(text: string, upload: Upload, minPartBytes: number): Part[] | Failure {
  const rows = [...text.matchAll(/<Part>([^]*?)<\/Part>/g)].map(([, row = '']) => ({
    row,
    number: Number(/<PartNumber>\s*(\d+)\s*<\/PartNumber>/.exec(row)?.[1]),
    etag: unescapeXml(/<ETag>([^<]*)<\/ETag>/.exec(row)?.[1] ?? '').replaceAll('"', ''),
  }));
  if (rows.length === 0 || rows.some(({ number }) => Number.isNaN(number))) return malformedXml();
  if (rows.some(({ number }, i) => i > 0 && number <= rows[i - 1]!.number)) {
    const message = 'The list of parts was not in ascending order. Parts must be ordered by part number.';
    return failure(400, 'InvalidPartOrder', message);
  }
  const parts: Part[] = [];
  for (const { row, number, etag } of rows) {
    const part = upload.parts.get(number);
    if (part === undefined || part.etag !== `"${etag}"`) return missingPart(upload, number);
    const judged = judgePart(upload, part, row);
    if (judged === 'missing') return missingSum(upload, number);
    if (judged === 'wrong') return missingPart(upload, number);
    parts.push(part);
  }
  const small = parts.slice(0, -1).findIndex((part) => part.bytes.length < minPartBytes);
  if (small < 0) return parts;
  return failure(400, 'EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', {
    ProposedSize: String(parts[small]!.bytes.length),
    MinSizeAllowed: String(minPartBytes),
    PartNumber: String(rows[small]!.number),
  });
}

function missingPart(upload: Upload, number: number): Failure {
  const message =
    "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
  return failure(400, 'InvalidPart', message, { UploadId: upload.id, PartNumber: String(number) });
}

/** Why the object is not as long as the request says it is, or null. */
function refusalOfSize({ headers }: Request, bytes: Buffer): Failure | null {
  const size = headers.get('x-amz-mp-object-size');
  if (size === undefined || Number(size) === bytes.length) return null;
  return failure(
    400,
    'InvalidRequest',
    `The provided 'x-amz-mp-object-size' header value ${size} does not match what was computed.`,
  );
}

export function completeUpload(request: Request, bucket: Bucket, state: State): Found {
  const upload = findUpload(request, state);
  if (upload === null) return noSuchUpload();
  const parts = listedParts(request.body.toString('utf8'), upload, state.minPartBytes);
  if (isFailure(parts)) return parts;
  const bytes = Buffer.concat(parts.map((part) => part.bytes));
  const short = refusalOfSize(request, bytes);
  if (short !== null) return short;
  const sum = wholeSum(upload, request.headers, parts, bytes);
  if (sum !== null && isFailure(sum)) return sum;
  const refused = refusalOfWrite(request, bucket.find(request.key));
  if (refused !== null) return refused;
  const digests = parts.map((part) => Buffer.from(part.etag.slice(1, -1), 'hex'));
  const etag = `"${md5Hex(Buffer.concat(digests))}-${parts.length}"`;
  state.uploads.delete(upload.id);
  const attributes: S3Attributes = { ...upload.attributes, etag, sum, sumType: upload.sumType };
  bucket.put(request.key, bytes, attributes);
  const location = `http://${request.headers.get('host')}/${request.bucket}/${request.key}`;
  return document(
    'CompleteMultipartUploadResult',
    `<Location>${escapeXml(location)}</Location><Bucket>${bucket.name}</Bucket><Key>${escapeXml(request.key)}</Key>` +
      `<ETag>${escapeXml(etag)}</ETag>${sumElement(sum)}`,
  );
}

export function abortUpload(request: Request, _bucket: Bucket, state: State): Found {
  const upload = findUpload(request, state);
  if (upload === null) return noSuchUpload();
  state.uploads.delete(upload.id);
  return answer(204, []);
}

const startedAt = (ms: number): string => new Date(ms).toISOString();

export function listParts(request: Request, bucket: Bucket, state: State): Found {
  const upload = findUpload(request, state);
  if (upload === null) return noSuchUpload();
  const modified = `<LastModified>${startedAt(upload.startedMs)}</LastModified>`;
  const page = partsPage(
    upload.parts,
    request.params,
    invalidArgument,
    ({ bytes, etag, sum }) =>
      `${modified}<ETag>${escapeXml(etag)}</ETag><Size>${bytes.length}</Size>${sumElement(upload.sumName === null ? null : sum)}`,
  );
  if (typeof page === 'object') return page;
  const names = `<Bucket>${bucket.name}</Bucket><Key>${escapeXml(upload.key)}</Key><UploadId>${upload.id}</UploadId>`;
  return document('ListPartsResult', names + page);
}

export function listUploads({ params }: Request, bucket: Bucket, state: State): Found {
  const page = uploadsPage(
    state.uploads.values(),
    bucket.name,
    params,
    invalidArgument,
    ({ startedMs }) => `<Initiated>${startedAt(startedMs)}</Initiated>`,
  );
  if (typeof page === 'object') return page;
  return document('ListMultipartUploadsResult', `<Bucket>${bucket.name}</Bucket>${page}`);
}

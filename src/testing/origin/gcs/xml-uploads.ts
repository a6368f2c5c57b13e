/**
 * Multipart uploads of the XML API.
 *
 * What it keeps true:
 * 1. An upload that could not be completed is still there, with its parts; one that was is not.
 * 2. Parts but the last are at least `minPartBytes` (5 MiB, as in the service), and are named in ascending order, each by the
 *    ETag that its upload was answered with.
 *
 * Source: "XML API multipart uploads" of the Cloud Storage documentation: such an object has no MD5, and preconditions
 * are not supported.
 */
import { createHash } from 'node:crypto';
import { escapeXml } from '../encoding.js';
import { type Failure, isFailure } from '../failure.js';
import type { Request } from '../request.js';
import { type Response, answer, xmlAnswer } from '../response.js';
import { unframed } from '../s3/payload.js';
import { partsPage, uploadsPage } from '../s3/upload-pages.js';
import { checkSums, conditionsOf, statedSums } from './conditions.js';
import { fail } from './failures.js';
import { type GcsAttributes, generationOf, quotedEtag, sumsOfBytes } from './objects.js';
import type { Place, RoutedRequest } from './route.js';
import { type Service, putObject } from './store.js';

interface Part {
  readonly body: Buffer;
  readonly etag: string;
}

export interface Upload extends Place {
  readonly id: string;
  readonly attributes: GcsAttributes;
  readonly parts: Map<number, Part>;
}

const MAX_PART_NUMBER = 10_000;
const NAMESPACE = `xmlns='http://s3.amazonaws.com/doc/2006-03-01/'`;

const document = (name: string, inner: string): Response =>
  xmlAnswer(Buffer.from(`<?xml version='1.0' encoding='UTF-8'?><${name} ${NAMESPACE}>${inner}</${name}>`));

const refusesConditions = (request: RoutedRequest): boolean =>
  Object.values(conditionsOf(request)).some((one) => one !== undefined);

function initiate({ bucket, key }: Request, service: Service, attributes: GcsAttributes): Response {
  const id = service.nextId();
  service.uploads.set(id, {
    id,
    bucket,
    key,
    attributes: { ...attributes, withoutMd5: true },
    parts: new Map(),
  });
  const name = `<Bucket>${bucket}</Bucket><Key>${escapeXml(key)}</Key><UploadId>${id}</UploadId>`;
  return document('InitiateMultipartUploadResult', name);
}

function putPart(request: Request, upload: Upload): Response | Failure {
  const { params, headers } = request;
  const text = params.get('partNumber') ?? '';
  const number = /^\d+$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > MAX_PART_NUMBER) return fail('invalid', `Invalid partNumber: ${text}`);
  const body = unframed(request)?.bytes;
  if (body === undefined) return fail('brokenFraming');
  const sums = sumsOfBytes(body);
  const wrong = checkSums(statedSums(headers), sums);
  if (wrong !== null) return wrong;
  const etag = `"${createHash('md5').update(body).digest('hex')}"`;
  upload.parts.set(number, { body, etag });
  return answer(200, [
    'ETag',
    etag,
    'x-goog-hash',
    `crc32c=${sums.crc32c}`,
    'x-goog-hash',
    `md5=${sums.md5}`,
  ]);
}

const PART = /<Part>([\s\S]*?)<\/Part>/g;
const plain = (etag: string): string => etag.replaceAll('&quot;', '').replaceAll('"', '');

/** The parts that a completion names, in its order; null when it cannot be read. */
function partsNamed(text: string): Array<{ number: number; etag: string }> | null {
  if (!/<CompleteMultipartUpload[\s>]/.test(text)) return null;
  const named = [...text.matchAll(PART)].map(([, inner = '']) => ({
    number: Number(/<PartNumber>\s*(\d+)\s*<\/PartNumber>/.exec(inner)?.[1] ?? NaN),
    etag: plain(/<ETag>\s*(.*?)\s*<\/ETag>/.exec(inner)?.[1] ?? ''),
  }));
  return named.length === 0 || named.some(({ number }) => Number.isNaN(number)) ? null : named;
}

function complete(request: Request, service: Service, upload: Upload): Response | Failure {
  const named = partsNamed(request.body.toString('utf8'));
  if (named === null) return fail('malformedXml');
  const bodies: Buffer[] = [];
  let before = -1;
  for (const { number, etag } of named) {
    if (number <= before) return fail('partOrder');
    before = number;
    const part = upload.parts.get(number);
    if (part === undefined || plain(part.etag) !== etag) return fail('invalidPart');
    bodies.push(part.body);
  }
  if (bodies.slice(0, -1).some((body) => body.length < service.minPartBytes)) return fail('partTooSmall');
  const { bucket, key, attributes } = upload;
  const stated = statedSums(request.headers);
  const written = putObject(service, {
    bucket,
    key,
    body: Buffer.concat(bodies),
    attributes,
    conditions: {},
    stated,
  });
  if (isFailure(written)) return written;
  service.uploads.delete(upload.id);
  const generation = generationOf(written, service.generationOffset);
  const etag = escapeXml(quotedEtag(written, generation));
  const response = document(
    'CompleteMultipartUploadResult',
    `<Location>/${bucket}/${escapeXml(key)}</Location><Bucket>${bucket}</Bucket><Key>${escapeXml(key)}</Key><ETag>${etag}</ETag>`,
  );
  return { ...response, headers: [...response.headers, 'x-goog-generation', generation] };
}

const refuse = (message: string): Failure => fail('invalid', message);

function listParts({ params }: Request, { id, bucket, key, parts }: Upload): Response | Failure {
  const page = partsPage(
    parts,
    params,
    refuse,
    ({ body, etag }) => `<ETag>${escapeXml(etag)}</ETag><Size>${body.length}</Size>`,
  );
  if (typeof page === 'object') return page;
  const names = `<Bucket>${bucket}</Bucket><Key>${escapeXml(key)}</Key><UploadId>${id}</UploadId>`;
  return document('ListPartsResult', names + page);
}

/** `GET /B?uploads`. */
export function listUploads({ bucket, params }: Request, service: Service): Response | Failure {
  const page = uploadsPage(service.uploads.values(), bucket, params, refuse, () => '');
  if (typeof page === 'object') return page;
  return document('ListMultipartUploadsResult', `<Bucket>${bucket}</Bucket>${page}`);
}

/**
 * @param request with `uploads` or `uploadId` in its query
 * @param attributes from its headers
 */
export function serveUpload(
  request: RoutedRequest,
  service: Service,
  attributes: GcsAttributes,
): Response | Failure {
  const { method, params, bucket, key } = request;
  if (refusesConditions(request))
    return fail('invalid', 'Preconditions are not supported in multipart uploads.');
  if (params.has('uploads'))
    return method === 'POST' ? initiate(request, service, attributes) : fail('notImplemented');
  const upload = service.uploads.get(params.get('uploadId') ?? '');
  if (upload === undefined || upload.bucket !== bucket || upload.key !== key) return fail('noUpload');
  if (method === 'PUT') return putPart(request, upload);
  if (method === 'POST') return complete(request, service, upload);
  if (method === 'GET') return listParts(request, upload);
  if (method !== 'DELETE') return fail('notImplemented');
  service.uploads.delete(upload.id);
  return answer(204, []);
}

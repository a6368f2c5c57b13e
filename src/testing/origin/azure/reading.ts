// @ts-nocheck
/**
 * Get Blob and Get Blob Properties. Source: their pages in Microsoft's REST reference.
 *
 * A range of an empty blob, whatever it is, answers 416, as the service does and emulators do not.
 */
import { azureCrc64, md5 } from '../checksums.js';
import { bend, parseRange } from '../ranges.js';
import { answer, objectSource } from '../response.js';
import { conditionsOf, etagOf, lastModified, md5Of, versionIdOf } from './blobs.js';
import { azureFailure, invalidHeader } from './failure.js';
import type { Stored } from '../catalogue.js';
import type { Request } from '../request.js';
import type { Response } from '../response.js';
import type { Failure } from '../failure.js';

const MAX_RANGE_SUM_BYTES = 4 * 1024 * 1024;

/** `x-ms-range` goes before Range. */
export const rangeOf = ({ headers }: Request) => headers.get('x-ms-range') ?? headers.get('range') ?? null;

/** The service knows no range that counts from the end: it answers with everything. */
const countedFromStart = (range) => (range === null || range.startsWith('bytes=-') ? undefined : range);

/** Headers that are the same for the whole blob and a part of it, but for the sum. */
function propertyHeaders(blob: Stored, versioning) {
  const { attributes } = blob;
  const headers = ['Content-Type', attributes.contentType ?? 'application/octet-stream'];
  for (const [name, value] of Object.entries(attributes.properties ?? {})) headers.push(name, String(value));
  headers.push('Last-Modified', lastModified(blob), 'Accept-Ranges', 'bytes', 'ETag', etagOf(blob));
  headers.push('x-ms-creation-time', lastModified(blob), 'x-ms-blob-type', 'BlockBlob');
  headers.push('x-ms-lease-status', 'unlocked', 'x-ms-lease-state', 'available');
  headers.push(
    'x-ms-server-encrypted',
    'true',
    'x-ms-access-tier',
    'Hot',
    'x-ms-access-tier-inferred',
    'true',
  );
  for (const [name, value] of Object.entries(attributes.metadata ?? {}))
    headers.push(`x-ms-meta-${name}`, String(value));
  for (const [name, value] of Object.entries(attributes.copy ?? {}))
    headers.push(`x-ms-copy-${name}`, String(value));
  if (versioning) headers.push('x-ms-version-id', versionIdOf(blob), 'x-ms-is-current-version', 'true');
  return headers;
}

/** Which sum of the range is asked for, or why none can be. */
function rangeSum(request, range) {
  const wants = ['md5', 'crc64'].filter(
    (sum) => request.headers.get(`x-ms-range-get-content-${sum}`)?.toLowerCase() === 'true',
  );
  if (wants.length === 0) return null;
  const header = `x-ms-range-get-content-${wants[0]}`;
  if (wants.length > 1 || range === null) return invalidHeader(header, 'true');
  return range.length > MAX_RANGE_SUM_BYTES ? azureFailure('OutOfRangeInput') : wants[0];
}

function rangeSumHeaders(sum, blob, { start, length }) {
  const bytes = Buffer.allocUnsafe(length);
  objectSource(blob, start, length).fill(bytes, 0);
  return sum === 'md5' ? ['Content-MD5', md5(bytes)] : ['x-ms-content-crc64', azureCrc64(bytes)];
}

export function readBlob(
  request: Request,
  blob: Stored | null,
  { lie, versioning }: { lie: string | undefined; versioning: boolean },
): Response | Failure {
  if (blob === null) return azureFailure('BlobNotFound');
  const conditions = lie === 'mixed-version' ? 'met' : conditionsOf(request.headers, blob);
  if (conditions === 'not-met') return azureFailure('ConditionNotMet');
  if (conditions === 'not-modified') {
    return { ...azureFailure('ConditionNotMet'), status: 304, headers: ['ETag', etagOf(blob)] };
  }
  const headers = propertyHeaders(blob, versioning);
  const wholeSum = md5Of(blob);
  if (request.method === 'HEAD') {
    if (wholeSum !== null) headers.push('Content-MD5', wholeSum);
    return answer(200, headers, objectSource(blob, 0, blob.size));
  }
  const asked = lie === 'ignore-range' ? null : parseRange(countedFromStart(rangeOf(request)), blob.size);
  if (asked === 'unsatisfiable') {
    return azureFailure('InvalidRange', undefined, ['Content-Range', `bytes */${blob.size}`]);
  }
  const sum = lie === 'ignore-range' ? null : rangeSum(request, asked);
  if (sum !== null && typeof sum === 'object') return sum;
  const range = bend(asked, blob.size, lie);
  if (range === null) {
    if (wholeSum !== null) headers.push('Content-MD5', wholeSum);
    return answer(200, headers, objectSource(blob, 0, blob.size));
  }
  const { start, length } = range;
  headers.push('Content-Range', `bytes ${start}-${start + length - 1}/${blob.size}`);
  if (wholeSum !== null) headers.push('x-ms-blob-content-md5', wholeSum);
  if (sum !== null) headers.push(...rangeSumHeaders(sum, blob, range));
  return answer(206, headers, objectSource(blob, start, length));
}

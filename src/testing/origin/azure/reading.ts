/**
 * Get Blob and Get Blob Properties. Source: their pages in Microsoft's REST reference.
 *
 * A range of an empty blob, whatever it is, answers 416, as the service does and emulators do not.
 */
import type { Stored } from '../catalogue.js';
import { azureCrc64, md5 } from '../checksums.js';
import type { Failure } from '../failure.js';
import { bend, parseRange, type Span } from '../ranges.js';
import type { Request } from '../request.js';
import { answer, objectSource } from '../response.js';
import type { Lie } from '../rules.js';
import { conditionsOf, etagOf, keptOf, lastModified, md5Of, versionIdOf } from './blobs.js';
import { azureFailure, invalidHeader } from './failure.js';
import type { Found } from './service.js';

const MAX_RANGE_SUM_BYTES = 4 * 1024 * 1024;
const SUMS = ['md5', 'crc64'] as const;
type Sum = (typeof SUMS)[number];

/** `x-ms-range` goes before Range. */
export const rangeOf = ({ headers }: Request): string | null =>
  headers.get('x-ms-range') ?? headers.get('range') ?? null;

/** The service knows no range that counts from the end: it answers with everything. */
const countedFromStart = (range: string | null): string | undefined =>
  range === null || range.startsWith('bytes=-') ? undefined : range;

/** Headers that are the same for the whole blob and a part of it, but for the sum. */
function propertyHeaders(blob: Stored, versioning: boolean): string[] {
  const { contentType, properties, metadata, copy } = keptOf(blob);
  const headers = ['Content-Type', contentType ?? 'application/octet-stream'];
  for (const [name, value] of Object.entries(properties ?? {})) headers.push(name, value);
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
  for (const [name, value] of Object.entries(metadata ?? {})) headers.push(`x-ms-meta-${name}`, value);
  for (const [name, value] of Object.entries(copy ?? {})) headers.push(`x-ms-copy-${name}`, value);
  if (versioning) headers.push('x-ms-version-id', versionIdOf(blob), 'x-ms-is-current-version', 'true');
  return headers;
}

/** Which sum of the range is asked for, or why none can be. */
function rangeSum(request: Request, range: Span | null): Sum | Failure | null {
  const [want, ...others] = SUMS.filter(
    (sum) => request.headers.get(`x-ms-range-get-content-${sum}`)?.toLowerCase() === 'true',
  );
  if (want === undefined) return null;
  const header = `x-ms-range-get-content-${want}`;
  if (others.length > 0 || range === null) return invalidHeader(header, 'true');
  return range.length > MAX_RANGE_SUM_BYTES ? azureFailure('OutOfRangeInput') : want;
}

function rangeSumHeaders(sum: Sum, blob: Stored, { start, length }: Span): string[] {
  const bytes = Buffer.allocUnsafe(length);
  objectSource(blob, start, length).fill(bytes, 0);
  return sum === 'md5' ? ['Content-MD5', md5(bytes)] : ['x-ms-content-crc64', azureCrc64(bytes)];
}

export function readBlob(
  request: Request,
  blob: Stored | null,
  { lie, versioning }: { lie: Lie | undefined; versioning: boolean },
): Found {
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

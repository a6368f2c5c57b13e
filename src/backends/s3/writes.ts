/**
 * The requests that write to S3. Pure.
 *
 * Invariants:
 * 1. Every body has its CRC-32 with it, which the service checks; an upload is completed with the CRC-32 of the whole
 *    object, combined from those of its parts, where the service has taken those.
 * 2. A part's receipt holds all that its upload's end needs: ETag, checksum, length.
 *
 * Source of the formats: PutObject, CreateMultipartUpload, UploadPart, CompleteMultipartUpload, CopyObject, DeleteObjects and
 * ListMultipartUploads in the Amazon S3 API reference.
 */
import { combineCrc } from '../../protocol/checksums/combine.js';
import { crc32 } from '../../protocol/checksums/crc.js';
import { digestOf } from '../../protocol/checksums/digest.js';
import {
  crcToDigest,
  digestToCrc,
  fromBase64,
  md5OfETag,
  toBase64,
} from '../../protocol/checksums/values.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type {
  CompleteRequest,
  CopyRequest,
  DeleteRequest,
  PutRequest,
  WriteCondition,
  WriteLimits,
  WriteRequest,
} from '../../protocol/writes.js';
import { encodeKey, encodeQuery } from '../http/encoding.js';
import { escapeXml, uploadsQuery } from '../http/xml-documents.js';
import type { S3DataConfig } from './config.js';
import { AWS4 } from '../http/sigv4.js';
import { signedHeaders, type WriteParts } from '../http/sigv4-write.js';

const MIB = 1024 * 1024;

/** "Amazon S3 multipart upload limits" and "Uploading objects" in the S3 user guide. */
export const WRITE_LIMITS: WriteLimits = {
  // One PUT may have 5 GiB; from here on parts bring more than the two requests more cost.
  multipartThreshold: 16 * MIB,
  // As ranges are read: a lost connection costs little.
  partBytes: 8 * MIB,
  partAlignment: 1,
  maxPartBytes: 5 * 1024 * MIB,
  maxParts: 10_000,
  maxObjectBytes: 50 * 1024 ** 4,
  deletesPerRequest: 1000,
};

type Header = readonly [name: string, value: string];

const CRC32: Header = ['x-amz-checksum-algorithm', 'CRC32'];
const FULL_OBJECT: Header = ['x-amz-checksum-type', 'FULL_OBJECT'];

/** The CRC-32 of a body as S3 writes it. */
export function crc32Text(body: Uint8Array): string {
  return toBase64(crcToDigest('crc32', crc32(body)));
}

/** All headers of the request, names and values in turn; without credentials the bare ones. */
export function writeHeaders(config: S3DataConfig, parts: WriteParts, nowMs: number): string[] {
  const { credentials, hostHeader, expectedBucketOwner, requesterPays } = config;
  const headers: Header[] = [...parts.headers, ['host', hostHeader]];
  if (expectedBucketOwner !== null) headers.push(['x-amz-expected-bucket-owner', expectedBucketOwner]);
  if (requesterPays) headers.push(['x-amz-request-payer', 'requester']);
  if (credentials === null) return [...headers.flat(), 'user-agent', 'millrace'];
  if (credentials.sessionToken !== undefined)
    headers.push(['x-amz-security-token', credentials.sessionToken]);
  const signing = { ...config, scheme: AWS4, credentials, secure: config.origin.secure };
  return [...signedHeaders(signing, { ...parts, headers }, nowMs), 'user-agent', 'millrace'];
}

/** What is sent for a write. Throws `InvalidArgument` for what S3 has no words for. */
export function writeParts(request: WriteRequest, config: S3DataConfig): WriteParts {
  const bucket = `${config.pathPrefix}/`;
  if (request.kind === 'uploads') {
    return { method: 'GET', path: bucket, query: uploadsQuery(request), headers: [], body: null };
  }
  if (request.kind === 'delete') return deleteParts(request, config);
  const path = `${bucket}${encodeKey(request.key)}`;
  switch (request.kind) {
    case 'put':
      return { method: 'PUT', path, query: '', headers: putHeaders(request), body: request.body };
    case 'begin': {
      const headers = [...typeHeader(request.contentType), CRC32, FULL_OBJECT];
      return { method: 'POST', path, query: 'uploads=', headers, body: null };
    }
    case 'part': {
      const query = `partNumber=${request.index + 1}&uploadId=${encodeQuery(request.upload)}`;
      const headers: Header[] = [['x-amz-checksum-crc32', crc32Text(request.body)]];
      return { method: 'PUT', path, query, headers, body: request.body };
    }
    case 'complete':
      return { path, ...completeParts(request) };
    case 'abort':
      return {
        method: 'DELETE',
        path,
        query: `uploadId=${encodeQuery(request.upload)}`,
        headers: [],
        body: null,
      };
    case 'copy':
      return { method: 'PUT', path, query: '', headers: copyHeaders(request), body: null };
  }
}

function typeHeader(contentType: string | null): Header[] {
  return contentType === null ? [] : [['content-type', contentType]];
}

function conditionHeaders({ ifAbsent, ifVersion }: WriteCondition): Header[] {
  if (ifAbsent) return [['if-none-match', '*']];
  return ifVersion === null ? [] : [['if-match', ifVersion]];
}

function putHeaders(request: PutRequest): Header[] {
  return [
    ...typeHeader(request.contentType),
    ...conditionHeaders(request),
    ['x-amz-checksum-crc32', crc32Text(request.body)],
  ];
}

function copyHeaders(request: CopyRequest): Header[] {
  const { sourceStore, sourceKey, sourceVersion } = request;
  const headers: Header[] = [
    ['x-amz-copy-source', copySource(sourceStore.slice('s3://'.length), sourceKey)],
    ...conditionHeaders(request),
  ];
  if (sourceVersion !== null) headers.push(['x-amz-copy-source-if-match', sourceVersion]);
  return headers;
}

/** Behind an access point an object has an ARN of its own, which begins with that of the access point and no slash. */
function copySource(bucket: string, key: Uint8Array): string {
  if (!bucket.startsWith('arn:')) return `/${bucket}/${encodeKey(key)}`;
  return `${encodeKey(Buffer.from(`${bucket}/object/`, 'utf8'))}${encodeKey(key)}`;
}

/**
 * What is kept of a part until its upload is completed. `crc`: its checksum, or null where the service took none; `isMd5`:
 * whether its ETag may be the MD5 of its bytes.
 */
export function partReceipt(etag: string, crc: string | null, length: number, isMd5: boolean): string {
  return `${etag} ${crc ?? NO_CRC} ${length}${isMd5 ? '' : OPAQUE}`;
}

const OPAQUE = ' opaque';
const NO_CRC = '-';

/**
 * The ETag of the object that these parts make: the MD5 of their MD5s and how many there are, as S3 and what speaks like it
 * have it. Null where the ETags of the parts are no MD5s, because the service encrypts with keys of its own.
 */
export function uploadTag(parts: readonly string[]): string | null {
  const sums = parts.map((receipt) => (receipt.endsWith(OPAQUE) ? null : md5OfETag(receipt.split(' ')[0]!)));
  const known = sums.filter((sum) => sum !== null);
  if (known.length < parts.length) return null;
  return `"${Buffer.from(digestOf('md5', Buffer.concat(known))).toString('hex')}-${parts.length}"`;
}

function completeParts(request: CompleteRequest): Omit<WriteParts, 'path'> {
  const parts = request.parts.map((receipt) => receipt.split(' '));
  // Servers that know no checksums refuse a completion that names any (Swift).
  const crcs = parts.every(([, sum]) => sum !== NO_CRC);
  let crc = 0;
  let body = '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">';
  for (const [at, [etag = '', sum = '', length = '']] of parts.entries()) {
    body += `<Part><PartNumber>${at + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag>`;
    if (crcs) {
      crc = combineCrc('crc32', crc, digestToCrc('crc32', fromBase64('crc32', sum)!), Number(length));
      body += `<ChecksumCRC32>${sum}</ChecksumCRC32>`;
    }
    body += '</Part>';
  }
  body += '</CompleteMultipartUpload>';
  const whole: Header[] = [['x-amz-checksum-crc32', toBase64(crcToDigest('crc32', crc))], FULL_OBJECT];
  const headers: Header[] = [
    ['content-type', 'application/xml'],
    ...(crcs ? whole : []),
    ['x-amz-mp-object-size', String(request.size)],
    ...conditionHeaders(request),
  ];
  const query = `uploadId=${encodeQuery(request.upload)}`;
  return { method: 'POST', query, headers, body: Buffer.from(body, 'utf8') };
}

function deleteParts({ keys, ifVersion }: DeleteRequest, config: S3DataConfig): WriteParts {
  const bucket = `${config.pathPrefix}/`;
  if (keys.length === 1) {
    const headers: Header[] = ifVersion === null ? [] : [['if-match', ifVersion]];
    return { method: 'DELETE', path: `${bucket}${encodeKey(keys[0]!)}`, query: '', headers, body: null };
  }
  let text = '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>';
  for (const key of keys) text += `<Object><Key>${escapeXml(xmlText(key))}</Key></Object>`;
  const body = Buffer.from(`${text}</Delete>`, 'utf8');
  const headers: Header[] = [
    ['content-type', 'application/xml'],
    // Required of this request, and of all servers that speak the protocol known to the longest.
    ['content-md5', toBase64(digestOf('md5', body))],
  ];
  return { method: 'POST', path: bucket, query: 'delete=', headers, body };
}

/** A key as XML can carry it; throws `Unsupported` for one that it cannot: it has to be deleted by itself. */
function xmlText(key: Uint8Array): string {
  const text = Buffer.from(key).toString('utf8');
  // XML 1.0 has no words for these characters, not even escaped ones.
  // oxlint-disable-next-line no-control-regex
  if (!/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd-\uffff]/.test(text)) return text;
  throw new MillraceError(
    ErrorCode.Unsupported,
    'a key has characters that a request for many deletions cannot carry: delete it by itself',
    { phase: 'write' },
  );
}

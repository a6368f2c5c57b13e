/**
 * The payload of an S3 request as it was meant, out of the aws-chunked framing, and whether it is what its sums say.
 *
 * Sources: "Signature calculations: chunked upload" (signatures of chunks are not looked at) and "Checking object
 * integrity" of the Amazon S3 documentation.
 */
import { isSumName, md5, SUMS, type SumName } from '../checksums.js';
import { failure, isFailure, type Failure } from '../failure.js';
import type { Request } from '../request.js';

/** A checksum by the name of its algorithm, as the headers spell it. */
export interface Sum {
  readonly name: SumName;
  /** Base64; that of an upload's parts has their count behind it. */
  readonly value: string;
}

export interface Payload {
  readonly bytes: Buffer;
  readonly sum: Sum | null;
}

/** What came in the aws-chunked framing. */
export interface Unframed {
  readonly bytes: Buffer;
  /** By lower-case name. */
  readonly trailers: ReadonlyMap<string, string>;
}

const PREFIX = 'x-amz-checksum-';
const MD5_CHARS = 24;

const badRequest = (code: string, message: string): Failure => failure(400, code, message);

/** The body of a request as it was meant; null when it came in a framing that is broken, or not whole. */
export function unframed({ headers, body }: Request): Unframed | null {
  if (!(headers.get('x-amz-content-sha256') ?? '').startsWith('STREAMING-'))
    return { bytes: body, trailers: new Map() };
  const decoded = decodeAwsChunked(body);
  const length = headers.get('x-amz-decoded-content-length');
  return length !== undefined && Number(length) !== decoded?.bytes.length ? null : decoded;
}

/** Null when the framing is broken. */
function decodeAwsChunked(framed: Buffer): Unframed | null {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const end = framed.indexOf('\r\n', at);
    const size = end < 0 ? NaN : parseInt(framed.toString('latin1', at, end), 16);
    if (Number.isNaN(size) || end + 2 + size > framed.length) return null;
    if (size === 0) return { bytes: Buffer.concat(parts), trailers: parseTrailers(framed, end + 2) };
    parts.push(framed.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}

function parseTrailers(framed: Buffer, from: number): Map<string, string> {
  const trailers = new Map<string, string>();
  for (const line of framed.toString('latin1', from).split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) trailers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return trailers;
}

/** The one checksum that came, in a header or a trailer. */
function givenSum(
  headers: ReadonlyMap<string, string>,
  trailers: ReadonlyMap<string, string>,
): Sum | Failure | null {
  const all: Sum[] = [];
  for (const [header, value] of [...headers, ...trailers]) {
    const name = header.startsWith(PREFIX) ? header.slice(PREFIX.length) : '';
    if (isSumName(name)) all.push({ name, value });
  }
  if (all.length > 1) {
    const message = 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.';
    return badRequest('InvalidRequest', message);
  }
  return all[0] ?? null;
}

/** Null where the bytes have that sum. */
export function refusalOfSum({ name, value }: Sum, bytes: Uint8Array): Failure | null {
  const actual = SUMS[name](bytes);
  if (actual === value) return null;
  if (actual.length !== value.length) {
    return badRequest('InvalidRequest', `Value for ${PREFIX}${name} header is invalid.`);
  }
  const message = `The ${name.toUpperCase()} you specified did not match the calculated checksum.`;
  return badRequest('BadDigest', message);
}

function refusalOfMd5(given: string | undefined, bytes: Uint8Array): Failure | null {
  if (given === undefined || given === md5(bytes)) return null;
  return given.length === MD5_CHARS
    ? badRequest('BadDigest', 'The Content-MD5 you specified did not match what we received.')
    : badRequest('InvalidDigest', 'The Content-MD5 you specified was invalid.');
}

export function payloadOf(request: Request): Payload | Failure {
  const { headers } = request;
  if (headers.has('transfer-encoding')) {
    const message = 'A header you provided implies functionality that is not implemented';
    return failure(501, 'NotImplemented', message, { Header: 'Transfer-Encoding' });
  }
  if (!headers.has('content-length')) {
    return failure(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.');
  }
  const decoded = unframed(request);
  if (decoded === null) {
    return badRequest('IncompleteBody', 'The request body terminated unexpectedly');
  }
  const { bytes, trailers } = decoded;
  const announced = headers.get('x-amz-trailer')?.toLowerCase();
  if (announced !== undefined && !trailers.has(announced)) {
    return badRequest(
      'MalformedTrailerError',
      'The request contained trailing data that was not well-formed.',
    );
  }
  const sum = givenSum(headers, trailers);
  if (sum !== null && isFailure(sum)) return sum;
  const refused =
    refusalOfMd5(headers.get('content-md5'), bytes) ?? (sum === null ? null : refusalOfSum(sum, bytes));
  return refused ?? { bytes, sum };
}

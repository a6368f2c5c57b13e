/**
 * Reads HTTP/1.1 requests from the bytes of a connection, strictly: what the services would refuse, this refuses.
 *
 * Only what their clients send: a head, then a body with a Content-Length, plain or in the aws-chunked framing.
 */
import { parseQuery } from './encoding.mjs';
import { failure } from './failure.mjs';

const MAX_HEAD_BYTES = 65_536;
const MAX_BODY_BYTES = 256 * 1024 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const EMPTY = Buffer.alloc(0);

/**
 * @typedef {{
 *   method: string, target: string, rawPath: string, path: string, query: Array<[string, string]>, params: Map<string, string>,
 *   headers: Map<string, string>, body: Buffer, bucket: string, key: string,
 * }} Request
 * `path` is decoded, `rawPath` is not; `bucket` and `key` are the dialect's to fill in; `headers` are by lower-case name, repeated ones joined by commas.
 */

/**
 * Takes the first request out of `bytes`.
 * @param {Buffer} bytes
 * @returns {{kind: 'more', wantsContinue: boolean} | {kind: 'request', request: Request, used: number} | {kind: 'bad', failed: import('./failure.mjs').Failure}}
 */
export function takeRequest(bytes) {
  const end = bytes.indexOf(HEAD_END);
  if (end < 0) {
    if (bytes.length > MAX_HEAD_BYTES)
      return bad('Your request header section exceeds the maximum allowed size.');
    return { kind: 'more', wantsContinue: false };
  }
  const lines = bytes.latin1Slice(0, end).split('\r\n');
  const headers = parseHeaders(lines);
  if (headers === null) return bad('A header line is malformed.');
  const length = bodyLength(headers);
  if (length === null) return bad('Content-Length is not a number, or Transfer-Encoding was used.');
  if (length > MAX_BODY_BYTES) return bad('Your proposed upload exceeds the maximum allowed size');
  const used = end + 4 + length;
  if (bytes.length < used) {
    return { kind: 'more', wantsContinue: headers.get('expect')?.toLowerCase() === '100-continue' };
  }
  return parseTarget(
    lines[0],
    headers,
    length === 0 ? EMPTY : Buffer.from(bytes.subarray(end + 4, used)),
    used,
  );
}

const bad = (/** @type {string} */ message) => ({
  kind: /** @type {const} */ ('bad'),
  failed: failure(400, 'BadRequest', message),
});

function parseHeaders(lines) {
  const headers = new Map();
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i];
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0));
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) return null;
    const value = line.slice(colon + 1).trim();
    const lower = name.toLowerCase();
    const before = headers.get(lower);
    if (before !== undefined && (lower === 'host' || lower === 'content-length')) return null;
    headers.set(lower, before === undefined ? value : `${before},${value}`);
  }
  return headers;
}

function bodyLength(headers) {
  if (headers.has('transfer-encoding')) return null;
  const text = headers.get('content-length') ?? '0';
  return /^\d+$/.test(text) ? Number(text) : null;
}

function parseTarget(requestLine, headers, body, used) {
  const m = /^([A-Z]+) (\/[!-~]*) HTTP\/1\.1$/.exec(requestLine);
  if (m === null) return bad('The request line is malformed.');
  if (!headers.has('host')) return bad('The Host header is missing.');
  const [, method, target] = m;
  const mark = target.indexOf('?');
  try {
    const rawPath = mark < 0 ? target : target.slice(0, mark);
    const path = decodeURIComponent(rawPath);
    const query = parseQuery(mark < 0 ? '' : target.slice(mark + 1));
    const params = new Map(query);
    const request = { method, target, rawPath, path, query, params, headers, body, bucket: '', key: '' };
    return { kind: /** @type {const} */ ('request'), request, used };
  } catch {
    return {
      kind: /** @type {const} */ ('bad'),
      failed: failure(400, 'InvalidURI', "Couldn't parse the specified URI."),
    };
  }
}

/**
 * The payload inside the aws-chunked framing; signatures of chunks and trailers are not looked at.
 * @param {Buffer} framed
 * @returns {Buffer | null} null when the framing is broken
 */
export function decodeAwsChunked(framed) {
  const parts = [];
  for (let at = 0; ;) {
    const end = framed.indexOf('\r\n', at);
    const size = end < 0 ? NaN : parseInt(framed.latin1Slice(at, end), 16);
    if (Number.isNaN(size) || end + 2 + size > framed.length) return null;
    if (size === 0) return Buffer.concat(parts);
    parts.push(framed.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}

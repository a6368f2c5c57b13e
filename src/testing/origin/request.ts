/**
 * Reads HTTP/1.1 requests from the bytes of a connection, strictly: what the services would refuse, this refuses.
 *
 * Only what their clients send: a head, then a body with a Content-Length, or chunked.
 */
import { parseQuery } from './encoding.js';
import { failure } from './failure.js';

const MAX_HEAD_BYTES = 65_536;
const MAX_BODY_BYTES = 256 * 1024 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const MAX_CHUNK_LINE_BYTES = 16_384;
/** @type {Buffer} */
const EMPTY: Buffer = Buffer.alloc(0);

/**
 * @typedef {{
 *   method: string, target: string, rawPath: string, path: string, query: Array<[string, string]>, params: Map<string, string>,
 *   headers: Map<string, string>, body: Buffer, bucket: string, key: string,
 * }} Request
 * `path` is decoded, `rawPath` is not; `bucket` and `key` are the dialect's to fill in; `headers` are by lower-case name, repeated ones joined by commas.
 */

/**
 * Takes the head of the first request out of `bytes`; its body is read by `createBody`.
 * @param {Buffer} bytes
 * @returns {{kind: 'more'} | {kind: 'head', request: Request, used: number, length: number | null, wantsContinue: boolean}
 *   | {kind: 'bad', failed: import('./failure.js').Failure}} `length` is that of the body, null when it is chunked
 */
export function takeHead(bytes: Buffer): { kind: 'more'; } | { kind: 'head'; request: Request; used: number; length: number | null; wantsContinue: boolean; } |
{ kind: 'bad'; failed: import('./failure.js').Failure; } {
  const end = bytes.indexOf(HEAD_END);
  if (end < 0) {
    if (bytes.length > MAX_HEAD_BYTES)
      return bad('Your request header section exceeds the maximum allowed size.');
    return { kind: 'more' };
  }
  const lines = bytes.latin1Slice(0, end).split('\r\n');
  const headers = parseHeaders(lines);
  if (headers === null) return bad('A header line is malformed.');
  const length = bodyLength(headers);
  if (Number.isNaN(length)) return bad('Content-Length is not a number, or stands beside Transfer-Encoding.');
  if (length !== null && length > MAX_BODY_BYTES)
    return bad('Your proposed upload exceeds the maximum allowed size');
  const wantsContinue = headers.get('expect')?.toLowerCase() === '100-continue';
  const request = parseTarget(lines[0], headers);
  if ('message' in request) return { kind: 'bad', failed: request };
  return { kind: 'head', request, used: end + 4, length, wantsContinue };
}

/**
 * Collects the body of a request.
 * @typedef {{readonly received: number, push(bytes: Buffer): Buffer | null | 'more' | 'broken', bytes(): Buffer}} Body
 * `push` returns what it has no use for once the body is whole (null for nothing).
 * @param {number | null} length null for a chunked one
 * @returns {Body}
 */
export function createBody(length: number | null): Body {
  return length === null ? chunkedBody() : plainBody(length);
}

/** @param {number} length @returns {Body} */
function plainBody(length: number): Body {
  /** @type {Buffer[]} */
  const parts: Buffer[] = [];
  let received = 0;
  return {
    get received() {
      return received;
    },
    push(bytes) {
      const take = Math.min(bytes.length, length - received);
      parts.push(bytes.subarray(0, take));
      received += take;
      if (received < length) return 'more';
      return take === bytes.length ? null : bytes.subarray(take);
    },
    bytes: () => (length === 0 ? EMPTY : Buffer.concat(parts, received)),
  };
}

/** The chunked coding of RFC 9112; extensions and trailers are read past. @returns {Body} */
function chunkedBody(): Body {
  /** @type {Buffer[]} */
  const parts: Buffer[] = [];
  /** @type {Buffer} */
  let rest: Buffer = EMPTY;
  let received = 0;
  let left = 0;
  let state = 'size';
  const line = () => {
    const end = rest.indexOf('\r\n');
    if (end < 0) return null;
    const text = rest.latin1Slice(0, end);
    rest = rest.subarray(end + 2);
    return text;
  };
  const takeData = () => {
    const take = Math.min(left, rest.length);
    parts.push(rest.subarray(0, take));
    rest = rest.subarray(take);
    received += take;
    left -= take;
    if (left === 0) state = 'after';
    return left === 0;
  };
  const takeLine = () => {
    const text = line();
    if (text === null) return rest.length > MAX_CHUNK_LINE_BYTES ? 'broken' : 'more';
    if (state === 'after') state = text === '' ? 'size' : 'broken';
    else if (state === 'trailer') state = text === '' ? 'whole' : 'trailer';
    else {
      left = /^[0-9a-fA-F]{1,8}(;.*)?$/.test(text) ? parseInt(text, 16) : NaN;
      state =
        Number.isNaN(left) || received + left > MAX_BODY_BYTES ? 'broken' : left === 0 ? 'trailer' : 'data';
    }
    return 'on';
  };
  return {
    get received() {
      return received;
    },
    push(bytes) {
      rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      for (;;) {
        if (state === 'broken') return 'broken';
        if (state === 'whole') return rest.length === 0 ? null : rest;
        if (state === 'data') {
          if (!takeData()) return 'more';
          continue;
        }
        const went = takeLine();
        if (went !== 'on') return went;
      }
    },
    bytes: () => Buffer.concat(parts, received),
  };
}

const bad = (/** @type {string} */ message: string) => ({
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

/** Null for a chunked body, NaN for what cannot be. */
function bodyLength(headers) {
  const coding = headers.get('transfer-encoding');
  const text = headers.get('content-length');
  if (coding !== undefined) return coding.toLowerCase() === 'chunked' && text === undefined ? null : NaN;
  return /^\d+$/.test(text ?? '0') ? Number(text ?? '0') : NaN;
}

/** @returns {Request | import('./failure.js').Failure} */
function parseTarget(requestLine, headers): Request | import('./failure.js').Failure {
  const m = /^([A-Z]+) (\/[!-~]*) HTTP\/1\.1$/.exec(requestLine);
  if (m === null) return failure(400, 'BadRequest', 'The request line is malformed.');
  if (!headers.has('host')) return failure(400, 'BadRequest', 'The Host header is missing.');
  const [, method, target] = m;
  const mark = target.indexOf('?');
  const rawPath = mark < 0 ? target : target.slice(0, mark);
  try {
    const path = decodeURIComponent(rawPath);
    const query = parseQuery(mark < 0 ? '' : target.slice(mark + 1));
    const params = new Map(query);
    return { method, target, rawPath, path, query, params, headers, body: EMPTY, bucket: '', key: '' };
  } catch {
    return failure(400, 'InvalidURI', "Couldn't parse the specified URI.");
  }
}

/** The access key or the bearer token that a request came with, if it has either. @param {Request} request */
export function signerOf({ headers }: Request) {
  const [, token, keyId] =
    /^Bearer (.+)$|\bCredential=([^/]+)\//.exec(headers.get('authorization') ?? '') ?? [];
  return token ?? keyId;
}

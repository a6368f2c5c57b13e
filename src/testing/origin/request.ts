/**
 * Reads HTTP/1.1 requests from the bytes of a connection, strictly: what the services would refuse, this refuses.
 *
 * Only what their clients send: a head, then a body with a Content-Length, or chunked.
 */
import { parseQuery } from './encoding.js';
import { failure, isFailure, type Failure } from './failure.js';

const MAX_HEAD_BYTES = 65_536;
const MAX_BODY_BYTES = 256 * 1024 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const MAX_CHUNK_LINE_BYTES = 16_384;
const EMPTY: Buffer = Buffer.alloc(0);

/** A request as it came; `bucket` and `key` are for the dialect to fill in. */
export interface Request {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  /** The path as it came, and decoded. */
  readonly rawPath: string;
  readonly path: string;
  /** Decoded, in the order sent; `params` has the last of each name. */
  readonly query: ReadonlyArray<readonly [name: string, value: string]>;
  readonly params: ReadonlyMap<string, string>;
  /** By lower-case name, repeated ones joined by commas. */
  readonly headers: ReadonlyMap<string, string>;
  /** Empty until it has been read. */
  body: Buffer;
  bucket: string;
  key: string;
}

/** What the beginning of a connection's bytes is. */
export type Taken =
  | { readonly kind: 'more' }
  | {
      readonly kind: 'head';
      readonly request: Request;
      /** Bytes of the head. */
      readonly used: number;
      /** Bytes of the body, null when it is chunked. */
      readonly length: number | null;
      readonly wantsContinue: boolean;
    }
  | { readonly kind: 'bad'; readonly failed: Failure };

/** Takes the head of the first request out of `bytes`; its body is read by `createBody`. */
export function takeHead(bytes: Buffer): Taken {
  const end = bytes.indexOf(HEAD_END);
  if (end < 0) {
    if (bytes.length > MAX_HEAD_BYTES)
      return bad('Your request header section exceeds the maximum allowed size.');
    return { kind: 'more' };
  }
  const lines = bytes.toString('latin1', 0, end).split('\r\n');
  const headers = parseHeaders(lines);
  if (headers === null) return bad('A header line is malformed.');
  const length = bodyLength(headers);
  if (Number.isNaN(length)) return bad('Content-Length is not a number, or stands beside Transfer-Encoding.');
  if (length !== null && length > MAX_BODY_BYTES)
    return bad('Your proposed upload exceeds the maximum allowed size');
  const wantsContinue = headers.get('expect')?.toLowerCase() === '100-continue';
  const request = parseTarget(lines[0]!, headers);
  if (isFailure(request)) return { kind: 'bad', failed: request };
  return { kind: 'head', request, used: end + 4, length, wantsContinue };
}

/** Collects the body of a request. */
export interface Body {
  readonly received: number;
  /** Returns what it has no use for once the body is whole (null for nothing). */
  push(bytes: Buffer): Buffer | null | 'more' | 'broken';
  bytes(): Buffer;
}

/** @param length null for a chunked one */
export function createBody(length: number | null): Body {
  return length === null ? chunkedBody() : plainBody(length);
}

function plainBody(length: number): Body {
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

/** The chunked coding of RFC 9112; extensions and trailers are read past. */
function chunkedBody(): Body {
  const parts: Buffer[] = [];
  let rest: Buffer = EMPTY;
  let received = 0;
  let left = 0;
  let state: 'size' | 'data' | 'after' | 'trailer' | 'whole' | 'broken' = 'size';
  const line = () => {
    const end = rest.indexOf('\r\n');
    if (end < 0) return null;
    const text = rest.toString('latin1', 0, end);
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
  const takeLine = (): 'on' | 'more' | 'broken' => {
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

const bad = (message: string): Taken => ({
  kind: 'bad',
  failed: failure(400, 'BadRequest', message),
});

/** Null where a line is none, or what may come but once comes twice. */
function parseHeaders(lines: readonly string[]): Map<string, string> | null {
  const headers = new Map<string, string>();
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!;
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
function bodyLength(headers: ReadonlyMap<string, string>): number | null {
  const coding = headers.get('transfer-encoding');
  const text = headers.get('content-length');
  if (coding !== undefined) return coding.toLowerCase() === 'chunked' && text === undefined ? null : NaN;
  return /^\d+$/.test(text ?? '0') ? Number(text ?? '0') : NaN;
}

function parseTarget(requestLine: string, headers: ReadonlyMap<string, string>): Request | Failure {
  const m = /^([A-Z]+) (\/[!-~]*) HTTP\/1\.1$/.exec(requestLine);
  if (m === null) return failure(400, 'BadRequest', 'The request line is malformed.');
  if (!headers.has('host')) return failure(400, 'BadRequest', 'The Host header is missing.');
  const method = m[1]!;
  const target = m[2]!;
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

/** The access key or the bearer token that a request came with, if it has either. */
export function signerOf({ headers }: Request): string | undefined {
  const [, token, keyId] =
    /^Bearer (.+)$|\bCredential=([^/]+)\//.exec(headers.get('authorization') ?? '') ?? [];
  return token ?? keyId;
}

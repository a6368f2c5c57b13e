/**
 * Strict parser of an HTTP/1.x response head (RFC 9112, sections 4 to 6). Pure: bytes in, facts out.
 *
 * Invariants:
 * 1. Each byte is looked at once as a byte, however the head is cut into reads, and names a second time; no string
 *    is made for a header.
 * 2. What two readers could understand differently is refused, not repaired: bare CR or LF, folded lines, spaces
 *    before the colon, control characters, Content-Length beside Transfer-Encoding, a second Content-Length, a tab
 *    behind the value of either.
 * 3. The fields describe the head only after `parse` returned `Done`.
 */
import { begins, digits, equals, indexOf, skipSpace, trimSpace } from './bytes.js';

export const HeadState = { More: 0, Done: 1, Bad: 2 } as const;
export type HeadState = (typeof HeadState)[keyof typeof HeadState];

/** What a Content-Range header said. */
export const RangeField = {
  Absent: 0,
  /** `bytes a-b/total` or `bytes a-b/*`. */
  Given: 1,
  /** `bytes *` + `/total`: the answer to a range outside the object. */
  Unsatisfied: 2,
  Malformed: 3,
} as const;
export type RangeField = (typeof RangeField)[keyof typeof RangeField];

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const COMMA = 44;
const DASH = 45;
const SLASH = 47;
const ZERO = 48;
const COLON = 58;
const STAR = 42;
const DELETE = 127;

/** The lower-case form of a byte that may stand in a header name (RFC 9110, 5.6.2), 0 for one that may not. */
export const TOKEN_LOWER: Uint8Array = tokenTable();

/** Of the line that is searched for: it is not complete, or it is broken. */
const MORE = -1;
const BROKEN = -2;

export class HeadParser {
  status = 0;
  /** 0 for HTTP/1.0, 1 for HTTP/1.1. */
  minor = 1;
  /** -1 when absent. */
  contentLength = -1;
  chunked = false;
  /** `Connection: close` was said, or `Proxy-Connection: close`. */
  close = false;
  /** A Content-Encoding other than `identity` was named. */
  encoded = false;
  /** The Content-Type is a `multipart/` one. */
  multipart = false;
  range: RangeField = RangeField.Absent;
  /** First and last byte of the Content-Range, inclusive. */
  rangeStart = -1;
  rangeEnd = -1;
  /** Size of the whole object, -1 when the Content-Range does not tell. */
  rangeTotal = -1;
  /** Just past the empty line that ends the head. */
  end = 0;
  /** Why the head is bad: for messages, free of header values. */
  problem = '';

  private start = 0;
  private line = 0;
  private scanned = 0;

  constructor(private readonly maxBytes: number) {}

  /** Gets ready for a head that begins at `from`. */
  reset(from: number): void {
    this.status = 0;
    this.minor = 1;
    this.contentLength = -1;
    this.chunked = false;
    this.close = false;
    this.encoded = false;
    this.multipart = false;
    this.range = RangeField.Absent;
    this.rangeStart = -1;
    this.rangeEnd = -1;
    this.rangeTotal = -1;
    this.end = from;
    this.problem = '';
    this.start = from;
    this.line = from;
    this.scanned = from;
  }

  /** Goes on with what is now known of `bytes`, up to `to`; bytes seen before must still be in their places. */
  parse(bytes: Uint8Array, to: number): HeadState {
    for (;;) {
      const from = this.line;
      const lineEnd = this.findLineEnd(bytes, to);
      if (lineEnd === BROKEN) return HeadState.Bad;
      const seen = (lineEnd === MORE ? to + 1 : this.scanned) - this.start;
      if (seen > this.maxBytes) return this.bad(`it has more than ${this.maxBytes} bytes`);
      if (lineEnd === MORE) return HeadState.More;
      this.line = this.scanned;
      if (from === this.start) this.statusLine(bytes, from, lineEnd);
      else if (from === lineEnd) return this.finish();
      else this.headerLine(bytes, from, lineEnd);
      if (this.problem !== '') return HeadState.Bad;
    }
  }

  /** Where the line's CRLF begins; `scanned` is then just past it. */
  private findLineEnd(bytes: Uint8Array, to: number): number {
    let at = this.scanned;
    for (; at < to; at++) {
      const byte = bytes[at]!;
      if (byte >= SPACE ? byte !== DELETE : byte === TAB) continue;
      if (byte === CR) {
        if (at + 1 === to) break;
        if (bytes[at + 1] === LF) {
          this.scanned = at + 2;
          return at;
        }
      }
      this.bad(
        byte === CR ? 'a CR without LF' : byte === LF ? 'a LF without CR' : `the control character ${byte}`,
      );
      return BROKEN;
    }
    this.scanned = at;
    return MORE;
  }

  private statusLine(bytes: Uint8Array, from: number, to: number): void {
    // "HTTP/1.x NNN", then nothing or a space and a reason.
    const minor = to - from >= 12 && begins(bytes, from, 'HTTP/1.') ? bytes[from + 7]! - ZERO : -1;
    const spaced = bytes[from + 8] === SPACE && (to - from === 12 || bytes[from + 12] === SPACE);
    const status = digits(bytes, from + 9, Math.min(from + 12, to));
    if ((minor !== 0 && minor !== 1) || !spaced) {
      this.bad('its first line is not a status line of HTTP/1.0 or HTTP/1.1');
    } else if (status < 100 || status > 599) {
      this.bad('its status is not a number from 100 to 599');
    }
    this.minor = minor;
    this.status = status;
  }

  private headerLine(bytes: Uint8Array, from: number, to: number): void {
    let colon = from;
    // The line ends with a CR, which is in no name.
    while (TOKEN_LOWER[bytes[colon]!] !== 0) colon++;
    if (colon === from || bytes[colon] !== COLON) {
      const first = bytes[from];
      this.bad(
        first === SPACE || first === TAB ? 'a folded header line' : 'a header name that is not a token',
      );
      return;
    }
    // The names that matter here are told apart by their lengths first.
    switch (colon - from) {
      case 10:
        if (equals(bytes, from, 'connection')) this.connection(bytes, colon + 1, to);
        break;
      case 12:
        if (equals(bytes, from, 'content-type')) this.contentType(bytes, colon + 1, to);
        break;
      case 13:
        if (equals(bytes, from, 'content-range')) this.contentRange(bytes, colon + 1, to);
        break;
      case 14:
        if (equals(bytes, from, 'content-length')) this.length(bytes, colon + 1, to);
        break;
      case 16:
        if (equals(bytes, from, 'content-encoding')) this.encoding(bytes, colon + 1, to);
        // In no standard, but written by proxies, and Node's own parser heeds it.
        else if (equals(bytes, from, 'proxy-connection')) this.connection(bytes, colon + 1, to);
        break;
      case 17:
        if (equals(bytes, from, 'transfer-encoding')) this.transferEncoding(bytes, colon + 1, to);
        break;
    }
  }

  private finish(): HeadState {
    if (this.chunked && this.contentLength >= 0) {
      return this.bad('Content-Length together with Transfer-Encoding');
    }
    if (this.chunked && this.minor === 0) return this.bad('Transfer-Encoding in HTTP/1.0');
    this.end = this.line;
    return HeadState.Done;
  }

  private connection(bytes: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to;) {
      let comma = at;
      while (comma < to && bytes[comma] !== COMMA) comma++;
      const first = skipSpace(bytes, at, comma);
      const last = trimSpace(bytes, first, comma);
      if (last - first === 5 && equals(bytes, first, 'close')) this.close = true;
      at = comma + 1;
    }
  }

  private contentType(bytes: Uint8Array, from: number, to: number): void {
    const first = skipSpace(bytes, from, to);
    if (equals(bytes, first, 'multipart/')) this.multipart = true;
  }

  private length(bytes: Uint8Array, from: number, to: number): void {
    const first = skipSpace(bytes, from, to);
    const value = digits(bytes, first, trimSpaceOnly(bytes, first, to));
    if (value < 0) this.bad('a Content-Length that is not a number');
    else if (this.contentLength >= 0) this.bad('two Content-Lengths');
    else this.contentLength = value;
  }

  private encoding(bytes: Uint8Array, from: number, to: number): void {
    const first = skipSpace(bytes, from, to);
    const last = trimSpace(bytes, first, to);
    const plain = last === first || (last - first === 8 && equals(bytes, first, 'identity'));
    if (!plain) this.encoded = true;
  }

  private transferEncoding(bytes: Uint8Array, from: number, to: number): void {
    const first = skipSpace(bytes, from, to);
    const last = trimSpaceOnly(bytes, first, to);
    if (this.chunked || last - first !== 7 || !equals(bytes, first, 'chunked')) {
      this.bad('a Transfer-Encoding other than chunked');
    }
    this.chunked = true;
  }

  /** RFC 9110, 14.4; only the unit `bytes` is known. */
  private contentRange(bytes: Uint8Array, from: number, to: number): void {
    const repeated = this.range !== RangeField.Absent;
    this.range = RangeField.Malformed;
    const first = skipSpace(bytes, from, to);
    const last = trimSpace(bytes, first, to);
    const slash = indexOf(bytes, first, last, SLASH);
    if (repeated || slash < 0 || !equals(bytes, first, 'bytes ')) return;
    const unknown = slash + 2 === last && bytes[slash + 1] === STAR;
    const total = unknown ? -1 : digits(bytes, slash + 1, last);
    if (total < 0 && !unknown) return;
    const spec = first + 6;
    if (spec + 1 === slash && bytes[spec] === STAR) {
      if (total >= 0) this.range = RangeField.Unsatisfied;
      this.rangeTotal = total;
      return;
    }
    const dash = indexOf(bytes, spec, slash, DASH);
    if (dash < 0) return;
    this.rangeStart = digits(bytes, spec, dash);
    this.rangeEnd = digits(bytes, dash + 1, slash);
    this.rangeTotal = total;
    const inOrder = this.rangeStart >= 0 && this.rangeEnd >= this.rangeStart;
    if (inOrder && (total < 0 || this.rangeEnd < total)) this.range = RangeField.Given;
  }

  private bad(problem: string): HeadState {
    this.problem = problem;
    return HeadState.Bad;
  }
}

/** Of a header that decides where the message ends: to some readers, Node's own among them, a tab behind a value is part of it. */
function trimSpaceOnly(bytes: Uint8Array, from: number, to: number): number {
  let at = to;
  while (at > from && bytes[at - 1] === SPACE) at--;
  return at;
}

function tokenTable(): Uint8Array {
  const table = new Uint8Array(256);
  const allowed = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
  for (let i = 0; i < allowed.length; i++) table[allowed.charCodeAt(i)] = allowed.charCodeAt(i);
  for (let upper = 65; upper <= 90; upper++) table[upper] = upper + 32;
  return table;
}

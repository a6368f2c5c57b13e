/**
 * The framing of a chunked body (RFC 9112, section 7.1), one byte at a time, whatever the cuts. Pure.
 *
 * Invariants:
 * 1. Sizes are hexadecimal digits and nothing else; every line ends in CRLF; anything else is `Bad`.
 * 2. Extensions and trailers are skipped, and bounded.
 * 3. Data bytes are never looked at: the caller moves them and says so with `take`.
 */
import { MAX_CHUNK_EXTENSION_BYTES, MAX_TRAILER_BYTES } from './limits.js';
import { TOKEN_LOWER } from './head.js';

const Step = {
  Size: 0,
  Extension: 1,
  SizeLineFeed: 2,
  Data: 3,
  DataReturn: 4,
  DataLineFeed: 5,
  TrailerStart: 6,
  Trailer: 7,
  TrailerLineFeed: 8,
  EndLineFeed: 9,
  Done: 10,
  Bad: 11,
} as const;
type Step = (typeof Step)[keyof typeof Step];

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const SEMICOLON = 59;
const DELETE = 127;
/** Twelve hexadecimal digits: 256 TiB, and exact as a double. */
const MAX_SIZE_DIGITS = 12;

export class ChunkedFraming {
  /** Data bytes of the present chunk that have not come yet; 0 while framing is expected. */
  remaining = 0;
  private step: Step = Step.Size;
  private size = 0;
  private sizeDigits = 0;
  private skipped = 0;

  reset(): void {
    this.remaining = 0;
    this.step = Step.Size;
    this.size = 0;
    this.sizeDigits = 0;
    this.skipped = 0;
  }

  get done(): boolean {
    return this.step === Step.Done;
  }

  get bad(): boolean {
    return this.step === Step.Bad;
  }

  /** Consumes framing until data, the end, an error or `to` is reached; returns the place after it. */
  advance(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to && this.step !== Step.Data && this.step < Step.Done) {
      this.step = this.next(bytes[at]!);
      at++;
    }
    return at;
  }

  /** `count` data bytes were moved (`count <= remaining`). */
  take(count: number): void {
    this.remaining -= count;
    if (this.remaining === 0) this.step = Step.DataReturn;
  }

  private next(byte: number): Step {
    switch (this.step) {
      case Step.Size:
        return this.sizeByte(byte);
      case Step.Extension:
        if (byte === CR) return Step.SizeLineFeed;
        return isText(byte) && ++this.skipped <= MAX_CHUNK_EXTENSION_BYTES ? Step.Extension : Step.Bad;
      case Step.SizeLineFeed:
        return byte === LF ? this.sizeDone() : Step.Bad;
      case Step.DataReturn:
        return byte === CR ? Step.DataLineFeed : Step.Bad;
      case Step.DataLineFeed:
        return byte === LF ? this.sizeStart() : Step.Bad;
      case Step.TrailerStart:
        if (byte === CR) return Step.EndLineFeed;
        return TOKEN_LOWER[byte] !== 0 && ++this.skipped <= MAX_TRAILER_BYTES ? Step.Trailer : Step.Bad;
      case Step.Trailer:
        if (byte === CR) return Step.TrailerLineFeed;
        return isText(byte) && ++this.skipped <= MAX_TRAILER_BYTES ? Step.Trailer : Step.Bad;
      case Step.TrailerLineFeed:
        return byte === LF ? Step.TrailerStart : Step.Bad;
      case Step.EndLineFeed:
        return byte === LF ? Step.Done : Step.Bad;
      default:
        return Step.Bad;
    }
  }

  private sizeByte(byte: number): Step {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      this.size = this.size * 16 + digit;
      return ++this.sizeDigits <= MAX_SIZE_DIGITS ? Step.Size : Step.Bad;
    }
    if (this.sizeDigits === 0) return Step.Bad;
    if (byte === CR) return Step.SizeLineFeed;
    return byte === SEMICOLON ? Step.Extension : Step.Bad;
  }

  private sizeStart(): Step {
    this.size = 0;
    this.sizeDigits = 0;
    this.skipped = 0;
    return Step.Size;
  }

  private sizeDone(): Step {
    this.skipped = 0;
    this.remaining = this.size;
    return this.size === 0 ? Step.TrailerStart : Step.Data;
  }
}

function isText(byte: number): boolean {
  return byte >= SPACE ? byte !== DELETE : byte === TAB;
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

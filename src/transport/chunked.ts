/**
 * The framing of a chunked body (RFC 9112, section 7.1), one byte at a time, whatever the cuts. Pure.
 *
 * Invariants:
 * 1. Sizes are hexadecimal digits and nothing else; every line ends in CRLF; anything else is `Bad`.
 * 2. Extensions and trailers are skipped, and bounded. They keep their grammar, without the blanks around names that
 *    it only tolerates, and no trailer speaks of framing (RFC 9110, 6.5.1): what another reader of the same bytes would
 *    refuse, or understand otherwise, is `Bad` here too.
 * 3. Data bytes are never looked at: the caller moves them and says so with `take`.
 */
import { MAX_CHUNK_EXTENSION_BYTES, MAX_TRAILER_BYTES } from './limits.js';
import { TOKEN_LOWER } from './head.js';

const Step = {
  Size: 0,
  /** The steps of an extension are the next seven. */
  ExtensionStart: 1,
  ExtensionName: 2,
  ExtensionValueStart: 3,
  ExtensionValue: 4,
  ExtensionQuoted: 5,
  ExtensionEscape: 6,
  ExtensionClosed: 7,
  SizeLineFeed: 8,
  Data: 9,
  DataReturn: 10,
  DataLineFeed: 11,
  TrailerStart: 12,
  TrailerName: 13,
  TrailerValue: 14,
  TrailerLineFeed: 15,
  EndLineFeed: 16,
  Done: 17,
  Bad: 18,
} as const;
type Step = (typeof Step)[keyof typeof Step];

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const QUOTE = 34;
const COLON = 58;
const SEMICOLON = 59;
const EQUALS = 61;
const UPPER_C = 67;
const BACKSLASH = 92;
const LOWER_C = 99;
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
  private nameLength = 0;
  /** The header of framing that the name of the present trailer may yet turn out to be, or empty. */
  private framing = '';

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
      case Step.SizeLineFeed:
        return byte === LF ? this.sizeDone() : Step.Bad;
      case Step.DataReturn:
        return byte === CR ? Step.DataLineFeed : Step.Bad;
      case Step.DataLineFeed:
        return byte === LF ? this.sizeStart() : Step.Bad;
      case Step.TrailerStart:
        if (byte === CR) return Step.EndLineFeed;
        this.nameLength = 0;
        this.framing = byte === LOWER_C || byte === UPPER_C ? 'content-length' : 'transfer-encoding';
        return this.trailerName(byte);
      case Step.TrailerName:
        if (byte !== COLON) return this.trailerName(byte);
        return this.nameLength === this.framing.length ? Step.Bad : Step.TrailerValue;
      case Step.TrailerValue:
        if (byte === CR) return Step.TrailerLineFeed;
        return isText(byte) && ++this.skipped <= MAX_TRAILER_BYTES ? Step.TrailerValue : Step.Bad;
      case Step.TrailerLineFeed:
        return byte === LF ? Step.TrailerStart : Step.Bad;
      case Step.EndLineFeed:
        return byte === LF ? Step.Done : Step.Bad;
      default:
        return this.extensionByte(byte);
    }
  }

  private extensionByte(byte: number): Step {
    const next = extensionStep(this.step, byte);
    if (next === Step.SizeLineFeed) return next;
    return ++this.skipped <= MAX_CHUNK_EXTENSION_BYTES ? next : Step.Bad;
  }

  private trailerName(byte: number): Step {
    const lower = TOKEN_LOWER[byte]!;
    if (lower !== this.framing.charCodeAt(this.nameLength)) this.framing = '';
    this.nameLength++;
    return lower !== 0 && ++this.skipped <= MAX_TRAILER_BYTES ? Step.TrailerName : Step.Bad;
  }

  private sizeByte(byte: number): Step {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      this.size = this.size * 16 + digit;
      return ++this.sizeDigits <= MAX_SIZE_DIGITS ? Step.Size : Step.Bad;
    }
    if (this.sizeDigits === 0) return Step.Bad;
    if (byte === CR) return Step.SizeLineFeed;
    return byte === SEMICOLON ? Step.ExtensionStart : Step.Bad;
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

/** A name, perhaps with a value, which is a token or quoted; then the next one, or the end of the line. */
function extensionStep(step: Step, byte: number): Step {
  switch (step) {
    case Step.ExtensionStart:
      return TOKEN_LOWER[byte] !== 0 ? Step.ExtensionName : Step.Bad;
    case Step.ExtensionName:
      if (TOKEN_LOWER[byte] !== 0) return Step.ExtensionName;
      return byte === EQUALS ? Step.ExtensionValueStart : extensionEnd(byte);
    case Step.ExtensionValueStart:
      if (byte === QUOTE) return Step.ExtensionQuoted;
      return TOKEN_LOWER[byte] !== 0 ? Step.ExtensionValue : Step.Bad;
    case Step.ExtensionValue:
      return TOKEN_LOWER[byte] !== 0 ? Step.ExtensionValue : extensionEnd(byte);
    case Step.ExtensionQuoted:
      if (byte === QUOTE) return Step.ExtensionClosed;
      if (byte === BACKSLASH) return Step.ExtensionEscape;
      return isText(byte) ? Step.ExtensionQuoted : Step.Bad;
    case Step.ExtensionEscape:
      return isText(byte) ? Step.ExtensionQuoted : Step.Bad;
    case Step.ExtensionClosed:
      return extensionEnd(byte);
    default:
      return Step.Bad;
  }
}

function extensionEnd(byte: number): Step {
  if (byte === CR) return Step.SizeLineFeed;
  return byte === SEMICOLON ? Step.ExtensionStart : Step.Bad;
}

function isText(byte: number): boolean {
  return byte >= SPACE ? byte !== DELETE : byte === TAB;
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

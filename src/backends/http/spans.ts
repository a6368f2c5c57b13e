/**
 * Text of a listing's XML document, from positions straight to bytes: no string is made of keys.
 *
 * Invariants:
 * 1. An entity or a percent-escape that is not one is an `XmlError`, never a guess.
 * 2. What is packed is exactly as long as its rows: a page is sent between threads without slack.
 */
import { prefixText } from '../../protocol/key-page.js';
import { XmlError, type XmlScanner } from './xml.js';

/** Text of a leaf as it stands in the document, latin1. */
export function leafText(xml: XmlScanner, name: string): string {
  xml.leaf(name);
  return xml.text.slice(xml.start, xml.end);
}

/** A leaf that is a number of bytes. */
export function leafBytes(xml: XmlScanner, name: string): number {
  const text = leafText(xml, name);
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) xml.fail(`<${name}> is not a number of bytes`);
  return value;
}

/** A token's text: latin1 positions back to characters, entities replaced. */
export function unescape(text: string, xml: XmlScanner): string {
  const raw = Buffer.from(text, 'latin1');
  const out = new Uint8Array(raw.length);
  const length = decode(raw, 0, raw.length, Escapes.None, out, 0);
  if (length < 0) xml.fail('an entity that is not XML');
  return Buffer.from(out.buffer, 0, length).toString('utf8');
}

/** Rows back to back: row i is `bytes[ends[i-1] .. ends[i]]`. */
export interface Packed {
  readonly bytes: Uint8Array;
  readonly ends: Uint32Array;
}

/** How the text of an element is escaped beside its entities. */
export const Escapes = {
  None: 0,
  /** `%XX` for a byte. */
  Percent: 1,
  /** As in a form: `+` is a space, too. */
  Form: 2,
} as const;
export type Escapes = (typeof Escapes)[keyof typeof Escapes];

/** Decodes `[start, end)` spans, all escaped in one way or each in its own. */
export function packSpans(
  bytes: Buffer,
  spans: readonly number[],
  escapes: Escapes | readonly Escapes[],
): Packed {
  let bound = 0;
  for (let i = 0; i < spans.length; i += 2) bound += spans[i + 1]! - spans[i]!;
  const out = new Uint8Array(bound);
  const ends = new Uint32Array(spans.length / 2);
  let at = 0;
  for (let i = 0; i < spans.length; i += 2) {
    const how = typeof escapes === 'number' ? escapes : escapes[i / 2]!;
    at = decode(bytes, spans[i]!, spans[i + 1]!, how, out, at);
    if (at < 0) throw new XmlError(`an escape that is neither XML nor percent-encoding in row ${i / 2}`);
    ends[i / 2] = at;
  }
  // A page is sent between threads: no slack goes with it.
  return { bytes: at === bound ? out : out.slice(0, at), ends };
}

/**
 * The spans as the texts of prefixes.
 * @throws MillraceError Unsupported as `prefixText` does
 */
export function prefixTexts(
  bytes: Buffer,
  spans: readonly number[],
  escapes: Escapes | readonly Escapes[],
): string[] {
  const { bytes: packed, ends } = packSpans(bytes, spans, escapes);
  return Array.from(ends, (end, i) => prefixText(packed.subarray(i === 0 ? 0 : ends[i - 1], end)));
}

const PERCENT = 0x25;
const AMPERSAND = 0x26;
const PLUS = 0x2b;
const HEX = Int8Array.from({ length: 256 }, (_, code) => {
  const digit = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(digit) ? -1 : digit;
});

/**
 * Decodes `[from, to)` into `out` at `at`: entities always, percent-encoding when asked. Gives the new end, or -1 for
 * an escape that is not one. The result is never longer than the source.
 */
function decode(
  src: Uint8Array,
  from: number,
  to: number,
  escapes: Escapes,
  out: Uint8Array,
  at: number,
): number {
  let end = at;
  for (let i = from; i < to; i++) {
    let byte = src[i]!;
    if (byte === AMPERSAND) {
      const entity = readEntity(src, i, to);
      if (entity === null) return -1;
      i += entity.length - 1;
      if (entity.code > 0x7f) {
        end += Buffer.from(String.fromCodePoint(entity.code), 'utf8').copy(out, end);
        continue;
      }
      byte = entity.code;
    }
    if (escapes === Escapes.Form && byte === PLUS) byte = 0x20;
    else if (escapes !== Escapes.None && byte === PERCENT) {
      const high = i + 2 < to ? HEX[src[i + 1]!]! : -1;
      const low = i + 2 < to ? HEX[src[i + 2]!]! : -1;
      if (high < 0 || low < 0) return -1;
      byte = high * 16 + low;
      i += 2;
    }
    out[end++] = byte;
  }
  return end;
}

const NAMED: ReadonlyMap<string, number> = new Map([
  ['amp', 0x26],
  ['lt', 0x3c],
  ['gt', 0x3e],
  ['quot', 0x22],
  ['apos', 0x27],
]);
/** `&#1114111;` is the longest one that is not padded. */
const MAX_ENTITY_BYTES = 10;

const QUOTE = { code: 0x22, length: 6 };

function readEntity(src: Uint8Array, from: number, to: number): { code: number; length: number } | null {
  // Every ETag has two of these: the common case must not make strings.
  const quote =
    from + 6 <= to &&
    src[from + 1] === 0x71 &&
    src[from + 2] === 0x75 &&
    src[from + 3] === 0x6f &&
    src[from + 4] === 0x74 &&
    src[from + 5] === 0x3b;
  if (quote) return QUOTE;
  const limit = Math.min(to, from + MAX_ENTITY_BYTES);
  let end = from + 1;
  while (end < limit && src[end] !== 0x3b) end++;
  if (end === limit) return null;
  const name = Buffer.from(src.subarray(from + 1, end)).toString('latin1');
  const digits = /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(name);
  const code =
    digits === null
      ? NAMED.get(name)
      : Number.parseInt(digits[1] ?? digits[2]!, digits[1] === undefined ? 10 : 16);
  const valid = code !== undefined && code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  return valid ? { code, length: end - from + 1 } : null;
}

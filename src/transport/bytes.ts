/**
 * Small questions about bytes of ASCII text, asked without making a string. Pure.
 */
const TAB = 9;
const SPACE = 32;
const ZERO = 48;
/** No integer with more digits is certainly exact as a double. */
const MAX_DIGITS = 15;

/** Whether the bytes from `from` on are `word`, which is in lower case, in any case; reads no further than the word. */
export function equals(bytes: Uint8Array, from: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    let byte = bytes[from + i]!;
    if (byte >= 65 && byte <= 90) byte += 32;
    if (byte !== word.charCodeAt(i)) return false;
  }
  return true;
}

export function begins(bytes: Uint8Array, from: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[from + i] !== word.charCodeAt(i)) return false;
  return true;
}

/** The number in `[from, to)`, or -1 when that is empty, too long, or anything but digits. */
export function digits(bytes: Uint8Array, from: number, to: number): number {
  if (to <= from || to - from > MAX_DIGITS) return -1;
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

export function indexOf(bytes: Uint8Array, from: number, to: number, wanted: number): number {
  for (let at = from; at < to; at++) if (bytes[at] === wanted) return at;
  return -1;
}

export function skipSpace(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
  return at;
}

export function trimSpace(bytes: Uint8Array, from: number, to: number): number {
  let at = to;
  while (at > from && (bytes[at - 1] === SPACE || bytes[at - 1] === TAB)) at--;
  return at;
}

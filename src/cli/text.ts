/** Text for people: names that cannot move the cursor, columns, dates. Pure. */

/** C0, DEL and C1 controls, line and paragraph separators, and what turns the direction of writing around. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const LONE_SURROGATE = /[\ud800-\udfff]/gu;
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The same text with each character that a terminal would act on written as an escape (`\n`, `\x1b`, `\u202e`). */
export function escapeControls(given: string): string {
  return given.replace(UNSAFE, escapeOne).replace(LONE_SURROGATE, escapeOne);
}

function escapeOne(char: string): string {
  const short = SHORT[char];
  if (short !== undefined) return short;
  const hex = char.charCodeAt(0).toString(16);
  return hex.length <= 2 ? `\\x${hex.padStart(2, '0')}` : `\\u${hex.padStart(4, '0')}`;
}

/**
 * A value as one line of JSON that a terminal can be shown, and that means the same: the characters which
 * `escapeControls` replaces come as JSON's own escapes.
 *
 * @param replacer as `JSON.stringify` has it
 */
export function jsonLine(value: unknown, replacer?: (key: string, value: unknown) => unknown): string {
  // Outside of strings JSON has none of them, and half a surrogate pair is escaped already.
  return JSON.stringify(value, replacer).replace(
    UNSAFE,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const NO_DATE = '-'.padEnd(20);

/** `2026-11-21T06:27:01Z`, or a dash of the same width. */
export function formatDate(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms) || Math.abs(ms) > 8.64e15) return NO_DATE;
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** Rows under their heads, each column as wide as its widest cell; the last one is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

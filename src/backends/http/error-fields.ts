/**
 * Single fields of the XML error documents that S3 and Azure write.
 *
 * Invariants:
 * 1. Tolerant: whatever the bytes are (HTML of a proxy, half a document, nothing), the result is a value.
 * 2. Bounded: at most `MAX_SCAN_BYTES` are looked at and each field is cut to `MAX_FIELD_CHARS`.
 */

const MAX_SCAN_BYTES = 16 * 1024;
const MAX_FIELD_CHARS = 256;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The text to look for fields in, or null when it is no error document. */
export function errorText(body: Uint8Array | null): string | null {
  if (body === null || body.length === 0) return null;
  const length = Math.min(body.length, MAX_SCAN_BYTES);
  const text = Buffer.from(body.buffer, body.byteOffset, length).toString('utf8');
  return text.includes('<Error') ? text : null;
}

/** Text of the first element of that name that holds nothing but text, or null. */
export function errorField(text: string, name: string): string | null {
  const open = text.indexOf(`<${name}>`);
  if (open < 0) return null;
  const start = open + name.length + 2;
  const end = text.indexOf('<', start);
  if (end < 0 || !text.startsWith(`</${name}>`, end)) return null;
  return text
    .slice(start, Math.min(end, start + MAX_FIELD_CHARS))
    .replace(/&#x?[\da-fA-F]{1,6};/g, ' ')
    .replace(/&(amp|lt|gt|quot|apos);/g, (_, entity: string) => ENTITIES[entity]!)
    .replace(/\p{Cc}+/gu, ' ')
    .trim();
}

/** The text as a service's code; a code is one word, and anything else would only confuse an error's reader. */
export function codeWord(text: string | null | undefined): string | null {
  return typeof text === 'string' && /^[A-Za-z][A-Za-z0-9._]{0,63}$/.test(text) ? text : null;
}

/**
 * Reads the few fields of S3's error document that decide what happens next.
 *
 * Invariants:
 * 1. Tolerant: whatever the bytes are (HTML of a proxy, half a document, nothing), the result is a value, and the
 *    status decides alone.
 * 2. Bounded: at most `MAX_SCAN_BYTES` are looked at and each field is cut to `MAX_FIELD_CHARS`.
 * 3. Only the fields below are taken. The document of a refused signature also repeats the canonical request, and
 *    with it the session token: that must never reach an error.
 */

export interface ServiceError {
  readonly code: string | null;
  readonly message: string | null;
  readonly region: string | null;
  readonly requestId: string | null;
  /** Size of the object, in the answer to a range outside of it; -1 where absent. */
  readonly actualObjectSize: number;
}

const MAX_SCAN_BYTES = 16 * 1024;
const MAX_FIELD_CHARS = 256;
const NOTHING: ServiceError = {
  code: null,
  message: null,
  region: null,
  requestId: null,
  actualObjectSize: -1,
};
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function field(text: string, name: string): string | null {
  const open = text.indexOf(`<${name}>`);
  if (open < 0) return null;
  const start = open + name.length + 2;
  const end = text.indexOf('<', start);
  if (end < 0 || !text.startsWith(`</${name}>`, end)) return null;
  return text
    .slice(start, Math.min(end, start + MAX_FIELD_CHARS))
    .replace(/&(amp|lt|gt|quot|apos);/g, (_, entity: string) => ENTITIES[entity]!)
    .replace(/\p{Cc}+/gu, ' ')
    .trim();
}

export function readErrorBody(body: Uint8Array | null): ServiceError {
  if (body === null || body.length === 0) return NOTHING;
  const length = Math.min(body.length, MAX_SCAN_BYTES);
  const text = Buffer.from(body.buffer, body.byteOffset, length).toString('utf8');
  if (!text.includes('<Error')) return NOTHING;
  const code = field(text, 'Code');
  const size = field(text, 'ActualObjectSize');
  return {
    // A code is one word; anything else is not S3's and would only confuse an error's reader.
    code: code !== null && /^[A-Za-z][A-Za-z0-9._]{0,63}$/.test(code) ? code : null,
    message: field(text, 'Message'),
    region: regionName(field(text, 'Region')),
    requestId: field(text, 'RequestId'),
    actualObjectSize: size !== null && /^\d{1,15}$/.test(size) ? Number(size) : -1,
  };
}

/** The text as a region's name, or null when it cannot be one. */
export function regionName(text: string | null | undefined): string | null {
  return typeof text === 'string' && /^[a-z0-9-]{1,32}$/.test(text) ? text : null;
}

/**
 * Percent-encoding as S3 and Azure take it: unreserved characters stay, every other byte becomes `%XX` in upper case.
 *
 * Invariants:
 * 1. A key's bytes reach the wire exactly once encoded; `.` and `..` segments, double and leading slashes are kept,
 *    because to S3 they are ordinary characters of the key.
 * 2. What is on the wire is what is signed, so no server-side normalisation can break a signature.
 *
 * Source of the rule: "Create a canonical request" in the AWS Signature Version 4 reference (UriEncode).
 */

const UNRESERVED = /^[A-Za-z0-9\-._~/]*$/;
const ESCAPES: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte);
  return /[A-Za-z0-9\-._~]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
});
const SLASH = 0x2f;

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The path form of a key: slashes kept. */
export function encodeKey(key: Uint8Array): string {
  const plain = viewOf(key).toString('latin1');
  // Most keys need no escaping; one native pass over them is several times cheaper than a loop.
  if (UNRESERVED.test(plain)) return plain;
  let out = '';
  for (const byte of key) out += byte === SLASH ? '/' : ESCAPES[byte]!;
  return out;
}

/** The query form of a value given as bytes: slashes are escaped too. */
export function encodeQueryBytes(value: Uint8Array): string {
  let out = '';
  for (const byte of value) out += ESCAPES[byte]!;
  return out;
}

/** The query form of a string, as UTF-8. */
export function encodeQuery(value: string): string {
  return encodeQueryBytes(Buffer.from(value, 'utf8'));
}

/** The form of a key that is one segment of a path, or a value of a query: slashes are escaped too. */
export function encodeSegment(key: Uint8Array): string {
  const plain = viewOf(key).toString('latin1');
  if (!UNRESERVED.test(plain)) return encodeQueryBytes(key);
  return plain.includes('/') ? plain.replaceAll('/', '%2F') : plain;
}

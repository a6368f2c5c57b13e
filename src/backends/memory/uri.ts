/**
 * `memory:///key`: percent-encoded like a file URI, but a key is any bytes and nothing in it is special.
 *
 * Invariant: `keyOfUri(uriOfKey(key))` has the bytes of `key`.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { shownUri } from '../../protocol/shown-uri.js';

/** The only store of the scheme. */
export const STORE = 'memory:///';

export function uriOfKey(key: Uint8Array): string {
  let encoded = '';
  for (const byte of key) {
    const char = String.fromCharCode(byte);
    encoded += /[A-Za-z0-9\-._~/]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return STORE + encoded;
}

/** @throws MillraceError InvalidArgument */
export function keyOfUri(uri: string): Uint8Array {
  const rest = uri.startsWith(STORE) ? uri.slice(STORE.length) : null;
  if (rest === null || !rest.isWellFormed() || /%(?![0-9A-Fa-f]{2})/.test(rest)) {
    throw new MillraceError(
      ErrorCode.InvalidArgument,
      `not a memory URI: ${JSON.stringify(shownUri(uri))}; expected one such as "memory:///data/a%20b.bin"`,
      { phase: 'configure' },
    );
  }
  const bytes = Buffer.from(rest, 'utf8')
    .toString('latin1')
    .replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return new Uint8Array(Buffer.from(bytes, 'latin1'));
}

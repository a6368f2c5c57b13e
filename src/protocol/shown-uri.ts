/**
 * What of a URI that is refused may be repeated in an error.
 *
 * Invariant: no user or password before a host, and no query or fragment, gets through: a presigned URL has a signature in
 * its query, and people put keys before the host, with slashes in them.
 */

const PARTS = /^([^:]*):(?:\/\/([^/?#\\\s]*))?(.*)$/s;
/** A host, perhaps with a port: anything else with a colon may be a user and a password whose "@" comes later. */
const HOST = /^[^:]*(?::\d{1,5})?$|^\[[\da-fA-F:.]*\](?::\d{1,5})?$/;

/** Scheme and host alone. For URIs that are none of ours. */
export function placeOf(uri: string): string {
  const [, scheme = '', authority, rest = ''] = PARTS.exec(uri) ?? [];
  if (authority === undefined) return rest === '' ? `${scheme}:` : `${scheme}:...`;
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  if (!HOST.test(host)) return `${scheme}://...`;
  return rest === '' ? `${scheme}://${host}` : `${scheme}://${host}/...`;
}

/** All of it as it stands where nothing in it can be a secret; a text that is no URI is one of those. */
export function shownUri(text: string): string {
  const parts = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text) ? PARTS.exec(text) : null;
  if (parts === null) return text;
  const [, , authority = '', rest = ''] = parts;
  return /[@:]/.test(authority) || /[?#]/.test(rest) ? placeOf(text) : text;
}

/**
 * Entity tags as versions of objects (RFC 9110, 8.8.3).
 *
 * Invariant: a weak tag is nobody's version. It promises that two answers mean the same, not that they are the same
 * bytes, and `If-Match` never matches it: with one for a version, every part behind the first would be refused.
 */

/** The tag, or null where there is none or a weak one. */
export function strongTag(header: string | undefined): string | null {
  return header === undefined || isWeak(header) ? null : header;
}

export function isWeak(tag: string): boolean {
  return tag.startsWith('W/');
}

/** Whether two tags, quoted or not, weak or not, can be those of the same bytes. */
export function sameTag(one: string, other: string): boolean {
  return opaque(one) === opaque(other);
}

function opaque(tag: string): string {
  const plain = isWeak(tag) ? tag.slice(2) : tag;
  return plain.startsWith('"') && plain.endsWith('"') ? plain.slice(1, -1) : plain;
}

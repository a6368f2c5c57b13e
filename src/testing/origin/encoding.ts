/**
 * How the services spell names: percent-encoding, XML text, queries, and the order of keys.
 */

const PLAIN = /^[A-Za-z0-9\-._~]*$/;
const PLAIN_PATH = /^[A-Za-z0-9\-._~/]*$/;

/** RFC 3986 with everything but unreserved characters escaped, in upper-case hex. */
export function encodeStrict(text: string): string {
  if (PLAIN.test(text)) return text;
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The same, with slashes left alone. */
export function encodePath(path: string): string {
  return PLAIN_PATH.test(path) ? path : path.split('/').map(encodeStrict).join('/');
}

const XML_NAMES = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
]);

/** Text in XML, control characters as references, as the services write them. */
export function escapeXml(text: string): string {
  if (/^[\w\-./ ]*$/.test(text)) return text;
  const spell = (c: string) => (c < ' ' ? `&#x${c.charCodeAt(0).toString(16)};` : c);
  return Array.from(text, (c) => XML_NAMES.get(c) ?? spell(c)).join('');
}

const XML_CHARACTERS = new Map([...XML_NAMES, ["'", '&apos;']].map(([c, name]) => [name, c]));

/** The text of an element, references resolved. */
export function unescapeXml(text: string): string {
  return text.replace(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (all, name: string) => {
    if (name.startsWith('#x')) return String.fromCodePoint(parseInt(name.slice(2), 16));
    if (name.startsWith('#')) return String.fromCodePoint(Number(name.slice(1)));
    return XML_CHARACTERS.get(all) ?? all;
  });
}

/** Lifts surrogates above the rest of the plane, so that UTF-16 units compare as their code points do. */
const lifted = (unit: number) => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);

/**
 * Compares by UTF-8 bytes, the order of listings, without encoding anything: negative, 0 or positive.
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return lifted(x) - lifted(y);
  }
  return a.length - b.length;
}

/** The smallest key that comes after every key with this prefix, or null when there is none. */
export function afterPrefix(prefix: string): string | null {
  const points = Array.from(prefix);
  while (points.length > 0) {
    const last = points.pop()!.codePointAt(0)!;
    if (last === 0x10ffff) continue;
    const next = last + 1 === 0xd800 ? 0xe000 : last + 1;
    return points.join('') + String.fromCodePoint(next);
  }
  return null;
}

/**
 * A query string as the services read it: `+` is a space; a name without `=` has an empty value.
 * Names and values come decoded, in the order sent; throws URIError.
 * @param query without the question mark
 */
export function parseQuery(query: string): Array<[string, string]> {
  if (query === '') return [];
  return query.split('&').map((pair) => {
    const eq = pair.indexOf('=');
    const decode = (s: string) => decodeURIComponent(s.replaceAll('+', ' '));
    return eq < 0 ? [decode(pair), ''] : [decode(pair.slice(0, eq)), decode(pair.slice(eq + 1))];
  });
}

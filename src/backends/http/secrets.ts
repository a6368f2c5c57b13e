/**
 * Text of others, made fit for an error: keys, tokens and signatures do not get through.
 *
 * Invariant: no more than the first `MAX_GLIMPSE_CHARS` characters of a credential are ever let through, however the
 * text was cut or its credential encoded.
 */

/** Secret keys have 40 characters of this alphabet, signatures 44 or 64, tokens hundreds; `%` is in what a URL has of them. */
const KEY_LIKE = /[A-Za-z0-9+/=%_-]{32,}/;
/** What signs a URL, under the names that it has there: of any length, because it may have been cut. */
const SIGNED = /((?:sig|signature|security-token)(?:=|%3d))[^\s&"'<>()[\]{},;]+/i;
/** A credential that was cut off is told by its beginning; shorter than this, it is told by nothing and tells nothing. */
const MAX_GLIMPSE_CHARS = 11;

/**
 * Whether the message of an error document may be repeated. A server, or a proxy before it, that quotes the request's
 * headers quotes the session token and the signature with them; such a message is left out rather than mended.
 */
export function isRepeatable(
  message: string | null,
  secrets: readonly (string | undefined)[],
): message is string {
  if (message === null) return false;
  for (const secret of secrets) {
    if (secret !== undefined && message.includes(secret.slice(0, MAX_GLIMPSE_CHARS + 1))) return false;
  }
  return (
    !KEY_LIKE.test(message) &&
    !SIGNED.test(message) &&
    !/HMAC-SHA256|X-Amz-Security-Token|Bearer |SharedKey /i.test(message)
  );
}

const MAX_REASON_CHARS = 240;

/** What a foreign error says, fit to be shown: its first line, shortened, without anything that looks like a key. */
export function describe(thrown: unknown, secrets: readonly string[]): string {
  if (!(thrown instanceof Error)) return `a thrown ${typeof thrown}`;
  // The message of a failed credential process repeats its command line, which may hold a password.
  if (thrown.message.startsWith('Command failed')) return `${thrown.name}: the credential_process failed`;
  let text = thrown.message.split('\n', 1)[0]!;
  for (const secret of secrets) text = text.replaceAll(secret, '***');
  text = text.replace(new RegExp(SIGNED, 'gi'), '$1***').replace(new RegExp(KEY_LIKE, 'g'), '***');
  return `${thrown.name}: ${text.slice(0, MAX_REASON_CHARS)}`;
}

/**
 * Tests against a real server are skipped where it is not installed, and fail under CI, where it has to be.
 */

/**
 * For `describe.skipIf(skipUnless(radosgwAvailable()))`.
 * @param {string | null} reason why the server cannot be had, or null when it can
 * @returns {boolean} whether to skip; throws when CI is `true`
 */
export function skipUnless(reason) {
  if (reason === null) return false;
  if (process.env['CI'] === 'true') throw new Error(`CI must have this server: ${reason}`);
  process.stderr.write(`skipped: ${reason}\n`);
  return true;
}

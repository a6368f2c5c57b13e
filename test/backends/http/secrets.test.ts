/** Text of others in errors: nothing of a credential gets through, however it is encoded. */
import { createHash } from 'node:crypto';
import { expect, describe as group, it } from 'vitest';
import { describe, isRepeatable } from '../../../dist/backends/http/secrets.js';

/** Base64 whose signs stand so near each other that, encoded, no run between them is as long as a key. */
const SIGNATURE = 'abcdefghijklmnop+qrstuvwxyzABCDEF/GHIJKLMNOPQRS=';
const ENCODED = encodeURIComponent(SIGNATURE);
const url = (query: string): string => `GET https://x.test/c?sv=1&${query}&sp=r failed with 500`;
const said = (message: string): string => describe(new Error(message), []);

group('what a foreign error says', () => {
  it('has no signature in it that is encoded for a URL', () => {
    const text = said(`no answer (${ENCODED})`);
    expect(text).toBe('Error: no answer (***)');
    expect(isRepeatable(`no answer (${ENCODED})`, [])).toBe(false);
  });

  it.each([
    'sig',
    'Signature',
    'X-Amz-Signature',
    'X-Amz-Security-Token',
    'X-Goog-Signature',
    'x-amz-signature',
  ])('has no value of %s, long or short, encoded or not', (name) => {
    const hex = createHash('sha256').update(name).digest('hex');
    for (const value of [ENCODED, SIGNATURE, hex, 'short%2Bone'])
      expect(said(url(`${name}=${value}`))).toBe(`Error: ${url(`${name}=***`)}`);
    expect(said(url(`u=https%3A%2F%2Fy%3F${name}%3Dshort`))).not.toContain('short');
    expect(isRepeatable(url(`${name}=short%2Bone`), [])).toBe(false);
  });

  it('keeps the words that are none', () => {
    const text = 'connect ECONNREFUSED 127.0.0.1:443 (100% of sign=none tries)';
    expect(said(text)).toBe(`Error: ${text}`);
    expect(isRepeatable(text, [])).toBe(true);
  });
});

/**
 * Keys as bytes and as text.
 *
 * Invariant: a key that is read the short way has the same bytes as one that is encoded as UTF-8.
 */
import { markAsUntransferable } from 'node:worker_threads';

/** Keys that were read the short way lie one behind the other: a buffer for each would cost 350 bytes more. */
const KEY_POOL_BYTES = 8 * 1024;
let pool = new Uint8Array(0);
let poolUsed = 0;

/** The bytes of the text from `from` on, when it is all ASCII and not too long; null for any other. */
export function plainKey(uri: string, from: number, maxBytes: number): Uint8Array | null {
  const length = uri.length - from;
  if (length > maxBytes) return null;
  if (pool.length - poolUsed < length) {
    pool = new Uint8Array(KEY_POOL_BYTES);
    poolUsed = 0;
    // Who transfers the buffer of one key must not take the other keys with it.
    markAsUntransferable(pool.buffer);
  }
  for (let i = 0; i < length; i += 1) {
    const code = uri.charCodeAt(from + i);
    if (code > 0x7f) return null;
    pool[poolUsed + i] = code;
  }
  const key = new Uint8Array(pool.buffer, poolUsed, length);
  poolUsed += length;
  return key;
}

/** The key as text. Bytes that are not UTF-8, which no key of these services has, show as U+FFFD. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('utf8');
}

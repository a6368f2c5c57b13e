/** HMAC-SHA-256 of short texts under a key that stays the same for many of them. */
import { hash } from 'node:crypto';

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
/** Most texts that are signed fit; a longer one makes the room for the next ones too. */
const FIRST_TEXT_BYTES = 1024;

/**
 * The function that signs a text (as UTF-8) under one key: two one-shot hashes over buffers that already hold the padded
 * key (RFC 2104). `createHmac` sets a digest context up for every call, which costs from as much to ten times as much,
 * depending on the version of Node.
 */
export function hmacUnder(key: Uint8Array, encoding: 'hex' | 'base64'): (text: string) => string {
  // A key that is longer than a block stands for its hash.
  const short = key.length > BLOCK_BYTES ? Buffer.from(hash('sha256', key, 'hex'), 'hex') : key;
  const outer = padded(short, 0x5c, DIGEST_BYTES);
  let inner = padded(short, 0x36, FIRST_TEXT_BYTES);
  // Texts of one signer have nearly one length; and a digest as text needs no memory outside of the heap (half the time).
  let message = inner;
  return (text) => {
    // A UTF-16 code unit is at most three bytes of UTF-8.
    const most = BLOCK_BYTES + 3 * text.length;
    if (inner.length < most) inner = padded(short, 0x36, 2 * most);
    const end = BLOCK_BYTES + inner.write(text, BLOCK_BYTES, 'utf8');
    if (message.length !== end || message.buffer !== inner.buffer) message = inner.subarray(0, end);
    outer.write(hash('sha256', message, 'hex'), BLOCK_BYTES, 'hex');
    return hash('sha256', outer, encoding);
  };
}

function padded(key: Uint8Array, pad: number, moreBytes: number): Buffer {
  // Its own memory: a slice of the pool could share its buffer with another one.
  const block = Buffer.allocUnsafeSlow(BLOCK_BYTES + moreBytes).fill(pad);
  for (let i = 0; i < key.length; i++) block[i] = key[i]! ^ pad;
  return block;
}

/**
 * Looks at delivered bytes against the pattern of their key, at a cost that does not dominate what is measured.
 *
 * What it keeps true:
 * 1. A short object is looked at byte by byte, and so is every sixteenth of the long ones.
 * 2. Of the other long ones, 64 bytes are looked at in every 8 KiB, and both ends; where they lie differs each time, and
 *    each of them tells its object and offset, so a piece that is swapped, shifted, repeated or stale is seen wherever
 *    it is 8 KiB long, and sooner or later whatever its length.
 */
import { mix32, objectIdOf } from '../../dist/backends/memory/pattern.js';
import { verifyPattern } from '../../dist/testing/pattern.js';

const SHORT_BYTES = 8 * 1024;
const WINDOW_BYTES = 64;
const STRIDE_BYTES = 8 * 1024;
const WHOLE_EVERY = 16;

/**
 * @returns {(key: string, bytes: Uint8Array, size: number, offset?: number) => string | null} what is wrong with bytes that
 *   are to be `size` long and begin at `offset` of the object with that key; null when nothing is
 */
export function createCheck() {
  let looks = 0;
  return (key, bytes, size, offset = 0) => {
    if (bytes.length !== size) return `${key}: ${bytes.length} bytes instead of ${size}`;
    const id = objectIdOf(key);
    looks += 1;
    const isWhole = size <= SHORT_BYTES || looks % WHOLE_EVERY === 0;
    const at = isWhole ? verifyPattern(id, offset, bytes) : firstWrong(id, offset, bytes, mix32(looks));
    return at < 0 ? null : `${key}: wrong from byte ${offset + at} (read from byte ${offset}, ${size} bytes)`;
  };
}

/** @param {number} id @param {number} offset @param {Uint8Array} bytes @param {number} salt decides where the windows lie */
function firstWrong(id, offset, bytes, salt) {
  const phase = (salt >>> 0) % (STRIDE_BYTES - WINDOW_BYTES);
  const last = bytes.length - WINDOW_BYTES;
  const look = (/** @type {number} */ from) => {
    const at = verifyPattern(id, offset + from, bytes.subarray(from, from + WINDOW_BYTES));
    return at < 0 ? -1 : from + at;
  };
  for (const from of [0, last]) {
    const at = look(from);
    if (at >= 0) return at;
  }
  for (let from = phase; from <= last; from += STRIDE_BYTES) {
    const at = look(from);
    if (at >= 0) return at;
  }
  return -1;
}

/** Ways to keep a number of fetches under way that contenders share. */

/**
 * `lanes` loops side by side, each fetching the next piece when it has its last one.
 * @param {number} lanes @param {number} from @param {number} count
 * @param {(index: number, lane: number) => Promise<void>} one
 */
export async function inLanes(lanes, from, count, one) {
  let next = from;
  const end = from + count;
  const loop = async (lane) => {
    while (next < end) await one(next++, lane);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, (_, lane) => loop(lane)));
}

/** A buffer for each lane, used again for each piece. */
export function recycledBuffers(lanes, bytes) {
  return Array.from({ length: lanes }, () => Buffer.allocUnsafeSlow(bytes));
}

/** Value of the Range header for a piece; undefined for a whole object. @param {import('./data.mjs').Piece} piece */
export function rangeOf({ offset, length, objectBytes }) {
  return length === objectBytes ? undefined : `bytes=${offset}-${offset + length - 1}`;
}

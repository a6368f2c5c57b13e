/**
 * The payload of an S3 request as it was meant: out of the aws-chunked framing.
 */

/**
 * The payload inside the aws-chunked framing; signatures of chunks and trailers are not looked at.
 * @param {Buffer} framed
 * @returns {Buffer | null} null when the framing is broken
 */
export function decodeAwsChunked(framed) {
  const parts = [];
  for (let at = 0; ;) {
    const end = framed.indexOf('\r\n', at);
    const size = end < 0 ? NaN : parseInt(framed.latin1Slice(at, end), 16);
    if (Number.isNaN(size) || end + 2 + size > framed.length) return null;
    if (size === 0) return Buffer.concat(parts);
    parts.push(framed.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}

/**
 * What a service answers, as a value: status, headers and a source of body bytes. No socket, no clock, no fault.
 */
import { fillPattern } from '../pattern.mjs';

/**
 * @typedef {{length: number, fill(target: Uint8Array, position: number): void}} Source
 * Bytes on demand: `fill` writes those from `position` on into all of `target`.
 * @typedef {{status: number, headers: string[], body: Source, chunked: boolean, code: string | null}} Response
 * `headers` are names and values in turn, without the framing; `code` is that of an error of the service.
 */

/** @type {Source} */
export const NO_BODY = { length: 0, fill() {} };

/** @param {Uint8Array} bytes @returns {Source} */
export function bytesSource(bytes) {
  return {
    length: bytes.length,
    fill: (target, position) => target.set(bytes.subarray(position, position + target.length)),
  };
}

/** @param {import('./catalogue.mjs').Stored} object @param {number} start @param {number} length @returns {Source} */
export function objectSource(object, start, length) {
  if (object.body !== null) return bytesSource(object.body.subarray(start, start + length));
  return { length, fill: (target, position) => fillPattern(object.objectId, start + position, target) };
}

/** @param {import('./catalogue.mjs').Stored} object @returns {Buffer} all its bytes at once: for sums and copies */
export function objectBytes(object) {
  const bytes = Buffer.allocUnsafe(object.size);
  objectSource(object, 0, object.size).fill(bytes, 0);
  return bytes;
}

/** @param {number} status @param {string[]} headers @param {Source} [body] @returns {Response} */
export const answer = (status, headers, body = NO_BODY) => ({
  status,
  headers,
  body,
  chunked: false,
  code: null,
});

/** A document in XML, chunked as the services send them. @param {Uint8Array} bytes @param {string[]} [headers] @returns {Response} */
export const xmlAnswer = (bytes, headers = []) => ({
  status: 200,
  headers: ['Content-Type', 'application/xml', ...headers],
  body: bytesSource(bytes),
  chunked: true,
  code: null,
});

/**
 * What a service answers, as a value: status, headers and a source of body bytes. No socket, no clock, no fault.
 */
import { fillPattern } from '../pattern.js';

/**
 * @typedef {{length: number, fill(target: Uint8Array, position: number): void}} Source
 * Bytes on demand: `fill` writes those from `position` on into all of `target`.
 * @typedef {{status: number, headers: string[], body: Source, chunked: boolean, code: string | null}} Response
 * `headers` are names and values in turn, without the framing; `code` is that of an error of the service.
 */

/** @type {Source} */
export const NO_BODY: Source = { length: 0, fill() {} };

/** @param {Uint8Array} bytes @returns {Source} */
export function bytesSource(bytes: Uint8Array): Source {
  return {
    length: bytes.length,
    fill: (target, position) => target.set(bytes.subarray(position, position + target.length)),
  };
}

/** @param {import('./catalogue.js').Stored} object @param {number} start @param {number} length @returns {Source} */
export function objectSource(object: import('./catalogue.js').Stored, start: number, length: number): Source {
  if (object.body !== null) return bytesSource(object.body.subarray(start, start + length));
  return { length, fill: (target, position) => fillPattern(object.objectId, start + position, target) };
}

/** @param {import('./catalogue.js').Stored} object @returns {Buffer} all its bytes at once: for sums and copies */
export function objectBytes(object: import('./catalogue.js').Stored): Buffer {
  const bytes = Buffer.allocUnsafe(object.size);
  objectSource(object, 0, object.size).fill(bytes, 0);
  return bytes;
}

/** @param {number} status @param {string[]} headers @param {Source} [body] @returns {Response} */
export const answer = (status: number, headers: string[], body: Source = NO_BODY): Response => ({
  status,
  headers,
  body,
  chunked: false,
  code: null,
});

/** A document in XML, chunked as the services send them. @param {Uint8Array} bytes @param {string[]} [headers] @returns {Response} */
export const xmlAnswer = (bytes: Uint8Array, headers: string[] = []): Response => ({
  status: 200,
  headers: ['Content-Type', 'application/xml', ...headers],
  body: bytesSource(bytes),
  chunked: true,
  code: null,
});

/**
 * An S3 error on its way out: status, code, message, and the extra elements and headers that some codes carry.
 */
import { escapeXml } from './encoding.mjs';

/**
 * @typedef {{status: number, code: string, message: string, extra?: Record<string, string>, headers?: string[]}} Failure
 */

/**
 * @param {number} status @param {string} code @param {string} message
 * @param {Record<string, string>} [extra] XML elements by name
 * @param {string[]} [headers] names and values in turn
 * @returns {Failure}
 */
export function failure(status, code, message, extra, headers) {
  return { status, code, message, extra, headers };
}

/** @param {Failure} failed @param {string} requestId @param {string} hostId @returns {Buffer} the error document */
export function errorDocument(failed, requestId, hostId) {
  const element = (/** @type {string} */ name, /** @type {string} */ text) =>
    `<${name}>${escapeXml(text)}</${name}>`;
  const extra = Object.entries(failed.extra ?? {}).map(([name, text]) => element(name, text));
  const body = [
    element('Code', failed.code),
    element('Message', failed.message),
    ...extra,
    element('RequestId', requestId),
    element('HostId', hostId),
  ];
  return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n<Error>${body.join('')}</Error>`);
}

/**
 * An error of a service on its way out, in the words that all services share: status, code, message, and the extra
 * elements and headers that some codes carry. How a document spells it is the dialect's.
 */

/**
 * @typedef {{status: number, code: string, message: string, extra?: Record<string, string>, headers?: string[]}} Failure
 */

/**
 * @param {number} status @param {string} code @param {string} message
 * @param {Record<string, string>} [extra] elements of the document, by name
 * @param {string[]} [headers] names and values in turn
 * @returns {Failure}
 */
export function failure(status: number, code: string, message: string, extra: Record<string, string>, headers: string[]): Failure {
  return { status, code, message, extra, headers };
}

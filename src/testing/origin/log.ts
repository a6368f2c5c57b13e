/**
 * One line of the request log: what came, where, and what it met. The end is written in when the answer is over.
 */

/**
 * @param {import('./request.js').Request} request
 * @param {import('./response.js').Response} response
 * @param {import('./dialect.js').Dialect} dialect
 * @param {{number: number, requestId: string, rule: number | null, marks: number, connection: number, ordinal: number}} where
 * @returns {import('../ORIGIN-TYPES').LoggedRequest}
 */
export function logEntry(request: import('./request.js').Request, response: import('./response.js').Response, dialect: import('./dialect.js').Dialect, where: { number: number; requestId: string; rule: number | null; marks: number; connection: number; ordinal: number; }): import('../ORIGIN-TYPES').LoggedRequest {
  return {
    ...where,
    afterMark: where.marks > 0,
    atMs: performance.now(),
    op: dialect.operationOf(request),
    method: request.method,
    bucket: request.bucket,
    key: request.key,
    target: request.target,
    range: dialect.rangeOf(request),
    ifMatch: request.headers.get('if-match') ?? null,
    anonymous: dialect.isAnonymous(request),
    status: response.status,
    code: response.code,
    requestBytes: request.body.length,
    endedMs: null,
    bodyBytes: 0,
    complete: false,
  };
}

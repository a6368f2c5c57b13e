/**
 * One line of the request log: what came, where, and what it met. The end is written in when the answer is over.
 */

/**
 * @param {import('./request.mjs').Request} request
 * @param {import('./response.mjs').Response} response
 * @param {import('./dialect.mjs').Dialect} dialect
 * @param {{number: number, requestId: string, rule: number | null, marks: number, connection: number, ordinal: number}} where
 * @returns {import('../origin.d.mts').LoggedRequest}
 */
export function logEntry(request, response, dialect, where) {
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

/**
 * One line of the request log: what came, where, and what it met. The end is written in when the answer is over.
 */
import { operationOf } from './faults.mjs';

/**
 * @param {import('./request.mjs').Request} request
 * @param {import('./service.mjs').Response} response
 * @param {{number: number, requestId: string, rule: number | null, marks: number, connection: number, ordinal: number}} where
 * @returns {import('../origin.d.mts').LoggedRequest}
 */
export function logEntry(request, response, where) {
  return {
    ...where,
    afterMark: where.marks > 0,
    atMs: performance.now(),
    op: operationOf(request),
    method: request.method,
    bucket: request.bucket,
    key: request.key,
    target: request.target,
    range: request.headers.get('range') ?? null,
    ifMatch: request.headers.get('if-match') ?? null,
    anonymous: !request.headers.has('authorization') && !request.params.has('X-Amz-Signature'),
    status: response.status,
    code: response.code,
    endedMs: null,
    bodyBytes: 0,
    complete: false,
  };
}

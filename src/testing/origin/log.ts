/**
 * One line of the request log: what came, where, and what it met. The end is written in when the answer is over.
 */
import type { Request } from './request.js';
import type { Response } from './response.js';
import type { Dialect } from './dialect.js';
import type { LoggedRequest } from './records.js';

export function logEntry(
  request: Request,
  response: Response,
  dialect: Dialect,
  where: {
    number: number;
    requestId: string;
    rule: number | null;
    marks: number;
    connection: number;
    ordinal: number;
  },
): LoggedRequest {
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

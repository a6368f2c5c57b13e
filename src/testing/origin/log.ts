/**
 * The request log: one line for what came, where, and what it met. The end is written in when the answer is over.
 *
 * Invariant: it is bounded; what falls out is told to the owner.
 */
import type { Dialect } from './dialect.js';
import type { LoggedRequest } from './records.js';
import type { Request } from './request.js';
import type { Response } from './response.js';

const DEFAULT_LIMIT = 20_000;

/** What the origin knows of a request beside itself; `LoggedRequest` has the words. */
type Where = Pick<LoggedRequest, 'number' | 'requestId' | 'rule' | 'marks' | 'connection' | 'ordinal'>;

export class RequestLog {
  #lines: LoggedRequest[] = [];
  readonly #limit: number;
  readonly #dropped: () => void;

  /** @param dropped called for each line that falls out */
  constructor(limit: number | undefined, dropped: () => void) {
    this.#limit = limit ?? DEFAULT_LIMIT;
    this.#dropped = dropped;
  }

  get lines(): readonly LoggedRequest[] {
    return this.#lines;
  }

  add(line: LoggedRequest): void {
    this.#lines.push(line);
    if (this.#lines.length <= this.#limit) return;
    this.#lines.shift();
    this.#dropped();
  }

  clear(): void {
    this.#lines = [];
  }
}

export function logEntry(
  request: Request,
  response: Response,
  dialect: Dialect,
  where: Where,
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

/**
 * The seam between the origin and the services that it speaks as. Connections, delivery, faults, counters, log and
 * waiters are the origin's; what a request means, who sent it and what is answered are the dialect's.
 *
 * What a dialect keeps true:
 * 1. It is pure but for its own state (credentials, uploads in progress) and the catalogue: no socket, no clock.
 * 2. `serve` has the whole effect of a request: a response that never arrives is of a request that was carried out.
 * 3. It shares no code with the clients it is there to test.
 */
import type { Bucket } from './catalogue.js';
import type { Failure } from './failure.js';
import type { OriginPolicy } from './options.js';
import type { Operation, OriginStats } from './records.js';
import type { Request } from './request.js';
import type { Response } from './response.js';
import type { Fault } from './rules.js';

/** What every dialect serves from. The origin fills it and puts other values in when it is configured. */
export interface Common {
  readonly buckets: Map<string, Bucket>;
  publicBuckets: ReadonlySet<string>;
  forbidden: readonly RegExp[];
  /** Over TLS. */
  readonly secure: boolean;
}

/** One answer in the making. */
export interface Exchange {
  readonly requestId: string;
  /** The service's clock when the request came. */
  readonly nowMs: number;
  /** Null where none was understood. */
  readonly request: Request | null;
}

/** Of the fault that a request meets, what only the service itself can do. */
export type Bent = Pick<Fault, 'lie' | 'by'>;

export interface Dialect {
  /**
   * Splits path (and query) into what the catalogue calls bucket and key, '' where there is none, before anything else is
   * asked; `request.path` is decoded, `request.rawPath` as it came. It may throw URIError.
   */
  locate(request: Request): { bucket: string; key: string };
  /** The name of a request for the log and for scripts. */
  operationOf(request: Request): Operation;
  /** The range that a request asks for, in the words of Range. */
  rangeOf(request: Request): string | null;
  isAnonymous(request: Request): boolean;
  /** Authenticates and answers; a failure becomes a response by `failureResponse`. */
  serve(request: Request, nowMs: number, bent: Bent): Response | Failure;
  newRequestId(nowMs: number): string;
  /** Go before those of every response: request id, date, server. Names and values in turn. */
  commonHeaders(exchange: Exchange): readonly string[];
  failureResponse(failed: Failure, exchange: Exchange, withBody: boolean): Response;
  /** The code of a status that a script names without one. */
  codeOf(status: number): string | undefined;
  /** Takes its own part of the policy and leaves the rest. */
  configure(patch: OriginPolicy): void;
  /** Ends the life of a key or token, and says whether there is one. */
  expire(id: string): boolean;
  /** Added to the stats of the origin, and forgotten with them. */
  counters?(): Partial<OriginStats>;
  forgetCounters?(): void;
}

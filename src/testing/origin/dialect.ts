/**
 * The seam between the origin and the services that it speaks as. Connections, delivery, faults, counters, log and
 * waiters are the origin's; what a request means, who sent it and what is answered are the dialect's.
 *
 * What a dialect keeps true:
 * 1. It is pure but for its own state (credentials, uploads in progress) and the catalogue: no socket, no clock.
 * 2. `serve` has the whole effect of a request: a response that never arrives is of a request that was carried out.
 * 3. It shares no code with the clients it is there to test.
 */
import { createAzure } from './azure/dialect.js';
import { createGcs } from './gcs/dialect.js';
import { createS3 } from './s3/dialect.js';

/**
 * @typedef {import('./request.js').Request} Request
 * @typedef {import('./failure.js').Failure} Failure
 * @typedef {import('./response.js').Response} Response
 * @typedef {{
 *   buckets: Map<string, import('./catalogue.js').Bucket>, publicBuckets: Set<string>, forbidden: RegExp[], secure: boolean,
 * }} Common what every dialect serves from; the origin configures it; `secure`: over TLS
 * @typedef {{requestId: string} & Record<string, string>} Ids
 * @typedef {{
 *   locate(request: Request): {bucket: string, key: string},
 *   operationOf(request: Request): import('../ORIGIN-TYPES').Operation,
 *   rangeOf(request: Request): string | null,
 *   isAnonymous(request: Request): boolean,
 *   serve(request: Request, nowMs: number, lie: string | undefined, by: number | undefined): Response | Failure,
 *   newIds(nowMs: number): Ids,
 *   commonHeaders(ids: Ids, nowMs: number, request: Request | null): string[],
 *   failureResponse(failed: Failure, ids: Ids, withBody: boolean, request: Request | null): Response,
 *   codeOf(status: number): string | undefined,
 *   configure(patch: any): void,
 *   expire(id: string): boolean,
 *   counters?(): Record<string, any>,
 *   forgetCounters?(): void,
 * }} Dialect
 * `locate` splits path (and query) into what the catalogue calls bucket and key, '' where there is none, before anything
 *   else is asked; `request.path` is decoded, `request.rawPath` as it came. It may throw URIError.
 * `operationOf` names the request for the log and for scripts; `rangeOf` the range it asks for, in the words of Range.
 * `serve` authenticates and answers; a failure (it has a `message`) becomes a response by `failureResponse`. `lie` and `by`
 *   are those of the fault that the request meets.
 * `commonHeaders` go before those of every response: request id, date, server. `request` is null where none was understood.
 * `codeOf` is the code of a status that a script names without one.
 * `configure` takes its own part of the policy and leaves the rest; `expire` ends the life of a key or token, and says whether
 *   there is one.
 * `counters` are added to the stats of the origin, and forgotten with them.
 */

const DIALECTS = { s3: createS3, azure: createAzure, gcs: createGcs };

/** @param {string} name @param {Common} common @returns {Dialect} */
export function createDialect(name: string, common: Common): Dialect {
  const create = DIALECTS[name];
  if (create === undefined) {
    throw new Error(`dialect: ${name} is none of ${Object.keys(DIALECTS).join(', ')}`);
  }
  return create(common);
}

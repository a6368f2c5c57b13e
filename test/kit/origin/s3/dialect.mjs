/**
 * Amazon S3, path-style, as a dialect of the origin.
 */
import { CODES, failureResponse } from './failure.mjs';
import { serve } from './service.mjs';

/** @typedef {import('../request.mjs').Request} Request */

/** @param {Request} request @returns {{bucket: string, key: string}} */
function locate({ path }) {
  const slash = path.indexOf('/', 1);
  if (slash < 0) return { bucket: path.slice(1), key: '' };
  return { bucket: path.slice(1, slash), key: path.slice(slash + 1) };
}

/** @param {Request} request @returns {import('../../origin.d.mts').Operation} */
function operationOf(request) {
  if (request.key === '')
    return request.method === 'GET' && request.params.has('list-type') ? 'list' : 'other';
  if (request.method === 'GET') return 'get';
  if (request.method === 'HEAD') return 'head';
  if (request.method === 'PUT') return 'put';
  return request.method === 'DELETE' ? 'delete' : 'other';
}

/** A source of ids as S3 shapes them. */
function idMint() {
  let minted = 0;
  return (/** @type {number} */ nowMs) => {
    minted += 1;
    const unique = Math.floor(nowMs / 1000) * 1_048_576 + (minted % 1_048_576);
    const requestId = unique.toString(16).toUpperCase().padStart(16, '0').slice(-16);
    return { requestId, hostId: Buffer.from(`origin-${requestId}-host-identifier`).toString('base64') };
  };
}

/** @param {import('../dialect.mjs').Ids} ids @param {number} nowMs */
function commonHeaders({ requestId, hostId }, nowMs) {
  const headers = ['x-amz-id-2', hostId, 'x-amz-request-id', requestId];
  headers.push('Date', new Date(nowMs).toUTCString(), 'Server', 'AmazonS3');
  return headers;
}

/** @param {import('../dialect.mjs').Common} common @returns {import('../dialect.mjs').Dialect} */
export function createS3(common) {
  /** @type {Map<string, any>} */
  let credentials = new Map();
  let region = 'us-east-1';
  return {
    locate,
    operationOf,
    rangeOf: (request) => request.headers.get('range') ?? null,
    isAnonymous: ({ headers, params }) => !headers.has('authorization') && !params.has('X-Amz-Signature'),
    serve: (request, nowMs, lie) => serve(request, { ...common, credentials, region }, nowMs, lie),
    newIds: idMint(),
    commonHeaders,
    failureResponse: (failed, { requestId, hostId }, withBody) =>
      failureResponse(failed, { requestId, hostId }, withBody),
    codeOf: (status) => CODES.get(status),
    configure(patch) {
      if (patch.credentials !== undefined)
        credentials = new Map(patch.credentials.map((/** @type {any} */ one) => [one.accessKeyId, one]));
      if (patch.region !== undefined) region = patch.region;
    },
    expire(id) {
      const known = credentials.get(id);
      if (known === undefined) throw new Error(`expire: no credential ${id} here`);
      credentials.set(id, { ...known, expired: true });
    },
  };
}

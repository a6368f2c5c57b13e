/**
 * Azure Blob Storage, path-style (`/account/container/blob`), as a dialect of the origin.
 */
import { CODES, failureResponse } from './failure.mjs';
import { rangeOf } from './reading.mjs';
import { actionOf, serve } from './service.mjs';

/** @typedef {import('../request.mjs').Request} Request */

/** The version that answers name when a request names none. */
const DEFAULT_VERSION = '2021-12-02';
const OTHER_ACTIONS = new Set(['create-container', 'delete-container', 'container-properties', 'snapshot']);

/** @param {Request} request @returns {{bucket: string, key: string}} */
function locate({ path }) {
  const [, , bucket = '', key = ''] = /^\/([^/]*)(?:\/([^/]*)(?:\/(.*))?)?$/s.exec(path) ?? [];
  return { bucket, key };
}

/** @param {Request} request */
function operationOf(request) {
  const action = actionOf(request);
  return /** @type {import('../../origin.d.mts').Operation} */ (OTHER_ACTIONS.has(action) ? 'other' : action);
}

/** Ids in the service's shape: the last group is zeros. */
function idMint() {
  let minted = 0;
  return (/** @type {number} */ nowMs) => {
    minted += 1;
    const hex = (/** @type {number} */ n, /** @type {number} */ digits) =>
      n.toString(16).padStart(digits, '0').slice(-digits);
    const requestId = `${hex(minted, 8)}-${hex(Math.floor(nowMs / 1000) % 65_536, 4)}-00${hex(minted >>> 16, 2)}-0102-030405000000`;
    return { requestId, mintedMs: String(nowMs) };
  };
}

/** @param {import('../dialect.mjs').Ids} ids @param {number} nowMs @param {Request | null} request */
function commonHeaders({ requestId }, nowMs, request) {
  const version = request?.headers.get('x-ms-version') ?? request?.params.get('sv') ?? DEFAULT_VERSION;
  const headers = ['Server', 'Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0', 'x-ms-request-id', requestId];
  headers.push('x-ms-version', version, 'Date', new Date(nowMs).toUTCString());
  const clientId = request?.headers.get('x-ms-client-request-id');
  if (clientId !== undefined) headers.push('x-ms-client-request-id', clientId);
  return headers;
}

/** @param {import('../dialect.mjs').Common} common @returns {import('../dialect.mjs').Dialect} */
export function createAzure(common) {
  /** @type {import('./service.mjs').State} */
  const state = Object.assign(common, {
    accounts: new Map(),
    tokens: new Map(),
    publicAccess: true,
    versioning: false,
    blocks: new Map(),
    snapshots: new Map(),
    versions: new Map(),
    lastSnapshotMs: 0,
  });
  return {
    locate,
    operationOf,
    rangeOf,
    isAnonymous: ({ headers, params }) => !headers.has('authorization') && !params.has('sig'),
    serve: (request, nowMs, lie) => serve(request, state, nowMs, lie),
    newIds: idMint(),
    commonHeaders,
    failureResponse: (failed, { requestId, mintedMs }, withBody) =>
      failureResponse(failed, { requestId, mintedMs }, withBody),
    codeOf: (status) => CODES.get(status),
    configure(patch) {
      if (patch.accounts !== undefined)
        state.accounts = new Map(patch.accounts.map((/** @type {any} */ { name, key }) => [name, key]));
      if (patch.tokens !== undefined)
        state.tokens = new Map(patch.tokens.map((/** @type {any} */ one) => [one.token, one]));
      if (patch.publicAccess !== undefined) state.publicAccess = patch.publicAccess;
      if (patch.versioning !== undefined) state.versioning = patch.versioning;
    },
    expire(id) {
      const known = state.tokens.get(id);
      if (known === undefined) return false;
      state.tokens.set(id, { ...known, expired: true });
      return true;
    },
  };
}

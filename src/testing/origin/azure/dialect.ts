/**
 * Azure Blob Storage, path-style (`/account/container/blob`), as a dialect of the origin.
 */
import { CODES, failureResponse } from './failure.js';
import { rangeOf } from './reading.js';
import { actionOf, serve } from './service.js';

/** @typedef {import('../request.js').Request} Request */

/** The version that answers name when a request names none. */
const DEFAULT_VERSION = '2021-12-02';
const OTHER_ACTIONS = new Set(['create-container', 'delete-container', 'container-properties', 'snapshot']);

/** @param {Request} request @returns {{bucket: string, key: string}} */
function locate({ path }: Request): { bucket: string; key: string; } {
  const [, , bucket = '', key = ''] = /^\/([^/]*)(?:\/([^/]*)(?:\/(.*))?)?$/s.exec(path) ?? [];
  return { bucket, key };
}

/** @param {Request} request */
function operationOf(request: Request) {
  const action = actionOf(request);
  return /** @type {import('../../ORIGIN-TYPES').Operation} */ (OTHER_ACTIONS.has(action) ? 'other' : action);
}

/** Ids in the service's shape: the last group is zeros. */
function idMint() {
  let minted = 0;
  return (/** @type {number} */ nowMs: number) => {
    minted += 1;
    const hex = (/** @type {number} */ n: number, /** @type {number} */ digits: number) =>
      n.toString(16).padStart(digits, '0').slice(-digits);
    const requestId = `${hex(minted, 8)}-${hex(Math.floor(nowMs / 1000) % 65_536, 4)}-00${hex(minted >>> 16, 2)}-0102-030405000000`;
    return { requestId, mintedMs: String(nowMs) };
  };
}

/** @param {import('../dialect.js').Ids} ids @param {number} nowMs @param {Request | null} request */
function commonHeaders({ requestId }: import('../dialect.js').Ids, nowMs: number, request: Request | null) {
  const version = request?.headers.get('x-ms-version') ?? request?.params.get('sv') ?? DEFAULT_VERSION;
  const headers = ['Server', 'Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0', 'x-ms-request-id', requestId];
  headers.push('x-ms-version', version, 'Date', new Date(nowMs).toUTCString());
  const clientId = request?.headers.get('x-ms-client-request-id');
  if (clientId !== undefined) headers.push('x-ms-client-request-id', clientId);
  return headers;
}

/** @param {import('../dialect.js').Common} common @returns {import('../dialect.js').Dialect} */
export function createAzure(common: import('../dialect.js').Common): import('../dialect.js').Dialect {
  /** @type {import('./service.js').State} */
  const state: import('./service.js').State = Object.assign(common, {
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
        state.accounts = new Map(patch.accounts.map((/** @type {any} */ { name, key }: any) => [name, key]));
      if (patch.tokens !== undefined)
        state.tokens = new Map(patch.tokens.map((/** @type {any} */ one: any) => [one.token, one]));
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

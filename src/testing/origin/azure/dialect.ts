/**
 * Azure Blob Storage, path-style (`/account/container/blob`), as a dialect of the origin.
 */
import type { Common, Dialect, Exchange } from '../dialect.js';
import type { Operation } from '../records.js';
import type { Request } from '../request.js';
import { CODES, failureResponse } from './failure.js';
import { rangeOf } from './reading.js';
import { actionOf, serve, type State } from './service.js';

/** The version that answers name when a request names none. */
const DEFAULT_VERSION = '2021-12-02';

function locate({ path }: Request): { bucket: string; key: string } {
  const [, , bucket = '', key = ''] = /^\/([^/]*)(?:\/([^/]*)(?:\/(.*))?)?$/s.exec(path) ?? [];
  return { bucket, key };
}

function operationOf(request: Request): Operation {
  const action = actionOf(request);
  switch (action) {
    case 'create-container':
    case 'delete-container':
    case 'container-properties':
    case 'snapshot':
      return 'other';
    default:
      return action;
  }
}

/** Ids in the service's shape: the last group is zeros. */
function idMint(): (nowMs: number) => string {
  let minted = 0;
  return (nowMs) => {
    minted += 1;
    const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0').slice(-digits);
    return `${hex(minted, 8)}-${hex(Math.floor(nowMs / 1000) % 65_536, 4)}-00${hex(minted >>> 16, 2)}-0102-030405000000`;
  };
}

function commonHeaders({ requestId, nowMs, request }: Exchange): string[] {
  const version = request?.headers.get('x-ms-version') ?? request?.params.get('sv') ?? DEFAULT_VERSION;
  const headers = ['Server', 'Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0', 'x-ms-request-id', requestId];
  headers.push('x-ms-version', version, 'Date', new Date(nowMs).toUTCString());
  const clientId = request?.headers.get('x-ms-client-request-id');
  if (clientId !== undefined) headers.push('x-ms-client-request-id', clientId);
  return headers;
}

export function createAzure(common: Common): Dialect {
  const own: Omit<State, keyof Common> = {
    accounts: new Map(),
    tokens: new Map(),
    publicAccess: true,
    versioning: false,
    blocks: new Map(),
    snapshots: new Map(),
    versions: new Map(),
    lastSnapshotMs: 0,
  };
  const state: State = Object.assign(common, own);
  return {
    locate,
    operationOf,
    rangeOf,
    isAnonymous: ({ headers, params }) => !headers.has('authorization') && !params.has('sig'),
    serve: (request, nowMs, { lie }) => serve(request, state, nowMs, lie),
    newRequestId: idMint(),
    commonHeaders,
    failureResponse,
    codeOf: (status) => CODES.get(status),
    configure(patch) {
      if (patch.accounts !== undefined)
        state.accounts = new Map(patch.accounts.map(({ name, key }) => [name, key]));
      if (patch.tokens !== undefined) state.tokens = new Map(patch.tokens.map((one) => [one.token, one]));
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

/**
 * Amazon S3, path-style, as a dialect of the origin.
 */
import { CODES, failureResponse } from './failure.js';
import { operationOf, serve } from './service.js';
import type { Request } from '../request.js';
import type { Ids, Common, Dialect } from '../dialect.js';
import type { ServiceState } from './service.js';

/** Of all parts but the last. */
const MIN_PART_BYTES = 5 * 1024 * 1024;

function locate({ path }: Request): { bucket: string; key: string } {
  const slash = path.indexOf('/', 1);
  if (slash < 0) return { bucket: path.slice(1), key: '' };
  return { bucket: path.slice(1, slash), key: path.slice(slash + 1) };
}

/** A source of ids as S3 shapes them. */
function idMint() {
  let minted = 0;
  return (nowMs: number) => {
    minted += 1;
    const unique = Math.floor(nowMs / 1000) * 1_048_576 + (minted % 1_048_576);
    const requestId = unique.toString(16).toUpperCase().padStart(16, '0').slice(-16);
    return { requestId, hostId: Buffer.from(`origin-${requestId}-host-identifier`).toString('base64') };
  };
}

function commonHeaders({ requestId, hostId }: Ids, nowMs: number) {
  const headers = ['x-amz-id-2', hostId, 'x-amz-request-id', requestId];
  headers.push('Date', new Date(nowMs).toUTCString(), 'Server', 'AmazonS3');
  return headers;
}

export function createS3(common: Common): Dialect {
  const state: ServiceState = Object.assign(common, {
    credentials: new Map(),
    region: 'us-east-1',
    minPartBytes: MIN_PART_BYTES,
    uploadsBegun: 0,
    uploads: new Map(),
  });
  return {
    locate,
    operationOf,
    rangeOf: (request) => request.headers.get('range') ?? null,
    isAnonymous: ({ headers, params }) => !headers.has('authorization') && !params.has('X-Amz-Signature'),
    serve: (request, nowMs, lie) => serve(request, state, nowMs, lie),
    newIds: idMint(),
    commonHeaders,
    failureResponse: (failed, { requestId, hostId }, withBody) =>
      failureResponse(failed, { requestId, hostId }, withBody),
    codeOf: (status) => CODES.get(status),
    configure(patch) {
      if (patch.credentials !== undefined)
        state.credentials = new Map(patch.credentials.map((one: any) => [one.accessKeyId, one]));
      if (patch.region !== undefined) state.region = patch.region;
      if (patch.minPartBytes !== undefined) state.minPartBytes = patch.minPartBytes;
    },
    expire(id) {
      const known = state.credentials.get(id);
      if (known === undefined) return false;
      state.credentials.set(id, { ...known, expired: true });
      return true;
    },
  };
}

/**
 * Amazon S3, path-style, as a dialect of the origin.
 */
import type { Common, Dialect, Exchange } from '../dialect.js';
import type { Request } from '../request.js';
import { CODES, failureResponse, hostIdOf } from './failure.js';
import { isAnonymous, operationOf } from './operations.js';
import { serve, type ServiceState } from './service.js';

/** Of all parts but the last. */
const MIN_PART_BYTES = 5 * 1024 * 1024;

function locate({ path }: Request): { bucket: string; key: string } {
  const slash = path.indexOf('/', 1);
  if (slash < 0) return { bucket: path.slice(1), key: '' };
  return { bucket: path.slice(1, slash), key: path.slice(slash + 1) };
}

/** A source of ids as S3 shapes them. */
function idMint(): (nowMs: number) => string {
  let minted = 0;
  return (nowMs) => {
    minted += 1;
    const unique = Math.floor(nowMs / 1000) * 1_048_576 + (minted % 1_048_576);
    return unique.toString(16).toUpperCase().padStart(16, '0').slice(-16);
  };
}

function commonHeaders({ requestId, nowMs }: Exchange): string[] {
  const headers = ['x-amz-id-2', hostIdOf(requestId), 'x-amz-request-id', requestId];
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
    isAnonymous,
    serve: (request, nowMs, { lie }) => serve(request, state, nowMs, lie),
    newRequestId: idMint(),
    commonHeaders,
    failureResponse: (failed, { requestId }, withBody) => failureResponse(failed, requestId, withBody),
    codeOf: (status) => CODES.get(status),
    configure(patch) {
      if (patch.credentials !== undefined)
        state.credentials = new Map(patch.credentials.map((one) => [one.accessKeyId, one]));
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

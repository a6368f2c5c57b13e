/**
 * Whether the source of a copy may be read: by Copy Blob, Copy Blob From URL, Put Blob From URL and Put Block From URL.
 *
 * What it keeps true:
 * 1. The service reads the source as any client would: by the signature in its URL, by the token that came for it, or as
 *    anyone from a public container. That the request itself was authorized says nothing of its source.
 * 2. The one exception is the asynchronous Copy Blob within the account, whose own authorization (no shared access
 *    signature) is good for the source too.
 * 3. A refusal has the status and the words of the refused read, under the code of a source that cannot be verified.
 *
 * Source: `x-ms-copy-source` and `x-ms-copy-source-authorization` on the pages of these four in Microsoft's REST reference.
 */
import type { Failure } from '../failure.js';
import type { Request } from '../request.js';
import { refusal } from './authenticate.js';
import { accountOf } from './blobs.js';
import { azureFailure } from './failure.js';
import type { State } from './service.js';

/** The read that the service itself makes of the source at this URL, which names this blob. */
export function sourceRequest(
  { headers }: Request,
  url: URL,
  { bucket, key }: { readonly bucket: string; readonly key: string },
): Request {
  const query = [...url.searchParams];
  const token = headers.get('x-ms-copy-source-authorization');
  return {
    method: 'GET',
    target: url.pathname + url.search,
    rawPath: url.pathname,
    path: url.pathname,
    query,
    params: new Map(query),
    headers: new Map([
      ['x-ms-version', headers.get('x-ms-version') ?? ''],
      ...(token === undefined ? [] : [['authorization', token] as const]),
    ]),
    body: Buffer.alloc(0),
    bucket,
    key,
  };
}

/** Copy Blob, which the others came after: they say so by a header or are of a block. */
const isAsynchronous = ({ headers, params }: Request): boolean =>
  !params.has('comp') && headers.get('x-ms-requires-sync') !== 'true' && !headers.has('x-ms-blob-type');

/** Null where it may be read. @param read `sourceRequest` of `request`, in the same account */
export function refusalOfSource(
  request: Request,
  read: Request,
  state: State,
  nowMs: number,
): Failure | null {
  const isOwn = isAsynchronous(request) && request.headers.has('authorization') && !read.params.has('sig');
  const forbidden = state.forbidden.some((pattern) => pattern.test(read.key));
  const refused = isOwn ? null : refusal(read, { account: accountOf(request), action: 'get' }, state, nowMs);
  const failed = refused ?? (forbidden ? azureFailure('AuthorizationFailure') : null);
  return failed === null ? null : { ...failed, code: azureFailure('CannotVerifyCopySource').code, extra: {} };
}

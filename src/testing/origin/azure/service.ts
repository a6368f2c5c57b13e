/**
 * What Azure Blob Storage answers to a request, as a value. No socket, no clock, no fault.
 *
 * A few lies need the service itself to misbehave (another range, another version); they come in as `lie`.
 */
import { Bucket, type Stored } from '../catalogue.js';
import type { Common } from '../dialect.js';
import { isFailure, type Failure } from '../failure.js';
import type { Request } from '../request.js';
import { answer, xmlAnswer, type Response } from '../response.js';
import type { Lie } from '../rules.js';
import { refusal, type Policy } from './authenticate.js';
import { accountOf, findBlob } from './blobs.js';
import { blockList, putBlock, putBlockList, type Staged } from './blocks.js';
import { azureFailure, invalidQuery } from './failure.js';
import { listBlobs } from './listing.js';
import { readBlob } from './reading.js';
import { copyBlob, deleteBlob, putBlob, snapshotBlob } from './writing.js';

export type Found = Response | Failure;

export interface Snapshot {
  readonly snapshot: string;
  readonly blob: Stored;
}

/** `blocks`, `snapshots` and `versions` are by `nameOf` a blob. */
export interface State extends Common, Policy {
  versioning: boolean;
  blocks: Map<string, Staged>;
  snapshots: Map<string, Snapshot[]>;
  versions: Map<string, Stored[]>;
  lastSnapshotMs: number;
}

type ContainerAction = 'list' | 'create-container' | 'delete-container' | 'container-properties';
type Write = 'put' | 'put-part' | 'complete-upload' | 'list-parts' | 'delete' | 'snapshot' | 'copy';
type BlobAction = 'get' | 'head' | Write;
export type Action = ContainerAction | BlobAction | 'other';

/** What a request is for. */
export function actionOf({ method, params, headers, bucket, key }: Request): Action {
  const comp = params.get('comp');
  if (bucket === '') return 'other';
  if (key === '') {
    if (params.get('restype') !== 'container') return 'other';
    if (comp === 'list') return method === 'GET' ? 'list' : 'other';
    if (comp !== undefined) return 'other';
    if (method === 'PUT') return 'create-container';
    if (method === 'DELETE') return 'delete-container';
    return method === 'GET' || method === 'HEAD' ? 'container-properties' : 'other';
  }
  const named = comp === undefined ? method : `${method} ${comp}`;
  if (named === 'PUT' && headers.has('x-ms-copy-source')) return 'copy';
  return BLOB_ACTIONS.get(named) ?? 'other';
}

const BLOB_ACTIONS = new Map<string, BlobAction>([
  ['GET', 'get'],
  ['HEAD', 'head'],
  ['PUT', 'put'],
  ['DELETE', 'delete'],
  ['PUT block', 'put-part'],
  ['PUT blocklist', 'complete-upload'],
  ['GET blocklist', 'list-parts'],
  ['PUT snapshot', 'snapshot'],
]);

/** Names of a state of a blob that is not the present one, which this has no use for and must not take for it; or none. */
const unservedState = (request: Request, action: Action): string | undefined =>
  action === 'get' || action === 'head'
    ? undefined
    : ['versionid', 'snapshot'].find(
        (name) => request.params.has(name) && !(name === 'snapshot' && action === 'delete'),
      );

/** The others are of a blob, or `other`. */
const isOfContainer = (action: Action) =>
  action === 'list' ||
  action === 'create-container' ||
  action === 'delete-container' ||
  action === 'container-properties';

function serveContainer(
  request: Request,
  action: ContainerAction,
  state: State,
  { endpoint, lie }: { endpoint: string; lie: Lie | undefined },
): Found {
  const bucket = state.buckets.get(request.bucket);
  const headers = [
    'ETag',
    '"0x8DC0FFEE0000000"',
    'Last-Modified',
    new Date(Date.UTC(2026, 0, 1)).toUTCString(),
  ];
  if (action === 'create-container') {
    if (bucket !== undefined) return azureFailure('ContainerAlreadyExists');
    state.buckets.set(request.bucket, new Bucket(request.bucket));
    return answer(201, headers);
  }
  if (bucket === undefined) return azureFailure('ContainerNotFound');
  if (action === 'container-properties') return answer(200, headers);
  if (action === 'delete-container') {
    state.buckets.delete(request.bucket);
    return answer(202, []);
  }
  const taken = `${request.bucket}/`;
  const uncommitted = [...state.blocks.keys()]
    .filter((name) => name.startsWith(taken))
    .map((name) => name.slice(taken.length))
    .filter((key) => bucket.find(key) === null);
  const snapshotsOf = (key: string): Snapshot[] => state.snapshots.get(taken + key) ?? [];
  const page = listBlobs(request, bucket, {
    endpoint,
    versioning: state.versioning,
    uncommitted,
    snapshotsOf,
    lie,
  });
  return isFailure(page) ? page : xmlAnswer(page);
}

const WRITES: Record<Write, (request: Request, bucket: Bucket, state: State, nowMs: number) => Found> = {
  put: putBlob,
  'put-part': putBlock,
  'complete-upload': putBlockList,
  'list-parts': blockList,
  delete: deleteBlob,
  snapshot: snapshotBlob,
  copy: copyBlob,
};

export function serve(request: Request, state: State, nowMs: number, lie: Lie | undefined): Found {
  const action = actionOf(request);
  const account = accountOf(request);
  const refused = refusal(request, { account, action }, state, nowMs);
  if (refused !== null) return refused;
  if (action === 'other') {
    const comp = request.params.get('comp');
    return comp === undefined ? azureFailure('UnsupportedHttpVerb') : invalidQuery('comp', comp);
  }
  const forbidden = (text: string): boolean => state.forbidden.some((pattern) => pattern.test(text));
  if (isOfContainer(action)) {
    if (action === 'list' && forbidden(request.params.get('prefix') ?? ''))
      return azureFailure('AuthorizationFailure');
    const scheme = state.secure ? 'https' : 'http';
    const endpoint = `${scheme}://${request.headers.get('host')}/${account}/`;
    return serveContainer(request, action, state, { endpoint, lie });
  }
  const bucket = state.buckets.get(request.bucket);
  if (bucket === undefined) return azureFailure('ContainerNotFound');
  if (forbidden(request.key)) return azureFailure('AuthorizationFailure');
  if (action === 'get' || action === 'head') {
    const blob = findBlob(request, bucket, state, lie);
    return readBlob(request, blob, { lie, versioning: state.versioning });
  }
  const older = unservedState(request, action);
  if (older !== undefined) return invalidQuery(older, request.params.get(older) ?? '');
  if (request.method === 'PUT' && !request.headers.has('content-length')) {
    return azureFailure('MissingContentLengthHeader');
  }
  return WRITES[action](request, bucket, state, nowMs);
}

/** Where a write goes: a store that is open and takes writes, and a key in it. */
import type { StreamOptions, SupervisorHandle } from '../../actors/supervisor/types.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { SinkSpec } from '../../protocol/messages.js';
import type { CancellationToken } from '../../protocol/token.js';
import type { WriteLimits } from '../../protocol/writes.js';
import { directStream, openStore } from '../direct.js';
import { locate } from '../references.js';
import { invalidOption } from '../schema.js';
import type { WriteTerms } from './options.js';

/** A store that takes writes. */
export interface WritableStore {
  readonly id: number;
  /** Canonical name: `s3://bucket`. */
  readonly name: string;
  readonly limits: WriteLimits;
}

export interface WriteTarget extends WritableStore {
  readonly key: Uint8Array;
  readonly uri: string;
}

/** Splits the URI of an object; an empty key, which is a whole store, is refused. */
export function locateObject(
  supervisor: SupervisorHandle,
  uri: unknown,
  name: string,
): { readonly store: string; readonly key: Uint8Array } {
  if (typeof uri !== 'string') throw invalidOption(name, 'a URI such as "s3://bucket/key"', uri);
  const location = locate(supervisor.stores, uri, () => name);
  if (location.key.length === 0) throw invalidOption(name, 'the URI of an object, not of a whole store', uri);
  return location;
}

/** Rejects with `Unsupported` for a scheme that is read-only. */
export async function openWritable(
  supervisor: SupervisorHandle,
  store: string,
  token: CancellationToken,
): Promise<WritableStore> {
  const id = await openStore(supervisor, store, token);
  const limits = supervisor.stores.writes(id);
  if (limits !== null) return { id, name: store, limits };
  throw new MillraceError(
    ErrorCode.Unsupported,
    `${store} is read-only: write to another store, such as file:// or s3://`,
    { phase: 'write', uri: store },
  );
}

export async function openTarget(
  supervisor: SupervisorHandle,
  uri: string,
  token: CancellationToken,
): Promise<WriteTarget> {
  const { store, key } = locateObject(supervisor, uri, 'uri');
  const opened = await openWritable(supervisor, store, token);
  return { ...opened, key, uri: supervisor.stores.uri(opened.id, key) };
}

/** Options of a stream whose objects are written to a sink. Its batches hold receipts, in the order in which they come. */
export function sinkStream(
  supervisor: SupervisorHandle,
  sink: SinkSpec,
  terms: Pick<WriteTerms, 'maxAttempts'>,
  flow: Pick<StreamOptions, 'batchSize' | 'windowObjects' | 'maxConcurrentObjects' | 'onError'>,
): StreamOptions {
  return {
    ...directStream(supervisor, { maxAttempts: terms.maxAttempts }),
    ...flow,
    order: 'completion',
    // What is written is read by one request each: the plan has cut it already.
    ranges: { splitThreshold: Infinity, partBytes: Infinity, maxPerObject: 1 },
    transform: sink,
  };
}

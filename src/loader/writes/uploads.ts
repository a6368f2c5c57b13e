/**
 * Uploads that were begun and never ended: `uploads` lists them, `abortUpload` gives one up.
 *
 * Their parts are stored, and paid for, though no listing of objects shows them; a process that was killed leaves some.
 *
 * Invariant: however the walk ends (end, break, throw, cancel), its stream is over when the last call settles.
 */
import type { SupervisorHandle } from '../../actors/supervisor/types.js';
import type { WriteResult } from '../../protocol/writes.js';
import { directStream, openDirect } from '../direct.js';
import { createPages } from '../listing.js';
import { locate } from '../references.js';
import { checkNames, invalidOption } from '../schema.js';
import type { StopOptions } from '../stop-options.js';
import { readTerms, type WriteOptions } from './options.js';
import { locateObject, openWritable } from './target.js';

/** An upload that was begun and neither completed nor aborted. It may still be under way. */
export interface UnfinishedUpload {
  /** Of the object that it would make. */
  readonly uri: string;
  /** What the service calls it. */
  readonly upload: string;
  /** When it was begun; null where the service does not tell. */
  readonly started: Date | null;
}

export type AbortUploadOptions = Omit<WriteOptions, 'ifAbsent' | 'ifVersion'>;

/**
 * The unfinished uploads of objects whose URI begins with `prefix`, in the order of the service, page by page as they are
 * asked for.
 * @throws MillraceError InvalidArgument at the call; Unsupported (a read-only store), AccessDenied, Cancelled and others
 * while iterating
 */
export function listUploads(
  supervisor: SupervisorHandle,
  prefix: string,
  options: StopOptions = {},
): AsyncIterableIterator<UnfinishedUpload> {
  checkNames(['token', 'signal'], options, 'uploads');
  if (typeof prefix !== 'string') throw invalidOption('prefix', 'a URI such as "s3://bucket/2026/"', prefix);
  const { store, key } = locate(supervisor.stores, prefix, () => 'prefix');
  return walk(supervisor, store, key, { token: options.token, signal: options.signal });
}

async function* walk(
  supervisor: SupervisorHandle,
  store: string,
  prefix: Uint8Array,
  stop: StopOptions,
): AsyncGenerator<UnfinishedUpload, void, undefined> {
  const direct = openDirect(supervisor, directStream(supervisor, {}), null, stop);
  let reason = 'break';
  try {
    const { stream } = direct;
    const { id } = await openWritable(supervisor, store, stream.token);
    const ask = (continuation: string | null): Promise<WriteResult> =>
      stream.write(id, { kind: 'uploads', prefix, continuation });
    const pages = createPages(ask);
    for (let page = await pages.next(); page !== null; page = await pages.next()) {
      for (const { key, upload, startedMs } of page.uploads) {
        const started = startedMs === null || Number.isNaN(startedMs) ? null : new Date(startedMs);
        yield { uri: supervisor.stores.uri(id, key), upload, started };
      }
    }
    reason = 'completed';
  } catch (thrown) {
    reason = 'failed';
    throw thrown;
  } finally {
    await direct.close(reason);
  }
}

/**
 * Gives up an upload and its parts. One that has ended already, either way, is no failure, and its object stays.
 * @throws MillraceError (rejects) InvalidArgument, AccessDenied, Unsupported, Cancelled...
 */
export async function abortUpload(
  supervisor: SupervisorHandle,
  uri: string,
  upload: string,
  options: AbortUploadOptions = {},
): Promise<void> {
  const { maxAttempts } = readTerms(options, ['token', 'signal', 'maxAttempts'], 'abortUpload');
  if (typeof upload !== 'string' || upload === '') {
    throw invalidOption('upload', 'the name of an upload, as `uploads` gives it', upload);
  }
  const { store, key } = locateObject(supervisor, uri, 'uri');
  const stop = { token: options.token, signal: options.signal };
  const direct = openDirect(supervisor, directStream(supervisor, { maxAttempts }), null, stop);
  try {
    const { id } = await openWritable(supervisor, store, direct.stream.token);
    await direct.stream.write(id, { kind: 'abort', key, upload });
  } finally {
    await direct.close('completed');
  }
}

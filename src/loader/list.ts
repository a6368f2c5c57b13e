/**
 * `list`: the objects below a URI, as plain rows; pages come one ahead.
 *
 * Invariant: however the walk ends (end, break, throw, cancel), its stream is over when the last call settles.
 */
import type { SupervisorHandle } from '../actors/supervisor/types.js';
import type { KeyPage } from '../protocol/store.js';
import { directStream, openDirect, openStore } from './direct.js';
import { createPageWalk, keyOf, utf8, versionOf } from './listing.js';
import { locate } from './references.js';
import { checkNames, invalidOption } from './schema.js';
import type { StopOptions } from './stop-options.js';

export interface ListOptions extends StopOptions {
  /** `/` for one level; deeper ones come as prefixes. @default null, everything below the URI */
  readonly delimiter?: string | null | undefined;
}

export type ListedEntry =
  | {
      readonly kind: 'object';
      readonly uri: string;
      /** Decoded as UTF-8. */
      readonly key: string;
      /** Bytes, or -1 where the listing does not say. */
      readonly size: number;
      readonly version: string | null;
      readonly lastModified: Date | null;
    }
  | { readonly kind: 'prefix'; readonly uri: string; readonly key: string };

/**
 * What lies below `uri`, in the order of the store; of each page first the objects, then the prefixes.
 * @throws MillraceError InvalidArgument at the call; NotFound, AccessDenied, Cancelled and others while iterating
 */
export function listObjects(
  supervisor: SupervisorHandle,
  uri: string,
  options: ListOptions = {},
): AsyncIterableIterator<ListedEntry> {
  checkNames(['token', 'signal', 'delimiter'], options, 'list');
  const { delimiter = null, token, signal } = options;
  if (delimiter !== null && (typeof delimiter !== 'string' || delimiter === '')) {
    throw invalidOption('delimiter', 'a text such as "/", or null', delimiter);
  }
  const { store, key: prefix } = locate(supervisor.stores, uri, () => 'uri');
  return walk(supervisor, { store, prefix, delimiter }, { token, signal });
}

async function* walk(
  supervisor: SupervisorHandle,
  target: { readonly store: string; readonly prefix: Uint8Array; readonly delimiter: string | null },
  stop: StopOptions,
): AsyncGenerator<ListedEntry, void, undefined> {
  const direct = openDirect(supervisor, directStream(supervisor, {}), null, stop);
  let reason = 'break';
  try {
    const { stream } = direct;
    const store = await openStore(supervisor, target.store, stream.token);
    const { prefix, delimiter } = target;
    const pages = createPageWalk((request) => stream.list(request), { store, prefix, delimiter });
    for (let page = await pages.next(); page !== null; page = await pages.next()) {
      for (let row = 0; row < page.count; row += 1) yield objectOf(supervisor, store, page, row);
      for (const key of page.prefixes) {
        yield { kind: 'prefix', uri: supervisor.stores.uri(store, Buffer.from(key)), key };
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

function objectOf(supervisor: SupervisorHandle, store: number, page: KeyPage, row: number): ListedEntry {
  const key = keyOf(page, row);
  const modifiedMs = page.modified[row]!;
  return {
    kind: 'object',
    uri: supervisor.stores.uri(store, key),
    key: utf8(key),
    size: page.sizes[row]!,
    version: versionOf(page, row),
    lastModified: Number.isNaN(modifiedMs) ? null : new Date(modifiedMs),
  };
}

/**
 * `copy`: one object to another place, inside the service where it can, else through the runtime's memory.
 *
 * Invariants:
 * 1. One version of the source is copied: one that is replaced meanwhile fails the copy with `VersionChanged`.
 * 2. The copy is visible as a whole or not at all.
 */
import type { PlanEntry, SupervisorHandle } from '../../actors/supervisor/types.js';
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { ObjectInfo } from '../../protocol/store.js';
import { directStream, openDirect, openStore } from '../direct.js';
import { untilTurned } from '../stoppable.js';
import { PUT_NAMES, readTerms, type PutOptions } from './options.js';
import { checkMemory, partBytesOf, thresholdOf } from './part-plan.js';
import { putEntry, withTarget, type WrittenObject } from './put.js';
import { locateObject } from './target.js';
import { uploadParts, type PartSource, type Uploaded, type UploadDeps } from './upload.js';

/** An object that is there. */
export interface Source {
  readonly store: number;
  readonly storeName: string;
  readonly key: Uint8Array;
  readonly size: number;
  readonly version: string | null;
  /** Goes with the bytes where they go through memory; inside a service it does by itself. Null where not known. */
  readonly contentType: string | null;
}

/**
 * Copies an object, of any scheme to any that takes writes.
 * @throws MillraceError (rejects) InvalidArgument, NotFound, BudgetTooSmall, AlreadyExists, VersionChanged, Unsupported, Cancelled...
 */
export async function copyObject(
  supervisor: SupervisorHandle,
  from: string,
  to: string,
  options: PutOptions = {},
): Promise<WrittenObject> {
  const terms = readTerms(options, PUT_NAMES, 'copy');
  const location = locateObject(supervisor, from, 'from');
  return await withTarget(supervisor, to, terms, options, async (deps) => {
    const opening = openStore(supervisor, location.store, supervisor.token);
    const store = await untilTurned(opening, deps.tokens);
    const { size, version, contentType } = await headOf(deps, store, location.key);
    const source = { store, storeName: location.store, key: location.key, size, version, contentType };
    return await copySource(deps, source);
  });
}

/** Copies an object whose size and version are known. */
export async function copySource(deps: UploadDeps, source: Source): Promise<Uploaded> {
  const { target, terms } = deps;
  // A service copies the type with the object: one with another type has to be written anew.
  const inside = schemeOf(source.storeName) === schemeOf(target.name) && terms.contentType === null;
  const done = inside ? await copyInside(deps, source) : null;
  if (done !== null) return done;
  const contentType = terms.contentType ?? source.contentType;
  return await copyThrough({ ...deps, terms: { ...terms, contentType } }, source);
}

/** By the service itself, or null where it cannot. */
async function copyInside(deps: UploadDeps, source: Source): Promise<Uploaded | null> {
  const { supervisor, target, terms, stop } = deps;
  const { ifAbsent, ifVersion, maxAttempts } = terms;
  const direct = openDirect(supervisor, directStream(supervisor, { maxAttempts }), null, stop);
  try {
    const { version } = await direct.stream.write(target.id, {
      kind: 'copy',
      key: target.key,
      sourceStore: source.storeName,
      sourceKey: source.key,
      sourceVersion: source.version,
      ifAbsent,
      ifVersion,
    });
    return { size: source.size, version };
  } catch (thrown) {
    if (thrown instanceof MillraceError && thrown.code === ErrorCode.Unsupported) return null;
    throw thrown;
  } finally {
    await direct.close('completed');
  }
}

async function copyThrough(deps: UploadDeps, source: Source): Promise<Uploaded> {
  const { supervisor, target, terms } = deps;
  const { store, key, size, version } = source;
  const pinned = version !== null;
  if (size <= thresholdOf(target.limits, supervisor.arena.budgetBytes)) {
    const whole = { store, key, size, version, pinned, start: 0, length: -1 };
    return { ...(await putEntry(deps, whole)), size };
  }
  if (!pinned) {
    throw new MillraceError(
      ErrorCode.Unsupported,
      `${supervisor.stores.uri(store, key)} has no version to hold on to, and is too large to be copied by one request: ` +
        'parts of two versions could be mixed',
      { phase: 'write', uri: supervisor.stores.uri(store, key) },
    );
  }
  const partBytes = partBytesOf(size, target.limits, terms.partBytes, target.uri);
  checkMemory(size, partBytes, target.limits, supervisor.arena, target.uri);
  return await uploadParts(deps, rangesOf(source, partBytes), { size, partBytes });
}

function rangesOf({ store, key, size, version }: Source, partBytes: number): PartSource {
  let start = 0;
  return {
    size,
    next: (limit) => {
      if (start >= size) return Promise.resolve(null);
      const entries: PlanEntry[] = [];
      while (entries.length < limit && start < size) {
        const length = Math.min(partBytes, size - start);
        entries.push({ store, key, size, version, pinned: true, start, length });
        start += length;
      }
      return Promise.resolve(entries);
    },
    close: () => {},
  };
}

export async function headOf(
  { supervisor, stop }: Pick<UploadDeps, 'supervisor' | 'stop'>,
  store: number,
  key: Uint8Array,
): Promise<ObjectInfo> {
  const direct = openDirect(supervisor, directStream(supervisor, {}), null, stop);
  try {
    return await direct.stream.head(store, key);
  } finally {
    await direct.close('completed');
  }
}

export function schemeOf(store: string): string {
  return store.slice(0, store.indexOf(':'));
}

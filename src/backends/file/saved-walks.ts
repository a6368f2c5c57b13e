/**
 * The walks that wait for their next page: only a saving, the continuation alone is enough to go on.
 *
 * Invariant: bounded. The newest walk is always kept, since without it a directory of n entries would be read n/1000
 * times; the older ones only while together they are few and hold few names.
 */
import type { Frame } from './list.js';

/** Listings that one worker goes through at once. */
const MAX_WALKS = 4;
/** About 60 bytes each. */
const MAX_NAMES = 2 ** 20;

export interface SavedWalks {
  keep(prefix: string, delimited: boolean, next: string, stack: Frame[]): void;
  /** The walk, which is the caller's from now on, or null. */
  take(prefix: string, delimited: boolean, next: string): Frame[] | null;
  clear(): void;
}

export function createSavedWalks(maxWalks = MAX_WALKS, maxNames = MAX_NAMES): SavedWalks {
  const walks = new Map<string, { stack: Frame[]; names: number }>();
  let total = 0;
  const remove = (id: string): Frame[] | null => {
    const walk = walks.get(id);
    if (walk === undefined) return null;
    walks.delete(id);
    total -= walk.names;
    return walk.stack;
  };
  return {
    keep(prefix, delimited, next, stack) {
      const id = idOf(prefix, delimited, next);
      remove(id);
      const names = stack.reduce((sum, frame) => sum + frame.names.length, 0);
      walks.set(id, { stack, names });
      total += names;
      for (const oldest of walks.keys()) {
        if (oldest === id || (walks.size <= maxWalks && total <= maxNames)) break;
        remove(oldest);
      }
    },
    take: (prefix, delimited, next) => remove(idOf(prefix, delimited, next)),
    clear() {
      walks.clear();
      total = 0;
    },
  };
}

/** No key holds a NUL. */
function idOf(prefix: string, delimited: boolean, next: string): string {
  return `${prefix}\0${delimited ? '/' : ''}\0${next}`;
}

/**
 * Notices what was retained and then forgotten: memory that nobody can release any more.
 *
 * Invariants:
 * 1. Memory of a forgotten holder goes back, and is counted, once neither the holder nor an array that it handed out
 *    can be reached. (A subarray of such an array does not keep the holder alive: shared memory cannot tell.)
 * 2. What is watched holds no reference to its holder.
 */
import type { SupervisorHandle } from '../actors/supervisor/types.js';

export interface LeakWatch {
  /** Holders that were forgotten without a release, so far. */
  readonly leaks: number;
  /** Calls `release` when `holder` is gone. `release` must not reach `holder`. */
  watch(holder: object, release: () => void): void;
  /** The holder was released as it should be. */
  forget(holder: object): void;
  /** Keeps the holder alive as long as this view is. */
  link(view: Uint8Array, holder: object): void;
}

export function createLeakWatch(): LeakWatch {
  let leaks = 0;
  const holders = new WeakMap<Uint8Array, object>();
  const registry = new FinalizationRegistry<() => void>((release) => {
    leaks += 1;
    release();
  });
  return {
    get leaks() {
      return leaks;
    },
    watch: (holder, release) => registry.register(holder, release, holder),
    forget: (holder) => {
      registry.unregister(holder);
    },
    link: (view, holder) => {
      holders.set(view, holder);
    },
  };
}

const watches = new WeakMap<SupervisorHandle, LeakWatch>();

/** The watch of one runtime. */
export function leakWatchOf(supervisor: SupervisorHandle): LeakWatch {
  const known = watches.get(supervisor);
  if (known !== undefined) return known;
  const made = createLeakWatch();
  watches.set(supervisor, made);
  return made;
}

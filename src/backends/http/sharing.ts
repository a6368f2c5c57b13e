/**
 * What all open stores with the same options share in one process: credentials are asked for once, not once per bucket.
 *
 * Invariant: what is shared lives exactly as long as somebody uses it.
 */

import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { StoreControl, StoreSnapshot } from '../../protocol/store.js';

/** One kind of shared thing, by a key that tells which of them. */
export interface Sharing<T> {
  /** What is shared under the key, made when nobody has it yet. Each call is paired with one of `release`. */
  acquire(key: string, make: () => T): T;
  release(key: string): void;
}

/** `close` is called with what its last user has released. */
export function createSharing<T>(close: (shared: T) => void): Sharing<T> {
  const open = new Map<string, { readonly value: T; users: number }>();
  return {
    acquire(key, make) {
      let entry = open.get(key);
      if (entry === undefined) {
        entry = { value: make(), users: 0 };
        open.set(key, entry);
      }
      entry.users += 1;
      return entry.value;
    },
    release(key) {
      const entry = open.get(key);
      if (entry === undefined || --entry.users > 0) return;
      open.delete(key);
      close(entry.value);
    },
  };
}

/** The control half of one store: `snapshot` until it is closed, and what it shares released once. */
export function controlOf(
  store: string,
  snapshot: (staleVersion: number) => Promise<StoreSnapshot>,
  release: () => void,
): StoreControl {
  let closed = false;
  return {
    async snapshot(staleVersion): Promise<StoreSnapshot> {
      if (!closed) return snapshot(staleVersion);
      throw new MillraceError(ErrorCode.Released, `The store ${store} is closed`, { phase: 'configure' });
    },
    close(): void {
      if (closed) return;
      closed = true;
      release();
    },
  };
}

const identities = new WeakMap<object, number>();
let nextIdentity = 1;

/** A number for an object: credentials are told apart by identity, so that no secret becomes part of a key. */
export function identityOf(value: object | undefined): number {
  if (value === undefined) return 0;
  const known = identities.get(value);
  if (known !== undefined) return known;
  identities.set(value, nextIdentity);
  return nextIdentity++;
}

/** Runs `work` once; a failure is forgotten. */
export function remembered<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null;
  return () => {
    running ??= work().catch((thrown: unknown) => {
      running = null;
      throw thrown;
    });
    return running;
  };
}

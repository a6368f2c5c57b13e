/**
 * A store of any scheme with the decorators that were declared for it, as a worker reads from it.
 *
 * Decorators know the contract that users write stores by, whose reads are promises: a store of ours is made into one of
 * those and back. One without decorators is left as it is and pays nothing.
 */
import { decorate, type DecoratorSpec } from '../decorators/declared.js';
import type { StoreSpec } from '../protocol/messages.js';
import type { AsyncStore, Store } from '../protocol/store.js';
import { customStore } from './custom-store.js';

export function decoratedStore(store: Store, { decorators }: StoreSpec): Store {
  if (decorators === undefined || decorators.length === 0) return store;
  return customStore(decorate(asyncStore(store), decorators as readonly DecoratorSpec[]));
}

function asyncStore(store: Store): AsyncStore {
  return {
    // Wait ends: a store answers every read once.
    read: (request, target, stop) => new Promise((resolve) => store.read(request, target, stop, resolve)),
    head: (key, stop) => store.head(key, stop),
    list: (request, stop) => store.list(request, stop),
    write: (request, stop) => store.write(request, stop),
    update: (snapshot) => store.update(snapshot),
    close: () => store.close(),
  };
}

/**
 * A user's store, whose reads are promises, made into one that workers read from.
 *
 * Invariant: a read of it is answered once, whatever the user's code does; what that throws is the answer's error.
 */
import { asMillraceError, ErrorCode } from '../protocol/errors.js';
import { Outcome, type AsyncStore, type ReadAnswer, type Store } from '../protocol/store.js';

export function customStore(store: AsyncStore): Store {
  return {
    read(request, target, stop, answered) {
      // A copy of the request, because the caller uses its own again and a user's code may look at it later.
      new Promise<ReadAnswer>((resolve) => resolve(store.read({ ...request }, target, stop))).then(
        answered,
        (thrown: unknown) => answered(broken(thrown)),
      );
    },
    head: (key, stop) => store.head(key, stop),
    list: (request, stop) => store.list(request, stop),
    update: (snapshot) => store.update(snapshot),
    close: () => store.close(),
  };
}

function broken(thrown: unknown): ReadAnswer {
  const error = asMillraceError(thrown, ErrorCode.Internal, { phase: 'request' });
  return { outcome: Outcome.Refused, landed: 0, size: -1, version: null, error, retryAfterMs: 0 };
}

/**
 * A user's store, whose reads are promises, made into one that workers read from.
 *
 * Invariants:
 * 1. A read of it is answered once, whatever the user's code does; what that throws is the answer's error.
 * 2. Error and version of an answer can be sent to the service's thread, whatever the user's code put there.
 */
import { asMillraceError, ErrorCode, type MillraceError } from '../protocol/errors.js';
import { unsupportedWrite } from '../protocol/writes.js';
import { Outcome, type AsyncStore, type ReadAnswer, type Store } from '../protocol/store.js';

export function customStore(store: AsyncStore): Store {
  return {
    read(request, target, stop, answered) {
      // A copy of the request, because the caller uses its own again and a user's code may look at it later.
      new Promise<ReadAnswer>((resolve) => resolve(store.read({ ...request }, target, stop))).then(
        (answer) => answered(sendable(answer)),
        (thrown: unknown) => answered(broken(thrown)),
      );
    },
    head: (key, stop) => store.head(key, stop),
    list: (request, stop) => store.list(request, stop),
    write: (request, stop) =>
      store.write?.({ ...request }, stop) ??
      Promise.resolve(unsupportedWrite('this store is read-only: its module has no `write`')),
    update: (snapshot) => store.update(snapshot),
    close: () => store.close(),
  };
}

/** What a user's code may answer with, whatever the types say. */
interface Loose {
  readonly error?: unknown;
  readonly version?: string | number | bigint | null;
}

/** A generation may be a number there, and an error any; one of ours, perhaps of another copy of this package, stays. */
function sendable(answer: ReadAnswer): ReadAnswer {
  const given: unknown = answer;
  const { error = null, version = null } = (given ?? {}) as Loose;
  const isOurs = error === null || typeof (error as Partial<MillraceError>).toWire === 'function';
  if (isOurs && (version === null || typeof version === 'string')) return answer;
  return {
    ...answer,
    version: version === null ? null : String(version),
    error: isOurs ? answer.error : internal(error),
  };
}

function internal(thrown: unknown): MillraceError {
  return asMillraceError(thrown, ErrorCode.Internal, { phase: 'request' });
}

function broken(thrown: unknown): ReadAnswer {
  const error = internal(thrown);
  return { outcome: Outcome.Refused, landed: 0, size: -1, version: null, error, retryAfterMs: 0 };
}

/** A store's data half and a transport, made into a `Store`: prepare, one exchange, classify. */
import type { StoreData, Transport } from '../protocol/http.js';
import { asMillraceError, ErrorCode } from '../protocol/errors.js';
import { Outcome, type Answer, type Store } from '../protocol/store.js';

/** Answers to HEAD have no body, and a page of any other question is an error document. */
const NO_BODY = new Uint8Array(0);

export function httpStore(data: StoreData, transport: Transport, wallNow: () => number): Store {
  const refused = <T>(thrown: unknown): Answer<T> => ({
    outcome: Outcome.Refused,
    value: null,
    error: asMillraceError(thrown, ErrorCode.Internal, { phase: 'prepare' }),
    retryAfterMs: 0,
  });
  return {
    async read(request, target, stop) {
      try {
        const prepared = data.prepareRead(request, wallNow());
        const exchange = await transport.exchange(prepared, { kind: 'land', target }, stop);
        return data.readAnswer(request, exchange, target, wallNow());
      } catch (thrown) {
        return { ...refused(thrown), landed: 0, size: -1, version: null };
      }
    },
    async head(key, stop) {
      try {
        const exchange = await transport.exchange(
          data.prepareHead(key, wallNow()),
          { kind: 'land', target: NO_BODY },
          stop,
        );
        return data.headAnswer(key, exchange, wallNow());
      } catch (thrown) {
        return refused(thrown);
      }
    },
    async list(request, stop) {
      try {
        const sink = { kind: 'collect', maxBytes: data.maxPageBytes } as const;
        const exchange = await transport.exchange(data.prepareList(request, wallNow()), sink, stop);
        return data.listAnswer(request, exchange, wallNow());
      } catch (thrown) {
        return refused(thrown);
      }
    },
    update: (snapshot) => data.update(snapshot),
    close: () => {},
  };
}

/**
 * A store's data half and a transport, made into a `Store`: prepare, one exchange, classify.
 *
 * Invariant: one exchange per call, but for one question. Some services refuse every range of an empty object with a
 * 416 that does not tell the size; whether the object is empty is then asked without a range, once.
 */
import type { Exchange, StoreData, Transport } from '../protocol/http.js';
import { asMillraceError, ErrorCode } from '../protocol/errors.js';
import type { StopSignal } from '../protocol/stop.js';
import { Outcome, type Answer, type ReadAnswer, type ReadRequest, type Store } from '../protocol/store.js';

/** Answers to HEAD have no body, and a page of any other question is an error document. */
const NO_BODY = new Uint8Array(0);

/** Ends of the second question that say more than the refused range: that the object is empty, or that it can be asked again. */
const SETTLES: ReadonlySet<Outcome> = new Set<Outcome>([
  Outcome.Complete,
  Outcome.StaleConnection,
  Outcome.Throttled,
  Outcome.Transient,
  Outcome.StaleCredentials,
  Outcome.ClockSkew,
  Outcome.VersionChanged,
  Outcome.Cancelled,
]);

/** A range from the first byte on was refused, and the size was not told. */
function mayBeEmpty({ whole, start }: ReadRequest, { status }: Exchange, answer: ReadAnswer): boolean {
  return status === 416 && !whole && start === 0 && answer.outcome === Outcome.Refused && answer.size < 0;
}

export function httpStore(data: StoreData, transport: Transport, wallNow: () => number): Store {
  const refused = <T>(thrown: unknown): Answer<T> => ({
    outcome: Outcome.Refused,
    value: null,
    error: asMillraceError(thrown, ErrorCode.Internal, { phase: 'prepare' }),
    retryAfterMs: 0,
  });
  const unreadable = (thrown: unknown): ReadAnswer => ({
    ...refused(thrown),
    landed: 0,
    size: -1,
    version: null,
  });
  /** One request; `judge` reads its answer, when nothing is written into the target any more. */
  const ask = (
    request: ReadRequest,
    target: Uint8Array,
    stop: StopSignal,
    judge: (answer: ReadAnswer, exchange: Exchange) => ReadAnswer | Promise<ReadAnswer>,
  ): Promise<ReadAnswer> => {
    const prepared = data.prepareRead(request, wallNow());
    return transport.exchange(prepared, { kind: 'land', target }, stop).then((exchange) => {
      try {
        return judge(data.readAnswer(request, exchange, target, wallNow()), exchange);
      } catch (thrown) {
        return unreadable(thrown);
      }
    });
  };
  /** Asks whether the object is empty. If not, or when the answer tells nothing, the refusal of the range stands. */
  const askWhole = (request: ReadRequest, refusal: ReadAnswer, stop: StopSignal): Promise<ReadAnswer> =>
    ask({ ...request, length: 0, whole: true }, NO_BODY, stop, (answer) =>
      SETTLES.has(answer.outcome) ? answer : refusal,
    );
  return {
    // Without asynchronous functions: their frames were 1.5 us of an object of 4 KiB.
    read(request, target, stop) {
      try {
        return ask(request, target, stop, (answer, exchange) =>
          mayBeEmpty(request, exchange, answer) ? askWhole(request, answer, stop) : answer,
        );
      } catch (thrown) {
        return unreadable(thrown);
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

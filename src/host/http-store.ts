/**
 * A store's data half and a transport, made into a `Store`: prepare, one exchange, classify.
 *
 * Invariant: one exchange per call, but for one question. Some services refuse every range of an empty object with a
 * 416 that does not tell the size; whether the object is empty is then asked without a range, once.
 */
import type { BodySink, Exchange, PreparedRequest, StoreData, Transport } from '../protocol/http.js';
import { asMillraceError, ErrorCode } from '../protocol/errors.js';
import { isCancelled, type StopSignal } from '../protocol/stop.js';
import {
  CANCELLED,
  Outcome,
  type Answer,
  type ReadAnswer,
  type ReadRequest,
  type Store,
} from '../protocol/store.js';
import type { WriteRequest } from '../protocol/writes.js';

/** Nothing is to land where an empty object is expected. */
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

/** Writes for which the service moves or joins what it has already: as long as the object is large. */
const WORKS: ReadonlySet<WriteRequest['kind']> = new Set(['complete', 'copy']);

/** A range from the first byte on was refused, and the size was not told. */
function mayBeEmpty({ whole, start }: ReadRequest, { status }: Exchange, answer: ReadAnswer): boolean {
  return status === 416 && !whole && start === 0 && answer.outcome === Outcome.Refused && answer.size < 0;
}

export function httpStore(data: StoreData, transport: Transport, wallNow: () => number): Store {
  const unreadable = (thrown: unknown): ReadAnswer => ({
    ...refused(thrown),
    landed: 0,
    size: -1,
    version: null,
  });
  /** One request; `judge` is given what its answer means, when nothing is written into the target any more. */
  const ask = (
    request: ReadRequest,
    target: Uint8Array,
    stop: StopSignal,
    judge: (answer: ReadAnswer, exchange: Exchange | null) => void,
  ): void => {
    let prepared: PreparedRequest;
    try {
      prepared = data.prepareRead(request, wallNow());
    } catch (thrown) {
      return judge(unreadable(thrown), null);
    }
    transport.exchange(prepared, { kind: 'land', target }, stop, (exchange) => {
      let answer: ReadAnswer;
      try {
        answer = data.readAnswer(request, exchange, target, wallNow());
      } catch (thrown) {
        answer = unreadable(thrown);
      }
      judge(answer, exchange);
    });
  };
  const question = questionOver(transport);
  const page: BodySink = { kind: 'collect', maxBytes: data.maxPageBytes };
  const pageAfterWork: BodySink = { ...page, afterWork: true };
  return {
    read(request, target, stop, done) {
      ask(request, target, stop, (answer, exchange) => {
        if (exchange === null || !mayBeEmpty(request, exchange, answer)) return done(answer);
        // Not empty after all, or an answer that tells nothing: then the refusal of the range stands.
        ask({ ...request, length: 0, whole: true }, NO_BODY, stop, (whole) => {
          done(SETTLES.has(whole.outcome) ? whole : answer);
        });
      });
    },
    head: (key, stop) =>
      question(
        () => data.prepareHead(key, wallNow()),
        // The facts are in headers, or in a document where a service has no HEAD.
        page,
        stop,
        (exchange) => data.headAnswer(key, exchange, wallNow()),
      ),
    list: (request, stop) =>
      question(
        () => data.prepareList(request, wallNow()),
        page,
        stop,
        (exchange) => data.listAnswer(request, exchange, wallNow()),
      ),
    write: (request, stop) =>
      question(
        () => data.prepareWrite(request, wallNow()),
        WORKS.has(request.kind) ? pageAfterWork : page,
        stop,
        (exchange) => data.writeAnswer(request, exchange, wallNow()),
      ),
    update: (snapshot) => data.update(snapshot),
    close: () => {},
  };
}

function refused<T>(thrown: unknown): Answer<T> {
  const error = asMillraceError(thrown, ErrorCode.Internal, { phase: 'prepare' });
  return { outcome: Outcome.Refused, value: null, error, retryAfterMs: 0 };
}

/** Asks what has an answer that is not landed; `prepare` gives the answer itself where the service need not be asked. */
function questionOver(transport: Transport) {
  return async <T>(
    prepare: () => PreparedRequest | Answer<T>,
    sink: BodySink,
    stop: StopSignal,
    judge: (exchange: Exchange) => Answer<T>,
  ): Promise<Answer<T>> => {
    try {
      const prepared = prepare();
      if ('outcome' in prepared) return isCancelled(stop) ? CANCELLED : prepared;
      // Wait ends: with the exchange, all of whose own waits are bounded.
      return judge(await new Promise((resolve) => transport.exchange(prepared, sink, stop, resolve)));
    } catch (thrown) {
      return refused(thrown);
    }
  };
}

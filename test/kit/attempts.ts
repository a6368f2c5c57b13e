/** One attempt of a store or a transport as a promise, which rejects when it is answered a second time. */
import type { BodySink, Exchange, PreparedRequest, Transport } from '../../dist/protocol/http.js';
import type { StopSignal } from '../../dist/protocol/stop.js';

export { readOnce } from '../../dist/testing/kit.js';

export function exchangeOnce(
  transport: Transport,
  request: PreparedRequest,
  sink: BodySink,
  stop: StopSignal,
): Promise<Exchange> {
  return once((done) => transport.exchange(request, sink, stop, done));
}

function once<T>(begin: (done: (answer: T) => void) => void): Promise<T> {
  let answered = false;
  return new Promise((resolve) => {
    begin((answer) => {
      // Thrown into whoever answers: the test's process ends with it.
      if (answered) throw new Error('answered a second time');
      answered = true;
      resolve(answer);
    });
  });
}

import { afterEach, describe, expect, it } from 'vitest';
import type { Exchange, Transport, TransportLimits } from '../../dist/protocol/http.js';
import {
  CountingStop,
  SENTINEL,
  ScriptedServer,
  answer,
  chunked,
  closed,
  get,
  land,
  payload,
  sharedTarget,
  transportOf,
} from './kit.js';
import type { Seen } from './kit.js';
import { exchangeOnce } from '../kit/attempts.js';

let server: ScriptedServer;
let transport: Transport;

async function serve(onRequest: (seen: Seen) => void, limits: Partial<TransportLimits> = {}): Promise<void> {
  server = await ScriptedServer.start(onRequest);
  transport = transportOf(limits);
}

afterEach(async () => {
  transport.close();
  await server.close();
});

/** Resolves when the target holds its first byte: reading it is the only way to know, so look on every turn. */
async function landing(target: Uint8Array, at: number): Promise<void> {
  while (target[at] === SENTINEL) await new Promise((resolve) => setImmediate(resolve));
}

async function expectSilence(stop: CountingStop, exchange: Exchange, target: Uint8Array): Promise<void> {
  expect(exchange).toMatchObject({ outcome: 'cancelled', error: null });
  expect(stop.links).toBe(1);
  expect(stop.linked.size).toBe(0);
  const before = Buffer.from(target);
  // The server goes on until it notices that nobody listens.
  await closed(server.sockets[0]!);
  await new Promise((resolve) => setImmediate(resolve));
  expect(Buffer.from(target).equals(before)).toBe(true);
}

/** Writes as long as the other side takes it. */
function pour(seen: Seen, piece: Uint8Array): void {
  const { socket } = seen;
  if (socket.destroyed) return;
  socket.write(piece, (error) => {
    if (error === null || error === undefined) setImmediate(pour, seen, piece);
  });
}

describe('cancelling', () => {
  it('before the start touches nothing, and links nothing', async () => {
    await serve(() => {});
    const stop = new CountingStop();
    stop.cancel();
    const exchange = await exchangeOnce(transport, get(server.origin()), land(new Uint8Array(9)), stop);
    expect(exchange.outcome).toBe('cancelled');
    expect(stop.links).toBe(0);
    expect(transport.stats().opened).toBe(0);
  });

  it('while the signal is being linked is noticed', async () => {
    await serve(() => {});
    const stop = new CountingStop();
    const link = stop.onStop.bind(stop);
    stop.onStop = (fn) => {
      const unlink = link(fn);
      stop.cancel();
      return unlink;
    };
    const exchange = await exchangeOnce(transport, get(server.origin()), land(new Uint8Array(9)), stop);
    expect(exchange.outcome).toBe('cancelled');
    expect(stop.linked.size).toBe(0);
    expect(transport.stats().opened).toBe(0);
  });

  it('while it waits for a connection ends the wait in the same turn, and disturbs nobody', async () => {
    const answers: (() => void)[] = [];
    await serve(({ socket }) => answers.push(() => socket.write(answer(payload(1, 9)))), {
      maxConnections: 1,
    });
    const stops = [new CountingStop(), new CountingStop(), new CountingStop()];
    const targets = stops.map(() => sharedTarget(9).target);
    const done = stops.map((stop, i) =>
      exchangeOnce(transport, get(server.origin()), land(targets[i]!), stop),
    );
    await server.requests(1);
    stops[1]!.cancel();
    expect(await done[1]).toMatchObject({ outcome: 'cancelled', error: null });
    expect(stops[1]!.links).toBe(1);
    expect(stops[1]!.linked.size).toBe(0);
    answers[0]!();
    await server.requests(2);
    answers[1]!();
    expect(await done[0]).toMatchObject({ outcome: 'complete' });
    expect(await done[2]).toMatchObject({ outcome: 'complete' });
    expect(transport.stats()).toMatchObject({ opened: 1, reused: 1 });
    expect(targets[1]!.every((byte) => byte === SENTINEL)).toBe(true);
    for (const stop of stops) expect(stop.linked.size).toBe(0);
  });

  it('while it connects closes the socket and gives its slot to the next', async () => {
    await serve(({ socket }) => socket.write(answer(payload(1, 9))), { maxConnections: 1 });
    const stop = new CountingStop();
    const first = exchangeOnce(transport, get(server.origin()), land(sharedTarget(9).target), stop);
    const second = exchangeOnce(
      transport,
      get(server.origin()),
      land(sharedTarget(9).target),
      new CountingStop(),
    );
    stop.cancel();
    expect(transport.stats()).toMatchObject({ opened: 2, active: 1, idle: 0 });
    expect(await first).toMatchObject({ outcome: 'cancelled' });
    expect(stop.linked.size).toBe(0);
    expect(await second).toMatchObject({ outcome: 'complete' });
  });

  it('before the head: nothing of the answer lands', async () => {
    await serve(() => {});
    const stop = new CountingStop();
    const { target } = sharedTarget(1000);
    const done = exchangeOnce(transport, get(server.origin()), land(target), stop);
    await server.requests(1);
    stop.cancel();
    expect(transport.stats()).toMatchObject({ active: 0, idle: 0 });
    server.seen[0]!.socket.write(answer(payload(1, 1000)));
    await expectSilence(stop, await done, target);
    expect(target.every((byte) => byte === SENTINEL)).toBe(true);
  });

  it('within the head: nothing of the answer lands', async () => {
    const wire = answer(payload(1, 1000));
    let flushed = (): void => {};
    const sent = new Promise<void>((resolve) => (flushed = resolve));
    await serve(({ socket }) => socket.write(wire.subarray(0, 25), () => flushed()));
    const stop = new CountingStop();
    const { target } = sharedTarget(1000);
    const done = exchangeOnce(transport, get(server.origin()), land(target), stop);
    await sent;
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    stop.cancel();
    server.seen[0]!.socket.write(wire.subarray(25));
    await expectSilence(stop, await done, target);
    expect(target.every((byte) => byte === SENTINEL)).toBe(true);
  });

  it.each(['length', 'chunks'])(
    'within the body: not one more byte lands, though the server goes on (%s)',
    async (how) => {
      const size = 64 << 20;
      const piece = payload(2, 1 << 20);
      const framing = how === 'length' ? `Content-Length: ${size}` : 'Transfer-Encoding: chunked';
      await serve((seen) => {
        seen.socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
        pour(seen, how === 'length' ? piece : chunked(piece, [1 << 20]).subarray(0, -5));
      });
      const stop = new CountingStop();
      const { target, guards } = sharedTarget(size);
      const done = exchangeOnce(transport, get(server.origin()), land(target), stop);
      await landing(target, 100_000);
      stop.cancel();
      const ends = Buffer.from(target.subarray(0, 4 << 20));
      expect(transport.stats()).toMatchObject({ active: 0, idle: 0 });
      const exchange = await done;
      expect(exchange.landed).toBeGreaterThan(100_000);
      expect(exchange.landed).toBeLessThan(size);
      await closed(server.sockets[0]!);
      expect(exchange).toMatchObject({ outcome: 'cancelled', error: null });
      expect(stop.linked.size).toBe(0);
      expect(target.subarray(exchange.landed).every((byte) => byte === SENTINEL)).toBe(true);
      expect(Buffer.from(target.subarray(0, ends.length)).equals(ends)).toBe(true);
      expect(guards()).toBe(true);
    },
  );

  it('cancels all that share one signal', async () => {
    await serve(() => {}, { maxConnections: 3 });
    const stop = new CountingStop();
    const done = Array.from({ length: 9 }, () =>
      exchangeOnce(transport, get(server.origin()), land(new Uint8Array(9)), stop),
    );
    await server.requests(3);
    // One link for all of them.
    expect(stop.linked.size).toBe(1);
    stop.cancel();
    for (const exchange of await Promise.all(done)) expect(exchange.outcome).toBe('cancelled');
    expect(stop.linked.size).toBe(0);
    expect(stop.links).toBe(1);
    expect(transport.stats()).toMatchObject({ active: 0, idle: 0 });
  });
});

describe('a signal', () => {
  it('that only drains lets the exchange in flight end', async () => {
    let reply = (): void => {};
    await serve(({ socket }) => {
      reply = () => void socket.write(answer(payload(1, 9)));
    });
    const stop = new CountingStop();
    const done = exchangeOnce(transport, get(server.origin()), land(new Uint8Array(9)), stop);
    await server.requests(1);
    stop.drain();
    reply();
    expect(await done).toMatchObject({ outcome: 'complete', landed: 9 });
  });

  it('that drains while a connection is made lets no request out', async () => {
    let asked = 0;
    await serve(() => {
      asked += 1;
    });
    const stop = new CountingStop();
    const done = exchangeOnce(transport, get(server.origin()), land(new Uint8Array(9)), stop);
    stop.drain();
    expect(await done).toMatchObject({ outcome: 'cancelled', landed: 0 });
    expect(asked).toBe(0);
    expect(stop.linked.size).toBe(0);
  });

  it('is linked once and unlinked in the end, whichever end that is', async () => {
    await serve(
      ({ socket, connection, nth }) => {
        if (connection === 0 && nth === 0) socket.write(answer(payload(1, 9)));
        else if (connection === 0) socket.destroy();
        else if (connection === 1) socket.write('nonsense\r\n\r\n');
        else if (connection === 2) socket.end(answer(payload(1, 9)).subarray(0, -1));
        else if (connection === 3) socket.write(answer(payload(1, 99)));
      },
      { firstByteTimeoutMs: 50 },
    );
    const outcomes = ['complete', 'stale-connection', 'refused', 'interrupted', 'too-long', 'failed'];
    const stop = new CountingStop();
    for (const [i, outcome] of outcomes.entries()) {
      const exchange = await exchangeOnce(transport, get(server.origin()), land(new Uint8Array(9)), stop);
      expect(exchange.outcome).toBe(outcome);
      expect(stop.links).toBe(i + 1);
      expect(stop.linked.size).toBe(0);
    }
  });
});

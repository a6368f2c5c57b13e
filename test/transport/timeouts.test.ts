import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { NEVER } from '../../dist/protocol/stop.js';
import type { Exchange, TransportLimits } from '../../dist/protocol/http.js';
import { CoarseClock } from '../../dist/transport/clock.js';
import {
  SENTINEL,
  ScriptedServer,
  answer,
  closed,
  get,
  land,
  payload,
  sharedTarget,
  transportOf,
} from './kit.js';
import type { Seen } from './kit.js';
import { exchangeOnce } from '../kit/attempts.js';

let server: ScriptedServer | null = null;

afterEach(async () => {
  await server?.close();
  server = null;
});

async function fetchWith(
  limits: Partial<TransportLimits>,
  onRequest: (seen: Seen) => void,
  target: Uint8Array,
): Promise<Exchange> {
  server = await ScriptedServer.start(onRequest);
  const transport = transportOf(limits);
  const exchange = await exchangeOnce(transport, get(server.origin()), land(target), NEVER);
  expect(transport.stats()).toMatchObject({ active: 0, idle: 0 });
  await closed(server.sockets[0]!);
  transport.close();
  return exchange;
}

describe('a time-out', () => {
  it('for the TLS handshake is one for connecting', async () => {
    const silent = createServer(() => {});
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const id = `https://127.0.0.1:${port}`;
    const transport = transportOf({ connectTimeoutMs: 40 });
    const origin = { id, secure: true, host: '127.0.0.1', port, ca: null, serverName: null };
    const exchange = await exchangeOnce(transport, get(origin), land(new Uint8Array(9)), NEVER);
    expect(exchange).toMatchObject({ outcome: 'failed', status: 0 });
    expect(exchange.error).toMatchObject({ code: 'TimedOut', phase: 'connect', retryable: true });
    expect(exchange.error!.message).toBe(`no connection to ${id} within 40 ms (connectTimeoutMs)`);
    transport.close();
    silent.close();
  });

  it.each(['', 'HTTP/1.1 200 OK\r\nX-A: 1'])(
    'for the answer covers the head to its end (%j came)',
    async (begun) => {
      const exchange = await fetchWith(
        { firstByteTimeoutMs: 40 },
        ({ socket }) => socket.write(begun),
        new Uint8Array(9),
      );
      expect(exchange).toMatchObject({ outcome: 'failed', status: 0 });
      expect(exchange.error).toMatchObject({ code: 'TimedOut', phase: 'head' });
      expect(exchange.error!.message).toBe(
        `no answer from ${server!.origin().id} within 40 ms (firstByteTimeoutMs)`,
      );
    },
  );

  it('for an idle body keeps what landed, and nothing is written after it', async () => {
    const body = payload(1, 1000);
    const { target } = sharedTarget(1000);
    const wire = answer(body);
    const exchange = await fetchWith(
      { idleTimeoutMs: 40 },
      ({ socket }) => {
        socket.write(wire.subarray(0, wire.length - 400));
        // Too late: the client has hung up by then.
        socket.on('end', () => socket.write(wire.subarray(wire.length - 400)));
      },
      target,
    );
    expect(exchange).toMatchObject({ outcome: 'interrupted', status: 200, landed: 600 });
    expect(exchange.error).toMatchObject({ code: 'TimedOut', phase: 'body' });
    expect(exchange.error!.message).toContain('for 40 ms (idleTimeoutMs)');
    expect(Buffer.from(target.subarray(0, 600)).equals(body.subarray(0, 600))).toBe(true);
    expect(target.subarray(600).every((byte) => byte === SENTINEL)).toBe(true);
  });

  it('for the rate ends a body that drips, though it is never idle', async () => {
    const wire = answer(payload(1, 100_000));
    const exchange = await fetchWith(
      { minRateBytesPerSecond: 50_000, minRateWindowMs: 50 },
      ({ socket }) => {
        let at = 200;
        socket.write(wire.subarray(0, at));
        const drip = setInterval(() => socket.write(wire.subarray(at, ++at)), 2);
        socket.on('close', () => clearInterval(drip));
      },
      new Uint8Array(100_000),
    );
    expect(exchange).toMatchObject({ outcome: 'interrupted', status: 200 });
    expect(exchange.landed).toBeGreaterThan(0);
    expect(exchange.error).toMatchObject({ code: 'TimedOut', phase: 'body' });
    expect(exchange.error!.message).toContain('slower than 50000 bytes per second over 50 ms');
  });

  it('is none on the whole: a body may take many times the idle time-out', async () => {
    const body = payload(1, 100);
    const wire = answer(body);
    const target = new Uint8Array(100);
    server = await ScriptedServer.start(({ socket }) => {
      let at = wire.length - 100;
      socket.write(wire.subarray(0, at));
      const drip = setInterval(() => {
        socket.write(wire.subarray(at, ++at));
        if (at === wire.length) clearInterval(drip);
      }, 5);
    });
    const transport = transportOf({ idleTimeoutMs: 200, minRateBytesPerSecond: 0 });
    expect(await exchangeOnce(transport, get(server.origin()), land(target), NEVER)).toMatchObject({
      outcome: 'complete',
    });
    expect(Buffer.from(target).equals(body)).toBe(true);
    transport.close();
  });
});

describe('the coarse clock', () => {
  it('does not count the time in which its own thread was blocked', async () => {
    let nowMs = 0;
    let ticks = 0;
    let ticked = (): void => {};
    const clock = new CoarseClock(
      5,
      () => nowMs,
      () => {
        ticks++;
        ticked();
      },
    );
    const tick = (): Promise<void> => new Promise((resolve) => (ticked = resolve));
    clock.start();
    const since = clock.nowMs;
    nowMs += 60_000;
    await tick();
    expect(clock.hasPassed(since, 30)).toBe(false);
    expect(clock.nowMs - since).toBe(10);
    for (let i = 0; i < 6; i++) {
      nowMs += 5;
      await tick();
    }
    expect(clock.nowMs - since).toBe(40);
    expect(clock.hasPassed(since, 30)).toBe(false);
    nowMs += 5;
    await tick();
    expect(clock.hasPassed(since, 30)).toBe(true);
    clock.stop();
    expect(ticks).toBe(8);
  });
});

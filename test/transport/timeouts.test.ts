import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { NEVER } from '../../dist/protocol/stop.js';
import type { Exchange, TransportLimits } from '../../dist/protocol/http.js';
import { CoarseClock } from '../../dist/transport/clock.js';
import {
  COLLECT,
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

describe('an answer that comes after work', () => {
  const AFTER_WORK = { ...COLLECT, afterWork: true } as const;
  const HEAD = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
  const SPACE = '1\r\n \r\n';
  const DONE = '4\r\ndone\r\n0\r\n\r\n';

  /** What becomes of `/work`, whose answer ends only when another exchange has timed out, by `limits`, twice. */
  async function outlasting(
    limits: Partial<TransportLimits>,
    onRequest: (seen: Seen) => void,
    rest: string,
  ): Promise<Exchange> {
    server = await ScriptedServer.start(onRequest);
    const transport = transportOf(limits);
    const request = { ...get(server.origin()), target: '/work' };
    const working = exchangeOnce(transport, request, AFTER_WORK, NEVER);
    await server.requests(1);
    for (let i = 0; i < 2; i++) {
      const other = await exchangeOnce(transport, get(server.origin()), land(new Uint8Array(9999)), NEVER);
      expect(other.error).toMatchObject({ code: 'TimedOut' });
    }
    server.seen[0]!.socket.write(rest);
    const exchange = await working;
    transport.close();
    return exchange;
  }

  it.each([
    ['its head', '', HEAD + DONE, 'done'],
    ['more of its body', HEAD + SPACE, DONE, ' done'],
  ])('is waited for longer than any other: %s', async (_, begun, rest, body) => {
    const limits = { firstByteTimeoutMs: 40, idleTimeoutMs: 40 };
    const exchange = await outlasting(limits, ({ socket }) => socket.write(begun), rest);
    expect(exchange).toMatchObject({ outcome: 'complete', status: 200 });
    expect(Buffer.from(exchange.body!).toString()).toBe(body);
  });

  it('may be white space, below any rate, until the work is done', async () => {
    const limits = { minRateBytesPerSecond: 50_000, minRateWindowMs: 50 };
    const exchange = await outlasting(
      limits,
      ({ socket }) => {
        socket.write(HEAD);
        const drip = setInterval(() => socket.write(SPACE), 2);
        socket.on('close', () => clearInterval(drip));
      },
      DONE,
    );
    expect(exchange).toMatchObject({ outcome: 'complete', status: 200 });
    expect(Buffer.from(exchange.body!).toString()).toMatch(/^ +done$/);
  });

  it.each([
    ['', 'failed', 'head'],
    [HEAD + SPACE, 'interrupted', 'body'],
  ])(
    'is given up when the service is silent for the limit of work (%j came)',
    async (begun, outcome, phase) => {
      server = await ScriptedServer.start(({ socket }) => socket.write(begun));
      const transport = transportOf({ workTimeoutMs: 40 });
      const exchange = await exchangeOnce(transport, get(server.origin()), AFTER_WORK, NEVER);
      expect(exchange).toMatchObject({ outcome, error: { code: 'TimedOut', phase } });
      expect(exchange.error!.message).toContain('for 40 ms (workTimeoutMs)');
      transport.close();
    },
  );
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

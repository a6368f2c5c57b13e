import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { NEVER } from '../../dist/protocol/stop.js';
import type { Exchange, PreparedRequest, Transport, TransportLimits } from '../../dist/protocol/http.js';
import { DEFAULT_TRANSPORT_LIMITS, createTransport } from '../../dist/transport/transport.js';
import {
  COLLECT,
  CountingStop,
  ScriptedServer,
  answer,
  closed,
  descriptorsTo,
  get,
  land,
  payload,
  sharedTarget,
  transportOf,
} from './kit.js';
import type { Seen } from './kit.js';
import { exchangeOnce } from '../kit/attempts.js';

let servers: ScriptedServer[] = [];
let transport: Transport;

async function serve(onRequest: (seen: Seen) => void): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(onRequest);
  servers.push(server);
  return server;
}

function limitsOf(limits: Partial<TransportLimits> = {}): void {
  transport = transportOf(limits);
}

function fetchFrom(server: ScriptedServer, more: Partial<PreparedRequest> = {}): Promise<Exchange> {
  return exchangeOnce(transport, { ...get(server.origin()), ...more }, COLLECT, NEVER);
}

/** Lets the client notice what the server did to an idle connection. */
async function idleIs(count: number): Promise<void> {
  while (transport.stats().idle !== count) await new Promise((resolve) => setImmediate(resolve));
}

afterEach(async () => {
  transport.close();
  expect(transport.stats()).toMatchObject({ active: 0, idle: 0 });
  for (const server of servers) await server.close();
  servers = [];
});

const small = answer(payload(1, 100));

describe('kept connections', () => {
  it('serve one exchange after the other, the one used last first', async () => {
    limitsOf();
    const held: Seen[] = [];
    const server = await serve((seen) => {
      if (server.seen.length <= 3) held.push(seen);
      else seen.socket.write(small);
    });
    const three = [0, 1, 2].map(() => fetchFrom(server));
    await server.requests(3);
    for (const [n, i] of [1, 0, 2].entries()) {
      held[i]!.socket.write(small);
      await idleIs(n + 1);
    }
    await Promise.all(three);
    expect(transport.stats()).toMatchObject({ opened: 3, reused: 0, idle: 3 });
    for (let i = 0; i < 5; i++) expect(await fetchFrom(server)).toMatchObject({ outcome: 'complete' });
    expect(transport.stats()).toMatchObject({ opened: 3, reused: 5, idle: 3 });
    const last = held[2]!.connection;
    expect(server.seen.slice(3).map((seen) => seen.connection)).toEqual([last, last, last, last, last]);
  });

  const lastOnes: [string, Buffer][] = [
    ['Connection: close', answer(payload(1, 100), 'HTTP/1.1 200 OK', 'Connection: close\r\n')],
    ['HTTP/1.0', answer(payload(1, 100), 'HTTP/1.0 200 OK')],
    ['HTTP/1.0 with keep-alive', answer(payload(1, 100), 'HTTP/1.0 200 OK', 'Connection: keep-alive\r\n')],
    [
      'bytes after the body',
      Buffer.concat([small, Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')]),
    ],
    ['one byte after the body', Buffer.concat([small, Buffer.from('\n')])],
  ];
  it.each(lastOnes)('are given up after %s', async (_name, wire) => {
    limitsOf();
    const server = await serve(({ socket }) => socket.write(wire));
    for (let i = 0; i < 2; i++) {
      expect(await fetchFrom(server)).toMatchObject({ outcome: 'complete', contentLength: 100 });
      expect(transport.stats()).toMatchObject({ opened: i + 1, reused: 0, active: 0, idle: 0 });
      await closed(server.sockets[i]!);
    }
  });

  it('are given up when bytes come that nobody asked for', async () => {
    limitsOf({ keepAliveMs: 1e9 });
    const server = await serve(({ socket }) => socket.write(small));
    await fetchFrom(server);
    expect(transport.stats().idle).toBe(1);
    server.sockets[0]!.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    await idleIs(0);
    expect(await fetchFrom(server)).toMatchObject({ contentLength: 100 });
    expect(transport.stats()).toMatchObject({ opened: 2, reused: 0 });
  });

  it('hold no target: late bytes after an exchange reach nobody', async () => {
    limitsOf({ keepAliveMs: 1e9 });
    const body = payload(2, 100_000);
    const server = await serve(({ socket }) => socket.write(answer(body)));
    const { target, guards } = sharedTarget(body.length);
    await exchangeOnce(transport, get(server.origin()), land(target), NEVER);
    expect(transport.stats().idle).toBe(1);
    server.sockets[0]!.write(Buffer.alloc(200_000, 0x77));
    await idleIs(0);
    await closed(server.sockets[0]!);
    expect(Buffer.from(target).equals(body)).toBe(true);
    expect(guards()).toBe(true);
  });

  it('are forgotten when the server ends or resets them', async () => {
    limitsOf({ keepAliveMs: 1e9 });
    const server = await serve(({ socket }) => socket.write(small));
    await fetchFrom(server);
    server.sockets[0]!.end();
    await idleIs(0);
    await fetchFrom(server);
    server.sockets[1]!.resetAndDestroy();
    await idleIs(0);
    expect(await fetchFrom(server)).toMatchObject({ outcome: 'complete' });
    expect(transport.stats()).toMatchObject({ opened: 3, reused: 0 });
  });

  it('are closed after keepAliveMs', async () => {
    limitsOf({ keepAliveMs: 30 });
    const server = await serve(({ socket }) => socket.write(small));
    await fetchFrom(server);
    expect(transport.stats().idle).toBe(1);
    await closed(server.sockets[0]!);
    expect(transport.stats()).toMatchObject({ active: 0, idle: 0 });
  });

  it('that are too old are not used, even if the ticker had no chance to close them', async () => {
    let nowMs = 0;
    const limits = { ...DEFAULT_TRANSPORT_LIMITS, keepAliveMs: 1000 };
    transport = createTransport(limits, { now: () => nowMs });
    const server = await serve(({ socket }) => socket.write(small));
    await fetchFrom(server);
    nowMs = 1000;
    await fetchFrom(server);
    expect(transport.stats()).toMatchObject({ opened: 1, reused: 1 });
    nowMs = 2001;
    await fetchFrom(server);
    expect(transport.stats()).toMatchObject({ opened: 2, reused: 1 });
  });

  it.each(['end', 'reset'])('that turn out dead before an answer are stale, not failed (%s)', async (how) => {
    limitsOf();
    const server = await serve(({ socket, nth }) => {
      if (nth === 0) socket.write(small);
      else if (how === 'end') socket.end();
      else socket.resetAndDestroy();
    });
    await fetchFrom(server);
    const exchange = await fetchFrom(server);
    expect(exchange).toMatchObject({ outcome: 'stale-connection', status: 0, landed: 0 });
    expect(exchange.error).toMatchObject({ code: 'ConnectionFailed', retryable: true });
    expect(transport.stats()).toMatchObject({ opened: 1, reused: 1, active: 0, idle: 0 });
    expect(await fetchFrom(server)).toMatchObject({ outcome: 'complete' });
  });

  it('that break after the first byte of an answer are failed, not stale', async () => {
    limitsOf();
    const server = await serve(({ socket, nth }) => {
      if (nth === 0) socket.write(small);
      else if (nth === 1) socket.end('H');
    });
    await fetchFrom(server);
    expect(await fetchFrom(server)).toMatchObject({ outcome: 'failed', status: 0 });
  });

  it('count the interim answers of each exchange anew', async () => {
    limitsOf();
    const server = await serve(({ socket, nth }) => {
      const interim = 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(8);
      if (nth < 2) socket.write(Buffer.concat([Buffer.from(interim), small]));
      else socket.end();
    });
    for (const outcome of ['complete', 'complete', 'stale-connection']) {
      expect(await fetchFrom(server)).toMatchObject({ outcome });
    }
    expect(transport.stats().opened).toBe(1);
  });

  it('that break after an interim answer are failed, not stale', async () => {
    limitsOf();
    const server = await serve(({ socket, nth }) => {
      if (nth === 0) socket.write(small);
      else if (nth === 1) socket.end('HTTP/1.1 102 Processing\r\n\r\n');
    });
    await fetchFrom(server);
    expect(await fetchFrom(server)).toMatchObject({ outcome: 'failed', status: 0 });
  });
});

describe('the cap on connections', () => {
  it('holds, and those who wait are served in the order they came', async () => {
    limitsOf({ maxConnections: 2 });
    let most = 0;
    const server = await serve(({ socket }) => {
      most = Math.max(most, transport.stats().active);
      setImmediate(() => socket.write(small));
    });
    const ended: number[] = [];
    const all = Array.from({ length: 20 }, (_, i) =>
      fetchFrom(server, { target: `/${i}` }).then((exchange) => {
        ended.push(i);
        return exchange;
      }),
    );
    for (const exchange of await Promise.all(all)) expect(exchange.outcome).toBe('complete');
    expect(most).toBe(2);
    expect(server.sockets.length).toBe(2);
    expect(server.seen.map((seen) => seen.text.slice(5, seen.text.indexOf(' ', 5)))).toEqual(
      [...ended.keys()].map(String),
    );
    expect(transport.stats()).toMatchObject({ opened: 2, reused: 18, active: 0, idle: 2 });
  });

  it('is one of those in use: work between two origins finds its connections again', async () => {
    limitsOf({ maxConnections: 2 });
    const a = await serve(({ socket }) => socket.write(small));
    const b = await serve(({ socket }) => socket.write(small));
    const lane = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) {
        await fetchFrom(a);
        await fetchFrom(b);
      }
    };
    await Promise.all([lane(), lane(), lane()]);
    expect(transport.stats().opened).toBeLessThanOrEqual(4);
    expect([a, b].every(({ sockets }) => sockets.length <= 2)).toBe(true);
    expect(transport.stats()).toMatchObject({ active: 0, reused: 60 - transport.stats().opened });
  });

  it('holds while connections to another origin are idle', async () => {
    limitsOf({ maxConnections: 1 });
    const a = await serve(({ socket }) => socket.write(small));
    const b = await serve(() => {});
    await fetchFrom(a);
    const first = fetchFrom(b);
    await b.requests(1);
    const second = fetchFrom(a);
    expect(transport.stats()).toMatchObject({ opened: 2, reused: 0, active: 1, idle: 1 });
    b.seen[0]!.socket.write(small);
    expect((await first).outcome).toBe('complete');
    expect((await second).outcome).toBe('complete');
    expect(transport.stats()).toMatchObject({ opened: 2, reused: 1 });
  });

  it('is twice as much with the idle ones: of those to three origins the oldest gives way', async () => {
    limitsOf({ maxConnections: 1 });
    const [a, b, c] = [
      await serve(({ socket }) => socket.write(small)),
      await serve(({ socket }) => socket.write(small)),
      await serve(({ socket }) => socket.write(small)),
    ];
    await fetchFrom(a);
    await fetchFrom(b);
    expect(transport.stats()).toMatchObject({ idle: 2 });
    const third = fetchFrom(c);
    // It is closed before the next one is opened, for descriptors are bounded too.
    expect([a, b, c].map(({ port }) => descriptorsTo(port))).toEqual([0, 1, 0]);
    expect((await third).outcome).toBe('complete');
    expect(transport.stats()).toMatchObject({ opened: 3, idle: 2 });
    await closed(a.sockets[0]!);
    await fetchFrom(b);
    expect(transport.stats()).toMatchObject({ opened: 3, reused: 1 });
  });

  it('leaves no more than that to one origin, though those that are too old were not closed yet', async () => {
    let now = 0;
    transport = transportOf({ maxConnections: 2 }, { now: () => now });
    const server = await serve(({ socket }) => socket.write(small));
    await Promise.all([fetchFrom(server), fetchFrom(server)]);
    expect(transport.stats()).toMatchObject({ opened: 2, idle: 2 });
    now += 5000;
    const both = [fetchFrom(server), fetchFrom(server)];
    expect(transport.stats()).toMatchObject({ opened: 4, active: 2, idle: 0 });
    for (const exchange of await Promise.all(both)) expect(exchange.outcome).toBe('complete');
  });

  it('is one of descriptors: what is cancelled is closed before the next one is opened', async () => {
    limitsOf({ maxConnections: 1 });
    const a = await serve(({ socket }) => socket.write(small));
    const b = await serve(() => {});
    await fetchFrom(a);
    const stop = new CountingStop();
    const open: number[] = [];
    const ended = new Promise<void>((done) => {
      transport.exchange(get(b.origin()), COLLECT, stop, () => {
        open.push(descriptorsTo(b.port));
        done();
      });
    });
    // The other server is connected to in the next turn.
    expect([descriptorsTo(a.port), descriptorsTo(b.port)]).toEqual([1, 0]);
    await b.requests(1);
    expect(descriptorsTo(b.port)).toBe(1);
    const next = fetchFrom(a);
    stop.cancel();
    await ended;
    expect(open).toEqual([0]);
    expect(await next).toMatchObject({ outcome: 'complete' });
  });

  it('lets one who waits for another origin have the slot of a connection that is freed', async () => {
    limitsOf({ maxConnections: 1 });
    const a = await serve(() => {});
    const b = await serve(({ socket }) => socket.write(small));
    const first = fetchFrom(a);
    await a.requests(1);
    const second = fetchFrom(b);
    const third = fetchFrom(a);
    a.seen[0]!.socket.write(small);
    expect(await first).toMatchObject({ outcome: 'complete' });
    expect(await second).toMatchObject({ outcome: 'complete' });
    await a.requests(2);
    a.seen[1]!.socket.write(small);
    expect(await third).toMatchObject({ outcome: 'complete' });
    expect(transport.stats()).toMatchObject({ opened: 2, reused: 1 });
  });

  it('gives the slot of a connection that failed to the next, for as many as wait', async () => {
    limitsOf({ maxConnections: 1 });
    const gone = await serve(() => {});
    const origin = gone.origin();
    await gone.close();
    const all = Array.from({ length: 5 }, () => exchangeOnce(transport, get(origin), COLLECT, NEVER));
    for (const exchange of await Promise.all(all)) {
      expect(exchange.outcome).toBe('failed');
      expect(exchange.error).toMatchObject({ code: 'ConnectionFailed', phase: 'connect', retryable: true });
      expect(exchange.error!.message).toContain(origin.id);
      expect(exchange.error!.message).toContain('ECONNREFUSED');
    }
    expect(transport.stats()).toMatchObject({ opened: 5, active: 0, idle: 0 });
  });

  it('bounds those who wait', async () => {
    limitsOf({ maxConnections: 1 });
    const server = await serve(() => {});
    const stop = new CountingStop();
    const first = exchangeOnce(transport, get(server.origin()), COLLECT, stop);
    const all = Array.from({ length: 4097 }, () => fetchFrom(server));
    const refused = await all.pop()!;
    expect(refused).toMatchObject({
      outcome: 'failed',
      error: { code: 'ConnectionFailed', retryable: true },
    });
    expect(refused.error).toMatchObject({
      phase: 'connect',
      message:
        `no connection to ${server.origin().id}: 4096 exchanges already wait for one of the 1 connections ` +
        '(maxConnections); start fewer at once',
    });
    transport.close();
    for (const exchange of await Promise.all(all)) expect(exchange.error).toMatchObject({ code: 'Released' });
    stop.cancel();
    expect((await first).outcome).toBe('cancelled');
  });

  it('survives an origin that cannot exist', async () => {
    limitsOf({ maxConnections: 1 });
    const server = await serve(({ socket }) => socket.write(small));
    const bad = { ...server.origin(), port: 70_000, id: 'http://127.0.0.1:70000' };
    const exchange = await exchangeOnce(transport, get(bad), COLLECT, NEVER);
    expect(exchange.outcome).toBe('failed');
    expect(exchange.error).toMatchObject({ code: 'ConnectionFailed', retryable: false, phase: 'connect' });
    expect(await fetchFrom(server)).toMatchObject({ outcome: 'complete' });
  });
});

describe('closing', () => {
  it('destroys idle connections at once and lets those in use end with their exchange', async () => {
    limitsOf({ maxConnections: 2 });
    const server = await serve(({ socket, text }) => {
      if (!text.includes('/held')) socket.write(small);
    });
    const held = fetchFrom(server, { target: '/held' });
    await fetchFrom(server);
    await server.requests(2);
    expect(transport.stats()).toMatchObject({ active: 1, idle: 1 });
    transport.close();
    transport.close();
    expect(transport.stats()).toMatchObject({ active: 1, idle: 0 });
    expect(await fetchFrom(server)).toMatchObject({ outcome: 'failed', error: { code: 'Released' } });
    server.seen.find((seen) => seen.text.includes('/held'))!.socket.write(small);
    expect(await held).toMatchObject({ outcome: 'complete' });
    expect(transport.stats()).toMatchObject({ active: 0, idle: 0 });
    for (const socket of server.sockets) await closed(socket);
  });

  it('stops its ticker with the last connection', async () => {
    const set = vi.spyOn(globalThis, 'setInterval');
    const clear = vi.spyOn(globalThis, 'clearInterval');
    limitsOf();
    const server = await serve(({ socket }) => socket.write(small));
    await Promise.all([fetchFrom(server), fetchFrom(server)]);
    expect(set.mock.results.length).toBe(1);
    expect(clear).not.toHaveBeenCalled();
    transport.close();
    expect(clear.mock.calls).toEqual([[set.mock.results[0]!.value]]);
    vi.restoreAllMocks();
  });

  /** Runs exchanges in a thread of their own; resolves with what the thread said, or null when it ended before. */
  async function inThread(server: ScriptedServer, exchanges: number, close: boolean): Promise<unknown> {
    const worker = new Worker(
      `const { workerData, parentPort } = require('node:worker_threads');
       (async () => {
         const { createTransport, DEFAULT_TRANSPORT_LIMITS } = await import(workerData.module);
         const limits = { ...DEFAULT_TRANSPORT_LIMITS, keepAliveMs: 1e9 };
         const transport = createTransport(limits, { now: () => performance.now() });
         const stop = { state: 0, onStop: () => () => {} };
         const outcomes = [];
         for (let i = 0; i < workerData.exchanges; i++) {
           const sink = { kind: 'collect', maxBytes: 1e6 };
           const exchange = await new Promise((done) => transport.exchange(workerData.request, sink, stop, done));
           outcomes.push(exchange.outcome);
         }
         if (workerData.close) transport.close();
         // A handle that is being closed is gone a turn later.
         for (let turns = 0; turns < 2; turns++) await new Promise((resolve) => setImmediate(resolve));
         parentPort.postMessage([outcomes, process.getActiveResourcesInfo().filter((name) => /TCP/.test(name))]);
       })();`,
      {
        eval: true,
        workerData: {
          exchanges,
          close,
          request: get(server.origin()),
          module: new URL('../../dist/transport/transport.js', import.meta.url).href,
        },
      },
    );
    let said: unknown = null;
    worker.on('message', (message) => (said = message));
    const [code] = (await once(worker, 'exit')) as [number];
    expect(code).toBe(0);
    return said;
  }

  it('leaves no socket behind', async () => {
    limitsOf();
    const server = await serve(({ socket }) => socket.write(small));
    expect(await inThread(server, 1, true)).toEqual([['complete'], []]);
  });

  it('is not needed for a thread to end: idle connections keep nothing alive, those in use do', async () => {
    limitsOf();
    const server = await serve(({ socket }) => setTimeout(() => socket.write(small), 20));
    expect(await inThread(server, 2, false)).toMatchObject([['complete', 'complete'], expect.anything()]);
  });

  it('refuses limits that make no sense, and names them', () => {
    limitsOf();
    const bad: [Partial<TransportLimits>, string][] = [
      [{ maxConnections: 0 }, 'maxConnections is 0'],
      [{ connectTimeoutMs: Number.NaN }, 'connectTimeoutMs is NaN'],
      [{ maxHeadBytes: 1 << 30 }, 'maxHeadBytes is 1073741824'],
      [{ minRateBytesPerSecond: -1 }, 'minRateBytesPerSecond is -1'],
    ];
    for (const [limits, message] of bad) expect(() => transportOf(limits)).toThrow(message);
  });
});

describe('a transport that is closed', () => {
  it('says so to whoever asks, and to those who wait', async () => {
    limitsOf();
    const server = await serve(() => {});
    transport.close();
    expect((await fetchFrom(server)).error).toMatchObject({
      code: 'Released',
      phase: 'connect',
      message: `no exchange with ${server.origin().id}: the transport is closed`,
    });
  });
});

describe('what is kept of origins', () => {
  it('is bounded, and nothing of an origin with an idle connection is forgotten', async () => {
    limitsOf();
    const server = await serve(({ socket }) => socket.write(small));
    const named = (id: string): Promise<Exchange> =>
      exchangeOnce(transport, { ...get(server.origin()), origin: server.origin({ id }) }, COLLECT, NEVER);
    expect((await named('first')).outcome).toBe('complete');
    // Origins that cannot exist leave no connection, and so can be forgotten.
    for (let i = 0; i < 300; i++) {
      const origin = { ...server.origin(), port: 70_000, id: `none-${i}` };
      expect((await exchangeOnce(transport, get(origin), COLLECT, NEVER)).outcome).toBe('failed');
    }
    expect(transport.stats()).toMatchObject({ opened: 1, idle: 1 });
    expect((await named('first')).outcome).toBe('complete');
    expect(transport.stats()).toMatchObject({ opened: 1, reused: 1, idle: 1 });
    const { places } = transport as unknown as { places: ReadonlyMap<string, unknown> };
    expect(places.size).toBe(256);
  });
});

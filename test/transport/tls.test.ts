import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NEVER } from '../../dist/protocol/stop.js';
import {
  COLLECT,
  CountingStop,
  SENTINEL,
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

let folder: string;
let cert: string;
let key: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-tls-'));
  const names = 'subjectAltName=DNS:store.test,IP:127.0.0.1';
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')];
  await promisify(execFile)('openssl', [
    'req',
    '-x509',
    ...curve,
    '-nodes',
    ...files,
    '-days',
    '2',
    '-subj',
    '/CN=store.test',
    '-addext',
    names,
  ]);
  cert = await readFile(join(folder, 'cert.pem'), 'utf8');
  key = await readFile(join(folder, 'key.pem'), 'utf8');
});

afterAll(() => rm(folder, { recursive: true }));

async function serve(onRequest: (seen: Seen) => void): Promise<ScriptedServer> {
  return ScriptedServer.start(onRequest, { cert, key, ALPNProtocols: ['http/1.1'] });
}

describe('over TLS', () => {
  it('the name that was asked for is sent and checked, whichever of its addresses is reached', async () => {
    const names: unknown[] = [];
    const server = await serve(({ socket }) => {
      names.push((socket as TLSSocket).servername);
      socket.write(answer(payload(1, 10)));
    });
    const addresses = ['127.0.0.2', '127.0.0.1'].map((address) => ({ address, family: 4 }));
    const transport = transportOf({}, { lookup: (_host, _options, found) => found(null, addresses) });
    const known = server.origin({ host: 'store.test', ca: cert });
    expect(await exchangeOnce(transport, get(known), COLLECT, NEVER)).toMatchObject({ outcome: 'complete' });
    const other = { ...known, host: 'other.test', id: 'https://other.test' };
    const refused = await exchangeOnce(transport, get(other), COLLECT, NEVER);
    expect(refused).toMatchObject({ outcome: 'failed', error: { retryable: false } });
    expect(names).toEqual(['store.test']);
    transport.close();
    await server.close();
  });

  it('an address where the handshake hangs is passed over by the next connection', async () => {
    const server = await serve(({ socket }) => socket.write(answer(payload(1, 10))));
    const { port } = server;
    const deaf = await ScriptedServer.start(() => {}, undefined, { host: '127.0.0.2', port });
    const addresses = ['127.0.0.2', '127.0.0.1'].map((address) => ({ address, family: 4 }));
    const transport = transportOf(
      { connectTimeoutMs: 300 },
      { lookup: (_host, _options, found) => found(null, addresses), random: () => 0 },
    );
    const request = get(server.origin({ host: 'store.test', ca: cert }));
    const first = await exchangeOnce(transport, request, COLLECT, NEVER);
    expect(first).toMatchObject({ outcome: 'failed', error: { code: 'TimedOut', phase: 'connect' } });
    const second = await exchangeOnce(transport, request, COLLECT, NEVER);
    expect(second).toMatchObject({ outcome: 'complete' });
    transport.close();
    await server.close();
    await deaf.close();
  });

  it('bodies land in shared memory, large and small, and connections are kept', async () => {
    const bodies = [payload(1, 10), payload(2, 20 << 20), payload(3, 4096)];
    const server = await serve(({ socket, nth }) => socket.write(answer(bodies[nth]!)));
    const transport = transportOf();
    for (const body of bodies) {
      const { target, guards } = sharedTarget(body.length);
      const exchange = await exchangeOnce(transport, get(server.origin({ ca: cert })), land(target), NEVER);
      expect(exchange).toMatchObject({ outcome: 'complete', landed: body.length });
      expect(Buffer.from(target).equals(body)).toBe(true);
      expect(guards()).toBe(true);
    }
    expect(transport.stats()).toMatchObject({ opened: 1, reused: 2, idle: 1 });
    transport.close();
    await closed(server.sockets[0]!);
    await server.close();
  });

  it('the session of an origin is resumed, its name sent, and HTTP/1.1 agreed on', async () => {
    const server = await serve(({ socket }) =>
      socket.write(answer(payload(1, 10), 'HTTP/1.1 200 OK', 'Connection: close\r\n')),
    );
    const transport = transportOf();
    const seen: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      const exchange = await exchangeOnce(
        transport,
        get(server.origin({ ca: cert, serverName: 'store.test' })),
        COLLECT,
        NEVER,
      );
      expect(exchange.outcome).toBe('complete');
      const socket = server.sockets[i] as TLSSocket;
      seen.push([socket.isSessionReused(), Reflect.get(socket, 'servername'), socket.alpnProtocol]);
    }
    expect(seen).toEqual([
      [false, 'store.test', 'http/1.1'],
      [true, 'store.test', 'http/1.1'],
    ]);
    transport.close();
    await server.close();
  });

  const refused: [string, () => { ca: string | null; serverName: string | null }, string][] = [
    ['is not trusted', () => ({ ca: null, serverName: null }), 'self-signed certificate'],
    ['is for another name', () => ({ ca: cert, serverName: 'other.test' }), 'other.test'],
  ];
  it.each(refused)(
    'a certificate that %s is a permanent failure that names the cause',
    async (_name, extra, cause) => {
      const server = await serve(() => {});
      const transport = transportOf();
      const exchange = await exchangeOnce(transport, get(server.origin(extra())), COLLECT, NEVER);
      expect(exchange.outcome).toBe('failed');
      expect(exchange.error).toMatchObject({ code: 'ConnectionFailed', phase: 'connect', retryable: false });
      expect(exchange.error!.message).toContain(`the certificate of ${server.origin().id} is not accepted`);
      expect(exchange.error!.message).toContain(cause);
      expect(server.seen.length).toBe(0);
      transport.close();
      await server.close();
    },
  );

  it('a certificate is not accepted either where the environment turns verification off', async () => {
    const server = await serve(({ socket }) => socket.write(answer(payload(1, 10))));
    const transport = transportOf();
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      const exchange = await exchangeOnce(transport, get(server.origin({ ca: null })), COLLECT, NEVER);
      expect(exchange).toMatchObject({
        outcome: 'failed',
        error: { code: 'ConnectionFailed', retryable: false },
      });
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
    expect(server.seen.length).toBe(0);
    transport.close();
    await server.close();
  });

  it('a server that speaks no TLS is a failure to connect', async () => {
    const server = await ScriptedServer.start(() => {});
    const transport = transportOf();
    const origin = { ...server.origin(), secure: true };
    const done = exchangeOnce(transport, get(origin), COLLECT, NEVER);
    while (server.sockets.length === 0) await new Promise((resolve) => setImmediate(resolve));
    server.sockets[0]!.write('HTTP/1.1 400 Bad Request\r\n\r\n');
    const exchange = await done;
    expect(exchange).toMatchObject({ outcome: 'failed', status: 0 });
    expect(exchange.error).toMatchObject({ code: 'ConnectionFailed', phase: 'connect' });
    transport.close();
    await server.close();
  });

  it('a handshake that failed is over when its descriptor is closed: the next connection is none too many', async () => {
    const server = await ScriptedServer.start(() => {});
    const transport = transportOf({ maxConnections: 1 });
    const open: number[] = [];
    const ended = Array.from(
      { length: 3 },
      () =>
        new Promise<void>((done) =>
          transport.exchange(get({ ...server.origin(), secure: true }), COLLECT, NEVER, () => {
            open.push(descriptorsTo(server.port));
            done();
          }),
        ),
    );
    for (const [nth, failed] of ended.entries()) {
      while (server.sockets.length === nth) await new Promise((resolve) => setImmediate(resolve));
      server.sockets[nth]!.write('HTTP/1.1 400 Bad Request\r\n\r\n');
      await failed;
    }
    // The next one has its slot by then, and connects in the next turn.
    expect(open).toEqual([0, 0, 0]);
    transport.close();
    await server.close();
  });

  it('a cut is reported with exactly what landed', async () => {
    const body = payload(4, 100_000);
    const wire = answer(body);
    const server = await serve(({ socket }) => socket.end(wire.subarray(0, wire.length - 5000)));
    const transport = transportOf();
    const { target } = sharedTarget(body.length);
    const exchange = await exchangeOnce(transport, get(server.origin({ ca: cert })), land(target), NEVER);
    expect(exchange).toMatchObject({ outcome: 'interrupted', landed: 95_000, error: { code: 'ShortBody' } });
    expect(Buffer.from(target.subarray(0, 95_000)).equals(body.subarray(0, 95_000))).toBe(true);
    expect(target.subarray(95_000).every((byte) => byte === SENTINEL)).toBe(true);
    transport.close();
    await server.close();
  });

  it('nothing lands after a cancel in mid-body', async () => {
    const size = 64 << 20;
    const piece = payload(5, 1 << 20);
    const server = await serve(({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      const pour = (): void => {
        if (!socket.destroyed) socket.write(piece, () => setImmediate(pour));
      };
      pour();
    });
    const transport = transportOf();
    const stop = new CountingStop();
    const { target, guards } = sharedTarget(size);
    const done = exchangeOnce(transport, get(server.origin({ ca: cert })), land(target), stop);
    while (target[100_000] === SENTINEL) await new Promise((resolve) => setImmediate(resolve));
    stop.cancel();
    const exchange = await done;
    await closed(server.sockets[0]!);
    expect(exchange.outcome).toBe('cancelled');
    expect(exchange.landed).toBeLessThan(size);
    expect(target.subarray(exchange.landed).every((byte) => byte === SENTINEL)).toBe(true);
    expect(guards()).toBe(true);
    expect(stop.linked.size).toBe(0);
    transport.close();
    await server.close();
  });
});

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { NEVER } from '../../dist/protocol/stop.js';
import type { PreparedRequest } from '../../dist/protocol/http.js';
import { Upload } from '../../dist/transport/upload.js';
import { COLLECT, CountingStop, answer, closed, get, payload, transportOf } from './kit.js';
import { exchangeOnce } from '../kit/attempts.js';

let server: Server | null = null;
const sockets: Socket[] = [];

async function listen(onConnection: (socket: Socket) => void): Promise<void> {
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

function put(body: Uint8Array): PreparedRequest {
  const { port } = server!.address() as AddressInfo;
  const id = `http://127.0.0.1:${port}`;
  return {
    ...get({ id, secure: false, host: '127.0.0.1', port, ca: null, serverName: null }),
    method: 'PUT',
    body,
  };
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.close();
  if (server !== null) await once(server, 'close');
  server = null;
});

describe('a request body', () => {
  it('arrives whole, whatever its size, and the connection is used again', async () => {
    const sizes = [1, 100_000, (1 << 20) + 1, 5 << 20, 0];
    const received: Buffer[] = [];
    await listen((socket) => {
      let pending = Buffer.alloc(0);
      socket.on('data', (data) => {
        pending = Buffer.concat([pending, data]);
        const end = pending.indexOf('\r\n\r\n') + 4;
        const length = Number(/content-length: (\d+)/i.exec(pending.toString('latin1', 0, end))?.[1]);
        if (end < 4 || pending.length < end + length) return;
        received.push(pending.subarray(end));
        pending = Buffer.alloc(0);
        socket.write(answer(Buffer.from('taken')));
      });
    });
    const transport = transportOf();
    for (const [i, size] of sizes.entries()) {
      const body = payload(i, size);
      expect(await exchangeOnce(transport, put(body), COLLECT, NEVER)).toMatchObject({
        outcome: 'complete',
        status: 200,
      });
      expect(received[i]!.equals(body), `size ${size}`).toBe(true);
    }
    expect(transport.stats()).toMatchObject({ opened: 1, reused: sizes.length - 1 });
    transport.close();
  });

  it('that the server answers without reading it ends with that answer, and the connection with it', async () => {
    await listen((socket) => {
      socket.once('data', () => {
        socket.pause();
        socket.write(answer(Buffer.from('no'), 'HTTP/1.1 403 Forbidden'));
      });
    });
    const transport = transportOf();
    const exchange = await exchangeOnce(transport, put(payload(1, 32 << 20)), COLLECT, NEVER);
    expect(exchange).toMatchObject({ outcome: 'complete', status: 403 });
    expect(Buffer.from(exchange.body!).toString()).toBe('no');
    expect(transport.stats()).toMatchObject({ active: 0, idle: 0 });
    sockets[0]!.resume();
    await closed(sockets[0]!);
    transport.close();
  });

  it('may take longer than the idle time-out, as long as the server goes on taking it', async () => {
    const body = payload(1, 24 << 20);
    await listen((socket) => {
      let left = body.length;
      socket.on('data', (data) => {
        left -= data.length;
        if (left <= 0) return void socket.write(answer(Buffer.from('taken')));
        socket.pause();
        setTimeout(() => socket.resume(), 3);
      });
    });
    const transport = transportOf({ idleTimeoutMs: 300 });
    const exchange = await exchangeOnce(transport, put(body), COLLECT, NEVER);
    expect(exchange.error).toBeNull();
    expect(exchange).toMatchObject({ outcome: 'complete', status: 200 });
    transport.close();
  });

  it('that the server stops taking times out, and names the request as the phase', async () => {
    await listen((socket) => socket.pause());
    const transport = transportOf({ idleTimeoutMs: 30 });
    const exchange = await exchangeOnce(transport, put(payload(1, 32 << 20)), COLLECT, NEVER);
    expect(exchange.outcome).toBe('failed');
    expect(exchange.error).toMatchObject({ code: 'TimedOut', phase: 'request' });
    expect(exchange.error!.message).toContain('30 ms (idleTimeoutMs)');
    transport.close();
  });

  it('is given up at once when the signal is cancelled', async () => {
    await listen((socket) => socket.pause());
    const transport = transportOf();
    const stop = new CountingStop();
    const done = exchangeOnce(transport, put(payload(1, 32 << 20)), COLLECT, stop);
    await once(server!, 'connection');
    stop.cancel();
    expect(transport.stats()).toMatchObject({ active: 0, idle: 0 });
    expect(await done).toMatchObject({ outcome: 'cancelled', error: null });
    transport.close();
  });
});

describe('the pieces of a request body', () => {
  const KIB = 1024;

  /** The sizes of the pieces that a body of 4 MiB leaves in, each of which takes so many ms of coarse time. */
  function pieces(tookMs: (nth: number) => number): number[] {
    const written: (string | Uint8Array)[] = [];
    const taken: (() => void)[] = [];
    const socket = {
      cork: () => {},
      uncork: () => {},
      write: (bytes: string | Uint8Array, then: string | (() => void)) => {
        written.push(bytes);
        if (typeof then === 'function') taken.push(then);
      },
    };
    const clock = { nowMs: 700 };
    let moves = 0;
    const upload = new Upload(socket as unknown as Socket, clock, () => (moves += 1));
    const body = payload(3, (4 << 20) + 1);
    upload.send('the head', body);
    for (let at = 0; at < taken.length; at++) {
      expect([upload.pending, taken.length, moves]).toEqual([true, at + 1, at]);
      clock.nowMs += tookMs(at);
      taken[at]!();
    }
    expect([upload.pending, moves]).toEqual([false, taken.length]);
    const [head, ...rest] = written as [string, ...Uint8Array[]];
    expect(head).toBe('the head');
    expect(Buffer.concat(rest).equals(body)).toBe(true);
    return rest.map((piece) => piece.length);
  }

  it('are small on a slow link, so that it shows that it moves', () => {
    const sizes = pieces(() => 250);
    // What the idle time-out of 20 s has to see at 4 KiB/s.
    expect(sizes.slice(0, -1).every((size) => size === 64 * KIB && size <= 20 * 4 * KIB)).toBe(true);
    expect(sizes.at(-1)).toBe(1);
  });

  it('grow on a fast link, up to half of what it has just taken, and begin anew when it becomes slow', () => {
    const sizes = pieces((nth) => (nth === 11 ? 250 : 0));
    expect(sizes.slice(0, 4)).toEqual([64 * KIB, 64 * KIB, 64 * KIB, 96 * KIB]);
    let sum = 0;
    for (const size of sizes.slice(0, 12)) {
      expect(size).toBe(Math.max(64 * KIB, Math.min(512 * KIB, sum / 2)));
      sum += size;
    }
    expect(sizes[11]).toBe(512 * KIB);
    expect(sizes.slice(12, 14)).toEqual([64 * KIB, 64 * KIB]);
  });
});

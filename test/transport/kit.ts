/**
 * What the tests of the transport stand on: scripted servers that do exactly what a test says, byte by byte; payloads
 * whose every byte tells object and offset; a stop signal that counts its links.
 */
import { once } from 'node:events';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import { StopState } from '../../dist/protocol/stop.js';
import type { StopSignal } from '../../dist/protocol/stop.js';
import type {
  BodySink,
  Origin,
  PreparedRequest,
  Transport,
  TransportLimits,
} from '../../dist/protocol/http.js';
import { DEFAULT_TRANSPORT_LIMITS, createTransport } from '../../dist/transport/transport.js';
import type { TransportDeps } from '../../dist/transport/transport.js';

/** Bytes `[start, start + length)` of object number `object`. */
export function payload(object: number, length: number, start = 0): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) {
    let h = (Math.imul(object + 1, 0x9e3779b1) ^ (start + i)) >>> 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) >>> 0;
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) >>> 0;
    bytes[i] = (h ^ (h >>> 16)) & 255;
  }
  return bytes;
}

/** What no payload is expected to look like for long: shows what was written and what was not. */
export const SENTINEL = 0xa5;

/** Shared memory, with `before` and `after` bytes around the target that nobody may touch. */
export function sharedTarget(length: number): { target: Uint8Array; guards: () => boolean } {
  const margin = 64;
  const all = new Uint8Array(new SharedArrayBuffer(length + 2 * margin)).fill(SENTINEL);
  return {
    target: all.subarray(margin, margin + length),
    guards: () => {
      const untouched = (byte: number): boolean => byte === SENTINEL;
      return all.subarray(0, margin).every(untouched) && all.subarray(margin + length).every(untouched);
    },
  };
}

/** One request as a server saw it. */
export interface Seen {
  readonly socket: Socket;
  /** Request line and headers. */
  readonly text: string;
  /** Number of the connection, from 0. */
  readonly connection: number;
  /** Number of the request on its connection, from 0. */
  readonly nth: number;
}

export class ScriptedServer {
  readonly seen: Seen[] = [];
  readonly sockets: Socket[] = [];
  private waiters: { count: number; resolve: () => void }[] = [];

  private constructor(
    private readonly server: Server,
    private readonly secure: boolean,
  ) {}

  static async start(
    onRequest: (seen: Seen) => void,
    tls?: TlsOptions,
    at: { host: string; port: number } = { host: '127.0.0.1', port: 0 },
  ): Promise<ScriptedServer> {
    const server = tls === undefined ? createServer({ noDelay: true }) : createTlsServer(tls);
    const scripted = new ScriptedServer(server, tls !== undefined);
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      const connection = scripted.sockets.push(socket) - 1;
      let pending = '';
      let nth = 0;
      // A client that goes away is part of the script.
      socket.on('error', () => {});
      socket.on('data', (data) => {
        pending += data.toString('latin1');
        for (let end = pending.indexOf('\r\n\r\n'); end >= 0; end = pending.indexOf('\r\n\r\n')) {
          const seen = { socket, text: pending.slice(0, end + 4), connection, nth: nth++ };
          pending = pending.slice(end + 4);
          scripted.seen.push(seen);
          onRequest(seen);
          scripted.wake();
        }
      });
    });
    server.on('tlsClientError', () => {});
    server.listen(at.port, at.host);
    await once(server, 'listening');
    return scripted;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  origin(extra: Partial<Origin> = {}): Origin {
    return {
      id: `${this.secure ? 'https' : 'http'}://127.0.0.1:${this.port}`,
      secure: this.secure,
      host: '127.0.0.1',
      port: this.port,
      ca: null,
      serverName: null,
      ...extra,
    };
  }

  /** Resolves when so many requests have come. */
  async requests(count: number): Promise<void> {
    if (this.seen.length >= count) return;
    await new Promise<void>((resolve) => this.waiters.push({ count, resolve }));
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    if (this.server.listening) await once(this.server, 'close');
  }

  private wake(): void {
    this.waiters = this.waiters.filter(({ count, resolve }) => {
      if (this.seen.length < count) return true;
      resolve();
      return false;
    });
  }
}

/** A stop signal by hand, which knows how many callbacks are linked now and were ever. */
export class CountingStop implements StopSignal {
  state: StopState = StopState.Live;
  links = 0;
  readonly linked = new Set<() => void>();

  onStop(fn: () => void): () => void {
    this.links++;
    this.linked.add(fn);
    return () => this.linked.delete(fn);
  }

  drain(): void {
    this.state = StopState.Draining;
  }

  cancel(): void {
    this.state = StopState.Cancelled;
    for (const fn of this.linked) fn();
  }
}

export function transportOf(
  limits: Partial<TransportLimits> = {},
  deps: Partial<TransportDeps> = {},
): Transport {
  return createTransport(
    { ...DEFAULT_TRANSPORT_LIMITS, ...limits },
    { now: () => performance.now(), ...deps },
  );
}

export function get(origin: Origin, range: PreparedRequest['range'] = null): PreparedRequest {
  const headers = ['Host', `${origin.host}:${origin.port}`];
  if (range !== null) headers.push('Range', `bytes=${range.start}-${range.start + range.length - 1}`);
  return { origin, method: 'GET', target: '/object?x=1', headers, body: null, range };
}

export function land(target: Uint8Array): BodySink {
  return { kind: 'land', target };
}

export const COLLECT: BodySink = { kind: 'collect', maxBytes: 1 << 20 };

/** A whole answer with a Content-Length. */
export function answer(body: Uint8Array, head = 'HTTP/1.1 200 OK', extra = ''): Buffer {
  return Buffer.concat([
    Buffer.from(`${head}\r\nContent-Length: ${body.length}\r\nETag: "v1"\r\n${extra}\r\n`, 'latin1'),
    body,
  ]);
}

/** A chunked body with chunks of these sizes, in turn. */
export function chunked(body: Uint8Array, sizes: readonly number[], trailer = ''): Buffer {
  const parts: Uint8Array[] = [];
  for (let at = 0, i = 0; at < body.length; i++) {
    const size = Math.min(sizes[i % sizes.length]!, body.length - at);
    const extension = i % 3 === 2 ? ';name="a value"' : '';
    parts.push(
      Buffer.from(`${size.toString(16)}${extension}\r\n`),
      body.subarray(at, at + size),
      Buffer.from('\r\n'),
    );
    at += size;
  }
  parts.push(Buffer.from(`0\r\n${trailer}\r\n`));
  return Buffer.concat(parts);
}

/** Resolves when the server's side of a connection is gone, however that came. */
export async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

const REMOTE_ADDRESS = 2;
const INODE = 9;

/** Sockets that this process has open to a port, as the kernel counts them: closed ones are none, whatever their server knows. */
export function descriptorsTo(port: number): number {
  const sockets = new Set(readdirSync('/proc/self/fd').map(socketOf));
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = readFileSync('/proc/net/tcp', 'latin1').trimEnd().split('\n').slice(1);
  const columns = rows.map((row) => row.trim().split(/\s+/));
  return columns.filter((of) => of[REMOTE_ADDRESS]!.endsWith(remote) && sockets.has(of[INODE])).length;
}

/** The inode behind a descriptor, where that is a socket. */
function socketOf(descriptor: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${descriptor}`))?.[1];
  } catch {
    // That of the listing itself.
    return undefined;
  }
}

/** A small seeded generator (mulberry32): the same cases on every run. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

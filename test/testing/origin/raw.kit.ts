/**
 * A client that sees every byte: what came on a socket, and how the socket ended.
 */
import { connect, type Socket } from 'node:net';

export interface Seen {
  head: string;
  body: Buffer;
  /** `end` for a FIN, else the code of the error. */
  ending: string;
}

export interface RawClient {
  readonly socket: Socket;
  send(text: string): void;
  /** Resolves when what has come so far satisfies `enough`; rejects when the socket ends before that. */
  until(enough: (bytes: Buffer) => boolean): Promise<Buffer>;
  /** Everything, once the socket has ended. */
  ended(): Promise<Seen>;
}

export function rawClient(port: number): RawClient {
  const socket = connect(port, '127.0.0.1');
  let bytes = Buffer.alloc(0);
  let ending: string | null = null;
  const looks = new Set<() => void>();
  const changed = (): void => looks.forEach((look) => look());
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    changed();
  });
  socket.on('end', () => (ending ??= 'end'));
  socket.on('error', (error: NodeJS.ErrnoException) => (ending = error.code ?? 'error'));
  socket.on('close', () => {
    ending ??= 'close';
    changed();
  });
  const when = <T>(find: () => T | null): Promise<T> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = find();
        if (found === null && !socket.destroyed) return;
        looks.delete(look);
        if (found === null) reject(new Error(`ended (${ending}) with ${bytes.toString('latin1')}`));
        else resolve(found);
      };
      looks.add(look);
      look();
    });
  return {
    socket,
    send: (text) => void socket.write(text, 'latin1'),
    until: (enough) => when(() => (enough(bytes) ? bytes : null)),
    ended: () => when(() => (socket.closed ? split(bytes, ending ?? 'close') : null)),
  };
}

function split(bytes: Buffer, ending: string): Seen {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return { head: bytes.toString('latin1'), body: Buffer.alloc(0), ending };
  return { head: bytes.toString('latin1', 0, end), body: bytes.subarray(end + 4), ending };
}

/** An anonymous GET that asks for the connection to end, unless headers say otherwise. */
export function getText(path: string, headers: Record<string, string> = { Connection: 'close' }): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${lines.join('')}\r\n`;
}

export async function rawGet(port: number, path: string, headers?: Record<string, string>): Promise<Seen> {
  const client = rawClient(port);
  client.send(getText(path, headers));
  return client.ended();
}

/** One header of a head, by lower-case name; all values joined by a bar. */
export function headerOf(head: string, name: string): string {
  const values = head
    .split('\r\n')
    .slice(1)
    .filter((line) => line.toLowerCase().startsWith(`${name}:`));
  return values.map((line) => line.slice(name.length + 1).trim()).join('|');
}

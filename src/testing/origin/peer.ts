/**
 * Whether the other end of a connection has left, for a socket that is not read: the kernel tells that only to readers.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

const LOOK_MS = 20;
/** States of Linux's table of connections: established, and its end of the handshake. */
const TCP_ALIVE = new Set(['01', '03']);

const hexPort = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');

/** Whether the other end of a connection has closed or reset it; false where there is no way to know. */
function peerLeft(localPort: number, remotePort: number): boolean {
  let table: string;
  try {
    table = readFileSync('/proc/net/tcp', 'latin1');
  } catch {
    return false;
  }
  const row = new RegExp(`: \\w+:${hexPort(localPort)} \\w+:${hexPort(remotePort)} (\\w\\w) `).exec(table);
  return row === null || !TCP_ALIVE.has(row[1]!);
}

/** Looks again and again until what it returns is called. */
export function watchPeer(raw: Socket, left: () => void): () => void {
  const { localPort, remotePort } = raw;
  const look = setInterval(() => {
    // A socket that is closed has no ports.
    if (localPort === undefined || remotePort === undefined || peerLeft(localPort, remotePort)) left();
  }, LOOK_MS);
  return () => clearInterval(look);
}

/**
 * Whether the other end of a connection has left, for a socket that is not read: the kernel tells that only to readers.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';

const LOOK_MS = 20;
/** States of Linux's table of connections: established, and its end of the handshake. */
const TCP_ALIVE = new Set(['01', '03']);

const hexPort = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');

/** Whether the other end of a connection has closed or reset it; false where there is no way to know. */
function peerLeft(localPort, remotePort) {
  let table;
  try {
    table = readFileSync('/proc/net/tcp', 'latin1');
  } catch {
    return false;
  }
  const row = new RegExp(`: \\w+:${hexPort(localPort)} \\w+:${hexPort(remotePort)} (\\w\\w) `).exec(table);
  return row === null || !TCP_ALIVE.has(row[1]);
}

/**
 * Looks again and again until it is told to stop.
 * Returns stops it
 */
export function watchPeer(raw: Socket, left: () => void): () => void {
  const { localPort, remotePort } = raw;
  const look = setInterval(() => {
    if (peerLeft(localPort, remotePort)) left();
  }, LOOK_MS);
  return () => clearInterval(look);
}

/**
 * Opens sockets, plain and TLS, whose reads go where `onread` says.
 *
 * Invariants:
 * 1. What can be shared by the connections of one origin (parsed certificates, the TLS session) is made once.
 * 2. Certificates and names are verified whatever the environment says.
 */
import { connect as connectPlain, isIP } from 'node:net';
import type { OnReadOpts, Socket } from 'node:net';
import { connect as connectSecure, createSecureContext } from 'node:tls';
import type { ConnectionOptions, SecureContext } from 'node:tls';
import type { Origin } from '../protocol/http.js';

/** What is remembered of an origin between its connections. */
export interface TlsMemory {
  context: SecureContext | null;
  session: Buffer | null;
}

/** Begins to connect; throws when the origin's port or certificates cannot be used at all. */
export function openSocket(origin: Origin, memory: TlsMemory, onread: OnReadOpts): Socket {
  const { host, port, secure, ca } = origin;
  if (!secure) return connectPlain({ host, port, onread });
  memory.context ??= createSecureContext(ca === null ? {} : { ca });
  const options: ConnectionOptions & { onread: OnReadOpts } = {
    host,
    port,
    secureContext: memory.context,
    ALPNProtocols: ['http/1.1'],
    // Node's default; said here because NODE_TLS_REJECT_UNAUTHORIZED=0 would turn it off for what does not say it.
    rejectUnauthorized: true,
    onread,
  };
  const name = origin.serverName ?? host;
  // The name in a TLS hello must not be an address (RFC 6066, section 3).
  if (isIP(name) === 0) options.servername = name;
  if (memory.session !== null) options.session = memory.session;
  const socket = connectSecure(options);
  socket.on('session', (session) => {
    memory.session = session;
  });
  return socket;
}

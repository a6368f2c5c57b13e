/**
 * Opens sockets, plain and TLS, whose reads go where `onread` says.
 *
 * Invariants:
 * 1. What can be shared by the connections of one origin (parsed certificates, the TLS session) is made once.
 * 2. Certificates and names are verified whatever the environment says, and against the name that was asked for,
 *    whichever of its addresses is reached.
 */
import { connect as connectPlain, isIP } from 'node:net';
import type { OnReadOpts, Socket } from 'node:net';
import { connect as connectSecure, createSecureContext } from 'node:tls';
import type { ConnectionOptions, SecureContext } from 'node:tls';
import type { Origin } from '../protocol/http.js';
import type { Visit } from './addresses.js';

/**
 * After so long the next address of the host is tried. Longer than any round trip on earth takes: Node's own 250 ms would pass over
 * every address but the last one of a service that is far away.
 */
const NEXT_ADDRESS_AFTER_MS = 1_000;

/** What is remembered of an origin between its connections. */
export interface TlsMemory {
  context: SecureContext | null;
  session: Buffer | null;
}

/**
 * Begins to connect; throws when the origin's port or certificates cannot be used at all. `visit` chooses among the addresses
 * of a host name; null where there is nothing to choose.
 */
export function openSocket(
  origin: Origin,
  memory: TlsMemory,
  visit: Visit | null,
  onread: OnReadOpts,
): Socket {
  const socket = begin(origin, memory, visit, onread);
  visit?.follow(socket);
  return socket;
}

function begin(origin: Origin, memory: TlsMemory, visit: Visit | null, onread: OnReadOpts): Socket {
  const { host, port, secure, ca } = origin;
  const spread =
    visit === null
      ? {}
      : {
          lookup: visit.lookup,
          // Node's default; said here because a flag of the process could turn it off.
          autoSelectFamily: true,
          autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_AFTER_MS,
        };
  if (!secure) return connectPlain({ host, port, onread, ...spread });
  memory.context ??= createSecureContext(ca === null ? {} : { ca });
  const options: ConnectionOptions & { onread: OnReadOpts } = {
    host,
    port,
    secureContext: memory.context,
    ALPNProtocols: ['http/1.1'],
    // Node's default; said here because NODE_TLS_REJECT_UNAUTHORIZED=0 would turn it off for what does not say it.
    rejectUnauthorized: true,
    onread,
    ...spread,
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

/** Where a URL's requests go, as the transport is told it. */
import { createHash } from 'node:crypto';
import type { Origin } from '../../protocol/http.js';

/** `ca`: PEM bundle to trust instead of Node's own list, or null; connections with another trust are never shared. */
export function originOf(url: URL, ca: string | null): Origin {
  const secure = url.protocol === 'https:';
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  const trust = ca === null ? '' : `#ca=${createHash('sha256').update(ca).digest('hex').slice(0, 16)}`;
  return {
    id: `${url.protocol}//${url.hostname}:${port}${trust}`,
    secure,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    ca,
    serverName: null,
  };
}

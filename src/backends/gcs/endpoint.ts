/**
 * Where the service is reached. Pure.
 *
 * Invariant: an emulator is taken from the environment only where no endpoint is given, as the SDK does it, and then it
 * is never sent credentials.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { Origin } from '../../protocol/http.js';
import { originOf } from '../http/origin.js';
import { checkEndpoint, type GcsOptions } from './options.js';

const SERVICE = 'https://storage.googleapis.com';
const EMULATOR = 'STORAGE_EMULATOR_HOST';

export type Env = Readonly<Record<string, string | undefined>>;

export interface Address {
  readonly origin: Origin;
  readonly pathPrefix: string;
  readonly hostHeader: string;
  readonly emulated: boolean;
}

export function isEmulated({ endpoint }: GcsOptions, env: Env): boolean {
  return endpoint === undefined && Boolean(env[EMULATOR]);
}

/** @throws MillraceError InvalidArgument when the environment names no URL */
export function addressOf(options: GcsOptions, env: Env): Address {
  const emulated = isEmulated(options, env);
  const url = emulated
    ? checkEndpoint(withProtocol(env[EMULATOR]!), `environment variable ${EMULATOR}`)
    : checkEndpoint(options.endpoint ?? SERVICE, 'gs option "endpoint"');
  return {
    origin: originOf(url, options.ca ?? null),
    pathPrefix: url.pathname.replace(/\/+$/, ''),
    hostHeader: url.host,
    emulated,
  };
}

/**
 * Whoever sees a token can use it, while a signature is of its one request.
 * @throws MillraceError InvalidArgument for an endpoint that tokens would reach in clear
 */
export function checkTokensMayGo({ origin: { secure, host } }: Address): void {
  if (secure || host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)) return;
  throw new MillraceError(
    ErrorCode.InvalidArgument,
    `The gs option "endpoint" is http, and access tokens are sent over https, or to this machine; given: host "${host}". ` +
      'Use https, an HMAC key (hmac), or anonymous: true',
    { phase: 'configure' },
  );
}

/** A host without a protocol is taken for https, as the SDK does. */
function withProtocol(host: string): string {
  return /^[a-z]+:\/\//i.test(host) ? host : `https://${host}`;
}

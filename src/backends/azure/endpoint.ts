/**
 * Where a container is reached: origin, base path and host.
 *
 * Invariants:
 * 1. An access token goes over TLS, or to this very machine; never in the clear over a network.
 * 2. Requests for one account never go to an endpoint whose path names another.
 */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import type { Origin } from '../../protocol/http.js';
import { originOf } from '../http/origin.js';
import type { Choice } from './choice.js';
import { checkEndpoint, type AzureOptions } from './options.js';
import { PUBLIC_SUFFIX, type ContainerName } from './uri.js';

export interface Address {
  readonly origin: Origin;
  readonly basePath: string;
  readonly hostHeader: string;
}

/** @throws MillraceError InvalidArgument for an endpoint that cannot be this account's, or is not fit for a token */
export function addressOf(
  { account, suffix }: ContainerName,
  options: AzureOptions,
  choice: Choice,
): Address {
  const [text, origin] =
    options.endpoint !== undefined
      ? [options.endpoint, 'az option "endpoint"']
      : choice.endpoint !== null
        ? [choice.endpoint, choice.endpointOrigin]
        : [`https://${account}.${suffix ?? PUBLIC_SUFFIX}`, 'host of the URI'];
  const url = checkEndpoint(text, origin);
  const secure = url.protocol === 'https:';
  const isToken = choice.source.kind === 'token' || choice.source.kind === 'chain';
  if (isToken && !secure && !isLoopback(url.hostname)) {
    throw invalid(
      `The ${origin} is http:, over which an access token could be read on its way; expected https:, or a key or ` +
        `shared access signature in the place of the credential`,
    );
  }
  return {
    origin: originOf(url, options.ca ?? null),
    basePath: basePathOf(url, account, origin),
    hostHeader: url.host,
  };
}

/** Emulators have no host for each account: it is the first part of the path, and added where an address has none. */
function basePathOf(url: URL, account: string, origin: string): string {
  const path = url.pathname.replace(/\/+$/, '');
  if (path === '') return isAddress(url.hostname) ? `/${account}` : '';
  if (path === `/${account}`) return path;
  throw invalid(
    `The ${origin} has the path ${path}, and the URI names the account "${account}"; expected no path or /${account}`,
  );
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

function isAddress(hostname: string): boolean {
  return isLoopback(hostname) || hostname.startsWith('[') || /^\d{1,3}(\.\d{1,3}){3}$/.test(hostname);
}

function invalid(message: string): MillraceError {
  return new MillraceError(ErrorCode.InvalidArgument, message, { phase: 'configure' });
}

/**
 * Whether what a source of credentials has thrown may be over the next time: the network was gone, or the service behind it
 * was failing or overloaded. The packages and functions that are asked throw what they like; only what is plainly so counts.
 */
import { MillraceError } from '../../protocol/errors.js';

/** Of connections and names, as Node and its fetch have them. */
const PASSING_CODES: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_SOCKET',
]);
/** Errors are wrapped once or twice on their way; a circle has no end. */
const MAX_CAUSES = 4;

interface Marks {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly cause?: unknown;
  /** Of `@azure/identity` and of the SDK's metadata clients. */
  readonly statusCode?: unknown;
  /** Of Google's. */
  readonly status?: unknown;
  /** Of the AWS SDK. */
  readonly $metadata?: { readonly httpStatusCode?: unknown } | undefined;
  readonly $retryable?: unknown;
}

/** An error of our own knows by itself. */
export function isPassing(thrown: unknown): boolean {
  if (thrown instanceof MillraceError) return thrown.retryable;
  let error: unknown = thrown;
  for (let depth = 0; depth < MAX_CAUSES && error instanceof Error; depth++) {
    const { name, code, cause, statusCode, status, $metadata, $retryable } = error as Marks;
    if (PASSING_CODES.has(code) || name === 'TimeoutError' || $retryable !== undefined) return true;
    if ([statusCode, status, $metadata?.httpStatusCode].some(isPassingStatus)) return true;
    error = cause;
  }
  return false;
}

function isPassingStatus(status: unknown): boolean {
  return typeof status === 'number' && (status === 429 || status >= 500);
}

/**
 * The errors of the transport, worded in one place.
 *
 * Invariant: a message names the origin, the limit and its value, never a target, a header or a body.
 */
import { TLSSocket } from 'node:tls';
import { ErrorCode, MillraceError, systemCode } from '../protocol/errors.js';
import type { ErrorContext, ErrorPhase } from '../protocol/errors.js';
import type { Origin, PreparedRequest, TransportLimits } from '../protocol/http.js';
import { BodyMode } from './framing.js';
import type { BodyPlan } from './framing.js';
import type { Wait } from './watch.js';

export function timedOut(
  wait: Wait,
  limits: TransportLimits,
  context: ErrorContext,
  origin: Origin,
): MillraceError {
  return new MillraceError(ErrorCode.TimedOut, waitMessage(wait, limits, origin.id), context);
}

function waitMessage(wait: Wait, limits: TransportLimits, id: string): string {
  switch (wait) {
    case 'connect':
      return `no connection to ${id} within ${limits.connectTimeoutMs} ms (connectTimeoutMs)`;
    case 'send':
      return `${id} took too little of the request body for ${limits.idleTimeoutMs} ms (idleTimeoutMs)`;
    case 'firstByte':
      return `no answer from ${id} within ${limits.firstByteTimeoutMs} ms (firstByteTimeoutMs)`;
    case 'idle':
      return `no byte of the body from ${id} for ${limits.idleTimeoutMs} ms (idleTimeoutMs)`;
    case 'work':
      return `${id} was silent over what it was asked to do for ${limits.workTimeoutMs} ms (workTimeoutMs)`;
    case 'rate':
      return (
        `the body from ${id} came slower than ${limits.minRateBytesPerSecond} bytes per second ` +
        `over ${limits.minRateWindowMs} ms (minRateBytesPerSecond, minRateWindowMs)`
      );
  }
}

/** No connection came about. A certificate that is not accepted today is not accepted at the next attempt either. */
export function connectFailed(origin: Origin, cause: unknown, socket: object | null): MillraceError {
  const context: ErrorContext = { phase: 'connect', cause };
  // Typed as always there, but null until a certificate was looked at and refused.
  const verdict: unknown = socket instanceof TLSSocket ? socket.authorizationError : null;
  if (verdict !== null && verdict !== undefined) {
    const reason = `the certificate of ${origin.id} is not accepted: ${describe(cause)}`;
    return new MillraceError(ErrorCode.ConnectionFailed, reason, { ...context, retryable: false });
  }
  return new MillraceError(
    ErrorCode.ConnectionFailed,
    `no connection to ${origin.id}: ${describe(cause)}`,
    context,
  );
}

/** The connection broke; `cause` is null when the other side just ended it. */
export function connectionLost(
  origin: Origin,
  where: string,
  cause: unknown,
  context: ErrorContext,
): MillraceError {
  return new MillraceError(
    ErrorCode.ConnectionFailed,
    `the connection to ${origin.id} broke ${where}: ${describe(cause)}`,
    cause === null ? context : { ...context, cause },
  );
}

export function shortBodyMessage(plan: BodyPlan, origin: Origin, bytes: number): string {
  if (plan.withheld) {
    return `${origin.id} served ${bytes} bytes, fewer than asked for, though the object does not end there`;
  }
  const whole = plan.mode === BodyMode.Length ? plan.length : plan.promised;
  const promise = whole < 0 ? 'before its last chunk' : `of ${whole}`;
  return `the body from ${origin.id} ended after ${bytes} bytes ${promise}`;
}

/** The range that was asked for and the phase, as the context of an error. */
export function contextOf(request: PreparedRequest, phase: ErrorPhase, status: number): ErrorContext {
  const context: ErrorContext = { phase };
  if (status !== 0) context.status = status;
  const { range } = request;
  if (range !== null) context.range = [range.start, range.start + range.length - 1];
  return context;
}

/** Code and message of a system error; several addresses tried in vain come as one error that has only the former. */
function describe(cause: unknown): string {
  if (cause === null || cause === undefined) return 'ended by the other side';
  const code = systemCode(cause);
  const inner: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  const message = inner instanceof Error ? inner.message : String(inner);
  return code === undefined || message.includes(code) ? message : `${code}: ${message}`;
}

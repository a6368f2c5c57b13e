/** What goes wrong with heads and writes of the simulation, which have an answer instead of bytes. */
import { ErrorCode, MillraceError } from '../../protocol/errors.js';
import { Outcome, type Answer } from '../../protocol/store.js';
import type { WriteRequest } from '../../protocol/writes.js';

export type SimCallFaultKind =
  /** No answer, or one that does not tell what became of the request, which may have been carried out. */
  | {
      readonly kind: 'lost';
      readonly outcome: 'transient' | 'throttled' | 'stale-connection';
      readonly applied: boolean;
      readonly retryAfterMs?: number;
    }
  /** The credentials are refused, whatever snapshot the worker has. */
  | { readonly kind: 'stale-credentials' }
  | { readonly kind: 'clock-skew' }
  /** Nothing ever comes: only a stop ends a write. A head is answered as if there were none. */
  | { readonly kind: 'silence'; readonly applied: boolean }
  /** A permanent refusal. */
  | { readonly kind: 'refuse'; readonly error: MillraceError };

export type SimCallFault = SimCallFaultKind & {
  readonly on: 'head' | WriteRequest['kind'];
  /** Only calls about this key. @default every one */
  readonly key?: string;
  /** How many calls it spoils. @default 1 */
  readonly times?: number;
};

/** What the fault answers; null for one that does not. */
export function answerOfCallFault(fault: SimCallFault, key: string): Answer<never> | null {
  switch (fault.kind) {
    case 'lost':
      return { ...spoiled(fault.outcome, key, CODES[fault.outcome]), retryAfterMs: fault.retryAfterMs ?? 0 };
    case 'stale-credentials':
      return spoiled(Outcome.StaleCredentials, key, ErrorCode.Unauthenticated);
    case 'clock-skew':
      return spoiled(Outcome.ClockSkew, key, ErrorCode.Unauthenticated);
    case 'refuse':
      return { ...spoiled(Outcome.Refused, key, ErrorCode.AccessDenied), error: fault.error };
    case 'silence':
      return null;
  }
}

const CODES = {
  transient: ErrorCode.ConnectionFailed,
  'stale-connection': ErrorCode.ConnectionFailed,
  throttled: ErrorCode.Throttled,
} as const;

/** An answer that brings nothing but its outcome. */
export function spoiled(outcome: Outcome, key: string, code: ErrorCode): Answer<never> {
  const error = new MillraceError(code, `sim://${key}: the simulated service answers ${outcome}`, {
    uri: `sim://${key}`,
    phase: 'write',
  });
  return { outcome, value: null, error, retryAfterMs: 0 };
}

/**
 * How far this machine's clock is off the service's, learnt from answers.
 *
 * Invariants:
 * 1. An offset is learnt only when the service refused the time of a request and its Date header contradicts the
 *    offset which that very request was signed with. So all requests that were in flight when the offset was learnt
 *    are tried again, while one that was signed with the right offset and still refused is not.
 * 2. It is learnt anew whenever that happens again, as after somebody has set the clock right.
 */
import { ErrorCode, MillraceError, type ErrorContext } from '../../protocol/errors.js';
import type { Exchange } from '../../protocol/http.js';
import { Outcome } from '../../protocol/store.js';
import type { Verdict } from './answers.js';

/** S3 and Azure accept 15 minutes; a Date header that differs by less cannot be why it refused. */
const TOLERATED_SKEW_MS = 15 * 60_000;
/** Two measurements of one offset differ by a round trip and the header's whole seconds, not by this much. */
const SAME_SKEW_MS = 5 * 60_000;

/** An answer that may refuse the time of its request. */
export interface Suspect {
  /** Whether it does; `isFar` when its Date header differs by more than the service tolerates. */
  refusesTime(isFar: boolean): boolean;
  readonly uri: string;
  readonly context: ErrorContext;
}

export interface Skew {
  /** The service's time, as far as it is known. */
  serviceTime(nowMs: number): number;
  /** Remembers which offset a request is signed with. */
  sign(identity: object): void;
  /** The verdict on an answer that refuses the request's time, or null for any other answer. */
  judge(identity: object, exchange: Exchange, suspect: Suspect, nowMs: number): Verdict | null;
}

export function createSkew(): Skew {
  let offsetMs = 0;
  /** Only kept while there is an offset: a machine whose clock is right pays nothing. */
  const signedWith = new WeakMap<object, number>();
  return {
    serviceTime: (nowMs) => nowMs + offsetMs,
    sign(identity): void {
      if (offsetMs !== 0) signedWith.set(identity, offsetMs);
    },
    judge(identity, exchange, suspect, nowMs): Verdict | null {
      const date = Date.parse(exchange.header('date') ?? '');
      const measured = Number.isNaN(date) ? null : date - nowMs;
      const offBy = measured === null ? 0 : Math.abs(measured - (signedWith.get(identity) ?? 0));
      if (!suspect.refusesTime(offBy > TOLERATED_SKEW_MS)) return null;
      const learnt = measured !== null && offBy > SAME_SKEW_MS;
      if (learnt) offsetMs = measured;
      const error = new MillraceError(
        ErrorCode.Unauthenticated,
        `${suspect.uri}: the service refused the time of the request; ${clockText(measured)}: set this machine's clock`,
        suspect.context,
      );
      return { outcome: learnt ? Outcome.ClockSkew : Outcome.Refused, error, retryAfterMs: 0 };
    },
  };
}

function clockText(aheadMs: number | null): string {
  if (aheadMs === null) return 'its own time is not known';
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  return `this machine's clock is ${seconds} s ${aheadMs > 0 ? 'behind' : 'ahead of'} its own`;
}

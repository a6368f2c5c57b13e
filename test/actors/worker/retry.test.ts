import { describe, expect, it } from 'vitest';
import {
  newRetryState,
  nextStep,
  RETRY_AFTER_CAP_MS,
  RETRY_BASE_MS,
  RETRY_CAP_MS,
  type RetryState,
  type RetryStep,
  ranOut,
} from '../../../dist/actors/worker/retry.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { Outcome } from '../../../dist/protocol/store.js';
import { mix32 } from '../../../dist/backends/memory/pattern.js';

interface Tried {
  readonly step: RetryStep;
  readonly spent: number;
}

/** One failed attempt; counts what it takes from the budget. */
function fail(
  state: RetryState,
  outcome: Outcome,
  {
    random = 0.5,
    nowMs = 0,
    retryAfterMs = 0,
    budget = true,
    error = new MillraceError(ErrorCode.Throttled, 'no'),
  } = {},
): Tried {
  let spent = 0;
  const step = nextStep(
    state,
    { outcome, error, retryAfterMs },
    {
      nowMs,
      random: () => random,
      spend: () => {
        spent += 1;
        return budget;
      },
    },
  );
  return { step, spent };
}

const delayOf = (step: RetryStep): number => {
  if (step.kind !== 'again') throw new Error(`is ${step.kind}`);
  return step.delayMs;
};

describe('a wait before a retry', () => {
  it('lies between the base and three times the wait before, and never above the cap', () => {
    const state = newRetryState(Infinity);
    let before = RETRY_BASE_MS;
    let longest = 0;
    for (let i = 0; i < 500; i += 1) {
      const random = (mix32(i) >>> 0) / 2 ** 32;
      const delay = delayOf(fail(state, Outcome.Transient, { random }).step);
      const upper = Math.min(RETRY_CAP_MS, before * 3);
      expect(delay).toBe(RETRY_BASE_MS + random * (upper - RETRY_BASE_MS));
      before = delay;
      longest = Math.max(longest, delay);
    }
    expect(longest).toBeLessThanOrEqual(RETRY_CAP_MS);
    expect(longest).toBeGreaterThan(RETRY_CAP_MS / 2);
  });

  it('grows to the cap with the worst dice, and stays at the base with the best', () => {
    const [worst, best] = [newRetryState(Infinity), newRetryState(Infinity)];
    const delays = Array.from({ length: 9 }, () =>
      delayOf(fail(worst, Outcome.Throttled, { random: 1 }).step),
    );
    expect(delays).toEqual([150, 450, 1350, 4050, 12_150, 20_000, 20_000, 20_000, 20_000]);
    for (let i = 0; i < 9; i += 1)
      expect(delayOf(fail(best, Outcome.Throttled, { random: 0 }).step)).toBe(RETRY_BASE_MS);
  });

  it.each([
    ['is as long as the service asks', 30_000, 30_000],
    ['is not shorter than ours because the service asks for less', 1, 100],
    ['is at most a minute, whatever the service asks', 3_600_000, RETRY_AFTER_CAP_MS],
  ])('%s', (_claim, retryAfterMs, delayMs) => {
    expect(delayOf(fail(newRetryState(5), Outcome.Throttled, { retryAfterMs }).step)).toBe(delayMs);
  });

  it('that the service asked for does not make the next one longer', () => {
    const state = newRetryState(5);
    fail(state, Outcome.Throttled, { retryAfterMs: 30_000 });
    expect(delayOf(fail(state, Outcome.Throttled, { random: 1 }).step)).toBe(300);
  });
});

describe('what is tried again', () => {
  it.each([Outcome.Refused, Outcome.SizeChanged, Outcome.VersionChanged])(
    'is never what is permanent: %s',
    (outcome) => {
      const error = new MillraceError(ErrorCode.NotFound, 'gone', { uri: 's3://b/k' });
      const { step, spent } = fail(newRetryState(5), outcome, { error });
      expect(step).toMatchObject({ kind: 'fail', error: { code: 'NotFound', uri: 's3://b/k', attempt: 1 } });
      expect(spent).toBe(0);
    },
  );

  it.each([Outcome.Interrupted, Outcome.Throttled, Outcome.Transient])(
    'is %s, up to maxAttempts, each retry paid from the budget',
    (outcome) => {
      const state = newRetryState(4);
      const tried = Array.from({ length: 4 }, () => fail(state, outcome));
      expect(tried.map(({ step }) => step.kind)).toEqual(['again', 'again', 'again', 'fail']);
      expect(tried.map(({ spent }) => spent)).toEqual([1, 1, 1, 0]);
      expect(tried[3]!.step).toMatchObject({ error: { code: 'Throttled', attempt: 4 } });
    },
  );

  it('is nothing when one attempt is all there may be', () => {
    expect(fail(newRetryState(1), Outcome.Transient)).toMatchObject({ step: { kind: 'fail' }, spent: 0 });
  });

  it('is nothing once the budget is empty, and the error says so and keeps the rest', () => {
    const cause = new Error('below');
    const error = new MillraceError(ErrorCode.Throttled, 'slow down', { requestId: 'R-1', cause });
    const { step } = fail(newRetryState(5), Outcome.Throttled, { budget: false, error });
    expect(step).toMatchObject({
      kind: 'fail',
      error: { code: 'Throttled', requestId: 'R-1', attempt: 1, retryable: true, cause },
    });
    expect((step as { error: Error }).error.message).toBe(
      'slow down (not tried again: the retry budget of the runtime is used up)',
    );
  });
});

describe('a free attempt', () => {
  it('follows a stale connection at once, uncounted and unpaid, 64 times', () => {
    const state = newRetryState(2);
    for (let i = 0; i < 64; i += 1) {
      expect(fail(state, Outcome.StaleConnection)).toEqual({ step: { kind: 'again', delayMs: 0 }, spent: 0 });
    }
    expect(state.failures).toBe(0);
    const paid = fail(state, Outcome.StaleConnection);
    expect(paid.spent).toBe(1);
    expect(delayOf(paid.step)).toBeGreaterThan(0);
    expect(fail(state, Outcome.StaleConnection).step.kind).toBe('fail');
  });

  it('follows a corrected clock once', () => {
    const state = newRetryState(5);
    expect(fail(state, Outcome.ClockSkew)).toEqual({ step: { kind: 'again', delayMs: 0 }, spent: 0 });
    expect(fail(state, Outcome.ClockSkew)).toMatchObject({ step: { kind: 'fail' }, spent: 0 });
  });

  it('follows fresh credentials twice', () => {
    const state = newRetryState(5);
    const tried = [1, 2, 3].map(() => fail(state, Outcome.StaleCredentials));
    expect(tried.map(({ step }) => step.kind)).toEqual(['refresh', 'refresh', 'fail']);
    expect(tried.map(({ spent }) => spent)).toEqual([0, 0, 0]);
  });
});

describe('the error', () => {
  it('tells how many attempts were made, the failing and the free ones included', () => {
    const state = newRetryState(5);
    fail(state, Outcome.Transient);
    fail(state, Outcome.StaleConnection);
    fail(state, Outcome.StaleCredentials);
    const { step } = fail(state, Outcome.Refused);
    expect(step).toMatchObject({ kind: 'fail', error: { attempt: 4 } });
  });

  it('is there even when an attempt gave none', () => {
    const step = nextStep(
      newRetryState(5),
      { outcome: Outcome.Refused, error: null, retryAfterMs: 0 },
      { nowMs: 0, random: () => 0, spend: () => true },
    );
    expect(step).toMatchObject({ kind: 'fail', error: { code: 'Internal' } });
  });
});

describe('an attempt that nobody has cancelled', () => {
  it('and that says it was is not made again: its error says what was given and what is expected', () => {
    for (const cause of [null, new MillraceError(ErrorCode.Throttled, 'no')]) {
      const { step, spent } = fail(newRetryState(3, 1000), Outcome.Cancelled, {
        error: cause as MillraceError,
      });
      const error = (step as { error: MillraceError }).error;
      expect([step.kind, spent, error.code, error.phase]).toEqual(['fail', 0, 'Internal', 'request']);
      expect(error.message).toMatch(
        /^the store answered "cancelled" .* is expected .*"refused".*"transient"/,
      );
      expect(error.cause ?? null).toBe(cause);
    }
  });
});

describe('a job that waits for a service which tells it to slow down', () => {
  const error = new MillraceError(ErrorCode.Throttled, 'slow down');
  const throttled = { outcome: Outcome.Throttled, error, retryAfterMs: 0 };
  const means = (nowMs: number, paid = true) => ({ nowMs, random: () => 1, spend: () => paid });

  it('waits longer and longer, however many attempts that takes, until its patience is at an end', () => {
    const state = newRetryState(1, 5000);
    expect(nextStep(state, throttled, means(1000))).toEqual({ kind: 'wait', delayMs: 150, paid: true });
    expect(nextStep(state, throttled, means(2000))).toEqual({ kind: 'wait', delayMs: 450, paid: true });
    expect(nextStep(state, throttled, means(5999))).toMatchObject({ kind: 'wait' });
    expect(nextStep(state, throttled, means(6000))).toMatchObject({
      kind: 'fail',
      error: {
        code: 'Throttled',
        message: expect.stringMatching(/for 5000 ms; throttleTimeoutMs is 5000\)$/),
      },
    });
    expect(state.throttled).toBe(4);
  });

  it('says when there is no budget for its retry: then the origin is to be closed', () => {
    const state = newRetryState(1, 5000);
    expect(nextStep(state, throttled, means(0, false))).toMatchObject({ kind: 'wait', paid: false });
  });

  it('has its attempts like any other where it has no patience, and they are counted', () => {
    const state = newRetryState(2, 0);
    expect(nextStep(state, throttled, means(0))).toMatchObject({ kind: 'again' });
    expect(nextStep(state, throttled, means(0))).toMatchObject({ kind: 'fail' });
    expect(state.throttled).toBe(2);
  });

  it('is told which service it was, and what to do, when everybody is refused', () => {
    expect(ranOut('s3://b', 700)).toMatchObject({
      code: 'Throttled',
      retryable: true,
      context: { phase: 'request' },
      message: expect.stringMatching(/^s3:\/\/b: .*throttleTimeoutMs is 700\. Ask it for less/),
    });
  });
});

import { describe, expect, it } from 'vitest';
import { ask, type AskingDeps } from '../../../dist/actors/worker/asking.js';
import { refundSuccess, takeStep } from '../../../dist/actors/worker/attempts.js';
import { newRetryState, RETRY_BASE_MS } from '../../../dist/actors/worker/retry.js';
import { LocalToken } from '../../../dist/actors/worker/tokens.js';
import { newTicket } from '../../../dist/actors/worker/origins.js';
import type { Waiter } from '../../../dist/actors/worker/waiting.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { type Answer, Outcome, type Store } from '../../../dist/protocol/store.js';
import { DoneStatus } from '../../../dist/protocol/tables.js';
import {
  createRuntimeWords,
  fillRetryBudget,
  RETRY_COST,
  spendRetry,
  writeToken,
} from '../../../dist/protocol/words.js';
import { attemptDeps } from './kit.js';

const SLOW = new MillraceError(ErrorCode.ServiceUnavailable, 'slow down', { phase: 'request' });

function createDeps(budget = 500) {
  const words = createRuntimeWords();
  fillRetryBudget(words, budget);
  writeToken(words, 0, 1, StopState.Live);
  const slept: number[] = [];
  const refreshed: unknown[] = [];
  const means = attemptDeps(words);
  const deps: AskingDeps & typeof means & { refused: MillraceError | null; stopping: boolean } = {
    ...means,
    refused: null,
    stopping: false,
    context: {
      ...means.context,
      random: () => 0.5,
      sleep: (ms) => {
        slept.push(ms);
        return Promise.resolve();
      },
    },
    store: () => ({ name: 'store' }) as unknown as Store,
    credentials: () => 41,
    refresh: (store, version) => {
      refreshed.push([store, version]);
      return Promise.resolve(deps.refused);
    },
  };
  return { deps, words, token: new LocalToken(words, 0, 1), slept, refreshed };
}

const failure = (outcome: Outcome, retryAfterMs = 0, error: MillraceError | null = SLOW) => ({
  store: 3,
  attempt: { outcome, error, retryAfterMs },
  ticket: {} as never,
  credentials: 41,
});

describe('the step after an attempt', () => {
  it('waits for as long as the retry core says, and spends a retry', async () => {
    const { deps, token, slept, words } = createDeps(RETRY_COST);
    const retry = newRetryState(9, 0);
    expect(await takeStep(retry, failure(Outcome.Transient), token, deps)).toBe(0);
    expect(slept).toEqual([RETRY_BASE_MS + 0.5 * (3 * RETRY_BASE_MS - RETRY_BASE_MS)]);
    expect(spendRetry(words)).toBe(false);
    expect(await takeStep(retry, failure(Outcome.Transient), token, deps)).toMatchObject({
      code: 'ServiceUnavailable',
      message: 'slow down (not tried again: the retry budget of the runtime is used up)',
    });
  });

  it('of a job with patience is left to its origin, which is closed where there is no budget', async () => {
    const { deps, token, slept, words } = createDeps(RETRY_COST);
    deps.context.now = () => 1000;
    const retry = newRetryState(1, 60_000);
    const throttled = { ...failure(Outcome.Throttled), ticket: newTicket() };
    expect(await takeStep(retry, throttled, token, deps)).toBe(1000 + 2 * RETRY_BASE_MS);
    expect([spendRetry(words), deps.origins.isClosed(3)]).toEqual([false, false]);
    expect(await takeStep(retry, throttled, token, deps)).toBeGreaterThan(1000);
    expect([slept, deps.origins.isClosed(3)]).toEqual([[], true]);
  });

  it('is taken at once after a stale connection: there is nothing to wait for', async () => {
    const { deps, token, slept, refreshed } = createDeps();
    expect(await takeStep(newRetryState(9, 0), failure(Outcome.StaleConnection), token, deps)).toBe(0);
    expect([slept, refreshed]).toEqual([[], []]);
  });

  it('asks for credentials other than those that were refused, and ends with what that says', async () => {
    const { deps, token, slept, refreshed } = createDeps();
    const retry = newRetryState(9, 0);
    expect(await takeStep(retry, failure(Outcome.StaleCredentials), token, deps)).toBe(0);
    deps.refused = new MillraceError(ErrorCode.Unauthenticated, 'none to be had');
    expect(await takeStep(retry, failure(Outcome.StaleCredentials), token, deps)).toBe(deps.refused);
    expect([refreshed, slept]).toEqual([
      [
        [3, 41],
        [3, 41],
      ],
      [],
    ]);
  });

  it('is the error where there is to be none, also where the store gave none', async () => {
    const { deps, token } = createDeps();
    const error = await takeStep(newRetryState(9, 0), failure(Outcome.Refused), token, deps);
    expect(error).toMatchObject({ code: 'ServiceUnavailable', message: 'slow down', attempt: 1 });
    expect(await takeStep(newRetryState(9, 0), failure(Outcome.Refused, 0, null), token, deps)).toMatchObject(
      {
        code: 'Internal',
        message: 'an attempt ended as refused without an error',
      },
    );
  });
});

describe('a success', () => {
  it('gives back one, and what the retry cost where one helped', () => {
    const given = (failures: number | null): number => {
      const { words } = createDeps(0);
      const retry = failures === null ? null : { ...newRetryState(9, 0), failures };
      for (let i = 0; i < RETRY_COST; i += 1) refundSuccess(words, retry);
      let spent = 0;
      while (spendRetry(words)) spent += 1;
      return spent;
    };
    expect([given(null), given(0), given(1), given(2)]).toEqual([1, 1, RETRY_COST, RETRY_COST]);
  });
});

describe('a question', () => {
  const done: Answer<string> = { outcome: Outcome.Complete, value: 'done', error: null, retryAfterMs: 0 };
  const failed = (outcome: Outcome, status?: number): Answer<string> => ({
    outcome,
    value: null,
    error: new MillraceError(ErrorCode.ServiceUnavailable, 'not now', status === undefined ? {} : { status }),
    retryAfterMs: 0,
  });

  /** Asks, and gets these answers in turn; what is told is whether each attempt was told of an earlier one. */
  async function asked(
    answers: Answer<string>[],
    { again = false, maxAttempts = 9, prepare = () => {} } = {},
  ) {
    const kit = createDeps();
    const earlier: boolean[] = [];
    const attempt = (_: Store, each: boolean): Promise<Answer<string>> => {
      earlier.push(each);
      const answer = answers.shift();
      if (answer === undefined) return Promise.reject(new Error('asked too often'));
      prepare();
      return Promise.resolve(answer);
    };
    return {
      earlier,
      ...(await ask<string>(
        {
          store: 3,
          maxAttempts,
          patienceMs: 0,
          seat: { slot: 0 },
          entered: false,
          token: kit.token,
          again,
          bytes: 0,
          attempt,
        },
        kit.deps,
      )),
    };
  }

  it('has its answer, and how many attempts that took beyond the first', async () => {
    expect(await asked([done])).toMatchObject({
      earlier: [false],
      status: DoneStatus.Ok,
      value: 'done',
      error: null,
      retries: 0,
    });
    expect(await asked([failed(Outcome.Transient), failed(Outcome.StaleConnection), done])).toMatchObject({
      status: DoneStatus.Ok,
      retries: 2,
    });
    expect(
      await asked([failed(Outcome.Transient), failed(Outcome.Transient)], { maxAttempts: 2 }),
    ).toMatchObject({
      status: DoneStatus.Failed,
      value: null,
      error: { code: 'ServiceUnavailable', attempt: 2 },
      retries: 1,
    });
  });

  it.each([
    [Outcome.Transient, undefined, true],
    [Outcome.Transient, 500, true],
    [Outcome.Interrupted, 200, true],
    [Outcome.StaleConnection, undefined, true],
    [Outcome.Transient, 400, false],
    [Outcome.Transient, 499, false],
    [Outcome.ClockSkew, 403, false],
    [Outcome.StaleCredentials, undefined, false],
  ])('after %s with status %s may have gone through: %s', async (outcome, status, may) => {
    const { earlier } = await asked([failed(outcome, status), failed(Outcome.ClockSkew, 403), done]);
    expect(earlier.slice(0, 2)).toEqual([false, may]);
    // Once it may have, it may have for good.
    expect(earlier[2] ?? may).toBe(may);
  });

  it('that was with a worker that is gone may have gone through from its first attempt on', async () => {
    expect((await asked([done], { again: true })).earlier).toEqual([true]);
  });

  it('fails with what the store could not help throwing', async () => {
    expect(await asked([])).toMatchObject({
      status: DoneStatus.Failed,
      error: { code: 'Internal', message: 'asked too often' },
    });
  });

  it.each([
    [StopState.Draining, DoneStatus.Left],
    [StopState.Cancelled, DoneStatus.Cancelled],
  ])('begins no attempt once its token is in state %i', async (state, status) => {
    const kit = createDeps();
    writeToken(kit.words, 0, 1, state);
    const attempt = (): Promise<never> => Promise.reject(new Error('asked all the same'));
    const question = {
      store: 3,
      maxAttempts: 9,
      patienceMs: 0,
      seat: { slot: 0 },
      entered: false,
      token: kit.token,
      again: false,
      bytes: 0,
      attempt,
    };
    expect(await ask<string>(question, kit.deps)).toMatchObject({
      status,
      value: null,
      error: null,
      retries: 0,
    });
  });

  it('is left by a worker that is to stop, and ends when an attempt was cancelled with its token', async () => {
    const kit = createDeps();
    kit.deps.stopping = true;
    const attempt = (): Promise<Answer<string>> => {
      writeToken(kit.words, 0, 1, StopState.Cancelled);
      return Promise.resolve({ ...failed(Outcome.Cancelled), error: null });
    };
    const question = {
      store: 3,
      maxAttempts: 9,
      patienceMs: 0,
      seat: { slot: 0 },
      entered: false,
      token: kit.token,
      again: false,
      bytes: 0,
      attempt,
    };
    expect((await ask<string>(question, kit.deps)).status).toBe(DoneStatus.Left);
    kit.deps.stopping = false;
    expect((await ask<string>(question, kit.deps)).status).toBe(DoneStatus.Cancelled);
  });

  it('waits for a place of its origin without a slot, and gives it back once it has its answer', async () => {
    const kit = createDeps();
    const { origins } = kit.deps;
    const seat = { slot: 4 };
    const view = () => origins.stats()[0]!;
    const slots: number[] = [];
    let attempts = 0;
    const deps = {
      ...kit.deps,
      wait: (waiter: Waiter) => {
        slots.push(waiter.slot);
        waiter.slot = 9;
        // Who is let in has a place of its own already.
        expect(origins.enter(3, false)).toBe(false);
        origins.leave(3, { ...newTicket(), held: true });
        expect(origins.enter(3, false)).toBe(true);
        waiter.resume(true, null);
      },
    };
    const question = {
      store: 3,
      maxAttempts: 9,
      patienceMs: 0,
      seat,
      entered: false,
      token: kit.token,
      again: false,
      bytes: 0,
      attempt: () => {
        attempts += 1;
        return Promise.resolve(done);
      },
    };
    let taken = 0;
    while (origins.enter(3, false)) taken += 1;
    expect(await ask<string>(question, deps)).toMatchObject({ status: DoneStatus.Ok, value: 'done' });
    expect([slots, seat.slot, attempts, view().inFlight]).toEqual([[4], 9, 1, taken - 1]);
    // One that was let in before takes no second place.
    expect(origins.enter(3, false)).toBe(true);
    await ask<string>({ ...question, entered: true }, deps);
    expect([attempts, view().inFlight]).toEqual([2, taken - 1]);
  });

  it('fails with the reason why it was not let in, without an attempt', async () => {
    const kit = createDeps();
    while (kit.deps.origins.enter(3, false)) continue;
    const error = new MillraceError(ErrorCode.Throttled, 'closed for too long');
    const deps = { ...kit.deps, wait: (waiter: Waiter) => waiter.resume(false, error) };
    const attempt = (): Promise<never> => Promise.reject(new Error('asked all the same'));
    const asking = { store: 3, maxAttempts: 9, patienceMs: 0, seat: { slot: 0 }, entered: false, bytes: 0 };
    const question = { ...asking, token: kit.token, again: false, attempt };
    expect(await ask<string>(question, deps)).toMatchObject({ status: DoneStatus.Failed, error, retries: 0 });
  });

  it('that fails with a store gives back the place that it was let in to', async () => {
    const kit = createDeps();
    const { origins } = kit.deps;
    expect(origins.enter(3, false)).toBe(true);
    const deps = { ...kit.deps, store: () => Promise.reject(new Error('no such module')) };
    const attempt = (): Promise<never> => Promise.reject(new Error('asked all the same'));
    const asking = { store: 3, maxAttempts: 9, patienceMs: 0, seat: { slot: 0 }, entered: true, bytes: 0 };
    const question = { ...asking, token: kit.token, again: false, attempt };
    expect((await ask<string>(question, deps)).error).toMatchObject({ message: 'no such module' });
    expect(origins.stats()[0]!.inFlight).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { ask, type Asking, type AskingDeps } from '../../../dist/actors/worker/asking.js';
import type { AttemptEnd, Ticket } from '../../../dist/actors/worker/origins.js';
import { LocalToken } from '../../../dist/actors/worker/tokens.js';
import type { Waiter } from '../../../dist/actors/worker/waiting.js';
import { ErrorCode, MillraceError } from '../../../dist/protocol/errors.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Outcome, type Answer, type Store } from '../../../dist/protocol/store.js';
import { DoneStatus } from '../../../dist/protocol/tables.js';
import { attemptDeps } from './kit.js';
import { createRuntimeWords, fillRetryBudget, writeToken } from '../../../dist/protocol/words.js';

const failed: Answer<string> = {
  outcome: Outcome.Transient,
  value: null,
  error: new MillraceError(ErrorCode.ServiceUnavailable, 'not now'),
  retryAfterMs: 0,
};
const done: Answer<string> = { outcome: Outcome.Complete, value: 'done', error: null, retryAfterMs: 0 };

const STORE = 3;
/** That each attempt moves. */
const BYTES = 4096;

/** An answer that is not complete. */
function refusal(outcome: Outcome, status?: number): Answer<string> {
  const error = new MillraceError(
    ErrorCode.ServiceUnavailable,
    'not now',
    status === undefined ? {} : { status },
  );
  return { outcome, value: null, error, retryAfterMs: 0 };
}

/** What becomes of one question whose attempts are answered by `answers`, one after the other. */
function questionOf(answers: readonly (Answer<string> | Error)[], more: Partial<Asking<string>> = {}) {
  const words = createRuntimeWords();
  fillRetryBudget(words);
  writeToken(words, 0, 1, StopState.Live);
  const token = new LocalToken(words, 0, 1);
  const left = [...answers];
  const world = {
    token,
    /** Whether its origin lets it in. */
    isOpen: true,
    stopping: false,
    refused: null as MillraceError | null,
    /** What happened, in order. */
    seen: [] as unknown[],
    waits: [] as { waiter: Waiter; dueAtMs: number }[],
    seat: { slot: 7 },
    /** The ticket of each attempt, as it is now. */
    tickets: [] as Ticket[],
    turn: (state: StopState) => {
      writeToken(words, 0, 1, state);
      token.turned();
    },
  };
  const deps: AskingDeps = {
    context: { words, now: () => 1000, random: () => 0, sleep: () => Promise.resolve() },
    origins: {
      enter: (store, patient) => {
        world.seen.push(['enter', store, patient]);
        return world.isOpen;
      },
      begun: (store, ticket, bytes) => {
        world.seen.push(['begun', store, ticket.held, bytes]);
        world.tickets.push(ticket);
      },
      ended: (store, ticket, { outcome }: AttemptEnd) => {
        world.seen.push(['ended', store, outcome]);
        ticket.held = false;
      },
      leave: (store, ticket) => {
        world.seen.push(['leave', store, ticket.held]);
        ticket.held = false;
      },
      close: (store) => world.seen.push(['close', store]),
    },
    credentials: (store) => store + 8,
    refresh: (store, version) => {
      world.seen.push(['refresh', store, version]);
      return Promise.resolve(world.refused);
    },
    wait: (waiter, dueAtMs) => void world.waits.push({ waiter, dueAtMs }),
    get stopping() {
      return world.stopping;
    },
    store: (id) => ({ id }) as unknown as Store,
  };
  const asked = () =>
    ask<string>(
      {
        store: STORE,
        maxAttempts: 3,
        patienceMs: 0,
        token,
        seat: world.seat,
        entered: false,
        again: false,
        bytes: BYTES,
        attempt: (store, earlier) => {
          world.seen.push(['attempt', (store as unknown as { id: number }).id, earlier]);
          const answer = left.shift();
          if (answer instanceof Error) return Promise.reject(answer);
          return Promise.resolve(answer!);
        },
        ...more,
      },
      deps,
    );
  /** Whether each attempt was told of one before it that may have gone through. */
  const earlier = () =>
    world.seen.flatMap((event) => ((event as unknown[])[0] === 'attempt' ? [(event as unknown[])[2]] : []));
  return { world, deps, asked, earlier };
}

/** All microtasks have run. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a question', () => {
  it('that a retry has helped gives back what that cost: who only asks and writes never runs out of retries', async () => {
    const words = createRuntimeWords();
    fillRetryBudget(words);
    writeToken(words, 0, 1, StopState.Live);
    const token = new LocalToken(words, 0, 1);
    const deps: AskingDeps = {
      ...attemptDeps(words),
      stopping: false,
      store: () => ({}) as Store,
    };
    const seat = { slot: 0 };
    const asked = async () => {
      const answers = [failed, done];
      const attempt = () => Promise.resolve(answers.shift()!);
      return await ask<string>(
        {
          store: 0,
          maxAttempts: 3,
          patienceMs: 0,
          token,
          seat,
          entered: false,
          again: false,
          bytes: 0,
          attempt,
        },
        deps,
      );
    };
    for (let i = 0; i < 300; i += 1) {
      const { status, retries } = await asked();
      expect([i, status, retries]).toEqual([i, DoneStatus.Ok, 1]);
    }
  });

  it('is asked from a place of its origin, which it gives back with the answer', async () => {
    const { world, asked } = questionOf([done]);
    expect(await asked()).toEqual({
      status: DoneStatus.Ok,
      value: 'done',
      error: null,
      retries: 0,
      throttled: 0,
    });
    expect(world.seen).toEqual([
      ['enter', STORE, false],
      ['begun', STORE, true, BYTES],
      ['attempt', STORE, false],
      ['ended', STORE, Outcome.Complete],
      ['leave', STORE, false],
    ]);
    expect(world.waits).toEqual([]);
  });

  it('that was let in does not ask for a place again, until it is asked a second time', async () => {
    const { world, asked } = questionOf([failed, done], { entered: true });
    expect((await asked()).status).toBe(DoneStatus.Ok);
    expect(world.seen.slice(0, 2)).toEqual([
      ['begun', STORE, true, BYTES],
      ['attempt', STORE, false],
    ]);
    expect(world.seen.slice(2, 5)).toEqual([
      ['ended', STORE, Outcome.Transient],
      ['enter', STORE, false],
      ['begun', STORE, true, BYTES],
    ]);
  });

  it.each([
    [StopState.Cancelled, DoneStatus.Cancelled],
    [StopState.Draining, DoneStatus.Left],
  ])('whose token has turned to %i is not asked, and gives its place back', async (state, status) => {
    const { world, asked } = questionOf([done], { entered: true });
    world.turn(state);
    expect(await asked()).toMatchObject({ status, value: null, error: null });
    expect(world.seen).toEqual([['leave', STORE, true]]);
  });

  it('is handed back by a worker that was told to stop', async () => {
    const { world, asked } = questionOf([done], { entered: true });
    world.stopping = true;
    expect(await asked()).toMatchObject({ status: DoneStatus.Left, value: null, error: null });
    expect(world.seen).toEqual([['leave', STORE, true]]);
  });

  it('that its origin does not let in waits without its slot, and goes on in the one that it is given', async () => {
    const { world, asked } = questionOf([done], { patienceMs: 500 });
    world.isOpen = false;
    const asking = asked();
    await settled();
    expect(world.seen).toEqual([['enter', STORE, true]]);
    const [{ waiter, dueAtMs }] = world.waits as [{ waiter: Waiter; dueAtMs: number }];
    expect([waiter.store, waiter.patienceMs, waiter.token, waiter.slot, dueAtMs]).toEqual([
      STORE,
      500,
      world.token,
      7,
      0,
    ]);
    waiter.slot = 9;
    expect(world.seat.slot).toBe(9);
    waiter.resume(true, null);
    expect((await asking).status).toBe(DoneStatus.Ok);
    expect(world.seen.slice(1, 3)).toEqual([
      ['begun', STORE, true, BYTES],
      ['attempt', STORE, false],
    ]);
  });

  it('whose token turns in the moment in which it is let in is not asked, and gives its place back', async () => {
    const { asked, world } = questionOf([done]);
    world.isOpen = false;
    const answer = asked();
    await Promise.resolve();
    const [{ waiter }] = world.waits as [(typeof world.waits)[number]];
    waiter.resume(true, null);
    world.turn(StopState.Draining);
    expect(await answer).toMatchObject({ status: DoneStatus.Left });
    expect(world.seen.slice(1)).toEqual([['leave', STORE, true]]);
  });

  it('fails when its origin lets it in no more', async () => {
    const { world, asked } = questionOf([done], { patienceMs: 500 });
    world.isOpen = false;
    const asking = asked();
    await settled();
    const error = new MillraceError(ErrorCode.Throttled, 'closed for too long');
    world.waits[0]!.waiter.resume(false, error);
    expect(await asking).toMatchObject({ status: DoneStatus.Failed, value: null, error });
    expect(world.seen.slice(1)).toEqual([['leave', STORE, false]]);
  });

  it.each(['cancelled', 'stopped'])(
    'that waits for its origin ends without a place when it is %s',
    async (how) => {
      const { world, asked, earlier } = questionOf([done]);
      world.isOpen = false;
      const asking = asked();
      await settled();
      if (how === 'cancelled') world.turn(StopState.Cancelled);
      else world.stopping = true;
      world.waits[0]!.waiter.resume(false, null);
      expect((await asking).status).toBe(how === 'cancelled' ? DoneStatus.Cancelled : DoneStatus.Left);
      expect(earlier()).toEqual([]);
    },
  );

  it('that was told to slow down waits for its time, whether or not there is a place, and counts that', async () => {
    const { world, asked } = questionOf([refusal(Outcome.Throttled, 503), done], { patienceMs: 60_000 });
    const asking = asked();
    await settled();
    expect(world.waits.map(({ dueAtMs }) => dueAtMs)).toEqual([1050]);
    expect(world.seen.filter((event) => (event as unknown[])[0] === 'enter')).toHaveLength(1);
    world.waits[0]!.waiter.resume(true, null);
    expect(await asking).toMatchObject({ status: DoneStatus.Ok, retries: 1, throttled: 1 });
  });

  it('whose credentials were refused asks for fresher ones than it had, and is told when there are none', async () => {
    const { world, asked } = questionOf([refusal(Outcome.StaleCredentials, 403), done]);
    expect(await asked()).toMatchObject({ status: DoneStatus.Ok, retries: 1 });
    expect(world.seen).toContainEqual(['refresh', STORE, STORE + 8]);
    const second = questionOf([refusal(Outcome.StaleCredentials, 403), done]);
    second.world.refused = new MillraceError(ErrorCode.Unauthenticated, 'none');
    expect(await second.asked()).toMatchObject({
      status: DoneStatus.Failed,
      value: null,
      error: second.world.refused,
      retries: 0,
    });
  });

  it('fails with what was said when nothing further is tried, and was asked as often as it may be', async () => {
    const { asked, earlier } = questionOf([failed, failed, failed, done]);
    const { status, value, error, retries } = await asked();
    expect([status, value, error!.code, retries]).toEqual([
      DoneStatus.Failed,
      null,
      ErrorCode.ServiceUnavailable,
      2,
    ]);
    expect(earlier()).toHaveLength(3);
  });

  it('that is answered as cancelled is not a failure: its token says what becomes of it', async () => {
    let turn = (): void => {};
    const attempt = (): Promise<Answer<string>> => {
      turn();
      return Promise.resolve({ ...refusal(Outcome.Cancelled), error: null });
    };
    const { world, asked } = questionOf([], { attempt });
    turn = () => world.turn(StopState.Cancelled);
    expect(await asked()).toMatchObject({ status: DoneStatus.Cancelled, error: null, retries: 0 });
  });

  it('that is answered as cancelled under a live token fails, and is not asked again', async () => {
    const { world, asked, earlier } = questionOf([{ ...refusal(Outcome.Cancelled), error: null }, done]);
    const { status, value, error, retries } = await asked();
    expect([status, value, retries]).toEqual([DoneStatus.Failed, null, 0]);
    expect(error).toMatchObject({ code: 'Internal', message: expect.stringContaining('"cancelled"') });
    expect(earlier()).toEqual([false]);
    expect(world.seen.at(-1)).toEqual(['leave', STORE, false]);
  });

  it('fails with what a store throws, and gives its place back', async () => {
    const typed = new MillraceError(ErrorCode.AccessDenied, 'no');
    for (const [thrown, code] of [
      [new RangeError('no such shelf'), ErrorCode.Internal],
      [typed, ErrorCode.AccessDenied],
    ] as const) {
      const { world, asked } = questionOf([thrown]);
      const { status, value, error } = await asked();
      expect([status, value, error!.code]).toEqual([DoneStatus.Failed, null, code]);
      expect(error!.message).toContain(thrown.message);
      expect(world.seen.at(-1)).toEqual(['leave', STORE, true]);
    }
  });

  it('that a lost worker may have asked is told so from its first attempt on', async () => {
    const { asked, earlier } = questionOf([failed, done], { again: true });
    await asked();
    expect(earlier()).toEqual([true, true]);
  });

  it.each([
    [Outcome.Transient, undefined, true],
    [Outcome.Transient, 500, true],
    [Outcome.Transient, 399, true],
    [Outcome.Transient, 400, false],
    [Outcome.Transient, 499, false],
    [Outcome.Throttled, 503, true],
    [Outcome.Throttled, 429, false],
    [Outcome.Interrupted, 200, true],
    [Outcome.StaleConnection, undefined, true],
    [Outcome.ClockSkew, undefined, false],
    [Outcome.StaleCredentials, undefined, false],
  ])('whose attempt ended as %s with status %s may have gone through: %s', async (outcome, status, may) => {
    const { asked, earlier } = questionOf([refusal(outcome, status), done]);
    await asked();
    expect(earlier()).toEqual([false, may]);
  });

  it('may have gone through where nothing at all is known of its attempt', async () => {
    const { asked, earlier } = questionOf([{ ...failed, error: null }, done]);
    await asked();
    expect(earlier()).toEqual([false, true]);
  });

  it('may have gone through with any of the attempts before it', async () => {
    const { asked, earlier } = questionOf([failed, refusal(Outcome.ClockSkew, 403), done]);
    await asked();
    expect(earlier()).toEqual([false, true, true]);
  });

  it('waits for a store that is still being opened, and fails where that cannot be', async () => {
    const { deps, asked, world } = questionOf([done, done]);
    const opened = { id: 44 } as unknown as Store;
    Object.assign(deps, { store: () => Promise.resolve(opened) });
    expect((await asked()).status).toBe(DoneStatus.Ok);
    expect(world.seen).toContainEqual(['attempt', 44, false]);
    Object.assign(deps, { store: () => Promise.reject(new MillraceError(ErrorCode.NotFound, 'no bucket')) });
    expect(await asked()).toMatchObject({ status: DoneStatus.Failed, value: null });
  });
});

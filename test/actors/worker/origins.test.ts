import { describe, expect, it } from 'vitest';
import { newTicket, Origins, type Ticket } from '../../../dist/actors/worker/origins.js';
import { Slots } from '../../../dist/actors/worker/slots.js';
import { Waiting, type Waiter } from '../../../dist/actors/worker/waiting.js';
import { FIRST_LIMIT } from '../../../dist/actors/worker/window.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Outcome } from '../../../dist/protocol/store.js';
import { CLOSE_AFTER } from '../../../dist/protocol/origin-words.js';
import { createRuntimeWords } from '../../../dist/protocol/words.js';
import { isSettled } from '../../protocol/pipe.js';

const STORE = 2;
const served = { outcome: Outcome.Complete, error: null, retryAfterMs: 0 };
const refused = { outcome: Outcome.Throttled, error: null, retryAfterMs: 0 };

function create(concurrency = 16) {
  const state = { nowMs: 1000 };
  const now = (): number => state.nowMs;
  const words = createRuntimeWords();
  const context = { words, concurrency, now, wallNow: now, random: () => 1 };
  const origins = new Origins(context, () => {});
  origins.add({ id: STORE, name: 's3://b' });
  const begin = (): Ticket | null => {
    if (!origins.enter(STORE, true)) return null;
    const ticket = newTicket();
    ticket.held = true;
    origins.begun(STORE, ticket, 1);
    return ticket;
  };
  const view = () => origins.stats()[0]!;
  return { state, context, origins, begin, view };
}

function waiter(patienceMs = 1000): Waiter & { resumed: number } {
  return {
    store: STORE,
    patienceMs,
    token: { state: StopState.Live },
    slot: 0,
    resumed: 0,
    resume() {
      this.resumed += 1;
    },
  };
}

describe('the origins of a worker', () => {
  it('let in what the window has places for, and take a place back once', () => {
    const { origins, begin, view } = create();
    const tickets = Array.from({ length: FIRST_LIMIT }, begin);
    expect(begin()).toBeNull();
    origins.ended(STORE, tickets[0]!, served);
    origins.leave(STORE, tickets[0]!);
    expect(view().inFlight).toBe(FIRST_LIMIT - 1);
  });

  it('begin anew with an origin that was closed, whatever was left of its window', () => {
    const { state, origins, begin, view } = create();
    for (let i = 0; i < 20; i += 1) origins.ended(STORE, begin()!, refused);
    expect(view().limit).toBe(1);
    const ticket = begin()!;
    origins.ended(STORE, ticket, refused);
    origins.close(STORE, ticket, 0);
    expect([begin(), view().closed]).toEqual([null, true]);
    state.nowMs += 500;
    const probe = begin()!;
    expect(begin()).toBeNull();
    origins.ended(STORE, probe, served);
    expect(begin()).not.toBeNull();
    expect(view()).toMatchObject({ closed: false, limit: FIRST_LIMIT, throttled: 21 });
  });

  it.each([
    ['Interrupted', undefined, 'opens'],
    ['Transient', 500, 'opens'],
    // A service that is down fails jobs after their attempts, not one job after the other at a probe each.
    ['Transient', undefined, 'opens'],
    ['Refused', 404, 'opens'],
    ['StaleConnection', undefined, 'stays closed'],
    ['Cancelled', undefined, 'stays closed'],
  ] as const)('learn from a probe that ends as %s with status %s: the origin %s', (outcome, status, what) => {
    const { state, origins, begin, view } = create();
    const ticket = begin()!;
    origins.ended(STORE, ticket, refused);
    origins.close(STORE, ticket, 0);
    state.nowMs += 500;
    origins.ended(STORE, begin()!, { outcome: Outcome[outcome], error: { status }, retryAfterMs: 0 });
    expect(view().closed).toBe(what === 'stays closed');
  });

  it('begin a row of refusals anew with any answer, and with none where nothing answered', () => {
    const { origins, begin, view } = create();
    const end = (answer: Parameters<Origins['ended']>[2]): void => origins.ended(STORE, begin()!, answer);
    const failed = (status?: number) => ({ outcome: Outcome.Transient, error: { status }, retryAfterMs: 0 });
    for (let i = 1; i < CLOSE_AFTER; i += 1) end(refused);
    end(failed(500));
    for (let i = 1; i < CLOSE_AFTER; i += 1) end(refused);
    end(failed());
    expect(view().closed).toBe(false);
    end(refused);
    expect(view().closed).toBe(true);
  });

  it('let in who has no patience although the origin is closed', () => {
    const { origins, begin } = create();
    const ticket = begin()!;
    origins.ended(STORE, ticket, refused);
    origins.close(STORE, ticket, 0);
    expect([origins.enter(STORE, true), origins.enter(STORE, false)]).toEqual([false, true]);
  });

  it('take no notice of times behind decorators', () => {
    const { context } = create();
    const origins = new Origins(context, () => {});
    origins.add({ id: STORE, name: 'a', decorators: [{ throttle: {} }] });
    const ticket = newTicket();
    origins.begun(STORE, ticket, 1);
    expect(ticket.begunMs).toBe(0);
    origins.add({ id: 5, name: 'b', decorators: [] });
    origins.begun(5, ticket, 1);
    expect(ticket.begunMs).toBe(1000);
  });
});

describe('a job that waits', () => {
  it('waits for its own time while its origin is as it was, and no longer once that was closed and opened', () => {
    const { state, origins, begin } = create();
    const waiting = new Waiting(origins);
    const own = waiter();
    waiting.add(own, 20_000, 0);
    expect(waiting.next(state.nowMs)).toBeNull();
    expect(waiting.lookAtMs(state.nowMs)).toBe(20_000);
    const ticket = begin()!;
    origins.ended(STORE, ticket, refused);
    origins.close(STORE, ticket, 0);
    expect(waiting.lookAtMs(state.nowMs)).toBe(state.nowMs + 250);
    state.nowMs += 500;
    origins.ended(STORE, begin()!, served);
    expect(waiting.next(state.nowMs)).toBe(own);
    expect(waiting.count).toBe(0);
  });

  it('is taken out once: when its token has turned, or when its origin has refused all for too long', () => {
    const { state, origins, begin } = create();
    const waiting = new Waiting(origins);
    const [turned, late, patient] = [waiter(), waiter(2000), waiter(60_000)];
    for (const each of [turned, late, patient]) waiting.add(each, 0, state.nowMs);
    Object.assign(turned, { token: { state: StopState.Draining } });
    expect(waiting.turned()).toEqual([turned]);
    const ticket = begin()!;
    origins.ended(STORE, ticket, refused);
    origins.close(STORE, ticket, 0);
    state.nowMs += 2500;
    expect(waiting.runOut()).toBe(late);
    expect([waiting.runOut(), waiting.all(), waiting.count]).toEqual([null, [patient], 0]);
  });

  it('is let in when its time has come, and not before', () => {
    const { state, origins } = create();
    const waiting = new Waiting(origins);
    const own = waiter();
    waiting.add(own, state.nowMs + 100, state.nowMs);
    expect(waiting.next(state.nowMs + 99)).toBeNull();
    expect(waiting.next(state.nowMs + 100)).toBe(own);
  });

  it('for a place alone needs no timer', () => {
    const { state, origins, begin } = create();
    const waiting = new Waiting(origins);
    for (let i = 0; i < FIRST_LIMIT; i += 1) begin();
    waiting.add(waiter(), state.nowMs, state.nowMs);
    expect([waiting.next(state.nowMs), waiting.lookAtMs(state.nowMs)]).toEqual([null, Infinity]);
  });

  it('without patience neither waits for a closed origin nor is given up with it', () => {
    const { state, origins, begin } = create();
    const waiting = new Waiting(origins);
    const [patient, hasty] = [waiter(1000), waiter(0)];
    waiting.add(patient, 0, state.nowMs);
    waiting.add(hasty, 0, state.nowMs);
    const ticket = begin()!;
    origins.ended(STORE, ticket, refused);
    origins.close(STORE, ticket, 0);
    expect(waiting.next(state.nowMs)).toBe(hasty);
    waiting.add(hasty, 0, state.nowMs);
    state.nowMs += 2500;
    expect([waiting.runOut(), waiting.runOut()]).toEqual([patient, null]);
  });

  it('counts as running although it has no slot', async () => {
    const slots = new Slots(1, () => {});
    slots.leave(slots.tryAcquire()!);
    const idle = slots.idle();
    expect([slots.busy, await isSettled(idle)]).toEqual([0, false]);
    slots.release(slots.comeBack());
    await idle;
  });
});

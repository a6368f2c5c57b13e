/** What the times of an origin's answers do: its window, its probes, and the patience of those who wait for it. */
import { describe, expect, it } from 'vitest';
import { newTicket, Origins, type Ticket } from '../../../dist/actors/worker/origins.js';
import { Waiting, type Waiter } from '../../../dist/actors/worker/waiting.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Outcome } from '../../../dist/protocol/store.js';
import { createRuntimeWords } from '../../../dist/protocol/words.js';

const STORE = 2;
/** Until the first probe of an origin that was closed. */
const PROBE_MS = 500;
const served = { outcome: Outcome.Complete, error: null, retryAfterMs: 0 };
const refused = { outcome: Outcome.Throttled, error: null, retryAfterMs: 0 };

function originsOf(concurrency = 8) {
  const state = { nowMs: 1000 };
  const context = { words: createRuntimeWords(), concurrency, now: () => state.nowMs, random: () => 1 };
  const origins = new Origins(context, () => {});
  origins.add({ id: STORE, name: 's3://b' });
  const begin = (patient = true): Ticket => {
    expect(origins.enter(STORE, patient)).toBe(true);
    const ticket = { ...newTicket(), held: true };
    origins.begun(STORE, ticket, 1000);
    return ticket;
  };
  /** An attempt that takes so long. */
  const serve = (ms: number): void => {
    const ticket = begin();
    state.nowMs += ms;
    origins.ended(STORE, ticket, served);
  };
  const close = (): void => {
    const ticket = begin();
    origins.ended(STORE, ticket, refused);
    origins.close(STORE, ticket, 0);
  };
  const view = () => origins.stats()[0]!;
  return { state, origins, begin, serve, close, view };
}

function waiterOf(patienceMs: number): Waiter {
  return { store: STORE, patienceMs, token: { state: StopState.Live }, slot: 0, resume: () => {} };
}

describe('an origin', () => {
  it('is slow when its answers take far longer than they used to, not because it is used for long', () => {
    const { serve, view } = originsOf(4);
    for (let i = 0; i < 400; i += 1) serve(10);
    expect(view().slow).toBe(false);
    const slow = Array.from({ length: 40 }, () => {
      serve(100);
      return view().slow;
    });
    expect(slow).toContain(true);
  });

  it('that is told of again stays as it is', () => {
    const { origins, begin, view } = originsOf();
    begin();
    origins.add({ id: STORE, name: 's3://other' });
    expect(view()).toMatchObject({ store: 's3://b', inFlight: 1 });
  });

  it('that nobody has told of is called by its number', () => {
    const { origins } = originsOf();
    expect([origins.nameOf(9), origins.nameOf(STORE)]).toEqual(['store 9', 's3://b']);
  });

  it('that is closed is looked at when its probe is due, and four times a second', () => {
    const { state, origins, close } = originsOf();
    close();
    const looks = [0, 200, 250, 100, -50].map((ms) => {
      state.nowMs += ms;
      return origins.lookAfterMs(STORE);
    });
    // At 0, 200, 450 (50 before the probe), 550 and 500.
    expect(looks).toEqual([250, 250, 50, 250, 250]);
  });
});

describe('the patience of who waits for a closed origin', () => {
  it('is over in the very moment, and not before', () => {
    const { state, origins, close } = originsOf();
    const waiting = new Waiting(origins);
    const waiter = waiterOf(2000);
    waiting.add(waiter, 0, state.nowMs);
    close();
    state.nowMs += 1999;
    expect(waiting.runOut()).toBe(null);
    state.nowMs += 1;
    expect(waiting.runOut()).toBe(waiter);
  });

  it('is no matter of one that has opened again, however long it was closed', () => {
    const { state, origins, begin, close } = originsOf();
    const waiting = new Waiting(origins);
    waiting.add(waiterOf(2000), 0, state.nowMs);
    close();
    state.nowMs += 10 * PROBE_MS;
    origins.ended(STORE, begin(), served);
    expect([origins.isClosed(STORE), waiting.runOut(), waiting.count]).toEqual([false, null, 1]);
  });

  it('does not run out by refusals from before it came', () => {
    const { state, origins, begin, close } = originsOf();
    const waiting = new Waiting(origins);
    close();
    state.nowMs += 5000;
    const waiter = waiterOf(2000);
    waiting.add(waiter, 0, state.nowMs);
    expect(waiting.runOut()).toBe(null);
    origins.ended(STORE, begin(), refused);
    expect(waiting.runOut()).toBe(waiter);
  });
});

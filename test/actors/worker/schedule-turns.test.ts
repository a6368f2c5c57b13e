/** Which job a worker runs next, and what becomes of those that wait when something turns. */
import { describe, expect, it } from 'vitest';
import { newTicket } from '../../../dist/actors/worker/origins.js';
import { Schedule } from '../../../dist/actors/worker/schedule.js';
import { AWAY } from '../../../dist/actors/worker/slots.js';
import type { Waiter } from '../../../dist/actors/worker/waiting.js';
import type { TurnSignal } from '../../../dist/protocol/context.js';
import { CLOSE_AFTER } from '../../../dist/protocol/origin-words.js';
import type { JobMessage } from '../../../dist/protocol/messages.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Outcome } from '../../../dist/protocol/store.js';
import { DoneStatus, Job, JobFlag, JOB_STRIDE, TableBuilder } from '../../../dist/protocol/tables.js';
import { createRuntimeWords } from '../../../dist/protocol/words.js';
import { handClock } from '../../protocol/hand-clock.js';

const [STORE, OTHER] = [2, 3];
const PATIENCE_MS = 3000;
/** Attempts at a fresh origin that are let in at a time. */
const WINDOW = 4;

interface Row {
  readonly id: number;
  readonly store?: number;
  readonly flags?: number;
}

function fetchOf(stream: number, ...rows: readonly Row[]): JobMessage {
  const table = new TableBuilder(JOB_STRIDE);
  for (const { id, store = STORE, flags = 0 } of rows) {
    const base = table.addRow();
    table.set(base + Job.Id, id);
    table.set(base + Job.Store, store);
    table.set(base + Job.Flags, flags);
  }
  return { kind: 'fetch', stream, table: table.take(), open: null, stores: [] };
}

/** A schedule over a clock; what it began stays in its slot until the test releases it. */
function scheduleOf(concurrency: number) {
  const clock = handClock();
  const begun: [id: number, slot: number][] = [];
  const returned: [stream: number, rows: readonly number[], status: DoneStatus, error: string | null][] = [];
  const sleeps: number[] = [];
  const state = { stopping: false, onBegin: (): void => {} };
  const context = {
    concurrency,
    words: createRuntimeWords(),
    now: () => clock.now(),
    wallNow: () => clock.now(),
    random: () => 1,
    sleep: (ms: number, token: TurnSignal) =>
      new Promise<void>((resolve) => {
        sleeps.push(ms);
        const cancel = clock.after(ms, resolve);
        token.onTurn(() => {
          cancel();
          resolve();
        });
      }),
  };
  const schedule = new Schedule({
    context,
    get stopping() {
      return state.stopping;
    },
    begin: ({ message }, row, slot) => {
      if (message.kind === 'fetch') begun.push([message.table.cells[row * JOB_STRIDE + Job.Id]!, slot]);
      state.onBegin();
    },
    returned: ({ message, rows }, status, error) =>
      returned.push([message.stream, rows, status, error?.message ?? null]),
  });
  const { origins, slots } = schedule;
  for (const id of [STORE, OTHER]) origins.add({ id, name: `s3://shelf-${id}` });
  /** An attempt at the store is told to slow down. */
  const refuse = (store = STORE) => {
    const ticket = newTicket();
    ticket.held = true;
    origins.begun(store, ticket, 1);
    origins.ended(store, ticket, { outcome: Outcome.Throttled, error: null, retryAfterMs: 0 });
    return ticket;
  };
  /** The job in that slot is over, and its place given back. */
  const end = (slot: number, store = STORE): void => {
    origins.leave(store, { ...newTicket(), held: true });
    slots.release(slot);
  };
  const close = (store = STORE): void => {
    origins.enter(store, false);
    origins.close(store, refuse(store), 0);
  };
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 50) {
      clock.advance(50);
      for (let i = 0; i < 5; i += 1) await Promise.resolve();
    }
  };
  const ids = (): number[] => begun.map(([id]) => id);
  return { schedule, origins, slots, begun, ids, returned, sleeps, state, clock, refuse, end, close, pass };
}

function waiterIn(slot: number, patienceMs = PATIENCE_MS, store = STORE) {
  const resumed: [entered: boolean, slot: number, error: string | null][] = [];
  const waiter: Waiter & { token: { state: StopState } } = {
    store,
    patienceMs,
    token: { state: StopState.Live },
    slot,
    resume(entered, error) {
      resumed.push([entered, this.slot, error?.message ?? null]);
    },
  };
  return { waiter, resumed };
}

describe('a schedule', () => {
  it('begins as many rows as there are slots, and one more for each that is free again', () => {
    const { schedule, slots, begun, end } = scheduleOf(2);
    schedule.push(fetchOf(1, { id: 1 }, { id: 2 }, { id: 3 }), 0);
    expect([begun, schedule.rows]).toEqual([[], 3]);
    schedule.run();
    expect([begun, schedule.rows, slots.busy]).toEqual([
      [
        [1, 0],
        [2, 1],
      ],
      1,
      2,
    ]);
    end(0);
    expect(begun.slice(2)).toEqual([[3, 0]]);
  });

  it('begins no more than the origin lets in, and goes on when a place is given back', () => {
    const { schedule, origins, ids } = scheduleOf(16);
    const rows = Array.from({ length: WINDOW + 2 }, (_, i) => ({ id: i + 1 }));
    schedule.push(fetchOf(1, ...rows), 0);
    schedule.push(fetchOf(1, { id: 70, store: OTHER }), 0);
    schedule.run();
    // Who asks another one goes past those that wait.
    expect(ids()).toEqual([1, 2, 3, 4, 70]);
    const ticket = newTicket();
    ticket.held = true;
    origins.begun(STORE, ticket, 1);
    origins.ended(STORE, ticket, { outcome: Outcome.Complete, error: null, retryAfterMs: 0 });
    expect(ids()).toEqual([1, 2, 3, 4, 70, 5, 6]);
  });

  it('does not begin one job within the begin of another, however soon that ends', () => {
    const { schedule, slots, state, ids } = scheduleOf(1);
    const depths: number[] = [];
    let depth = 0;
    state.onBegin = () => {
      depth += 1;
      depths.push(depth);
      slots.release(0);
      depth -= 1;
    };
    schedule.push(fetchOf(1, { id: 1, flags: JobFlag.Landed }, { id: 2, flags: JobFlag.Landed }), 0);
    schedule.run();
    expect([ids(), depths]).toEqual([
      [1, 2],
      [1, 1],
    ]);
  });

  it('goes on after a begin that has thrown', () => {
    const { schedule, state, ids } = scheduleOf(2);
    state.onBegin = () => {
      throw new Error('a defect');
    };
    schedule.push(fetchOf(1, { id: 1 }, { id: 2 }), 0);
    expect(() => schedule.run()).toThrow('a defect');
    state.onBegin = () => {};
    schedule.run();
    expect(ids()).toEqual([1, 2]);
  });

  it('begins rows whose bytes are there without a place, be their store full', () => {
    const { schedule, origins, ids } = scheduleOf(16);
    for (let i = 0; i < WINDOW; i += 1) origins.enter(STORE, false);
    schedule.push(fetchOf(1, { id: 1 }, { id: 2, flags: JobFlag.Landed }), 0);
    schedule.run();
    expect(ids()).toEqual([2]);
    expect(origins.stats()[0]!.inFlight).toBe(WINDOW);
  });

  it('has no timer while nothing waits for a time', async () => {
    const { schedule, origins, sleeps, clock, pass } = scheduleOf(16);
    for (let i = 0; i < WINDOW; i += 1) origins.enter(STORE, false);
    schedule.push(fetchOf(1, { id: 1 }), PATIENCE_MS);
    schedule.push(fetchOf(1, { id: 2 }), 0);
    schedule.run();
    await pass(1000);
    expect([sleeps, clock.timers]).toEqual([[], 0]);
  });

  it('looks at a closed origin again as often as it says, and for what is patient alone', async () => {
    const { schedule, close, sleeps, clock, pass, ids } = scheduleOf(16);
    close();
    schedule.push(fetchOf(1, { id: 1 }), PATIENCE_MS);
    schedule.run();
    expect([ids(), sleeps, clock.timers]).toEqual([[], [250], 1]);
    await pass(500);
    // Its first probe.
    expect(ids()).toEqual([1]);
    await pass(1000);
    expect(clock.timers).toBe(0);
    schedule.push(fetchOf(2, { id: 2 }), 0);
    schedule.run();
    expect([ids(), clock.timers]).toEqual([[1, 2], 0]);
  });

  it('has no timer when all is over', async () => {
    const { schedule, close, clock, pass, ids } = scheduleOf(16);
    close();
    schedule.push(fetchOf(1, { id: 1 }), PATIENCE_MS);
    schedule.run();
    schedule.close();
    expect(clock.timers).toBe(0);
    await pass(5000);
    expect(ids()).toEqual([]);
  });
});

describe('a job that waits for its origin', () => {
  it('gives its slot to others, and goes on before those that have not begun', () => {
    const { schedule, slots, origins, clock, ids, end } = scheduleOf(1);
    const { waiter, resumed } = waiterIn(slots.tryAcquire()!);
    schedule.push(fetchOf(1, { id: 1, store: OTHER }, { id: 2, store: OTHER }), 0);
    schedule.wait(waiter, clock.now() + 100);
    expect([waiter.slot, ids(), resumed]).toEqual([AWAY, [1], []]);
    clock.advance(100);
    end(0, OTHER);
    expect([ids(), resumed, slots.busy]).toEqual([[1], [[true, 0, null]], 1]);
    expect(origins.stats()[0]!.inFlight).toBe(1);
    end(waiter.slot);
    expect(ids()).toEqual([1, 2]);
  });

  it('goes on by the timer when its time has come', async () => {
    const { schedule, slots, clock, sleeps, pass } = scheduleOf(1);
    const { waiter, resumed } = waiterIn(slots.tryAcquire()!, 0);
    schedule.wait(waiter, clock.now() + 400);
    await pass(350);
    expect([resumed, sleeps]).toEqual([[], [400]]);
    await pass(50);
    expect(resumed).toEqual([[true, 0, null]]);
  });

  it('goes on in one turn with all others whose time has come', () => {
    const { schedule, slots, clock } = scheduleOf(2);
    const both = [waiterIn(slots.tryAcquire()!), waiterIn(slots.tryAcquire()!)];
    for (const { waiter } of both) schedule.wait(waiter, clock.now() + 100);
    clock.advance(100);
    schedule.run();
    expect(both.map(({ resumed }) => resumed.length)).toEqual([1, 1]);
  });

  it.each([
    ['its token has turned', { state: StopState.Draining }, false],
    ['it is cancelled', { state: StopState.Cancelled }, false],
    ['the worker was told to stop', { state: StopState.Live }, true],
  ])('does not begin to wait where %s, and keeps its slot', (_why, token, stopping) => {
    const { schedule, slots, state, clock } = scheduleOf(1);
    const { waiter, resumed } = waiterIn(slots.tryAcquire()!);
    waiter.token.state = token.state;
    state.stopping = stopping;
    schedule.wait(waiter, clock.now() + 100);
    expect([resumed, slots.busy, clock.timers]).toEqual([[[false, 0, null]], 1, 0]);
  });

  it('ends without a slot when its token turns, and the others go on waiting', () => {
    const { schedule, slots, clock } = scheduleOf(2);
    const [first, second] = [waiterIn(slots.tryAcquire()!), waiterIn(slots.tryAcquire()!)];
    for (const { waiter } of [first, second]) schedule.wait(waiter, clock.now() + 100);
    first.waiter.token.state = StopState.Cancelled;
    schedule.turned();
    expect([first.resumed, second.resumed, slots.busy]).toEqual([[[false, AWAY, null]], [], 0]);
  });

  it('ends without a slot when the worker is told to stop, whatever its token says', () => {
    const { schedule, slots, state, clock } = scheduleOf(2);
    const { waiter, resumed } = waiterIn(slots.tryAcquire()!);
    schedule.wait(waiter, clock.now() + 100);
    schedule.turned();
    expect(resumed).toEqual([]);
    state.stopping = true;
    schedule.turned();
    schedule.turned();
    expect(resumed).toEqual([[false, AWAY, null]]);
  });
});

describe('rows that have not begun', () => {
  it('are given back of one stream, with how that ended', () => {
    const { schedule, returned, ids, end } = scheduleOf(1);
    schedule.push(fetchOf(1, { id: 1 }, { id: 2 }), 0);
    schedule.push(fetchOf(2, { id: 3 }), 0);
    schedule.run();
    schedule.handBack(1, DoneStatus.Cancelled);
    expect([returned, schedule.rows]).toEqual([[[1, [1], DoneStatus.Cancelled, null]], 1]);
    schedule.handBack(1, DoneStatus.Left);
    expect(returned).toHaveLength(1);
    end(0);
    expect(ids()).toEqual([1, 3]);
  });

  it('and are a hedge are given back by the id of their job, and no other row is', () => {
    const { schedule, returned } = scheduleOf(1);
    schedule.slots.tryAcquire();
    schedule.push(fetchOf(1, { id: 7, flags: JobFlag.Hedge }), 0);
    schedule.push(fetchOf(1, { id: 8, flags: JobFlag.Hedge }), 0);
    schedule.push(fetchOf(1, { id: 9 }), 0);
    for (const id of [9, 70, 8, 8]) schedule.handBackHedge(id);
    expect([returned, schedule.rows]).toEqual([[[1, [0], DoneStatus.Cancelled, null]], 2]);
  });

  it('fail when their origin has refused everything for longer than they have patience; others wait on', async () => {
    const { schedule, close, origins, refuse, returned, pass, clock } = scheduleOf(1);
    // Nobody can take the probe: what waits finds out by the timer.
    const slot = schedule.slots.tryAcquire()!;
    close();
    schedule.push(fetchOf(1, { id: 1 }), PATIENCE_MS);
    schedule.push(fetchOf(2, { id: 2 }), 10 * PATIENCE_MS);
    schedule.push(fetchOf(3, { id: 3 }, { id: 4 }), 0);
    const patient = waiterIn(slot, 10 * PATIENCE_MS);
    schedule.wait(patient.waiter, 0);
    const other = schedule.slots.tryAcquire();
    expect(other).toBe(null);
    for (let passed = 0; passed < PATIENCE_MS + 1000; passed += 250) {
      await pass(250);
      if (clock.timers === 0) break;
      if (origins.enter(STORE, true)) refuse();
    }
    expect(returned).toEqual([
      [
        1,
        [0],
        DoneStatus.Failed,
        's3://shelf-2: the service has told all requests to slow down; throttleTimeoutMs is 3000. Ask it for less at a time, or wait longer',
      ],
    ]);
  });

  it('do not close an origin that answers now and then', () => {
    const { origins, refuse } = scheduleOf(1);
    for (let i = 1; i < CLOSE_AFTER; i += 1) {
      origins.enter(STORE, false);
      refuse();
    }
    expect(origins.isClosed(STORE)).toBe(false);
  });
});

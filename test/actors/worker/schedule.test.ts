import { describe, expect, it } from 'vitest';
import { newTicket } from '../../../dist/actors/worker/origins.js';
import { Schedule } from '../../../dist/actors/worker/schedule.js';
import { AWAY } from '../../../dist/actors/worker/slots.js';
import type { Waiter } from '../../../dist/actors/worker/waiting.js';
import type { TurnSignal } from '../../../dist/protocol/context.js';
import type { FetchMessage } from '../../../dist/protocol/messages.js';
import { StopState } from '../../../dist/protocol/stop.js';
import { Outcome } from '../../../dist/protocol/store.js';
import { Job, JobFlag, JOB_STRIDE, TableBuilder } from '../../../dist/protocol/tables.js';
import { createRuntimeWords } from '../../../dist/protocol/words.js';
import { handClock } from '../../protocol/hand-clock.js';

const STORE = 2;
const PATIENCE_MS = 3000;

/** A schedule with one slot, and what it began (`row`, `slot`) and gave back (`returned rows status`). */
function create() {
  const clock = handClock();
  const events: string[] = [];
  const context = {
    concurrency: 1,
    words: createRuntimeWords(),
    now: () => clock.now(),
    wallNow: () => clock.now(),
    random: () => 1,
    sleep: (ms: number, token: TurnSignal) =>
      new Promise<void>((resolve) => {
        const cancel = clock.after(ms, resolve);
        token.onTurn(() => {
          cancel();
          resolve();
        });
      }),
  };
  const schedule = new Schedule({
    context,
    stopping: false,
    begin: (_pending, row, slot) => events.push(`row ${row} in slot ${slot}`),
    returned: ({ rows }, status) => events.push(`returned ${rows.join(' ')} as ${status}`),
  });
  const { origins } = schedule;
  origins.add({ id: STORE, name: 's3://b' });
  /** The origin closes; its first probe is due half a second later. */
  const close = (): void => {
    const ticket = newTicket();
    origins.enter(STORE, false);
    ticket.held = true;
    origins.begun(STORE, ticket, 1);
    origins.ended(STORE, ticket, { outcome: Outcome.Throttled, error: null, retryAfterMs: 0 });
    origins.close(STORE, ticket, 0);
  };
  /** Time passes in small steps, and whoever waits for it goes on in between. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 50) {
      clock.advance(50);
      for (let i = 0; i < 5; i += 1) await Promise.resolve();
    }
  };
  return { schedule, origins, events, close, pass };
}

/** A row of the store for each of the flags. */
function fetchOf(...flags: readonly number[]): FetchMessage {
  const table = new TableBuilder(JOB_STRIDE);
  for (const [i, flag] of flags.entries()) {
    const base = table.addRow();
    table.set(base + Job.Id, i + 1);
    table.set(base + Job.Store, STORE);
    table.set(base + Job.Flags, flag);
  }
  return { kind: 'fetch', stream: 1, table: table.take(), open: null, stores: [] };
}

function waiterIn(slot: number): Waiter & { readonly resumed: string[] } {
  const resumed: string[] = [];
  return {
    store: STORE,
    patienceMs: PATIENCE_MS,
    token: { state: StopState.Live },
    slot,
    resumed,
    resume(entered, error) {
      resumed.push(`${entered ? 'entered' : 'out'} in ${this.slot}: ${error?.code ?? null}`);
    },
  };
}

/** Refuses every probe of the waiter, and lets it wait again, for so long. */
async function refuse(kit: ReturnType<typeof create>, waiter: ReturnType<typeof waiterIn>, ms: number) {
  const { schedule, origins, pass } = kit;
  for (let passed = 0; passed < ms; passed += 100) {
    await pass(100);
    if (waiter.resumed.at(-1)?.startsWith('entered') !== true) continue;
    waiter.resumed.pop();
    const ticket = newTicket();
    ticket.held = true;
    origins.begun(STORE, ticket, 1);
    origins.ended(STORE, ticket, { outcome: Outcome.Throttled, error: null, retryAfterMs: 0 });
    schedule.wait(waiter, 0);
  }
}

describe('a job whose patience with a closed origin runs out', () => {
  it('goes on in a slot: what it does without the answer is work like any other', async () => {
    const kit = create();
    const { schedule, close } = kit;
    const waiter = waiterIn(schedule.slots.tryAcquire()!);
    close();
    schedule.wait(waiter, 0);
    expect(waiter.slot).toBe(AWAY);
    await refuse(kit, waiter, PATIENCE_MS + 1000);
    expect(waiter.resumed).toEqual(['out in 0: Throttled']);
    expect(schedule.slots.busy).toBe(1);
    schedule.slots.release(waiter.slot);
    await schedule.slots.idle();
    schedule.close();
  });

  it('waits for a slot that is free', async () => {
    const kit = create();
    const { schedule, close, pass } = kit;
    const waiter = waiterIn(schedule.slots.tryAcquire()!);
    close();
    schedule.wait(waiter, 0);
    await refuse(kit, waiter, PATIENCE_MS - 1000);
    const other = schedule.slots.tryAcquire()!;
    await pass(3000);
    expect(waiter.resumed).toEqual([]);
    schedule.slots.release(other);
    await refuse(kit, waiter, 600);
    expect(waiter.resumed).toEqual(['out in 0: Throttled']);
    schedule.close();
  });
});

describe('a job whose bytes are there already', () => {
  it('asks its origin for nothing: it runs while that is closed, and takes no probe', async () => {
    const { schedule, origins, events, close, pass } = create();
    close();
    schedule.push(fetchOf(0, JobFlag.Landed, 0), PATIENCE_MS);
    schedule.run();
    expect(events).toEqual(['row 1 in slot 0']);
    schedule.slots.release(0);
    expect(events).toHaveLength(1);
    await pass(600);
    expect(events.slice(1)).toEqual(['row 0 in slot 0']);
    expect(origins.stats()[0]!.inFlight).toBe(1);
    schedule.close();
  });
});

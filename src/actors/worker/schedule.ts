/**
 * Which of a worker's jobs runs next: from the backlog, or of those that have begun and wait for their origin.
 *
 * Invariants:
 * 1. A job runs in a slot, and begins when its origin lets it in; one whose origin does not is passed by those of others.
 * 2. A job that waits has no slot, and there is one timer for all that do. Nothing is looked at more often than `Origins`
 *    says, but for a reason: a slot or a place that is free again, a message, a turn.
 * 3. What is handed back or fails here has not begun an attempt since it was taken out.
 * 4. Whoever goes on after a wait has a slot, whether its origin let it in or not: there may be work for it all the same. Only
 *    what is stopped ends without one.
 */
import type { WorkerContext } from '../../protocol/context.js';
import type { MillraceError } from '../../protocol/errors.js';
import type { JobMessage } from '../../protocol/messages.js';
import { StopState } from '../../protocol/stop.js';
import { DoneStatus } from '../../protocol/tables.js';
import { Alarm } from './alarm.js';
import { Backlog, isHedge, NO_ORIGIN, type Entry, type Pending, type Withdrawn } from './backlog.js';
import { Origins } from './origins.js';
import { ranOut } from './retry.js';
import { AWAY, Slots } from './slots.js';
import { Waiting, type Waiter } from './waiting.js';

export interface ScheduleDeps {
  readonly context: Pick<WorkerContext, 'concurrency' | 'now' | 'random' | 'sleep' | 'words'>;
  /** Whether the worker was told to stop. */
  readonly stopping: boolean;
  /** The row runs in that slot from now on, until `slots.release`. */
  begin(pending: Pending, row: number, slot: number): void;
  /** Rows that were not begun, and will not be. */
  returned(withdrawn: Withdrawn, status: DoneStatus, error: MillraceError | null): void;
}

export class Schedule {
  readonly slots: Slots;
  readonly origins: Origins;
  readonly #deps: ScheduleDeps;
  readonly #backlog = new Backlog();
  readonly #waiting: Waiting;
  readonly #alarm: Alarm;
  /** Made once for all jobs, not once for each. */
  readonly #enter = (store: number, patient: boolean): boolean => {
    const enters = store === NO_ORIGIN || this.origins.enter(store, patient);
    if (!enters && patient) this.#refused = true;
    return enters;
  };
  /** An origin has refused a row of the backlog, perhaps because it is closed. */
  #refused = false;
  #running = false;

  constructor(deps: ScheduleDeps) {
    this.#deps = deps;
    this.slots = new Slots(deps.context.concurrency, () => this.run());
    this.origins = new Origins(deps.context, () => this.run());
    this.#waiting = new Waiting(this.origins);
    this.#alarm = new Alarm(deps.context, () => this.#look());
  }

  /** Rows that have not begun. */
  get rows(): number {
    return this.#backlog.rows;
  }

  /** `patienceMs`: how long its jobs may be told to slow down, from when their stream came. Begins nothing by itself. */
  push(message: JobMessage, patienceMs: number, streamSinceMs?: number): void {
    this.#backlog.push(message, patienceMs, this.#deps.context.now(), streamSinceMs);
  }

  /** Begins what there are slots for, and what its origin lets in. */
  run(): void {
    // A job may end before its begin returns: what that frees is seen by the loop which is under way, however many do.
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.slots.hasFree && this.#next());
    } finally {
      this.#running = false;
    }
    this.#setAlarm();
  }

  /** The waiter gives up its slot until its origin lets it in, not before `dueAtMs` of the clock. */
  wait(waiter: Waiter, dueAtMs: number): void {
    if (this.#deps.stopping || waiter.token.state !== StopState.Live) return waiter.resume(false, null);
    const { slot } = waiter;
    waiter.slot = AWAY;
    this.#waiting.add(waiter, dueAtMs, this.#deps.context.now());
    this.slots.leave(slot);
  }

  /** Reports the rows of a stream that have not begun. */
  handBack(stream: number, status: DoneStatus): void {
    for (const withdrawn of this.#backlog.withdraw(({ pending }) => pending.message.stream === stream)) {
      this.#deps.returned(withdrawn, status, null);
    }
  }

  /** Reports a hedge that has not begun; nothing happens when it is not here. */
  handBackHedge(job: number): void {
    for (const withdrawn of this.#backlog.withdraw(({ pending }) => isHedge(pending.message, job))) {
      this.#deps.returned(withdrawn, DoneStatus.Cancelled, null);
    }
  }

  /** A token has turned, a job was revoked, or the worker stops: whoever waits in vain goes on to its end. */
  turned(): void {
    const turned = this.#deps.stopping ? this.#waiting.all() : this.#waiting.turned();
    for (const waiter of turned) waiter.resume(false, null);
  }

  /** Nothing is left. */
  close(): void {
    this.#alarm.turnOff();
  }

  #next(): boolean {
    // Who has begun before goes first: there is less of it left.
    const waiter = this.#waiting.count === 0 ? null : this.#waiting.next(this.#deps.context.now());
    if (waiter !== null) {
      waiter.slot = this.slots.comeBack();
      waiter.resume(true, null);
      return true;
    }
    const entry = this.#backlog.next(this.#enter);
    if (entry === null) return false;
    const slot = this.slots.tryAcquire()!;
    this.#deps.begin(entry.pending, this.#backlog.begin(entry), slot);
    return true;
  }

  /** What waits for a time, or for a closed origin, is looked at again then. */
  #setAlarm(): void {
    if (this.#waiting.count === 0 && !this.#refused) return;
    this.#refused = false;
    const nowMs = this.#deps.context.now();
    this.#alarm.set(this.#waiting.lookAtMs(nowMs));
    for (const store of this.#backlog.patientStores) {
      if (this.origins.isClosed(store)) this.#alarm.set(nowMs + this.origins.lookAfterMs(store));
    }
  }

  #look(): void {
    while (this.slots.hasFree) {
      const waiter = this.#waiting.runOut();
      if (waiter === null) break;
      waiter.slot = this.slots.comeBack();
      waiter.resume(false, ranOut(this.origins.nameOf(waiter.store), waiter.patienceMs));
    }
    const hasRunOut = (entry: Entry): boolean => this.origins.hasRunOut(entry.store, entry, entry.cameAtMs);
    for (const withdrawn of this.#backlog.withdraw(hasRunOut)) {
      const { store, patienceMs } = withdrawn;
      const error = ranOut(this.origins.nameOf(store), patienceMs);
      this.#deps.returned(withdrawn, DoneStatus.Failed, error);
    }
    this.run();
  }
}
